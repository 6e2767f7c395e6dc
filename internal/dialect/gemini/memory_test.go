package gemini

import (
	"reflect"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"
)

// Memory that is kept for the next request or answer points to nothing of the one before.
func TestNothingIsKept(t *testing.T) {
	t.Parallel()
	for _, document := range plainRequests {
		var w wireRequest
		if jsonread.Plain([]byte(document), &w, jsonread.AnyCase, (*wireRequest).readPlain) && len(w.Contents) > 0 {
			w.free()
			holdsNothing(t, document, reflect.ValueOf(&w))
		}
	}
	for _, document := range plainAnswers {
		d := decoder{}
		if _, err := d.Decode([]byte(document), func(*llm.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		d.free()
		holdsNothing(t, document, reflect.ValueOf(&d))
	}
	call := llm.Call{ID: "1", Name: "f", Input: `{"a":1}`}
	e := requestEncoder{names: map[string]*llm.Call{}, in: &llm.Request{MaxTokens: 5, Tools: []llm.Tool{{Name: "f", Schema: llm.JSON(`{"type":"object"}`)}, {Vendor: llm.Gemini, Raw: llm.JSON(`{"a":{}}`)}},
		Messages: []llm.Message{{Role: llm.System, Blocks: []llm.Block{{Kind: llm.Text, Text: "s"}}}, {Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}},
			{Role: llm.Assistant, Blocks: []llm.Block{{Kind: llm.ToolCall, Call: call}}},
			{Role: llm.User, Blocks: []llm.Block{{Kind: llm.ToolResult, Result: &llm.Result{CallID: "1", Content: []llm.Block{{Kind: llm.Text, Text: "r"}}}}}}}}}
	if err := e.encode(); err != nil || len(e.room.calls.all) == 0 || len(e.room.results.all) == 0 || len(e.room.functions.all) == 0 {
		t.Fatalf("%v; the room has %+v", err, e.room)
	}
	e.empty()
	holdsNothing(t, "what is written", reflect.ValueOf(&e))
	if e.target != (dialect.Target{}) {
		t.Error("the target is kept")
	}
}

// holdsNothing checks that there are no texts and no values in what is kept, up to its capacity.
func holdsNothing(t *testing.T, of string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			holdsNothing(t, of, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			holdsNothing(t, of, v.Field(i))
		}
	case reflect.Slice:
		switch v.Type().Elem().Kind() {
		case reflect.Uint8:
			if !v.IsNil() {
				t.Errorf("%s: %q is kept", of, v.Bytes())
			}
		case reflect.Uint64: // no text: where its characters begin
		default:
			for i := range v.Cap() {
				holdsNothing(t, of, v.Slice(0, v.Cap()).Index(i))
			}
		}
	case reflect.String, reflect.Map:
		if v.Len() > 0 {
			t.Errorf("%s: %v is kept", of, v)
		}
	}
}
