package anthropic

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// Decoder implements dialect.Dialect.
func (Dialect) Decoder() dialect.Decoder { return &decoder{} }

// decoder implements dialect.Decoder.
type decoder struct {
	event  wireEvent
	report report
	shown  openBlocks // whose beginning was told: calls, or one of another kind
	kept   openBlocks // that are told at their end
	count  int        // of both, seldom more than one
	closed *openBlock // one whose memory the next may have
	next   int        // index of the next block
	told   llm.Event  // events escape to their consumer: one for all
	plain  []byte     // the text of a custom tool's input, as far as the event at hand tells it

	started, called, answered, finished bool
}

// openBlock is a block that has begun.
type openBlock struct {
	wire, index int // its index there and here, where it has none before it was told
	kind        llm.Kind
	open        *llm.Block
	raw         wireBlock
	own         [1]llm.Block // memory for open
	// answer says that it is the call of the tool that stands for the answer's format; text reads a custom tool's input.
	answer bool
	text   *jsonscan.Scanner
	// held is what comes in pieces of a block that is passed on whole, or of a signature.
	held      []byte
	compacted llm.JSON // content of a compaction
	encrypted llm.JSON // encrypted_content of it
	said      bool     // a piece of it was passed on

	before, after *openBlock
}

// openBlocks are blocks in the order in which they began: linked, as a vendor may end them in any order.
type openBlocks struct{ first, last *openBlock }

func (l *openBlocks) add(b *openBlock) {
	if b.before = l.last; l.last == nil {
		l.first = b
	} else {
		l.last.after = b
	}
	l.last = b
}

func (l *openBlocks) remove(b *openBlock) {
	if b.before == nil {
		l.first = b.after
	} else {
		b.before.after = b.after
	}
	if b.after == nil {
		l.last = b.before
	} else {
		b.after.before = b.before
	}
}

// wireEvent is an event of any type.
type wireEvent struct {
	Type    string         `json:"type"`
	Index   int            `json:"index"`
	Message wireMessageOut `json:"message"`
	Block   llm.JSON       `json:"content_block"`
	Delta   wireDelta      `json:"delta"`
	Usage   llm.JSON       `json:"usage"`

	piece bool // readPiece read it
}

type wireDelta struct {
	Type        string   `json:"type"`
	Text        string   `json:"text"`
	Thinking    string   `json:"thinking"`
	Signature   string   `json:"signature"`
	PartialJSON string   `json:"partial_json"`
	Citation    llm.JSON `json:"citation"`
	Content     llm.JSON `json:"content"` // of a compaction
	Encrypted   llm.JSON `json:"encrypted_content"`

	wireStop
}

// reset makes all of it empty and keeps the memory of values that are passed on as copies.
func (w *wireEvent) reset() {
	w.Message.reset()
	*w = wireEvent{Message: w.Message, Block: w.Block[:0], Usage: w.Usage[:0]}
}

// Decode implements dialect.Decoder.
func (d *decoder) Decode(data []byte, emit dialect.Emit) (bool, error) {
	e := &d.event
	if !e.readPiece(data) && !jsonread.Plain(data, e, jsonread.Repeats|jsonread.Small, (*wireEvent).readPlain) {
		*e = wireEvent{}
		if err := json.Unmarshal(data, e, lenient); err != nil {
			return false, malformed(err)
		}
	}
	switch e.Type {
	case "content_block_start", "content_block_delta", "content_block_stop", "message_delta":
		if err := d.begun(emit); err != nil {
			return false, err
		}
		if d.finished && e.Type != "message_delta" {
			return false, nil // nothing is said behind the end
		}
	}
	switch e.Type {
	case "message_start":
		return false, d.start(emit)
	case "content_block_start":
		return false, d.open(emit)
	case "content_block_delta":
		if b := d.block(e.Index); b != nil {
			return false, d.delta(b, emit)
		}
		return false, nil
	case "content_block_stop":
		if b := d.block(e.Index); b != nil {
			return false, d.close(b, emit)
		}
		return false, nil
	case "message_delta":
		return false, d.end(emit)
	case "message_stop":
		return true, nil
	case "ping":
		return false, d.tell(emit, llm.Event{Kind: llm.Alive})
	}
	if failed := (Dialect{}).DecodeError(0, data); e.Type == "error" || e.Type == "" && failed.Message != "" {
		return true, d.tell(emit, llm.Event{Kind: llm.Failed, Err: failed})
	}
	return false, nil // an event of later times
}

// begun begins an answer whose vendor left out how it begins.
func (d *decoder) begun(emit dialect.Emit) error {
	if d.started {
		return nil
	}
	return d.start(emit)
}

func (d *decoder) start(emit dialect.Emit) error {
	if d.started {
		return nil // a relay tells it again
	}
	d.started = true
	m := &d.event.Message
	d.report.read(m.Usage)
	u, _, _ := d.report.usage()
	return d.tell(emit, llm.Event{Kind: llm.Start, ID: m.ID, Model: m.Model, ServiceTier: d.report.tierName(), Usage: u})
}

func (d *decoder) block(wire int) *openBlock {
	for _, l := range [...]*openBlock{d.shown.first, d.kept.first} {
		for b := l; b != nil; b = b.after {
			if b.wire == wire {
				return b
			}
		}
	}
	return nil
}

// add adds to the open blocks.
func (d *decoder) add(to *openBlocks, b *openBlock) error {
	if d.count == dialect.MaxOpen {
		return fmt.Errorf("%w: more than %d blocks at once", dialect.ErrMalformed, dialect.MaxOpen)
	}
	d.count++
	to.add(b)
	return nil
}

func (d *decoder) open(emit dialect.Emit) error {
	if d.block(d.event.Index) != nil {
		return fmt.Errorf("%w: block %d begins twice", dialect.ErrMalformed, d.event.Index)
	}
	if len(d.event.Block) == 0 {
		return fmt.Errorf("%w: a block begins without its type", dialect.ErrMalformed)
	}
	b := d.closed
	if d.closed = nil; b == nil {
		b = new(openBlock)
	}
	b.wire, b.index, b.open = d.event.Index, -1, &b.own[0]
	if err := b.raw.read(d.event.Block); err != nil {
		return malformed(err)
	}
	w := &b.raw
	if w.Type == "tool_use" && w.Name == formatTool {
		d.answered, b.answer, b.kind = true, true, llm.Text
	} else {
		var decoder blockDecoder
		b.open = &decoder.append(b.own[:0], w)[0]
		if decoder.err != nil {
			return malformed(decoder.err)
		}
		b.kind = b.open.Kind
		d.called = d.called || b.kind == llm.ToolCall
	}
	return d.begin(b, emit)
}

// begin tells the beginning of a block, but for one that is told as a whole at its end.
func (d *decoder) begin(b *openBlock, emit dialect.Emit) error {
	event := llm.Event{Kind: llm.Open, Index: d.next, Block: llm.Block{Kind: b.kind}}
	text := ""
	switch b.kind {
	case llm.Text:
		text = b.open.Text
	case llm.Thinking:
		text = b.open.Text
		b.held = append(b.held, b.open.State.Data...)
	case llm.ToolCall:
		event.Block = *b.open
		event.Block.Call.Input = ""
		event.Block.Call.Name, event.Block.Call.Custom = toolOf(b.open.Call.Name)
		if event.Block.Call.Custom {
			b.text = newTextScan(func(part []byte) { d.plain = append(d.plain, part...) })
		}
	default:
		return d.add(&d.kept, b)
	}
	if err := d.closeOthers(b.kind, emit); err != nil {
		return err
	}
	b.index = d.next
	d.next++
	if err := d.add(&d.shown, b); err != nil {
		return err
	}
	event.Index = b.index
	if err := d.tell(emit, event); err != nil {
		return err
	}
	for _, c := range b.open.Citations {
		if err := d.tell(emit, llm.Event{Kind: llm.Cite, Index: b.index, Citation: c}); err != nil {
			return err
		}
	}
	return d.piece(b, text, emit)
}

// closeOthers ends blocks whose vendor forgot to before the next one begins. Calls may be open side by side.
func (d *decoder) closeOthers(kind llm.Kind, emit dialect.Emit) error {
	for b := d.shown.first; b != nil && (b.kind != llm.ToolCall || kind != llm.ToolCall); b = d.shown.first {
		if err := d.close(b, emit); err != nil {
			return err
		}
	}
	return nil
}

// piece hands on a piece of text. Events are large: behind another piece, nothing is written that is not new.
func (d *decoder) piece(b *openBlock, text string, emit dialect.Emit) error {
	if text == "" {
		return nil
	}
	b.said = true
	if d.told.Kind != llm.Delta {
		d.told = llm.Event{Kind: llm.Delta}
	}
	d.told.Index, d.told.Text = b.index, text
	return emit(&d.told)
}

// tell emits an event.
func (d *decoder) tell(emit dialect.Emit, e llm.Event) error {
	d.told = e
	return emit(&d.told)
}

func (d *decoder) delta(b *openBlock, emit dialect.Emit) error {
	w := &d.event.Delta
	switch {
	case w.Type == "citations_delta" && b.kind == llm.Text:
		return d.tell(emit, llm.Event{Kind: llm.Cite, Index: b.index, Citation: decodeCitation(w.Citation)})
	case w.Type == "signature_delta" && b.kind == llm.Thinking:
		return b.hold(w.Signature)
	case w.Type == "thinking_delta" && b.kind == llm.Thinking:
		return d.piece(b, w.Thinking, emit)
	case w.Type == "text_delta" && b.kind == llm.Text:
		return d.piece(b, w.Text, emit)
	case w.Type == "input_json_delta" && b.text != nil:
		return d.custom(b, w.PartialJSON, emit)
	case w.Type == "input_json_delta" && (b.kind == llm.ToolCall || b.answer):
		return d.piece(b, w.PartialJSON, emit)
	case w.Type == "input_json_delta":
		return b.hold(w.PartialJSON)
	case w.Type == "compaction_delta":
		b.compacted, b.encrypted = w.Content.Clone(), w.Encrypted.Clone() // it comes in one piece
	}
	return nil
}

// hold keeps a piece of what is passed on whole.
func (b *openBlock) hold(piece string) error {
	if len(b.held)+len(piece) > dialect.MaxText {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, dialect.ErrTooLong)
	}
	b.held = append(b.held, piece...)
	return nil
}

// custom reads a piece of a custom tool's input, which is an object around the text.
func (d *decoder) custom(b *openBlock, piece string, emit dialect.Emit) error {
	d.plain = d.plain[:0]
	_, _ = b.text.Write([]byte(piece)) // what can be read of it
	return d.piece(b, string(d.plain), emit)
}

func (d *decoder) close(b *openBlock, emit dialect.Emit) error {
	if b.index < 0 {
		d.kept.remove(b)
	} else {
		d.shown.remove(b)
	}
	d.count--
	err := d.finish(b, emit)
	*b = openBlock{}
	d.closed = b
	return err
}

// finish tells the end of a block, or all of one that is told as a whole.
func (d *decoder) finish(b *openBlock, emit dialect.Emit) error {
	var err error
	switch {
	case b.kind == llm.Thinking && len(b.held) > 0:
		err = d.sign(b, emit)
	case b.answer && !b.said:
		err = d.piece(b, answerText(inputText(b.raw.Input)), emit)
	case b.kind == llm.ToolCall && !b.said && b.text != nil:
		err = d.custom(b, inputText(b.raw.Input), emit)
	case b.kind == llm.ToolCall && !b.said: // some tell the arguments with the call
		err = d.piece(b, inputText(b.raw.Input), emit)
	case b.index < 0:
		if err = d.closeOthers(llm.Opaque, emit); err != nil {
			return err
		}
		b.index = d.next
		d.next++
		if b.open.Kind == llm.Opaque {
			b.open.Raw = b.whole()
		}
		err = d.tell(emit, llm.Event{Kind: llm.Open, Index: b.index, Block: *b.open})
	}
	if err != nil {
		return err
	}
	return d.tell(emit, llm.Event{Kind: llm.Close, Index: b.index})
}

// sign tells what a block of thinking was signed with: by Anthropic, or by another vendor whose state was packed into it.
func (d *decoder) sign(b *openBlock, emit dialect.Emit) error {
	s := llm.State{Origin: llm.Anthropic, Data: string(b.held), Redacted: b.open.State.Redacted}
	if carried, ok := llm.Uncarry(s.Data); ok && len(carried) > 0 {
		s = carried[0].State
	} else if b.open.State.Origin != "" {
		s.Origin, s.ID = b.open.State.Origin, b.open.State.ID
	}
	return d.tell(emit, llm.Event{Kind: llm.Sign, Index: b.index, State: s})
}

// whole is an opaque block with what came of it in pieces.
func (b *openBlock) whole() llm.JSON {
	raw := b.open.Raw
	input, content := llm.JSON(b.held), b.compacted
	if len(input) == 0 && len(content) == 0 || len(input) > 0 && !input.IsValid(lenient) {
		return raw
	}
	var members map[string]llm.JSON
	if json.Unmarshal(raw, &members, lenient) != nil {
		return raw
	}
	if len(input) > 0 {
		members["input"] = input
	}
	if len(content) > 0 {
		members["content"] = content
	}
	if len(b.encrypted) > 0 {
		members["encrypted_content"] = b.encrypted
	}
	out, err := json.Marshal(members, lenient, json.Deterministic(true))
	if err != nil {
		return raw
	}
	return out
}

// end reads why the answer ended and what it took.
func (d *decoder) end(emit dialect.Emit) error {
	e := &d.event
	if e.Delta.Reason != "" && !d.finished {
		d.finished = true
		if err := d.finishAll(emit); err != nil {
			return err
		}
		err := d.tell(emit, llm.Event{Kind: llm.Finished, Finish: e.Delta.finish(d.called, d.answered), Reason: e.Delta.Reason, StopSequence: e.Delta.Sequence})
		if err != nil {
			return err
		}
	}
	if len(e.Usage) == 0 {
		return nil
	}
	d.report.read(e.Usage)
	if u, ok, _ := d.report.usage(); ok {
		return d.tell(emit, llm.Event{Kind: llm.Used, Usage: u})
	}
	return nil
}

// finishAll closes what a vendor forgot to close, and tells the refusal that comes with the end.
func (d *decoder) finishAll(emit dialect.Emit) error {
	if err := d.closeOthers(llm.Opaque, emit); err != nil {
		return err
	}
	for d.kept.first != nil {
		if err := d.close(d.kept.first, emit); err != nil {
			return err
		}
	}
	text := d.event.Delta.Details.Explanation
	if text == "" {
		return nil
	}
	b := openBlock{index: d.next}
	d.next++
	if err := d.tell(emit, llm.Event{Kind: llm.Open, Index: b.index, Block: llm.Block{Kind: llm.Refusal}}); err != nil {
		return err
	}
	if err := d.piece(&b, text, emit); err != nil {
		return err
	}
	return d.tell(emit, llm.Event{Kind: llm.Close, Index: b.index})
}

// End implements dialect.Decoder.
func (d *decoder) End(dialect.Emit) (bool, error) { return d.finished, nil }

// Usage implements dialect.Decoder.
func (d *decoder) Usage() (llm.Usage, bool) {
	u, credible, _ := d.report.usage()
	return u, credible
}
