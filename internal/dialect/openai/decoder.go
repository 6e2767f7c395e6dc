package openai

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonIn reads what upstreams write, who repeat names and break off inside runes.
var jsonIn = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// maxCandidates bounds the answers of one request, and maxCalls the tool calls of one answer: more is a hostile upstream.
const (
	maxCandidates = 128
	maxCalls      = 1024
)

// Decoder implements dialect.Dialect.
func (Dialect) Decoder() dialect.Decoder { return newDecoder() }

func newDecoder() *decoder { return &decoder{} }

// decoder reads a stream. A candidate is told to have finished when the stream ends, or goes on to its usage: some vendors
// give the reason before the last of the answer, and some twice.
type decoder struct {
	in      answer
	like    like // the documents before
	emit    dialect.Emit
	err     error     // that emit returned
	told    int       // events of the document at hand
	event   llm.Event // one for all: they escape to the consumer, and are large
	small   bool      // the event has nothing but its kind, its place and a text
	started bool
	ended   bool // [DONE], an error or the end
	failed  bool
	id      string
	tier    string // as it was told last
	blocks  int    // so far
	open    int    // calls of all candidates that have not ended
	usage   report
	cands   []candidate
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(data []byte, emit dialect.Emit) (bool, error) {
	if d.ended {
		return true, nil
	}
	data = bytes.TrimSpace(data)
	d.emit = emit
	if string(data) == done {
		d.ended = true
		d.finish(true)
		return true, d.err
	}
	text, again := d.like.text(data)
	if again && d.like.proven {
		d.say(llm.Delta, d.like.block, d.like.candidate, text)
		return false, d.err
	}
	if err := d.read(data); err != nil {
		return false, err
	}
	if d.in.Error {
		d.ended, d.failed = true, true
		e, _ := parseError(0, data)
		d.next(llm.Failed, 0, 0).Err = e
		d.tell()
		return true, d.err
	}
	d.told = 0
	err := d.take()
	d.learn(data, text, again)
	return false, err
}

// read parses a document into d.in.
func (d *decoder) read(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		return fmt.Errorf("%w: not an object", dialect.ErrMalformed)
	}
	if jsonread.Plain(data, &d.in, jsonread.Repeats|jsonread.Small, (*answer).readPlain) {
		return nil
	}
	d.in = answer{}
	if err := json.Unmarshal(data, &d.in, jsonIn); err != nil {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return nil
}

// take tells what the document at hand says.
func (d *decoder) take() error {
	in := &d.in
	if !d.started && (in.ID != "" || len(in.Choices.all) > 0 || in.Usage.seen) {
		d.started = true
		d.id, d.tier = string(in.ID), string(in.ServiceTier)
		e := d.next(llm.Start, 0, 0)
		e.ID, e.Model, e.Created, e.ServiceTier, e.Fingerprint = d.id, string(in.Model), int64(in.Created), d.tier, string(in.SystemFingerprint)
		d.tell()
	}
	for i := range in.Choices.all {
		c := d.candidate(int(in.Choices.all[i].Index))
		if c == nil {
			return fmt.Errorf("%w: too many choices", dialect.ErrMalformed)
		}
		if err := c.choice(&in.Choices.all[i]); err != nil {
			return err
		}
	}
	d.count()
	return d.err
}

// count takes over the usage, from whichever place it stands in.
func (d *decoder) count() {
	place := &d.in.Usage
	if !place.seen {
		place = &d.in.Groq.Usage
	}
	for i := 0; !place.seen && i < len(d.in.Choices.all); i++ {
		place = &d.in.Choices.all[i].Usage
	}
	if tier := string(d.in.ServiceTier); tier != "" {
		d.tier = tier
	}
	if !place.seen {
		return
	}
	before := d.usage
	d.usage.settle(place)
	if u, credible := d.Usage(); credible && d.usage != before {
		e := d.next(llm.Used, 0, 0)
		e.Usage, e.ServiceTier = u, d.tier
		d.tell()
	}
}

// next is an event to be filled and told.
func (d *decoder) next(kind llm.EventKind, block, candidate int) *llm.Event {
	d.event, d.small = llm.Event{}, false
	d.event.Kind, d.event.Index, d.event.Candidate = kind, block, candidate
	return &d.event
}

// tell emits the event at hand, unless one was refused before.
func (d *decoder) tell() {
	if d.told++; d.err == nil {
		d.err = d.emit(&d.event)
	}
}

// say emits an event of a block that has at most a text. Most are such, and nothing of the last one is written again.
func (d *decoder) say(kind llm.EventKind, block, candidate int, text string) {
	if !d.small {
		d.event, d.small = llm.Event{}, true
	}
	d.event.Kind, d.event.Index, d.event.Candidate, d.event.Text = kind, block, candidate, text
	d.tell()
}

// candidate finds one of the answers, valid until another begins; nil where there are too many.
func (d *decoder) candidate(index int) *candidate {
	for i := range d.cands {
		if d.cands[i].index == index {
			return &d.cands[i]
		}
	}
	if len(d.cands) == maxCandidates {
		return nil
	}
	d.cands = append(d.cands, candidate{d: d, index: index, open: -1})
	return &d.cands[len(d.cands)-1]
}

// finish ends the candidates that have a reason to, or all of them, and reports whether these were all.
func (d *decoder) finish(all bool) bool {
	every := len(d.cands) > 0
	for i := range d.cands {
		c := &d.cands[i]
		if c.reason != "" || all {
			c.end()
		}
		every = every && c.ended
	}
	return every
}

// End implements dialect.Decoder.
func (d *decoder) End(emit dialect.Emit) (bool, error) {
	d.emit = emit
	if d.failed {
		return false, d.err
	}
	d.ended = true
	return d.finish(false), d.err
}

// Usage implements dialect.Decoder.
func (d *decoder) Usage() (llm.Usage, bool) {
	u, credible, _ := d.usage.usage()
	return u, credible
}

// decoders are kept for whole answers: they are large.
var decoders = sync.Pool{New: func() any { return newDecoder() }}

// free gives the decoder back, with nothing of the answer in it.
func (d *decoder) free() {
	choices, cands := emptied(d.in.Choices.all), emptied(d.cands)
	*d = decoder{cands: cands}
	d.in.Choices.all = choices
	decoders.Put(d)
}

// DecodeResponse implements dialect.Dialect. A whole answer is read as a stream of one chunk, so that both mean the same.
func (Dialect) DecodeResponse(body []byte) (*llm.Response, error) {
	d := decoders.Get().(*decoder)
	defer d.free()
	if err := d.read(bytes.TrimSpace(body)); err != nil {
		return nil, err
	}
	if d.in.Error {
		e, _ := parseError(0, body)
		return nil, e
	}
	if !d.in.Choices.said {
		return nil, fmt.Errorf("%w: no choices", dialect.ErrMalformed)
	}
	var fold llm.Fold
	d.emit = func(e *llm.Event) error {
		fold.Add(e)
		return nil
	}
	if err := d.take(); err != nil {
		return nil, err
	}
	d.finish(true)
	return fold.Response(), d.err
}

// madeUpID names a call whose vendor gives no id: the same at every reading, another in every answer.
func (d *decoder) madeUpID(candidate, n int) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(d.id[:min(len(d.id), dialect.MaxName)])) // a hash takes everything; every call asks for it
	_, _ = h.Write(strconv.AppendInt(nil, int64(d.in.Created), 10))
	return fmt.Sprintf("call_%016x%d_%d", h.Sum64(), candidate, n)
}
