package responses

import (
	"sync"

	"aihigress/internal/dialect/jsonread"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

//go:generate go run ../readgen request event item tool answerHead

// view is a value as it stands in what it was read from, and valid as long as that is.
type view struct{ jsontext.Value }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *view) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	v.Value = raw.Clone()
	return err
}

func (v *view) readPlain(r *jsonread.Reader) { v.Value = r.Raw() }

// argument is what a call is made with: a text, or null. In calls of the vendor's own it may be something else.
type argument struct {
	text  *string
	other bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (a *argument) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return json.UnmarshalDecode(d, &a.text)
}

func (a *argument) readPlain(r *jsonread.Reader) {
	*a = argument{}
	if kind := r.Kind(); kind == '"' || kind == 'n' {
		jsonread.OptionalString(&a.text, r)
		return
	}
	a.other = true
	r.Raw()
}

// plain reports whether an item that was read is what package json would make of it.
func (it *item) plain() bool { return !it.Arguments.other && !it.Input.other }

// output is the items of an answer.
type output struct {
	set   bool
	items []view
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *output) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var values []jsontext.Value
	err := json.UnmarshalDecode(d, &values)
	if *o = (output{set: values != nil}); o.set {
		o.items = make([]view, 0, len(values))
	}
	for _, v := range values {
		o.items = append(o.items, view{v})
	}
	return err
}

func (o *output) readPlain(r *jsonread.Reader) {
	o.set = r.Kind() != 'n'
	jsonread.List(&o.items, r, (*view).readPlain)
}

// reset makes all of it empty and keeps the memory of the list.
func (h *answerHead) reset() { *h = answerHead{Output: output{items: h.Output.items[:0]}} }

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

// small reports whether the memory of parts is worth to be kept.
func (it *item) small() bool {
	return max(cap(it.Content.parts), cap(it.Output.parts), cap(it.Summary)) <= keepParts
}

// forget keeps no answer alive.
func (h *answerHead) forget() {
	clear(h.Output.items[:cap(h.Output.items)])
	h.reset()
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
	in := &q.Input
	if !in.item.small() || max(cap(in.blocks), cap(in.turns)) > keepBlocks || max(cap(q.Tools.all), cap(q.Include)) > keepParts {
		return
	}
	q.forget()
	requests.Put(q)
}

// forget keeps no text alive.
func (q *request) forget() {
	clear(q.Include[:cap(q.Include)])
	q.Input.item.forget()
	q.reset()
}
