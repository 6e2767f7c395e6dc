package gemini

import (
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// encoder writes a stream for a caller: an event for each piece. Reasons to finish, citations and usage wait for the last
// event, where Google has them. Held are the arguments of calls, which go out whole, and thinking, which its signature has to
// carry.
type encoder struct {
	show       bool
	tail       []byte // what every event ends with: the model and the id
	blocks     []*writing
	candidates []*answering
	usage      llm.Usage
	hasUsage   bool
	tier       string
	held       int // bytes
}

// maxTail is room for most tails, in bytes.
const maxTail = 96

// writing is an open block.
type writing struct {
	index int
	block llm.Block
	text  []byte
	begin int // of a text: characters of the candidate's text before it
	cited int // citations of the candidate before it
}

// answering is a candidate that is being written.
type answering struct {
	index    int
	thoughts []llm.Block // thinking that others signed and the first call has to carry
	text     chars       // all of it: clients point citations into the texts of the parts one behind the other
	cites    []llm.Citation
	finish   llm.Finish
	reason   string
	finished bool
}

// Encoder implements dialect.Dialect. Thoughts are shown to a caller who asked for them; their signatures come in any case.
// Blocks that only another vendor knows are left out: what its own tools found is in the text behind them.
func (Dialect) Encoder(to *llm.Request) dialect.Encoder {
	return &encoder{show: showThoughts(to), tail: append(make([]byte, 0, maxTail), "}\n\n"...)}
}

// showThoughts reports whether a caller asked for thoughts.
func showThoughts(to *llm.Request) bool {
	return to == nil || to.Reasoning.Summary != "" && to.Reasoning.Summary != "none"
}

// Append implements dialect.Encoder.
func (e *encoder) Append(dst []byte, ev *llm.Event) ([]byte, error) {
	if ev.ServiceTier != "" {
		e.tier = ev.ServiceTier
	}
	switch ev.Kind {
	case llm.Start:
		e.start(ev)
	case llm.Open:
		return e.open(dst, ev)
	case llm.Delta:
		return e.delta(dst, ev)
	case llm.Sign:
		if b := e.block(ev.Index); b != nil {
			b.block.State = ev.State
		}
	case llm.Cite:
		if c := e.candidate(ev.Candidate); len(c.cites) < maxCitations {
			if b := e.block(ev.Index); b != nil {
				c.cites = append(c.cites, moved(ev.Citation, b.begin))
			}
		}
	case llm.Close:
		return e.close(dst, ev), nil
	case llm.Probs:
		dst = append(e.head(dst), `{"logprobsResult":`...)
		dst = append(dst, mustJSON(wireProbs(ev.Logprobs))...)
		return e.foot(dst, ev.Candidate), nil
	case llm.Finished:
		c := e.candidate(ev.Candidate)
		c.finish, c.reason, c.finished = ev.Finish, ev.Reason, true
	case llm.Used:
		e.usage, e.hasUsage = ev.Usage, true
	case llm.Failed, llm.Alive:
	}
	return dst, nil
}

func (e *encoder) start(ev *llm.Event) {
	e.tail = e.tail[:0]
	if model := dialect.Name(ev.Model); model != "" {
		e.tail = jsonwrite.String(append(e.tail, `,"modelVersion":`...), model)
	}
	if id := dialect.Name(ev.ID); id != "" {
		e.tail = jsonwrite.String(append(e.tail, `,"responseId":`...), id)
	}
	e.tail = append(e.tail, "}\n\n"...)
	if !ev.Usage.IsZero() {
		e.usage, e.hasUsage = ev.Usage, true
	}
}

// head begins an event with candidates.
func (e *encoder) head(dst []byte) []byte { return append(dst, `data: {"candidates":[`...) }

// foot ends a candidate, and the event with it.
func (e *encoder) foot(dst []byte, candidate int) []byte {
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(candidate), 10)
	return append(append(dst, "}]"...), e.tail...)
}

// part writes an event with one part.
func (e *encoder) part(dst []byte, candidate int, p *wirePart) []byte {
	dst = append(e.head(dst), `{"content":{"parts":[`...)
	o := output{b: dst}
	o.part(p)
	return e.foot(append(o.b, `],"role":"model"}`...), candidate)
}

// said writes an event with a piece of text, or of a thought.
func (e *encoder) said(dst []byte, candidate int, text string, thought bool) []byte {
	dst = jsonwrite.String(append(e.head(dst), `{"content":{"parts":[{"text":`...), text)
	if thought {
		dst = append(dst, `,"thought":true`...)
	}
	return e.foot(append(dst, `}],"role":"model"}`...), candidate)
}

func (e *encoder) block(index int) *writing {
	for _, b := range e.blocks {
		if b.index == index {
			return b
		}
	}
	return nil
}

func (e *encoder) candidate(index int) *answering {
	for _, c := range e.candidates {
		if c.index == index {
			return c
		}
	}
	c := &answering{index: index}
	e.candidates = append(e.candidates, c)
	return c
}

func (e *encoder) open(dst []byte, ev *llm.Event) ([]byte, error) {
	c := e.candidate(ev.Candidate)
	b := &writing{index: ev.Index, block: ev.Block}
	e.blocks = append(e.blocks, b)
	if kind := ev.Block.Kind; kind != llm.Text && kind != llm.Refusal { // which ends the text that they are of
		if g := ground(c.cites, &c.text); g != nil {
			dst = append(append(e.head(dst), `{"groundingMetadata":`...), mustJSON(g)...)
			dst = e.foot(dst, c.index)
			c.cites = nil
		}
	}
	switch ev.Block.Kind {
	case llm.Text, llm.Refusal:
		b.begin, b.cited = c.text.count(), len(c.cites)
	case llm.Media, llm.Opaque:
		if p, ok := lonePart(&ev.Block); ok {
			return e.part(dst, ev.Candidate, &p), nil
		}
	case llm.Thinking, llm.ToolCall, llm.ToolResult:
	}
	return dst, nil
}

func (e *encoder) delta(dst []byte, ev *llm.Event) ([]byte, error) {
	b := e.block(ev.Index)
	if b == nil || ev.Text == "" {
		return dst, nil
	}
	switch b.block.Kind {
	case llm.Text, llm.Refusal:
		e.candidate(ev.Candidate).text.add(ev.Text)
		return e.said(dst, ev.Candidate, ev.Text, false), nil
	case llm.Thinking, llm.ToolCall:
		if e.held += len(ev.Text); e.held > dialect.MaxText {
			return dst, dialect.ErrTooLong
		}
		b.text = append(b.text, ev.Text...)
		if b.block.Kind == llm.Thinking && e.show {
			return e.said(dst, ev.Candidate, ev.Text, true), nil
		}
	case llm.ToolResult, llm.Media, llm.Opaque:
	}
	return dst, nil
}

func (e *encoder) close(dst []byte, ev *llm.Event) []byte {
	b := e.block(ev.Index)
	if b == nil {
		return dst
	}
	for i := range e.blocks {
		if e.blocks[i] == b {
			e.blocks = append(e.blocks[:i], e.blocks[i+1:]...)
			break
		}
	}
	c := e.candidate(ev.Candidate)
	switch b.block.Kind {
	case llm.Thinking:
		b.block.Text = string(b.text)
		if b.block.State.IsZero() {
			e.held -= len(b.text)
			return dst
		}
		p := textPart("")
		p.Thought = e.show && b.block.Text != ""
		p.ThoughtSignature = pack(b.block)
		if b.block.State.Origin == llm.Gemini {
			e.held -= len(b.text)
		} else {
			p.Thought = e.show
			c.thoughts = append(c.thoughts, b.block)
		}
		return e.part(dst, ev.Candidate, &p)
	case llm.ToolCall:
		e.held -= len(b.text)
		b.block.Call.Input = string(b.text)
		call := writeCall(&b.block.Call)
		p := callPart(c.thoughts, &b.block, &call)
		for _, t := range c.thoughts {
			e.held -= len(t.Text)
		}
		c.thoughts = nil
		return e.part(dst, ev.Candidate, &p)
	case llm.Text, llm.Refusal:
		spread(c.cites[min(b.cited, len(c.cites)):], b.begin, c.text.count())
	case llm.Media, llm.Opaque, llm.ToolResult:
	}
	return dst
}

// AppendEnd implements dialect.Encoder. The last event has what ended the candidates, and the usage.
func (e *encoder) AppendEnd(dst []byte) []byte {
	if len(e.candidates) == 0 && !e.hasUsage {
		return dst
	}
	dst = e.head(dst)
	for i, c := range e.candidates {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"content":{"parts":[{"text":""}],"role":"model"}`...)
		if c.finished {
			dst = jsonwrite.String(append(dst, `,"finishReason":`...), wireFinish(c.finish, c.reason))
		}
		if g := ground(c.cites, &c.text); g != nil {
			dst = append(append(dst, `,"groundingMetadata":`...), mustJSON(g)...)
		}
		dst = append(strconv.AppendInt(append(dst, `,"index":`...), int64(c.index), 10), '}')
	}
	dst = append(dst, ']')
	if e.hasUsage {
		dst = appendUsage(append(dst, `,"usageMetadata":`...), e.usage, e.tier)
	}
	return append(dst, e.tail...)
}
