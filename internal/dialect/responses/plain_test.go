package responses

import (
	"slices"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"

	"pgregory.net/rapid"
)

var (
	checkRequest = readtest.Of(0, (*request).readPlain, callers)
	checkItem    = readtest.Of(jsonread.Within, (*item).readPlain, upstreams)
	checkParts   = readtest.Of(jsonread.Within, readParts, upstreams)
	checkTool    = readtest.Of(jsonread.Within, (*tool).readPlain, callers)
	checkEvent   = readtest.Of(jsonread.Repeats|jsonread.Small, (*event).readPlain, upstreams)
	checkHead    = readtest.Of(jsonread.Repeats, (*answerHead).readPlain, upstreams)
)

var plainRequests = []string{
	`{"model":"m","stream":true,"instructions":"s\n","input":[{"role":"user","content":"é"},{"type":"function_call_output","call_id":"c","output":"r"}],"tools":[{"type":"function","name":"f","parameters":{}},null],"tool_choice":"auto",
	"parallel_tool_calls":null,"text":{"format":{"type":"json_schema","name":"n","schema":{},"strict":true},"verbosity":"low","x":1},"reasoning":{"effort":"low","summary":"auto","generate_summary":null,"y":2},"max_output_tokens":5,
	"temperature":0.5,"top_p":1,"top_logprobs":3,"include":["a"],"metadata":{"a":"b"},"store":false,"previous_response_id":null,"truncation":"auto","background":false,"conversation":{"id":"x"}}`,
	`{"model":"m","input":{"a":1,"a":2}}`, `{"model":"m","input":null,"max_output_tokens":1.5}`,
}

var plainItems = []string{
	`{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a","annotations":[]}],"phase":"commentary"}`,
	`{"type":"function_call","call_id":"c","name":"f","namespace":"n","arguments":"{\"a\":1}","input":null}`, `{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"}]}`,
	`{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"e","content":null}`, `{"type":"x","input":{"a":1}}`,
}

var plainParts = []string{
	`[{"type":"output_text","text":"a\n","annotations":[{"type":"url_citation","start_index":1}],"logprobs":[{"token":"a","bytes":[97],"logprob":-0.5,"top_logprobs":[{"token":"b","bytes":null,"logprob":-1}]}]},{"type":"refusal","refusal":"no"}]`,
	`[{"type":"input_image","image_url":"https://x","detail":"auto"},{"type":"input_file","file_id":"f","filename":"n","file_data":"x","file_url":null},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},{"type":"input_text","text":null,"prompt_cache_breakpoint":{}}]`,
	`"text"`, `null`,
}

var plainTools = []string{
	`{"type":"function","name":"f","description":null,"parameters":{"type":"object"},"strict":true,"defer_loading":true}`, `{"type":"custom","name":"g","format":{"type":"text"}}`,
	`{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]}`, `{"type":"mcp","server_label":"l","tools":7}`,
}

var plainEvents = []string{
	`{"type":"response.output_text.delta","sequence_number":4,"item_id":"m","output_index":0,"content_index":0,"delta":" a","logprobs":[],"obfuscation":"x"}`,
	`{"type":"response.created","response":{"id":"r","created_at":1.0,"status":"in_progress","model":"m","output":[],"usage":null}}`,
	`{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[]}}`, `{"type":"error","error":{"a":1},"code":null}`, `{"type":"response.output_text.annotation.added","annotation":{"type":"x"}}`,
	`{"type":"response.reasoning_summary_text.delta","summary_index":1,"delta":"\n"}`,
}

var plainHeads = []string{
	`{"id":"r","model":"m","created_at":1700000000,"service_tier":"default","status":"incomplete","output":[{"type":"message"}],"incomplete_details":{"reason":"max_output_tokens","x":1},"usage":{"input_tokens":1},"error":null}`,
}

func TestPlain(t *testing.T) {
	t.Parallel()
	apis := []string{"responses"}
	readtest.Try(t, readtest.Seeds(t, true, apis, plainRequests...), 70, checkRequest)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainItems...), 80, checkItem)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainParts...), 75, checkParts)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainTools...), 75, checkTool)
	readtest.Try(t, readtest.Seeds(t, false, apis, plainEvents...), 95, checkEvent)
	readtest.Try(t, readtest.Seeds(t, false, apis, plainHeads...), 90, checkHead)
}

// Events of a stream are read into the memory of those before.
func TestPlainAgain(t *testing.T) {
	t.Parallel()
	readtest.Again(t, readtest.Seeds(t, false, []string{"responses"}, plainEvents...), jsonread.Repeats|jsonread.Small, (*event).readPlain, func(_, _ *event) {})
}

func FuzzPlainRequest(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, plainRequests...), checkRequest)
}

func FuzzPlainItem(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, append(plainItems, plainTools...)...), func(t rapid.TB, document []byte) bool {
		return checkItem(t, slices.Clone(document)) && checkTool(t, document)
	})
}

func FuzzPlainEvent(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainEvents...), checkEvent)
}
