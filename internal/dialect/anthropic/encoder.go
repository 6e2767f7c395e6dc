package anthropic

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// Encoder implements dialect.Dialect. The dialect has one answer; further candidates are left out, and so are blocks that
// only another vendor knows.
//
// Thinking of another vendor without a text, which has but its state to bring back, waits until another block opens, and is
// left out where none does: Claude Code takes the last block for the answer and would print nothing. What is lost is the
// signature of a final text, which Google recommends to send back but does not check (ai.google.dev, "Thought signatures").
func (Dialect) Encoder(to *llm.Request) dialect.Encoder { return &encoder{to: to, current: -1} }

// encoder implements dialect.Encoder. The protocol has one block open at a time. What belongs to another one, as parallel
// calls of other vendors do, waits until the block before it is closed.
type encoder struct {
	to    *llm.Request
	began bool
	sum   sum
	usage llm.Usage
	tier  string

	wire        int // index of the next block on the wire
	current     int // neutral index of the block that is open, or -1
	block       outBlock
	waiting     []waiting
	held        int         // bytes that wait
	sealed      []llm.State // thinking of other vendors without a text, until another block opens
	sealedBytes int
}

// outBlock is the block that is open.
type outBlock struct {
	llm.Block
	started bool // content_block_start was written
}

// waiting is a block that waits for its turn.
type waiting struct {
	index  int
	events []llm.Event // what came of it, its Open first
}

// Append implements dialect.Encoder.
func (x *encoder) Append(dst []byte, e *llm.Event) ([]byte, error) {
	switch e.Kind {
	case llm.Start:
		return x.start(dst, e), nil
	case llm.Alive:
		return append(dst, Dialect{}.KeepAlive()...), nil
	case llm.Used:
		x.usage = e.Usage
	case llm.Finished:
		if e.Candidate == 0 {
			x.sum.finish, x.sum.sequence = e.Finish, e.StopSequence
		}
	case llm.Open, llm.Delta, llm.Sign, llm.Cite, llm.Close:
		if e.Candidate == 0 {
			return x.part(dst, e)
		}
	case llm.Probs, llm.Failed:
	}
	if e.ServiceTier != "" {
		x.tier = e.ServiceTier
	}
	return dst, nil
}

func (x *encoder) start(dst []byte, e *llm.Event) []byte {
	if x.began {
		return dst
	}
	x.began, x.tier = true, e.ServiceTier
	if !e.Usage.IsZero() {
		x.usage = e.Usage
	}
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = appendMessage(dst, e.ID, model0(e.Model, x.to))
	dst = append(dst, `[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = appendUsage(dst, x.usage, x.tier)
	return append(dst, "}}\n\n"...)
}

// part takes an event of a block.
func (x *encoder) part(dst []byte, e *llm.Event) ([]byte, error) {
	if x.current == e.Index || x.current < 0 && e.Kind == llm.Open {
		dst = x.write(dst, e)
		if x.sealedBytes > dialect.MaxText {
			return dst, dialect.ErrTooLong
		}
		return dst, nil
	}
	for i := range x.waiting {
		if w := &x.waiting[i]; w.index == e.Index {
			return dst, x.hold(w, e)
		}
	}
	if e.Kind != llm.Open {
		return dst, nil // of a block that never began
	}
	x.waiting = append(x.waiting, waiting{index: e.Index})
	return dst, x.hold(&x.waiting[len(x.waiting)-1], e)
}

// hold keeps a copy of an event of a block that waits.
func (x *encoder) hold(w *waiting, e *llm.Event) error {
	x.held += len(e.Text) + len(e.State.Data) + len(e.Block.Raw) + len(e.Block.Data()) + len(e.Citation.Raw) + 64
	if x.held > dialect.MaxText {
		return dialect.ErrTooLong
	}
	if last := len(w.events) - 1; e.Kind == llm.Delta && last > 0 && w.events[last].Kind == llm.Delta && len(w.events[last].Text) < 4<<10 {
		w.events[last].Text += e.Text // pieces of a few bytes would cost an event each
		return nil
	}
	c := *e
	c.Block.Raw, c.Citation.Raw = c.Block.Raw.Clone(), c.Citation.Raw.Clone()
	w.events = append(w.events, c)
	return nil
}

// write writes an event of the block whose turn it is, and after its end what has waited for it.
func (x *encoder) write(dst []byte, e *llm.Event) []byte {
	switch e.Kind {
	case llm.Open:
		x.current = e.Index
		x.block = outBlock{Block: e.Block}
		x.sum.saw(&e.Block)
		if e.Block.Kind != llm.Thinking { // whose first event tells how it is written
			dst = x.begin(dst)
		}
		if e.Block.Kind == llm.ToolCall && e.Block.Call.Custom {
			dst = x.delta(dst, "input_json_delta", "partial_json", `{"`+textInput+`":"`)
		}
	case llm.Delta:
		dst = x.text(dst, e.Text)
	case llm.Sign:
		dst = x.sign(dst, e.State)
	case llm.Cite:
		if x.block.Kind == llm.Text && x.block.started {
			dst = x.deltaStart(dst, "citations_delta")
			dst = appendCitation(append(dst, `"citation":`...), &e.Citation)
			dst = append(dst, "}}\n\n"...)
		}
	case llm.Close:
		return x.close(dst)
	}
	return dst
}

// begin writes the beginning of the block that is open.
func (x *encoder) begin(dst []byte) []byte {
	at, sealed, wire := len(dst), x.sealed, x.wire
	dst = x.blockStart(x.unseal(dst))
	b := &x.block.Block
	switch b.Kind {
	case llm.Text, llm.Refusal:
		dst = append(dst, `{"type":"text","text":""}`...)
	case llm.Thinking:
		dst = append(dst, `{"type":"thinking","thinking":"","signature":""}`...)
	case llm.ToolCall:
		dst = append(appendCall(dst, b), `,"input":{}}`...)
	default:
		before := len(dst)
		if dst = appendAnswerBlock(dst, b); len(dst) == before {
			x.sealed, x.wire = sealed, wire
			return dst[:at] // the dialect has none for it
		}
	}
	x.block.started = true
	return append(dst, "}\n\n"...)
}

// blockStart appends the event that begins a block, up to the block itself.
func (x *encoder) blockStart(dst []byte) []byte {
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\","...)
	return append(appendCount(dst, "index", int64(x.wire)), `,"content_block":`...)
}

// blockStop appends the event that ends a block.
func (x *encoder) blockStop(dst []byte) []byte {
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","...)
	dst = append(appendCount(dst, "index", int64(x.wire)), "}\n\n"...)
	x.wire++
	return dst
}

// unseal writes the states that have waited for another block.
func (x *encoder) unseal(dst []byte) []byte {
	for _, s := range x.sealed {
		dst = append(x.blockStart(dst), `{"type":"thinking","thinking":"","signature":""}}`...)
		dst = x.delta(append(dst, "\n\n"...), "signature_delta", "signature", signature(s))
		dst = x.blockStop(dst)
	}
	x.sealed, x.sealedBytes = nil, 0
	return dst
}

// deltaStart appends a delta event up to its own fields.
func (x *encoder) deltaStart(dst []byte, kind string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","...)
	dst = append(appendCount(dst, "index", int64(x.wire)), `,"delta":{"type":"`...)
	return append(append(dst, kind...), `",`...)
}

func (x *encoder) delta(dst []byte, kind, field, text string) []byte {
	dst = x.deltaStart(dst, kind)
	dst = append(append(append(dst, '"'), field...), `":`...)
	dst = jsonwrite.String(dst, text)
	return append(dst, "}}\n\n"...)
}

func (x *encoder) text(dst []byte, text string) []byte {
	switch b := &x.block; {
	case text == "":
	case b.Kind == llm.Thinking:
		if !b.started {
			dst = x.begin(dst)
		}
		return x.delta(dst, "thinking_delta", "thinking", text)
	case !b.started:
	case b.Kind == llm.Text, b.Kind == llm.Refusal:
		return x.delta(dst, "text_delta", "text", text)
	case b.Kind == llm.ToolCall && b.Call.Custom:
		quoted, _ := jsontext.AppendQuote(nil, text)
		return x.delta(dst, "input_json_delta", "partial_json", string(quoted[1:len(quoted)-1]))
	case b.Kind == llm.ToolCall:
		return x.delta(dst, "input_json_delta", "partial_json", text)
	}
	return dst
}

func (x *encoder) sign(dst []byte, s llm.State) []byte {
	b := &x.block
	if b.Kind != llm.Thinking {
		return dst
	}
	switch {
	case b.started:
	case s.Origin != llm.Anthropic:
		x.sealed = append(x.sealed, s)
		x.sealedBytes += len(s.Data) + 64
		return dst
	case s.Redacted:
		dst = append(appendThinking(x.blockStart(x.unseal(dst)), "", s), "}\n\n"...)
		b.started = true
		return dst
	default:
		dst = x.begin(dst)
	}
	return x.delta(dst, "signature_delta", "signature", signature(s))
}

// close ends the block that is open, and begins the one that has waited longest.
func (x *encoder) close(dst []byte) []byte {
	if x.block.started {
		if x.block.Kind == llm.ToolCall && x.block.Call.Custom {
			dst = x.delta(dst, "input_json_delta", "partial_json", `"}`)
		}
		dst = x.blockStop(dst)
	}
	x.current = -1
	if len(x.waiting) == 0 {
		x.held = 0
		return dst
	}
	next := x.waiting[0]
	x.waiting = x.waiting[1:]
	for i := range next.events {
		dst = x.write(dst, &next.events[i])
	}
	return dst
}

// AppendEnd implements dialect.Encoder.
func (x *encoder) AppendEnd(dst []byte) []byte {
	if !x.began {
		dst = x.start(dst, &llm.Event{})
	}
	for x.current >= 0 { // a block that its decoder forgot to close
		dst = x.close(dst)
	}
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = x.sum.appendStop(dst)
	dst = appendUsage(append(dst, `},"usage":`...), x.usage, "")
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}
