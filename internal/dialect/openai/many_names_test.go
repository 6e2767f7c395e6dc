package openai

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// TestManyNames: each tool of a choice among very many is found by its name.
func TestManyNames(t *testing.T) {
	t.Parallel()
	const n = 50_000 // looked through for each, they would take many seconds
	r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}}}, Choice: llm.Choice{Mode: llm.Auto}}
	for i := range 2 * n {
		name := "f" + strconv.Itoa(2*n-1-i)
		r.Tools = append(r.Tools, llm.Tool{Name: name, Grammar: llm.JSON("{}")})
		if i >= n {
			r.Choice.Names = append(r.Choice.Names, "f"+strconv.Itoa(i-n))
		}
	}
	for host, want := range map[string]int{"api.openai.com": 3 * n, "api.mistral.ai": n} { // all tools, and those that are allowed
		body, _, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "m", Host: host})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(body), `"name":"f`); got != want {
			t.Errorf("%s: %d tools are named, want %d", host, got, want)
		}
		if allowed := `{"type":"custom","custom":{"name":"f` + strconv.Itoa(n-1) + `"}}`; host == "api.openai.com" && !strings.Contains(string(body), allowed) {
			t.Errorf("%s: %s is not allowed", host, allowed)
		}
	}
}

// TestManyBlocks: the texts of very many blocks are put together once.
func TestManyBlocks(t *testing.T) {
	t.Parallel()
	const n = 300_000 // each put behind all before it, they would take minutes
	for kind, field := range map[llm.Kind]string{llm.Text: "content", llm.Thinking: "reasoning_content", llm.Refusal: "refusal"} {
		c := llm.Candidate{Blocks: make([]llm.Block, n)}
		for i := range c.Blocks {
			c.Blocks[i] = llm.Block{Kind: kind, Text: "12345678"}
		}
		r := &llm.Response{ID: "i", Candidates: []llm.Candidate{c}}
		whole := strings.Repeat("12345678", n) + `"`
		if got := (Dialect{}).EncodeResponse(r, &llm.Request{}); !strings.Contains(string(got), `"`+field+`":"`+whole) {
			t.Errorf("%s is not whole in %d bytes", field, len(got))
		}
		if got := (Completions{}).EncodeResponse(r, &llm.Request{}); kind != llm.Thinking && !strings.Contains(string(got), `"text":"`+whole) {
			t.Errorf("%s is not whole in the %d bytes of a completion", field, len(got))
		}
	}
}

// TestLongID: an answer's id that is longer than any is not read again for every call, and not told again with every event.
func TestLongID(t *testing.T) {
	t.Parallel()
	const n = dialect.MaxOpen // hashed for each, the id would take half a minute
	var calls strings.Builder
	for i := range n {
		fmt.Fprintf(&calls, `,{"index":%d,"function":{"name":"f","arguments":"{}"}}`, i)
	}
	id := strings.Repeat("i", 32<<20)
	e := Dialect{}.Encoder(&llm.Request{Model: "m"})
	told, size := 0, 0
	d := Dialect{}.Decoder()
	if _, err := d.Decode([]byte(`{"id":"`+id+`","model":"m","choices":[{"index":0,"delta":{"tool_calls":[`+calls.String()[1:]+`]}}]}`), func(ev *llm.Event) error {
		event, err := e.Append(nil, ev)
		told, size = told+1, size+len(event)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if told < n || size > told<<10 {
		t.Errorf("%d events are %d bytes", told, size)
	}
}

// TestTooManyOpenCalls: encoders look through those that are open, in all candidates.
func TestTooManyOpenCalls(t *testing.T) {
	t.Parallel()
	d := Dialect{}.Decoder()
	for i := range dialect.MaxOpen + 1 {
		_, err := d.Decode(fmt.Appendf(nil, `{"id":"i","choices":[{"index":%d,"delta":{"tool_calls":[{"index":%d,"id":"%d","function":{"name":"f"}}]}}]}`, i%2, i/2, i), func(*llm.Event) error { return nil })
		if bad := errors.Is(err, dialect.ErrMalformed); bad != (i == dialect.MaxOpen) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}
