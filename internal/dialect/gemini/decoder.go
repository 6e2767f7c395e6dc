package gemini

import (
	"fmt"
	"strconv"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// maxCandidates bounds how many answers of a stream are kept apart.
const maxCandidates = 128

// keepReadings is how many are kept for their memory.
const keepReadings = 8

// decoder reads a stream: each event is a whole response with what is new.
type decoder struct {
	wire       wireResponse
	candidates []*reading
	progress
}

// progress is how far a stream was read.
type progress struct {
	event   llm.Event // events escape to their consumer, and are large: one for all
	started bool
	failed  bool
	blocked bool // the prompt was refused
	next    int  // index of the next block
	calls   int  // calls that had no id
	id      string
	last    report
	tools   int64
	told    llm.Usage // the last that was emitted
	tier    string
	alike   alike
}

// reading is a candidate that is being read.
type reading struct {
	index    int
	open     int // index of the open block, or -1
	kind     llm.Kind
	pending  llm.State // signature of the text at hand, which becomes a block of its own behind it
	called   bool
	finished bool

	text      chars // of the open text
	grounding *wireGrounding
	citations *wireCitations
	partial   *partial // the call that comes in pieces
}

// free makes all of it empty and keeps the memory of what is read.
func (d *decoder) free() {
	d.wire.free()
	d.candidates, d.progress = freed(d.candidates, keepReadings, func(c **reading) { (*c).free() }), progress{}
}

// free makes all of it empty and keeps the memory of its text.
func (c *reading) free() {
	c.text.reset()
	if cap(c.text.begins) > keepParts {
		c.text = chars{}
	}
	*c = reading{text: c.text}
}

// Decoder implements dialect.Dialect.
func (Dialect) Decoder() dialect.Decoder { return &decoder{} }

// Decode implements dialect.Decoder. A list of responses is read as its elements.
func (d *decoder) Decode(data []byte, emit dialect.Emit) (bool, error) {
	if dialect.IsDone(data) {
		return true, nil
	}
	if taken, err := d.alike.take(d, data, emit); taken {
		return false, err
	}
	d.alike.known = false
	target := &d.wire
	if jsonread.Plain(data, target, jsonread.Repeats|jsonread.AnyCase|jsonread.Small, (*wireResponse).readPlain) {
		done, err := d.response(target, data, emit)
		if !done && err == nil {
			d.alike.learn(d, data)
		}
		return done, err
	}
	*target = wireResponse{}
	if err := json.Unmarshal(data, target, fromUpstream); err != nil {
		var many []wireResponse
		if len(data) == 0 || data[0] != '[' || json.Unmarshal(data, &many, fromUpstream) != nil {
			return false, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
		}
		for i := range many {
			if done, err := d.response(&many[i], data, emit); done || err != nil {
				return done, err
			}
		}
		return false, nil
	}
	return d.response(target, data, emit)
}

// response reads one event.
func (d *decoder) response(w *wireResponse, data []byte, emit dialect.Emit) (bool, error) {
	if !isNull(w.Error) {
		d.failed = true
		return true, d.tell(emit, llm.Event{Kind: llm.Failed, Err: Dialect{}.DecodeError(0, data)})
	}
	if w.UsageMetadata != nil {
		var now report
		w.UsageMetadata.read(&now)
		d.report(&now, w.UsageMetadata.ServiceTier)
	}
	if err := d.start(w, emit); err != nil {
		return false, err
	}
	var queries int64
	for i := range w.Candidates {
		if err := d.candidate(&w.Candidates[i], emit); err != nil {
			return false, err
		}
		if g := w.Candidates[i].GroundingMetadata; g != nil {
			queries += int64(len(g.WebSearchQueries))
		}
	}
	d.tools = max(d.tools, queries)
	if w.PromptFeedback != nil {
		if reason := enum(w.PromptFeedback.BlockReason); reason != "" && len(d.candidates) == 0 {
			d.candidates, d.blocked = append(d.candidates, &reading{open: -1, finished: true}), true
			if err := d.tell(emit, llm.Event{Kind: llm.Finished, Finish: llm.FinishFilter, Reason: reason}); err != nil {
				return false, err
			}
		}
	}
	if d.whole() {
		return false, d.use(emit)
	}
	return false, nil
}

// report takes over a usage.
func (d *decoder) report(now *report, tier string) {
	d.last.settle(now)
	if tier != "" {
		d.tier = tier
	}
}

// start tells the beginning once.
func (d *decoder) start(w *wireResponse, emit dialect.Emit) error {
	if d.started {
		return nil
	}
	d.started, d.id = true, w.ResponseID
	e := llm.Event{Kind: llm.Start, ID: w.ResponseID, Model: w.ModelVersion, ServiceTier: d.tier}
	if w.CreateTime != "" {
		if at, err := time.Parse(time.RFC3339, w.CreateTime); err == nil {
			e.Created = at.Unix()
		}
	}
	e.Usage, _ = d.Usage() // the input's is whole from the first event on
	return d.tell(emit, e)
}

// use tells the usage where it is news.
func (d *decoder) use(emit dialect.Emit) error {
	u, ok := d.Usage()
	if !ok || u == d.told {
		return nil
	}
	d.told = u
	return d.tell(emit, llm.Event{Kind: llm.Used, Usage: u, ServiceTier: d.tier})
}

// whole reports whether every candidate that began has finished.
func (d *decoder) whole() bool {
	for _, c := range d.candidates {
		if !c.finished {
			return false
		}
	}
	return len(d.candidates) > 0
}

// End implements dialect.Decoder.
func (d *decoder) End(emit dialect.Emit) (bool, error) {
	if !d.started || d.failed {
		return false, nil
	}
	return d.whole(), d.use(emit)
}

// Usage implements dialect.Decoder.
func (d *decoder) Usage() (llm.Usage, bool) {
	u, ok, _ := d.last.usage()
	u.ToolUses = d.tools
	return u, ok
}

func (d *decoder) at(index int) (*reading, error) {
	for _, c := range d.candidates {
		if c.index == index {
			return c, nil
		}
	}
	if len(d.candidates) >= maxCandidates || index < 0 {
		return nil, fmt.Errorf("%w: a candidate %d", dialect.ErrMalformed, index)
	}
	var c *reading
	if n := len(d.candidates); n < cap(d.candidates) {
		c = d.candidates[:n+1][n] // of an answer before
	}
	if c == nil {
		c = &reading{}
	}
	c.index, c.open = index, -1
	d.candidates = append(d.candidates, c)
	return c, nil
}

// candidate reads what is new of one candidate. What comes behind its end is left out.
func (d *decoder) candidate(w *wireCandidate, emit dialect.Emit) error {
	c, err := d.at(int(w.Index))
	if err != nil || c.finished {
		return err
	}
	if w.GroundingMetadata != nil {
		c.grounding = w.GroundingMetadata
	}
	if w.CitationMetadata != nil {
		c.citations = w.CitationMetadata
	}
	if w.Content != nil {
		for i := range w.Content.Parts {
			if err := d.part(c, &w.Content.Parts[i], emit); err != nil {
				return err
			}
		}
	}
	if probs := w.LogprobsResult.neutral(); len(probs) > 0 {
		if err := d.tell(emit, llm.Event{Kind: llm.Probs, Candidate: c.index, Logprobs: probs}); err != nil {
			return err
		}
	}
	reason := enum(w.FinishReason)
	if reason == "" {
		return nil
	}
	if err := d.close(c, emit); err != nil {
		return err
	}
	c.finished = true
	finish := reasons[reason]
	if finish == llm.FinishStop && c.called {
		finish = llm.FinishTools
	}
	return d.tell(emit, llm.Event{Kind: llm.Finished, Candidate: c.index, Finish: finish, Reason: reason})
}

// part reads one part.
func (d *decoder) part(c *reading, p *wirePart, emit dialect.Emit) error {
	state := llm.State{}
	if p.ThoughtSignature != "" {
		state = llm.State{Origin: llm.Gemini, Data: p.ThoughtSignature}
	}
	switch {
	case p.FunctionCall != nil:
		return d.call(c, p.FunctionCall, state, emit)
	case p.InlineData != nil:
		return d.lone(c, llm.Block{Kind: llm.Media, Media: p.InlineData.attachment()}, state, emit)
	case p.FileData != nil:
		return d.lone(c, llm.Block{Kind: llm.Media, Media: p.FileData.attachment()}, state, emit)
	case p.Text == nil:
		if b, ok := p.opaque(); ok {
			return d.lone(c, b, llm.State{}, emit) // its signature is part of it
		}
	}
	if said := text(p.Text); said != "" {
		if err := d.write(c, p.kind(), said, emit); err != nil {
			return err
		}
	}
	switch {
	case state.IsZero():
		return nil
	case p.Thought:
		return d.sign(c, state, emit)
	}
	if !c.pending.IsZero() || c.open >= 0 && c.kind != llm.Text {
		if err := d.close(c, emit); err != nil {
			return err
		}
	}
	c.pending = state
	return nil
}

// kind is that of a part's text.
func (p *wirePart) kind() llm.Kind {
	if p.Thought {
		return llm.Thinking
	}
	return llm.Text
}

// write adds to the text or thinking that is open, or opens it.
func (d *decoder) write(c *reading, kind llm.Kind, said string, emit dialect.Emit) error {
	if c.open >= 0 && c.kind != kind || !c.pending.IsZero() {
		if err := d.close(c, emit); err != nil {
			return err
		}
	}
	if c.open < 0 {
		if err := d.openBlock(c, llm.Block{Kind: kind}, emit); err != nil {
			return err
		}
		c.text.reset()
	}
	if kind == llm.Text {
		c.text.add(said)
	}
	return d.delta(c, said, emit)
}

// tell emits an event.
func (d *decoder) tell(emit dialect.Emit, e llm.Event) error {
	d.event = e
	return emit(&d.event)
}

// delta emits a piece of what is open. Behind another nothing is written but what is new.
func (d *decoder) delta(c *reading, text string, emit dialect.Emit) error {
	e := &d.event
	if e.Kind != llm.Delta {
		*e = llm.Event{Kind: llm.Delta}
	}
	e.Index, e.Candidate, e.Text = c.open, c.index, text
	return emit(e)
}

func (d *decoder) openBlock(c *reading, b llm.Block, emit dialect.Emit) error {
	c.open, c.kind = d.next, b.Kind
	d.next++
	return d.tell(emit, llm.Event{Kind: llm.Open, Index: c.open, Candidate: c.index, Block: b})
}

// sign ends thinking with its state.
func (d *decoder) sign(c *reading, state llm.State, emit dialect.Emit) error {
	if c.open < 0 || c.kind != llm.Thinking {
		if err := d.close(c, emit); err != nil {
			return err
		}
		if err := d.openBlock(c, llm.Block{Kind: llm.Thinking}, emit); err != nil {
			return err
		}
	}
	if err := d.tell(emit, llm.Event{Kind: llm.Sign, Index: c.open, Candidate: c.index, State: state}); err != nil {
		return err
	}
	return d.close(c, emit)
}

// close ends what is open, with its citations, and lets the signature of a text follow.
func (d *decoder) close(c *reading, emit dialect.Emit) error {
	if c.open >= 0 {
		if c.kind == llm.Text {
			if err := d.cite(c, emit); err != nil {
				return err
			}
		}
		at := c.open
		c.open = -1
		if err := d.tell(emit, llm.Event{Kind: llm.Close, Index: at, Candidate: c.index}); err != nil {
			return err
		}
	}
	if c.pending.IsZero() {
		return nil
	}
	state := c.pending
	c.pending = llm.State{}
	return d.sign(c, state, emit)
}

// lone tells a block that comes whole.
func (d *decoder) lone(c *reading, b llm.Block, state llm.State, emit dialect.Emit) error {
	err := d.close(c, emit)
	if err == nil {
		err = d.openBlock(c, b, emit)
	}
	if err == nil {
		err = d.close(c, emit)
	}
	if err == nil && !state.IsZero() {
		err = d.sign(c, state, emit)
	}
	return err
}

// call tells a call, once it is whole.
func (d *decoder) call(c *reading, w *wireCall, state llm.State, emit dialect.Emit) error {
	if err := d.close(c, emit); err != nil {
		return err
	}
	w, state, err := c.piece(w, state)
	if w == nil || err != nil {
		return err
	}
	id := clean64(w.ID)
	if id == "" {
		id = "call_" + clean64(d.id) + "_" + strconv.Itoa(d.calls)
		d.calls++
	}
	call := w.neutral(id)
	input := call.Input
	call.Input, c.called = "", true
	if err := d.openBlock(c, llm.Block{Kind: llm.ToolCall, Call: call, State: state}, emit); err != nil {
		return err
	}
	if input != "" {
		if err := d.delta(c, input, emit); err != nil {
			return err
		}
	}
	return d.close(c, emit)
}

// clean64 is an id in the letters that every vendor takes in one.
func clean64(id string) string {
	b := []byte(id[:min(len(id), 64)]) // the answer's is looked at for every call
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			b[i] = '_'
		}
	}
	return string(b)
}
