package responses

import (
	"fmt"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"
)

// decoders are kept for whole answers: they are large.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// free gives the memory back, unless it is much.
func (d *decoder) free() {
	d.head.forget()
	d.item.forget()
	*d = decoder{open: d.open[:0], item: d.item, head: d.head}
	if d.item.small() && max(cap(d.open), cap(d.head.Output.items)) <= keepParts {
		decoders.Put(d)
	}
}

// DecodeResponse implements dialect.Dialect. An answer that is still being made (queued, in_progress) is malformed: nobody
// asked for one that runs in the background.
func (Dialect) DecodeResponse(body []byte) (*llm.Response, error) {
	d := decoders.Get().(*decoder)
	defer d.free()
	head := &d.head
	if err := head.read(body, jsonread.Repeats); err != nil {
		return nil, err
	}
	if !isNull(head.Error.Value) || head.Status == "failed" || head.Status == "cancelled" {
		var w watch
		w.begin()
		_, err := w.Write(body)
		if err == nil {
			err = w.End()
		}
		if err != nil {
			return nil, err
		}
		if e := w.Error(); e != nil {
			return nil, e
		}
		return nil, streamError("", "", "", "The answer was cancelled.")
	}
	if !head.Output.set || head.Status == "queued" || head.Status == "in_progress" {
		return nil, fmt.Errorf("%w: no output, status %q", dialect.ErrMalformed, head.Status)
	}
	// A whole answer is a stream of whole items.
	d.started = true
	var fold llm.Fold
	take := func(e *llm.Event) error { fold.Add(e); return nil }
	_ = d.tell(take, llm.Event{Kind: llm.Start, ID: head.ID, Model: head.Model, Created: int64(head.Created), ServiceTier: head.Tier})
	for i, raw := range head.Output.items {
		if err := d.itemDone(raw.Value, i, take); err != nil {
			return nil, err
		}
	}
	finish, reason := head.finish(d.calls, d.refused)
	_ = d.tell(take, llm.Event{Kind: llm.Finished, Finish: finish, Reason: reason})
	d.report.read(head.Usage.Value)
	if u, ok := d.Usage(); ok {
		_ = d.tell(take, llm.Event{Kind: llm.Used, Usage: u})
	}
	return fold.Response(), nil
}
