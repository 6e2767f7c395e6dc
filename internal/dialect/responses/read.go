package responses

import "sync"

//go:generate go run ../readgen request event item tool answerHead

// reset makes all of it empty and keeps the memory of values.
func (e *event) reset() {
	*e = event{Logprobs: e.Logprobs[:0], Annotation: e.Annotation[:0], Item: e.Item[:0], Response: e.Response[:0], Error: e.Error[:0]}
}

// reset makes all of it empty and keeps the memory of parts.
func (it *item) reset() {
	it.Content.reset()
	it.Output.reset()
	*it = item{Content: it.Content, Output: it.Output, Summary: it.Summary[:0]}
}

// forget keeps no text alive.
func (it *item) forget() {
	for _, parts := range [...][]part{it.Content.parts, it.Output.parts, it.Summary} {
		clear(parts[:cap(parts)])
	}
	it.reset()
}

// requests are large and short-lived: their memory is used again.
var requests = sync.Pool{New: func() any { return new(request) }}

// reset makes all of it empty and keeps the memory of lists that nothing points into.
func (q *request) reset() {
	q.Input.reset()
	q.Tools.reset()
	*q = request{Input: q.Input, Tools: q.Tools, Include: q.Include[:0]}
}

// free gives the memory back, unless it is much.
func (q *request) free() {
	it := &q.Input.item
	if cap(q.Input.blocks) > keepBlocks || max(cap(q.Tools.all), cap(q.Include), cap(it.Content.parts), cap(it.Output.parts), cap(it.Summary)) > keepParts {
		return
	}
	clear(q.Include[:cap(q.Include)])
	it.forget()
	q.reset()
	requests.Put(q)
}
