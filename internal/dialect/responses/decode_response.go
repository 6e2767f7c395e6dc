package responses

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// DecodeResponse implements dialect.Dialect. An answer that is still being made (queued, in_progress) is malformed: nobody
// asked for one that runs in the background.
func (Dialect) DecodeResponse(body []byte) (*llm.Response, error) {
	var head answerHead
	if err := head.read(body); err != nil {
		return nil, err
	}
	if !isNull(head.Error) || head.Status == "failed" || head.Status == "cancelled" {
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
	if head.Output == nil || head.Status == "queued" || head.Status == "in_progress" {
		return nil, fmt.Errorf("%w: no output, status %q", dialect.ErrMalformed, head.Status)
	}
	// A whole answer is a stream of whole items.
	d := decoder{started: true}
	var fold llm.Fold
	take := func(e *llm.Event) error { fold.Add(e); return nil }
	_ = d.tell(take, llm.Event{Kind: llm.Start, ID: head.ID, Model: head.Model, Created: int64(head.Created), ServiceTier: head.Tier})
	for i, raw := range head.Output {
		if err := d.itemDone(raw, i, take); err != nil {
			return nil, err
		}
	}
	finish, reason := head.finish(d.calls, d.refused)
	_ = d.tell(take, llm.Event{Kind: llm.Finished, Finish: finish, Reason: reason})
	d.report = reportOf(head.Usage)
	if u, ok := d.Usage(); ok {
		_ = d.tell(take, llm.Event{Kind: llm.Used, Usage: u})
	}
	return fold.Response(), nil
}
