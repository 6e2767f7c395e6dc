package responses

import (
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// drawAnswer is an answer with texts of all lengths, and calls that are open at once. It is from a time to come, so that the
// clock says nothing.
func drawAnswer(t *rapid.T) []*llm.Event {
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat(rapid.SampledFrom([]string{"a", "é\n", `{"a":"b"}`}).Draw(t, "text"), rapid.SampledFrom([]int{0, 1, 7, 300, 9_000}).Draw(t, "times"))
	})
	events := []*llm.Event{{Kind: llm.Start, ID: rapid.StringMatching(`[a-z]{1,30}`).Draw(t, "id"), Model: "m", Created: 1 << 33}}
	index := 0
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		kind := rapid.SampledFrom([]llm.Kind{llm.Text, llm.Refusal, llm.Thinking, llm.ToolCall}).Draw(t, "kind")
		n := 1
		if kind == llm.ToolCall {
			n = rapid.IntRange(1, 3).Draw(t, "calls")
		}
		for i := range n {
			events = append(events, &llm.Event{Kind: llm.Open, Index: index + i, Block: llm.Block{Kind: kind, Call: llm.Call{ID: fmt.Sprint("call", i), Name: "f"}}})
		}
		for i := range n {
			events = append(events, &llm.Event{Kind: llm.Delta, Index: index + i, Text: text.Draw(t, "delta")}, &llm.Event{Kind: llm.Delta, Index: index + i, Text: "."})
		}
		if kind == llm.Text {
			events = append(events, &llm.Event{Kind: llm.Cite, Index: index, Citation: llm.Citation{URL: "https://x", Title: text.Draw(t, "title")}})
		}
		for i := range n {
			events = append(events, &llm.Event{Kind: llm.Close, Index: index + i})
		}
		index += n
	}
	return append(events, &llm.Event{Kind: llm.Finished, Finish: llm.FinishStop})
}

// encode writes a stream, in memory of its own or in what others used.
func encode(t rapid.TB, events []*llm.Event, own bool, between func()) string {
	to := &llm.Request{Model: "m", Tools: []llm.Tool{{Name: "f", Schema: llm.JSON(`{}`)}}}
	e := &encoder{to: to}
	if own {
		e.settings = appendSettings(nil, to)
	} else {
		e.take()
	}
	var dst []byte
	for i, ev := range events {
		if i == len(events)/2 {
			between()
		}
		var err error
		if dst, err = e.Append(dst, ev); err != nil {
			t.Fatal(err)
		}
	}
	return string(e.AppendEnd(dst))
}

// What an encoder writes is the same in memory that others used, and that one of them was given up in the middle of.
func TestPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events, others := drawAnswer(t), drawAnswer(t)
		nothing := func() {}
		want := encode(t, events, true, nothing)
		beside := func() {
			encode(t, others, false, nothing)
			_, _ = newEncoder(nil).Append(nil, others[0])
		}
		for range 2 {
			if got := encode(t, events, false, beside); got != want {
				t.Fatalf("%.2000s, want\n%.2000s", got, want)
			}
		}
	})
}

// An answer whose end was told leaves nothing to those that use its memory.
func TestPagesAfterEnd(t *testing.T) {
	t.Parallel()
	e := newEncoder(nil)
	dst, err := e.Append(nil, &llm.Event{Kind: llm.Open, Block: llm.Block{Kind: llm.Text}})
	if err == nil {
		dst, err = e.Append(dst, &llm.Event{Kind: llm.Delta, Text: "secret"})
	}
	if dst = e.AppendEnd(dst); err != nil || !strings.Contains(string(dst), "secret") {
		t.Fatalf("%v, %s", err, dst)
	}
	if end := string(e.AppendEnd(nil)); strings.Contains(end, "secret") {
		t.Errorf("told again: %s", end)
	}
	if next := string(newEncoder(nil).AppendEnd(nil)); strings.Contains(next, "secret") {
		t.Errorf("told by the next: %s", next)
	}
}
