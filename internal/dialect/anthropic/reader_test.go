package anthropic

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread/readtest"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// TestUsedMemoryIsEmpty: memory that waits for the next request keeps nothing of the one before alive.
func TestUsedMemoryIsEmpty(t *testing.T) {
	t.Parallel()
	for _, body := range readtest.Seeds(t, true, messagesAPIs, plainRequests...).All {
		p, err := readRequest(body)
		if err != nil {
			continue
		}
		r := &llm.Request{}
		if err := p.messages(r); err != nil {
			p.blocks.err = nil
		}
		p.empty()
		checkEmpty(t, reflect.ValueOf(p).Elem(), "requestReader")

		if r, err = (Dialect{}).DecodeRequest(body, dialect.At{}); err != nil {
			continue
		}
		for _, caller := range []string{llm.OpenAI, llm.Anthropic} {
			r.Dialect = caller
			w := newRequestWriter(r, dialect.Target{Model: "m"})
			w.decide()
			w.prompt()
			w.empty()
			checkEmpty(t, reflect.ValueOf(w).Elem(), "requestWriter")
		}
	}
}

// checkEmpty fails where a value leads to anything but memory that is empty, up to the capacity of its lists.
func checkEmpty(t *testing.T, v reflect.Value, place string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			checkEmpty(t, v.Field(i), place+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Len() == 0 {
			return
		}
		for i := range v.Cap() {
			checkEmpty(t, v.Slice(0, v.Cap()).Index(i), place+"[]")
		}
	case reflect.Array:
		for i := range v.Len() {
			checkEmpty(t, v.Index(i), place+"[]")
		}
	case reflect.Map:
		if v.Len() > 0 {
			t.Errorf("%s has %d entries", place, v.Len())
		}
	default:
		if !v.IsZero() {
			t.Errorf("%s is %v", place, v)
		}
	}
}

// TestInput: arguments are written as package json would have it, whatever way they were looked at.
func TestInput(t *testing.T) {
	t.Parallel()
	parts := []string{"{", "}", "[", "]", `"a"`, ":", ",", "1", "-0", "1e5", "01", "true", "nul", " ", "\n", `"\u00e9"`, `"\ud800"`, "\"\xff\"", `{"a":1,"a":2}`, `{"a":{}}`, `\`}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8).Draw(t, "parts"), "")
		input, want := llm.JSON(text), text
		switch {
		case strings.TrimSpace(text) == "":
			want = "{}"
		case !input.IsValid(lenient):
			want = `{"invalid_json":` + string(quote(text)) + "}"
		case input.Kind() != '{':
			want = `{"value":` + text + "}"
		}
		if got := string(appendInput([]byte("x"), &llm.Call{Input: text})); got != "x"+want {
			t.Fatalf("%q is written as %s, want %s", text, got, want)
		}
	})
}

// TestObjectSchemas: a schema that begins with its type is not looked into, and would stay as it is if it were.
func TestObjectSchemas(t *testing.T) {
	t.Parallel()
	seeds := readtest.Seeds(t, false, nil, append(plainSchemas, `{"type":null}`, `{"type":"object","type":null}`, `{ "a":1 }`)...)
	readtest.Try(t, seeds, 100, func(t rapid.TB, schema []byte) bool {
		t.Helper()
		want := string(schema)
		inner, ok := strings.CutPrefix(strings.TrimSpace(want), "{")
		kind, known := schemaType(schema)
		switch {
		case !ok, strings.TrimSpace(inner) == "}":
			want = `{"type":"object","properties":{}}`
		case known && len(kind) == 0:
			want = `{"type":"object",` + inner
		}
		if got := string(objectSchema(schema)); got != want {
			t.Fatalf("%s becomes %s, want %s", schema, got, want)
		}
		return true
	})
}

// TestManyCalls: a result that is far from its call is found by an index, and is the one that is found by looking.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SampledFrom([]string{"a", "b", "c", ""})
		var near, far []turn
		for range rapid.IntRange(1, 8).Draw(t, "turns") {
			var blocks []*llm.Block
			for range rapid.IntRange(0, 6).Draw(t, "blocks") {
				id := ids.Draw(t, "id")
				blocks = append(blocks, rapid.SampledFrom([]*llm.Block{
					{Kind: llm.Text}, {Kind: llm.ToolCall, Call: llm.Call{ID: id}}, {Kind: llm.ToolResult, Result: &llm.Result{CallID: id}},
				}).Draw(t, "block"))
			}
			near, far = append(near, turn{blocks: blocks}), append(far, turn{blocks: slices.Clone(blocks)})
		}
		var one, other pairing
		for i := range near {
			for _, b := range slices.Clone(near[i].blocks) {
				if b == nil || b.Kind != llm.ToolCall {
					continue
				}
				if want, got := one.take(b.Call.ID, near, i+1), other.takeFar(b.Call.ID, far, i+1); got != want {
					t.Fatalf("the result of a call of turn %d is %p, want %p", i, got, want)
				}
			}
		}
	})

	const n = 20_000 // looked for one by one, they would take seconds
	calls, results := llm.Message{Role: llm.Assistant}, llm.Message{Role: llm.User}
	for i := range n {
		calls.Blocks = append(calls.Blocks, llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: strconv.Itoa(i), Name: "f"}})
		results.Blocks = append(results.Blocks, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: strconv.Itoa(n - 1 - i)}})
	}
	body, _, err := (Dialect{}).EncodeRequest(&llm.Request{Messages: []llm.Message{calls, results}}, dialect.Target{Model: "m"})
	if made := strings.Count(string(body), "gave no result"); err != nil || made > 0 {
		t.Errorf("%d of %d results are made up, %v", made, n, err)
	}
}
