package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"
)

// sealedBlock is thinking of another vendor that is nothing but its state.
func sealedBlock(data string) llm.Block {
	return llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Gemini, Data: data}}
}

// TestSealedThinkingIsNeverLast: clients take the last block of an answer for its text.
func TestSealedThinkingIsNeverLast(t *testing.T) {
	t.Parallel()
	foreign := llm.Block{Kind: llm.Opaque, Vendor: llm.Gemini, Type: "executableCode", Raw: llm.JSON(`{}`)}
	redacted := llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "xx", Redacted: true}}
	hidden := llm.Block{Kind: llm.Thinking, State: llm.State{Origin: llm.Anthropic, Data: "own"}}
	for name, test := range map[string]struct {
		blocks []llm.Block
		want   string // T text, S sealed, C call, R redacted, O its own
	}{
		"behind the text":            {[]llm.Block{text("hi"), sealedBlock("a")}, "T"},
		"two of them, and no text":   {[]llm.Block{sealedBlock("a"), sealedBlock("b")}, ""},
		"before the text":            {[]llm.Block{sealedBlock("a"), sealedBlock("b"), text("hi")}, "SST"},
		"before a call":              {[]llm.Block{text("hi"), sealedBlock("a"), call("c", "f", "{}")}, "TSC"},
		"before what is not written": {[]llm.Block{text("hi"), sealedBlock("a"), foreign}, "T"},
		"before that, and a text":    {[]llm.Block{sealedBlock("a"), foreign, text("hi")}, "ST"},
		"before redacted thinking":   {[]llm.Block{sealedBlock("a"), redacted}, "SR"},
		"Anthropic's own":            {[]llm.Block{text("hi"), hidden}, "TO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := &llm.Response{ID: "m", Model: "x", Candidates: []llm.Candidate{{Blocks: test.blocks, Finish: llm.FinishStop}}}
			whole, err := anthropic.Dialect{}.DecodeResponse(anthropic.Dialect{}.EncodeResponse(answer, nil))
			if err != nil {
				t.Fatal(err)
			}
			if got := shape(whole.Candidates[0].Blocks); got != test.want {
				t.Errorf("a whole answer has %q, want %q", got, test.want)
			}
			var events []llm.Event
			_ = answer.Events(func(e *llm.Event) error { events = append(events, *e); return nil })
			streamed, _, complete := decodeStream(t, encodeStream(t, events), 1<<20)
			if !complete {
				t.Error("the stream is not complete")
			}
			if got := shape(streamed.Candidates[0].Blocks); got != test.want {
				t.Errorf("a streamed answer has %q, want %q", got, test.want)
			}
		})
	}
}

// shape is a letter for each block.
func shape(blocks []llm.Block) string {
	var out strings.Builder
	for i := range blocks {
		switch b := &blocks[i]; {
		case b.Kind == llm.Text:
			out.WriteByte('T')
		case b.Kind == llm.ToolCall:
			out.WriteByte('C')
		case b.State.Redacted:
			out.WriteByte('R')
		case b.State.Origin == llm.Gemini:
			out.WriteByte('S')
		case b.State.Origin == llm.Anthropic:
			out.WriteByte('O')
		default:
			out.WriteByte('?')
		}
	}
	return out.String()
}

func TestSealedThinkingIsBounded(t *testing.T) {
	t.Parallel()
	encoder := anthropic.Dialect{}.Encoder(&llm.Request{})
	state := llm.State{Origin: llm.Gemini, Data: strings.Repeat("x", 1<<20)}
	var err error
	for i := 0; i <= dialect.MaxText>>20 && err == nil; i++ {
		for _, e := range []llm.Event{{Kind: llm.Open, Index: i, Block: llm.Block{Kind: llm.Thinking}}, {Kind: llm.Sign, Index: i, State: state}, {Kind: llm.Close, Index: i}} {
			if err == nil {
				_, err = encoder.Append(nil, &e)
			}
		}
	}
	if !errors.Is(err, dialect.ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}
