package llm_test

import (
	"errors"
	"testing"

	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func whole() *llm.Response {
	return &llm.Response{
		ID: "r1", Model: "m", Created: 7, ServiceTier: "default", Fingerprint: "fp", HasUsage: true,
		Usage: llm.Usage{Input: 3, Output: 9, Reasoning: 2},
		Candidates: []llm.Candidate{
			{Index: 0, Finish: llm.FinishTools, Reason: "tool_use", Blocks: []llm.Block{
				{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "sig"}},
				{Kind: llm.Text, Text: "see", Citations: []llm.Citation{{Start: 0, End: 3, URL: "https://example.com"}}},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "c1", Name: "f", Input: `{"a":1}`}, State: llm.State{Origin: llm.Gemini, Data: "ts"}},
				{Kind: llm.ToolCall, Call: llm.Call{ID: "c2", Name: "g"}},
			}},
			{Index: 1, Finish: llm.FinishStopSequence, StopSequence: "END", Blocks: []llm.Block{{Kind: llm.Refusal, Text: "no"}},
				Logprobs: []llm.Logprob{{Token: "no", Logprob: -0.1}}},
		},
	}
}

func TestFoldUndoesEvents(t *testing.T) {
	t.Parallel()
	var f llm.Fold
	if err := whole().Events(func(e *llm.Event) error { f.Add(e); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), f.Response()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEventsStopAtAnError(t *testing.T) {
	t.Parallel()
	broken, total := errors.New("broken"), 0
	_ = whole().Events(func(*llm.Event) error { total++; return nil })
	for stop := range total {
		seen := 0
		err := whole().Events(func(*llm.Event) error {
			if seen++; seen > stop {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || seen != stop+1 {
			t.Errorf("stopped after %d of %d events: %d seen, %v", stop, total, seen, err)
		}
	}
}

func TestFoldTakesInterleavedCallsAndLeavesOutWhatHasNoBlock(t *testing.T) {
	t.Parallel()
	var f llm.Fold
	for _, e := range []llm.Event{
		{Kind: llm.Delta, Index: 0, Text: "lost"}, {Kind: llm.Delta, Index: -1},
		{Kind: llm.Open, Index: 0, Block: llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "a"}}},
		{Kind: llm.Delta, Index: 0, Text: "1"},
		{Kind: llm.Open, Index: 1, Block: llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: "b"}}},
		{Kind: llm.Delta, Index: 1, Text: "2"}, {Kind: llm.Delta, Index: 0, Text: "3"},
		{Kind: llm.Close, Index: 0}, {Kind: llm.Delta, Index: 0, Text: "late"}, {Kind: llm.Alive}, {Kind: llm.Failed},
	} {
		f.Add(&e)
	}
	want := []llm.Block{{Kind: llm.ToolCall, Call: llm.Call{ID: "a", Input: "13"}}, {Kind: llm.ToolCall, Call: llm.Call{ID: "b", Input: "2"}}}
	if diff := cmp.Diff(want, f.Response().Candidates[0].Blocks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
