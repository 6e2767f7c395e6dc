package anthropic

import (
	"bytes"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	checkRequest = readtest.Of(0, readOwning)
	checkTool    = readtest.Of(0, (*wireTool).readPlain)
	checkEvent   = readtest.Of(jsonread.Repeats|jsonread.Small, (*wireEvent).readPlain, lenient)
	checkAnswer  = readtest.Of(jsonread.Repeats, (*wireMessageOut).readPlain, lenient)
	checkSchema  = readtest.Of(jsonread.Repeats, (*wireSchema).readPlain, lenient)
	messagesAPIs = []string{"messages", "rawpredict", "streamrawpredict"}
)

var plainRequests = []string{
	`{"model":"m","max_tokens":5,"system":[{"type":"text","text":"s\n","cache_control":{"type":"ephemeral","ttl":"1h"}}],"stream":true,"messages":[{"role":"user","content":"é\u00e9"},
		{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"x","citations":null},{"type":"tool_use","id":"c","name":"f","input":{"a" : 1},"caller":{"type":"direct"}},{"type":"server_tool_use","id":"x","input":{}, "name":"y"}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}],"is_error":false},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},
			{"type":"document", "title":"t","context":null,"source":{"type":"text","data":"x"},"citations":{"enabled":true}}]}],
	"tools":[{"name":"f","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":2048},
	"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}},"x":1},"stop_sequences":["a"],"temperature":1,"top_p":0.5,"top_k":3,"metadata":{"user_id":"u","x":[1]},"service_tier":"auto","context_management":{"edits":[]},"other":null}`,
	`{"model":"m","max_tokens":1.0,"messages":[{"role":"user","content":7}]}`, `{"messages":[{"role":"user","content":[{"text":"no type"}]}]}`,
}

var plainTools = []string{`{"name":"f","description":"d","input_schema":{"type":"object","properties":{}},"strict":true,"cache_control":{"type":"ephemeral"},"defer_loading":true}`, `{"type":"custom","name":null}`}

var plainAnswers = []string{
	`{"type":"message","id":"m","model":"c","role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"explanation":"x","type":"y"},"usage":{"input_tokens":1,"output_tokens":2}}`,
	`{"type":"message","content":null,"content":[]}`,
}

var plainEvents = []string{
	`{"type":"message_start","message":{"id":"m","type":"message","model":"c","content":[],"stop_reason":null,"usage":{"input_tokens":1}}}`,
	`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a\n"}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a"}}`,
	`{"type":"content_block_delta","index":99,"delta":{"type":"thinking_delta","thinking":"hm"}} `, `{"type":"content_block_delta","index":100,"delta":{"type":"text_delta","text":"a"}}`,
	`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"}  }"} 	} `, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"},"x":{}}`,
	`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"stop_details":null},"usage":{"output_tokens":5}}`, `{"type":"ping"}`, `{"type":"message_stop"}`,
}

var plainSchemas = []string{`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, `{"anyOf":[{"type":"object"}]}`, `{"type" : ["object", "null"]}`, `{}`}

// readOwning reads a request whose blocks share no memory with it.
func readOwning(w *wireRequest, r *jsonread.Reader) {
	w.readPlain(r)
	w.System.own()
	for _, m := range w.Messages {
		m.Content.own()
	}
}

func (c content) own() {
	for i := range c {
		c[i].raw = c[i].raw.Clone()
		c[i].Content.blocks.own()
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	readtest.Try(t, readtest.Seeds(t, true, messagesAPIs, plainRequests...), 85, checkRequest)
	readtest.Try(t, readtest.Seeds(t, true, nil, plainTools...), 100, checkTool)
	readtest.Try(t, readtest.Seeds(t, false, messagesAPIs, plainEvents...), 95, checkEvent)
	readtest.Try(t, readtest.Seeds(t, false, messagesAPIs, plainEvents...), 80, checkPiece)
	readtest.Try(t, readtest.Seeds(t, false, messagesAPIs, plainAnswers...), 95, checkAnswer)
	readtest.Try(t, readtest.Seeds(t, false, nil, plainSchemas...), 100, checkSchema)
}

// Requests, and events of a stream, are read into the memory of those before. What is empty is as good as what is not there.
func TestPlainAgain(t *testing.T) {
	t.Parallel()
	readtest.Again(t, readtest.Seeds(t, true, messagesAPIs, plainRequests...), 0, (*wireRequest).readPlain, func(_, _ *wireRequest) {})
	readtest.Again(t, readtest.Seeds(t, false, messagesAPIs, plainEvents...), jsonread.Repeats|jsonread.Small, (*wireEvent).readPlain, func(_, _ *wireEvent) {})
}

// checkPiece checks that an event which readPiece takes is what readPlain makes of it, whatever was read before.
func checkPiece(t rapid.TB, event []byte) bool {
	t.Helper()
	event = bytes.TrimPrefix(event, []byte(" ")) // which stands in front of it in a stream
	before, read := string(event), false
	for _, other := range plainEvents {
		var got, want wireEvent
		_ = got.readPiece([]byte(other)) || jsonread.Plain([]byte(other), &got, jsonread.Repeats|jsonread.Small, (*wireEvent).readPlain)
		copy(event, before)
		if read = got.readPiece(event); !read {
			continue
		}
		if !jsonread.Plain(event, &want, jsonread.Repeats|jsonread.Small, (*wireEvent).readPlain) {
			t.Fatalf("%s is read, but it is odd", event)
		}
		clear(event) // texts must have memory of their own
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.AllowUnexported(wireMessageOut{}, wireDelta{}), cmpopts.IgnoreUnexported(wireEvent{})); diff != "" {
			t.Fatalf("%s is read behind %s as something else (-want +got):\n%s", before, other, diff)
		}
	}
	return read
}

func FuzzPlainRequest(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, plainRequests...), checkRequest)
}

func FuzzPlainEvent(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainEvents...), checkEvent)
}

func FuzzPiece(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainEvents...), checkPiece)
}
