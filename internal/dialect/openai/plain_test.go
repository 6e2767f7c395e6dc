package openai

import (
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"
)

var (
	checkRequest = readtest.Of(0, (*request).readPlain)
	checkAnswer  = readtest.Of(jsonread.Repeats|jsonread.Small, (*answer).readPlain, jsonIn)
	chatAPIs     = []string{"chat/completions"}
)

var plainRequests = []string{
	`{"model":"m","messages":[{"role":"system","content":"é\n\u00e9"},{"role":"user","name":"n","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},
		{"type":"image_url","image_url":{"url":"https://x","detail":"low"}},{"type":"image_url","image_url":"https://x"},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},{"cachePoint":{"type":"default"}},
		{"type":"file","file":{"file_id":"f"}},{"type":"other","x":{"y":[1]}}]},
		{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"d","type":"custom","custom":{"name":"g","input":"x"}},{"id":"e","function":{"name":"f","arguments":{"a":1}}}],
		"reasoning_content":"t","reasoning_details":[{"type":"reasoning.text","text":"t","index":0,"extra":1}],"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}]},
		{"role":"tool","tool_call_id":"c","content":"r"}],
	"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"string"}}},"strict":true}},{"type":"custom","custom":{"name":"g","format":{"type":"text"}}}],
	"tool_choice":"auto","parallel_tool_calls":false,"stream":true,"stream_options":{"include_usage":true,"x":1},"max_tokens":5,"n":1,"stop":"a","temperature":0.5,"seed":7,"logit_bias":{"1":2},
	"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{},"strict":true}},"modalities":["text"],"audio":{"voice":"v","format":"mp3"},"metadata":{"a":"b"},"store":null,"unknown":{"a":[null]},"reasoning":{"effort":"low","enabled":true}}`,
	`{"model":"m","messages":[{"role":"user","content":"x"}],"stop":["a","b"],"tool_choice":{"type":"function","function":{"name":"f"}}}`,
	` { "model" : "m" , "messages" : [ ] } `,
}

var plainAnswers = []string{
	`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}`,
	`{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{\"a"}}]},"finish_reason":null}],"usage":null}`,
	`{"id":"c","created":1,"model":"m","service_tier":"default","choices":[{"index":0,"message":{"role":"assistant","content":"hi \ud83d\ude00","annotations":[],"audio":{"id":"a","data":"AA==","transcript":"t"},"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},"logprobs":{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]},"finish_reason":"stop","stop_reason":5}],
	"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":1}},"x_groq":{"usage":{"prompt_tokens":1}},"error":null}`,
	`{"id":"c","choices":[],"usage":{"prompt_tokens":1.5}}`,
	`{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":2,"image_tokens":3,"cache_write_tokens":4,"x":{}},
	"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":6,"image_tokens":null,"cached_tokens":8},"cached_tokens":1e2,"cost":{"a":1,"a":2}}}`,
	`{"choices":[{"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[null,-1],"top_logprobs":[{"a":-1},null]}}],"error":{"a":1,"a":2}}`,
}

func TestPlain(t *testing.T) {
	t.Parallel()
	readtest.Try(t, readtest.Seeds(t, true, chatAPIs, plainRequests...), 90, checkRequest)
	readtest.Try(t, readtest.Seeds(t, false, chatAPIs, plainAnswers...), 90, checkAnswer)
}

// Each count is read by its name, as a watch reads it.
func TestPlainCounts(t *testing.T) {
	t.Parallel()
	for name := range reportNames {
		outer, inner, nested := strings.Cut(name, ".")
		for _, value := range []string{"7", "7.0", "-1", "null", `"7"`, "{}", "123456789012345678901", "1" + strings.Repeat("0", 70)} {
			body := `{"usage":{"` + name + `":` + value + `}}`
			if nested {
				body = `{"usage":{"` + outer + `":{"` + inner + `":` + value + `}}}`
			}
			if plain := checkAnswer(t, []byte(body)); plain != (len(value) <= len("null") && value[0] != '"' && value != "{}") {
				t.Errorf("%s is plain: %t", body, plain)
			}
		}
		checkAnswer(t, []byte(`{"usage":{"`+outer+`":[7]}}`))
	}
}

// Requests and the events of a stream are read into the memory of those before.
func TestPlainAgain(t *testing.T) {
	t.Parallel()
	readtest.Again(t, readtest.Seeds(t, true, chatAPIs, plainRequests...), 0, (*request).readPlain, func(_, _ *request) {})
	readtest.Again(t, readtest.Seeds(t, false, chatAPIs, plainAnswers...), jsonread.Repeats|jsonread.Small, (*answer).readPlain, func(_, _ *answer) {})
}

func FuzzPlainRequest(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, plainRequests...), checkRequest)
}

func FuzzPlainAnswer(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainAnswers...), checkAnswer)
}
