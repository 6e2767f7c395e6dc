package replay_test

import (
	"fmt"

	"aihigress/internal/llm"
)

// form holds the events of a stream against what llm.Event promises of them.
type form struct {
	started, failed bool
	blocks          []formed
	candidates      map[int]*formedCandidate
}

type formed struct {
	kind      llm.Kind
	candidate int
	closed    bool
}

type formedCandidate struct{ finished bool }

func (f *form) add(e *llm.Event) error {
	if err := f.check(e); err != nil {
		return fmt.Errorf("event %d of block %d, candidate %d: %w", e.Kind, e.Index, e.Candidate, err)
	}
	return nil
}

func (f *form) check(e *llm.Event) error {
	switch {
	case f.failed:
		return fmt.Errorf("something behind Failed")
	case e.Kind == llm.Failed:
		f.failed = true
		if e.Err == nil {
			return fmt.Errorf("Failed without an error")
		}
		return nil
	case e.Kind == llm.Start:
		if f.started {
			return fmt.Errorf("a second Start")
		}
		f.started, f.candidates = true, map[int]*formedCandidate{}
	case !f.started && e.Kind != llm.Alive:
		return fmt.Errorf("something before Start")
	}
	switch e.Kind {
	case llm.Start, llm.Used:
		if u, changed := e.Usage.Clamp(); changed {
			return fmt.Errorf("usage %+v, which should be %+v", e.Usage, u)
		}
	case llm.Open:
		return f.open(e)
	case llm.Delta, llm.Sign, llm.Cite, llm.Close:
		return f.part(e)
	case llm.Probs, llm.Finished:
		return f.candidate(e)
	case llm.Failed, llm.Alive:
	}
	return nil
}

func (f *form) open(e *llm.Event) error {
	if e.Index != len(f.blocks) {
		return fmt.Errorf("opened as the block %d", len(f.blocks))
	}
	b := &e.Block
	if b.Text != "" || b.Call.Input != "" || len(b.Citations) > 0 {
		return fmt.Errorf("opened with its text: %+v", b)
	}
	if b.Kind < llm.Text || b.Kind > llm.Opaque || b.Kind == llm.ToolResult {
		return fmt.Errorf("a block of kind %d", b.Kind)
	}
	for i := range f.blocks {
		o := &f.blocks[i]
		if o.candidate == e.Candidate && !o.closed && (o.kind != llm.ToolCall || b.Kind != llm.ToolCall) {
			return fmt.Errorf("opened while the block %d is", i)
		}
	}
	f.blocks = append(f.blocks, formed{kind: b.Kind, candidate: e.Candidate})
	return f.candidate(e)
}

func (f *form) part(e *llm.Event) error {
	if e.Index < 0 || e.Index >= len(f.blocks) || f.blocks[e.Index].closed {
		return fmt.Errorf("the block is not open")
	}
	b := &f.blocks[e.Index]
	fits := e.Candidate == b.candidate
	switch e.Kind {
	case llm.Delta:
		fits = fits && (b.kind == llm.Text || b.kind == llm.Thinking || b.kind == llm.Refusal || b.kind == llm.ToolCall)
	case llm.Sign:
		fits = fits && b.kind == llm.Thinking
	case llm.Cite:
		fits = fits && b.kind == llm.Text
	default:
		b.closed = true
	}
	if !fits {
		return fmt.Errorf("of a block of kind %d of candidate %d", b.kind, b.candidate)
	}
	return nil
}

// candidate takes what concerns one answer of several.
func (f *form) candidate(e *llm.Event) error {
	c := f.candidates[e.Candidate]
	if c == nil {
		c = &formedCandidate{}
		f.candidates[e.Candidate] = c
	}
	if c.finished {
		return fmt.Errorf("the candidate has finished")
	}
	if e.Kind != llm.Finished {
		return nil
	}
	c.finished = true
	for i, b := range f.blocks {
		if b.candidate == e.Candidate && !b.closed {
			return fmt.Errorf("finished while the block %d is open", i)
		}
	}
	return nil
}

// end is where a stream ended that is said to be whole.
func (f *form) end() error {
	for i, c := range f.candidates {
		if !c.finished {
			return fmt.Errorf("whole, but candidate %d did not finish", i)
		}
	}
	if len(f.candidates) == 0 {
		return fmt.Errorf("whole, without a candidate")
	}
	return nil
}
