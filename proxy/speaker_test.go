package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// A speaker is one dialect, as callers ask and vendors answer in it: "Hello" for 100 tokens in and 20 out, or a call of
// the tool "look" with {"at":"sea"}.
type speaker struct {
	name             string
	base             string // what a provider's URL ends with
	whole, stream    string // path and body of a request; body has %s where further fields go
	ask, askStream   string
	key              string // header of the key, beside the bearer token
	answer, call     string // whole answers
	head, word, tail string // of a stream
	callStream       string
	oops             string // error in the middle of a stream
	refusal          string // body of an error answer: slow down
	read             func(t *testing.T, body string) reply
	readStream       func(t *testing.T, body string) reply
}

// A reply is what a caller's client makes of an answer.
type reply struct {
	text, tool, input string
	in, out           int
	ended             bool // the stream says that it is whole
	err               string
}

func data(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		var typed struct{ Type string }
		if json.Unmarshal([]byte(e), &typed) == nil && typed.Type != "" {
			b.WriteString("event: " + typed.Type + "\n")
		}
		b.WriteString("data: " + e + "\n\n")
	}
	return b.String()
}

var speakers = []*speaker{
	{
		name: llm.OpenAI, base: "/v1", whole: "/v1/chat/completions", stream: "/v1/chat/completions",
		ask:       `{"model":"m","messages":[{"role":"user","content":"hello there"}]%s}`,
		askStream: `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello there"}]%s}`,
		answer:    completion,
		call: `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"at\":\"sea\"}"}}]},"finish_reason":"tool_calls"}],` +
			`"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}`,
		head: role, word: word, tail: end + tokens + done,
		callStream: role + data(
			`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":""}}]}}]}`,
			`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"at\":"}}]}}]}`,
			`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"sea\"}"}}]}}]}`,
			`{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`) + tokens + done,
		oops:    data(`{"error":{"message":"gone","type":"server_error","code":null}}`),
		refusal: `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`,
		read:    readChat, readStream: readChatStream,
	},
	{
		name: llm.Responses, base: "/v1", whole: "/v1/responses", stream: "/v1/responses",
		ask:       `{"model":"m","input":"hello there","store":false%s}`,
		askStream: `{"model":"m","stream":true,"input":"hello there","store":false%s}`,
		answer: `{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","model":"up-m","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}],` +
			`"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":0},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":120}}`,
		call: `{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","model":"up-m","output":[{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"look","arguments":"{\"at\":\"sea\"}"}],` +
			`"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":0},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":120}}`,
		head: data(`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress","model":"up-m","output":[]}}`,
			`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}`,
			`{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`),
		word: data(`{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hello"}`),
		tail: data(`{"type":"response.output_text.done","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello"}`,
			`{"type":"response.content_part.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[]}}`,
			`{"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}}`,
			`{"type":"response.completed","sequence_number":7,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","model":"up-m","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120}}}`),
		callStream: data(`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress","model":"up-m","output":[]}}`,
			`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"function_call","id":"fc_1","status":"in_progress","call_id":"call_1","name":"look","arguments":""}}`,
			`{"type":"response.function_call_arguments.delta","sequence_number":2,"item_id":"fc_1","output_index":0,"delta":"{\"at\":"}`,
			`{"type":"response.function_call_arguments.delta","sequence_number":3,"item_id":"fc_1","output_index":0,"delta":"\"sea\"}"}`,
			`{"type":"response.function_call_arguments.done","sequence_number":4,"item_id":"fc_1","output_index":0,"arguments":"{\"at\":\"sea\"}"}`,
			`{"type":"response.output_item.done","sequence_number":5,"output_index":0,"item":{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"look","arguments":"{\"at\":\"sea\"}"}}`,
			`{"type":"response.completed","sequence_number":6,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"completed","model":"up-m","output":[{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"look","arguments":"{\"at\":\"sea\"}"}],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120}}}`),
		oops:    data(`{"type":"error","sequence_number":9,"code":"server_error","message":"gone","param":null}`),
		refusal: `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`,
		read:    readResponse, readStream: readResponseStream,
	},
	{
		name: llm.Anthropic, base: "", whole: "/v1/messages", stream: "/v1/messages", key: "X-Api-Key",
		ask:       `{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"hello there"}]%s}`,
		askStream: `{"model":"m","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"hello there"}]%s}`,
		answer:    `{"id":"msg_1","type":"message","role":"assistant","model":"up-m","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":20}}`,
		call:      `{"id":"msg_1","type":"message","role":"assistant","model":"up-m","content":[{"type":"tool_use","id":"toolu_1","name":"look","input":{"at":"sea"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":20}}`,
		head: data(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"up-m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"ping"}`),
		word: data(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`),
		tail: data(`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":20}}`, `{"type":"message_stop"}`),
		callStream: data(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"up-m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"at\":"}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"sea\"}"}}`,
			`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":20}}`, `{"type":"message_stop"}`),
		oops:    data(`{"type":"error","error":{"type":"api_error","message":"gone"}}`),
		refusal: `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"},"request_id":"req_theirs"}`,
		read:    readMessage, readStream: readMessageStream,
	},
	{
		name: llm.Gemini, base: "/v1beta", whole: "/v1beta/models/m:generateContent", stream: "/v1beta/models/m:streamGenerateContent?alt=sse", key: "X-Goog-Api-Key",
		ask:       `{"contents":[{"role":"user","parts":[{"text":"hello there"}]}]%s}`,
		askStream: `{"contents":[{"role":"user","parts":[{"text":"hello there"}]}]%s}`,
		answer:    `{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120},"modelVersion":"up-m","responseId":"r1"}`,
		call:      `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":{"at":"sea"}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120},"modelVersion":"up-m","responseId":"r1"}`,
		word:      data(`{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"totalTokenCount":100},"modelVersion":"up-m","responseId":"r1"}`),
		tail:      data(`{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120},"modelVersion":"up-m","responseId":"r1"}`),
		callStream: data(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"look","args":{"at":"sea"}}}],"role":"model"},"index":0}],"modelVersion":"up-m","responseId":"r1"}`,
			`{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120},"modelVersion":"up-m","responseId":"r1"}`),
		oops:    data(`{"error":{"code":500,"message":"gone","status":"INTERNAL"}}`),
		refusal: `{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}`,
		read:    readContent, readStream: readContentStream,
	},
}

// fill puts further fields into a request.
func fill(request, extra string) string { return strings.Replace(request, "%s", extra, 1) }

// tools are the fields that offer the tool.
var lookTool = map[string]string{
	llm.OpenAI:    `,"tools":[{"type":"function","function":{"name":"look","description":"d","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}}]`,
	llm.Responses: `,"tools":[{"type":"function","name":"look","description":"d","parameters":{"type":"object","properties":{"at":{"type":"string"}}},"strict":false}]`,
	llm.Anthropic: `,"tools":[{"name":"look","description":"d","input_schema":{"type":"object","properties":{"at":{"type":"string"}}}}]`,
	llm.Gemini:    `,"tools":[{"functionDeclarations":[{"name":"look","description":"d","parameters":{"type":"OBJECT","properties":{"at":{"type":"STRING"}}}}]}]`,
}

// speaking makes a world's providers speak a dialect each.
func speaking(names ...string) func(*proxy.Options, *snapshot.Contents) {
	return func(_ *proxy.Options, c *snapshot.Contents) {
		for i, name := range names {
			p := c.Providers[i]
			p.Dialect = name
			p.BaseURL.Path = speakerOf(name).base
		}
	}
}

func speakerOf(name string) *speaker {
	for _, s := range speakers {
		if s.name == name {
			return s
		}
	}
	panic("no speaker " + name)
}

// says makes a request of the dialect, streamed or not.
func (w *world) says(s *speaker, stream bool, extra string, headers ...string) answered {
	w.t.Helper()
	return w.do(w.asking(s, stream, extra, headers...))
}

func (w *world) asking(s *speaker, stream bool, extra string, headers ...string) *http.Request {
	w.t.Helper()
	path, body := s.whole, s.ask
	if stream {
		path, body = s.stream, s.askStream
	}
	return w.request(strings.TrimPrefix(path, "/v1"), fill(body, extra), headers...)
}

// reads is what the dialect's client makes of an answer.
func (s *speaker) reads(t *testing.T, stream bool, body string) reply {
	t.Helper()
	if stream {
		return s.readStream(t, body)
	}
	return s.read(t, body)
}

// answers is a vendor's answer in the dialect.
func (s *speaker) answers(stream bool) http.HandlerFunc {
	if stream {
		return events(s.head, s.word, s.tail)
	}
	return answer(s.answer)
}

func (s *speaker) calls(stream bool) http.HandlerFunc {
	if stream {
		return events(s.callStream)
	}
	return answer(s.call)
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
}

// dataOf are the data of the events of a stream.
func dataOf(t *testing.T, body string) []string {
	t.Helper()
	var list []string
	for _, event := range strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n\n") {
		for _, line := range strings.Split(event, "\n") {
			if d, ok := strings.CutPrefix(line, "data: "); ok {
				list = append(list, d)
			} else if line != "" && !strings.HasPrefix(line, "event: ") && !strings.HasPrefix(line, ":") {
				t.Errorf("a line %q in the stream", line)
			}
		}
	}
	return list
}
