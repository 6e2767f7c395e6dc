package llm

import "strings"

// A Fold puts the events of a stream together to a whole answer. The zero Fold is ready.
type Fold struct {
	response Response
	open     []*folded // by index
}

// folded is a block that is being put together.
type folded struct {
	candidate int
	block     Block
	text      strings.Builder
	closed    bool
}

// Add takes the next event. What is out of order (a delta of a block that was never opened) is left out. Failed and Alive
// change nothing.
func (f *Fold) Add(e *Event) {
	r := &f.response
	switch e.Kind {
	case Start:
		r.ID, r.Model, r.Created, r.ServiceTier, r.Fingerprint = e.ID, e.Model, e.Created, e.ServiceTier, e.Fingerprint
		if !e.Usage.IsZero() {
			r.Usage, r.HasUsage = e.Usage, true
		}
	case Open:
		if e.Index == len(f.open) {
			f.open = append(f.open, &folded{candidate: e.Candidate, block: e.Block})
		}
	case Delta:
		if b := f.at(e.Index); b != nil {
			b.text.WriteString(e.Text)
		}
	case Sign:
		if b := f.at(e.Index); b != nil {
			b.block.State = e.State
		}
	case Cite:
		if b := f.at(e.Index); b != nil {
			b.block.Citations = append(b.block.Citations, e.Citation)
		}
	case Close:
		if b := f.at(e.Index); b != nil {
			b.closed = true
		}
	case Probs:
		c := f.candidate(e.Candidate)
		c.Logprobs = append(c.Logprobs, e.Logprobs...)
	case Finished:
		c := f.candidate(e.Candidate)
		c.Finish, c.Reason, c.StopSequence = e.Finish, e.Reason, e.StopSequence
	case Used:
		r.Usage, r.HasUsage = e.Usage, true
	case Failed, Alive:
	}
	if e.ServiceTier != "" {
		r.ServiceTier = e.ServiceTier // some vendors tell it at the end
	}
}

func (f *Fold) at(index int) *folded {
	if index < 0 || index >= len(f.open) || f.open[index].closed {
		return nil
	}
	return f.open[index]
}

func (f *Fold) candidate(index int) *Candidate {
	for i := range f.response.Candidates {
		if f.response.Candidates[i].Index == index {
			return &f.response.Candidates[i]
		}
	}
	f.response.Candidates = append(f.response.Candidates, Candidate{Index: index})
	return &f.response.Candidates[len(f.response.Candidates)-1]
}

// Response is the answer so far. It shares nothing with what Add will change. Call it once, at the end.
func (f *Fold) Response() *Response {
	for _, o := range f.open {
		switch o.block.Kind {
		case ToolCall:
			o.block.Call.Input = o.text.String()
		case Text, Thinking, Refusal:
			o.block.Text = o.text.String()
		case ToolResult, Media, Opaque:
		}
		c := f.candidate(o.candidate)
		c.Blocks = append(c.Blocks, o.block)
	}
	f.open = nil
	return &f.response
}

// Events tells a whole answer as the events of a stream, block by block, each text in one Delta. It stops at the first
// error that yield returns, and returns it.
func (r *Response) Events(yield func(*Event) error) error {
	var event Event // one for all: it escapes, and is large
	tell := func(e Event) error {
		event = e
		return yield(&event)
	}
	err := tell(Event{Kind: Start, ID: r.ID, Model: r.Model, Created: r.Created, ServiceTier: r.ServiceTier, Fingerprint: r.Fingerprint})
	index := 0
	for i := range r.Candidates {
		c := &r.Candidates[i]
		for j := range c.Blocks {
			if err == nil {
				err = c.Blocks[j].events(index, c.Index, tell)
			}
			index++
		}
		if err == nil && len(c.Logprobs) > 0 {
			err = tell(Event{Kind: Probs, Candidate: c.Index, Logprobs: c.Logprobs})
		}
		if err == nil {
			err = tell(Event{Kind: Finished, Candidate: c.Index, Finish: c.Finish, Reason: c.Reason, StopSequence: c.StopSequence})
		}
	}
	if err == nil && r.HasUsage {
		err = tell(Event{Kind: Used, Usage: r.Usage})
	}
	return err
}

// events tells one block.
func (b *Block) events(index, candidate int, tell func(Event) error) error {
	open := *b
	text := b.Text
	if b.Kind == ToolCall {
		text = b.Call.Input
	}
	open.Text, open.Call.Input, open.Citations, open.State = "", "", nil, State{}
	event := Event{Kind: Open, Index: index, Candidate: candidate, Block: open}
	switch {
	case b.Kind == ToolCall:
		event.Block.State = b.State // known when the call begins, since its id may have to carry it
	case b.State.ID != "":
		event.Block.State = State{Origin: b.State.Origin, ID: b.State.ID} // which names the item from its beginning
	}
	err := tell(event)
	if err == nil && text != "" {
		err = tell(Event{Kind: Delta, Index: index, Candidate: candidate, Text: text})
	}
	for i := range b.Citations {
		if err == nil {
			err = tell(Event{Kind: Cite, Index: index, Candidate: candidate, Citation: b.Citations[i]})
		}
	}
	if err == nil && b.Kind != ToolCall && !b.State.IsZero() {
		err = tell(Event{Kind: Sign, Index: index, Candidate: candidate, State: b.State})
	}
	if err == nil {
		err = tell(Event{Kind: Close, Index: index, Candidate: candidate})
	}
	return err
}
