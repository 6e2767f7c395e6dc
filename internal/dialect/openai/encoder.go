package openai

import (
	"strconv"
	"time"
	"unicode/utf8"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// Encoder implements dialect.Dialect.
func (Dialect) Encoder(to *llm.Request) dialect.Encoder {
	return &encoder{to: to, tools: to.ToolIndex()}
}

// encoder writes chat completion chunks.
type encoder struct {
	to       *llm.Request
	tools    llm.ToolIndex // of the request
	head     []byte        // of every chunk, up to its choices
	usage    llm.Usage
	hasUsage bool
	cands    []*speaker
	open     []openBlock
	start    opening // as it came, with the tier that was told last
}

// speaker is what an encoder keeps of one candidate.
type speaker struct {
	index    int
	calls    int         // tool calls so far
	details  int         // entries of reasoning_details so far
	runes    int         // characters of text so far: citations count from the start
	pending  []llm.Block // thinking that the next call's id is to carry
	pictures int
	refused  bool
}

// openBlock is a block that is open.
type openBlock struct {
	index, slot, start int // slot is its number among the calls, or the entries of reasoning_details
	kind               llm.Kind
	custom, said       bool
	unwrap             bool // the caller's tool takes free text, and the model calls it with JSON that holds it
	of                 *speaker
	thought            []byte // in case that its state has to be carried with it; or the JSON to unwrap
	state              llm.State
}

// Append implements dialect.Encoder.
func (e *encoder) Append(b []byte, ev *llm.Event) ([]byte, error) {
	if tier := dialect.Name(ev.ServiceTier); ev.Kind != llm.Start && tier != "" && tier != e.start.tier {
		e.start.tier = tier // some vendors tell it at the end
		e.renew()
	}
	switch ev.Kind {
	case llm.Start:
		e.begin(ev)
	case llm.Open:
		return e.openBlock(b, ev), nil
	case llm.Delta:
		return e.delta(b, ev)
	case llm.Sign:
		return e.sign(b, ev), nil
	case llm.Cite:
		if o := e.find(ev.Index); o != nil {
			b = e.cite(b, o, ev)
		}
	case llm.Close:
		return e.closeBlock(b, ev), nil
	case llm.Probs:
		b, _ = e.chunk(b, ev.Candidate)
		b = appendLogprobs(append(b, `},"logprobs":`...), ev.Logprobs)
		return e.end(append(b, `,"finish_reason":null}]`...)), nil
	case llm.Finished:
		var s *speaker
		b, s = e.chunk(b, ev.Candidate)
		b = append(b, `},"logprobs":null,"finish_reason":"`...)
		b = append(b, finishWord(ev.Finish, s.refused, e.to.Functions)...)
		return e.end(append(b, `"}]`...)), nil
	case llm.Used:
		e.usage, e.hasUsage = ev.Usage, true
	case llm.Alive:
		b = append(b, Dialect{}.KeepAlive()...)
	case llm.Failed:
	}
	return b, nil
}

// AppendEnd implements dialect.Encoder.
func (e *encoder) AppendEnd(b []byte) []byte {
	if e.to.IncludeUsage && e.hasUsage {
		b = e.headed(b)
		b = append(b, `[],"usage":`...)
		b = append(appendUsage(b, &e.usage), "}\n\n"...)
	}
	return append(b, "data: "+done+"\n\n"...)
}

func (e *encoder) begin(ev *llm.Event) {
	e.start = opening{dialect.Name(ev.ID), dialect.Name(ev.Model), dialect.Name(ev.ServiceTier), dialect.Name(ev.Fingerprint), ev.Created}
	e.renew()
	if !ev.Usage.IsZero() {
		e.usage, e.hasUsage = ev.Usage, true
	}
}

// renew makes the head of every chunk from now on.
func (e *encoder) renew() {
	e.head = appendHead(append(make([]byte, 0, usualHead), "data: "...), "chat.completion.chunk", e.to, e.start)
}

// usualHead is as long as most heads are at most, in bytes.
const usualHead = 256

// opening is what stands in front of the choices.
type opening struct {
	id, model, tier, fingerprint string
	created                      int64
}

// appendHead appends what stands in front of the choices, and their key.
func appendHead(b []byte, object string, to *llm.Request, o opening) []byte {
	if o.id == "" {
		o.id = "chatcmpl-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	if o.created == 0 {
		o.created = time.Now().Unix()
	}
	if o.model == "" {
		o.model = to.Model
	}
	b = jsonwrite.String(append(b, `{"id":`...), o.id)
	b = append(append(append(b, `,"object":"`...), object...), `","created":`...)
	b = strconv.AppendInt(b, o.created, 10)
	b = jsonwrite.String(append(b, `,"model":`...), o.model)
	if tier := tierOf(o.tier); tier != "" {
		b = jsonwrite.String(append(b, `,"service_tier":`...), tier)
	}
	if o.fingerprint != "" {
		b = jsonwrite.String(append(b, `,"system_fingerprint":`...), o.fingerprint)
	}
	return append(b, `,"choices":`...)
}

// tierOf is a tier in OpenAI's words: Anthropic and Google call the usual one standard. Other words are those of the
// dialect's other vendors.
func tierOf(tier string) string {
	if tier == "standard" {
		return "default"
	}
	return tier
}

// headed begins a chunk.
func (e *encoder) headed(b []byte) []byte {
	if e.head == nil {
		e.begin(&llm.Event{})
	}
	return append(b, e.head...)
}

// chunk begins a chunk of a candidate, up to the fields of its delta, the first with the role.
func (e *encoder) chunk(b []byte, candidate int) ([]byte, *speaker) {
	s, first := e.speaker(candidate)
	b = append(e.headed(b), `[{"index":`...)
	b = strconv.AppendInt(b, int64(candidate), 10)
	b = append(b, `,"delta":{`...)
	if first {
		b = append(b, `"role":"assistant"`...)
	}
	return b, s
}

func (e *encoder) speaker(candidate int) (s *speaker, first bool) {
	for _, s := range e.cands {
		if s.index == candidate {
			return s, false
		}
	}
	s = &speaker{index: candidate}
	e.cands = append(e.cands, s)
	return s, true
}

// field begins a member of an object.
func field(b []byte, name string) []byte {
	return append(append(append(comma(b), '"'), name...), `":`...)
}

// comma parts what comes from what stands before it in an object or a list, if anything does.
func comma(b []byte) []byte {
	if last := b[len(b)-1]; last == '{' || last == '[' {
		return b
	}
	return append(b, ',')
}

// ended ends a chunk behind its delta's fields.
func (e *encoder) ended(b []byte) []byte {
	return e.end(append(b, `},"logprobs":null,"finish_reason":null}]`...))
}

func (e *encoder) end(b []byte) []byte {
	if e.to.IncludeUsage {
		b = append(b, `,"usage":null`...)
	}
	return append(b, "}\n\n"...)
}

func (e *encoder) find(index int) *openBlock {
	for i := range e.open {
		if e.open[i].index == index {
			return &e.open[i]
		}
	}
	return nil
}

func (e *encoder) openBlock(b []byte, ev *llm.Event) []byte {
	block := &ev.Block
	o := openBlock{index: ev.Index, kind: block.Kind}
	switch block.Kind {
	case llm.ToolCall:
		call := *block
		call.Call.Custom, o.unwrap = customTo(&e.tools, &block.Call)
		o.custom = call.Call.Custom
		b, o.of = e.chunk(b, ev.Candidate)
		o.slot = o.of.calls
		o.of.calls++
		b = e.callHead(b, &o, &call)
	case llm.Media:
		b = e.media(b, ev)
		return b // it is whole
	case llm.Text, llm.Thinking, llm.Refusal:
		o.of, o.start, o.slot = e.known(ev.Candidate), 0, 0
		if o.of != nil {
			o.start, o.slot = o.of.runes, o.of.details
		}
	case llm.Opaque, llm.ToolResult:
		return b
	}
	e.open = append(e.open, o)
	return b
}

// known is a candidate that has said something already.
func (e *encoder) known(candidate int) *speaker {
	for _, s := range e.cands {
		if s.index == candidate {
			return s
		}
	}
	return nil
}

// callHead appends how a call begins. Its id carries what other vendors want back.
func (e *encoder) callHead(b []byte, o *openBlock, block *llm.Block) []byte {
	if e.to.Functions {
		if o.slot > 0 {
			return e.ended(b) // there is no place for a second one
		}
		b = jsonwrite.String(append(field(b, "function_call"), `{"name":`...), block.Call.Name)
		return e.ended(append(b, `,"arguments":""}`...))
	}
	b = append(field(b, "tool_calls"), `[{"index":`...)
	b = strconv.AppendInt(b, int64(o.slot), 10)
	b = appendCallHead(append(b, ','), block, o.of.pending)
	o.of.pending = nil
	b = append(b, `""}`...)
	if own := extraContent(block.State); own != nil {
		b = append(append(b, `,"extra_content":`...), own...)
	}
	return e.ended(append(b, "}]"...))
}

// customTo reports whether the caller's tool takes free text, and whether that must be taken out of JSON: the upstream knows
// functions only.
func customTo(tools *llm.ToolIndex, c *llm.Call) (custom, unwrap bool) {
	if c.Custom {
		return true, false
	}
	t := tools.Of(c.Name)
	unwrap = t != nil && len(t.Grammar) > 0
	return unwrap, unwrap
}

// appendCallHead appends a call up to its input.
func appendCallHead(b []byte, block *llm.Block, pending []llm.Block) []byte {
	id := block.Call.ID
	if len(pending) > 0 || !native(block.State) {
		carry := pending
		if !native(block.State) {
			carry = append(carry, llm.Block{Kind: llm.ToolCall, State: block.State})
		}
		id = llm.CarryID(id, carry...)
	}
	b = jsonwrite.String(append(b, `"id":`...), id)
	kind, input := "function", "arguments"
	if block.Call.Custom {
		kind, input = "custom", "input"
	}
	b = append(append(b, `,"type":"`...), kind...)
	b = append(append(append(b, `","`...), kind...), `":{"name":`...)
	b = jsonwrite.String(b, block.Call.Name)
	return append(append(append(b, `,"`...), input...), `":`...)
}

func (e *encoder) delta(b []byte, ev *llm.Event) ([]byte, error) {
	o := e.find(ev.Index)
	if o == nil || ev.Text == "" {
		return b, nil
	}
	if o.kind == llm.ToolCall && !o.unwrap {
		return e.input(b, o, ev.Candidate, ev.Text), nil
	}
	if o.unwrap { // the text in it is known at the end
		if len(o.thought)+len(ev.Text) > dialect.MaxText {
			return b, dialect.ErrTooLong
		}
		o.thought = append(o.thought, ev.Text...)
		return b, nil
	}
	b, o.of = e.chunk(b, ev.Candidate)
	switch o.kind {
	case llm.Text:
		o.of.runes += utf8.RuneCountInString(ev.Text)
		b = jsonwrite.String(field(b, "content"), ev.Text)
	case llm.Refusal:
		o.of.refused = true
		b = jsonwrite.String(field(b, "refusal"), ev.Text)
	default:
		if len(o.thought)+len(ev.Text) > dialect.MaxText {
			return b, dialect.ErrTooLong
		}
		o.thought = append(o.thought, ev.Text...)
		b = jsonwrite.String(field(b, "reasoning_content"), ev.Text)
		b = jsonwrite.String(append(field(b, "reasoning_details"), `[{"type":"reasoning.text","text":`...), ev.Text)
		b = strconv.AppendInt(append(b, `,"index":`...), int64(o.slot), 10)
		b = append(b, "}]"...)
	}
	return e.ended(b), nil
}

// input appends a piece of a call's arguments.
func (e *encoder) input(b []byte, o *openBlock, candidate int, text string) []byte {
	o.said = true
	if e.to.Functions {
		if o.slot > 0 {
			return b
		}
		b, _ = e.chunk(b, candidate)
		b = jsonwrite.String(append(field(b, "function_call"), `{"arguments":`...), text)
		return e.ended(append(b, '}'))
	}
	b, _ = e.chunk(b, candidate)
	b = append(field(b, "tool_calls"), `[{"index":`...)
	b = strconv.AppendInt(b, int64(o.slot), 10)
	if o.custom {
		b = append(b, `,"custom":{"input":`...)
	} else {
		b = append(b, `,"function":{"arguments":`...)
	}
	return e.ended(append(jsonwrite.String(b, text), "}}]"...))
}

// sign gives thinking its state.
func (e *encoder) sign(b []byte, ev *llm.Event) []byte {
	o := e.find(ev.Index)
	if o == nil || o.kind != llm.Thinking {
		return b
	}
	o.state = ev.State
	if ev.State.Data == "" && native(ev.State) {
		return b
	}
	b, o.of = e.chunk(b, ev.Candidate)
	text := string(o.thought)
	d := detailOf(text, ev.State)
	d.Text, d.Summary = "", "" // told in its deltas
	b = appendDetail(append(field(b, "reasoning_details"), '['), &d, o.slot)
	if !native(ev.State) {
		o.of.pending = append(o.of.pending, llm.Block{Kind: llm.Thinking, Text: text, State: ev.State})
	}
	return e.ended(append(b, ']'))
}

func (e *encoder) closeBlock(b []byte, ev *llm.Event) []byte {
	for i := range e.open {
		o := &e.open[i]
		if o.index != ev.Index {
			continue
		}
		switch {
		case o.unwrap && len(o.thought) > 0:
			b = e.input(b, o, ev.Candidate, llm.Unwrap(string(o.thought)))
		case o.kind == llm.ToolCall && !o.said && !o.custom:
			b = e.input(b, o, ev.Candidate, "{}")
		case o.kind == llm.Thinking && o.of != nil:
			o.of.details++
		}
		e.open = append(e.open[:i], e.open[i+1:]...)
		break
	}
	return b
}

// cite appends an annotation; citations of what has no address have no form here.
func (e *encoder) cite(b []byte, o *openBlock, ev *llm.Event) []byte {
	c := &ev.Citation
	if c.URL == "" && (c.Vendor != llm.OpenAI || len(c.Raw) == 0) {
		return b
	}
	b, o.of = e.chunk(b, ev.Candidate)
	b = appendAnnotation(append(field(b, "annotations"), '['), c, o.start)
	return e.ended(append(b, ']'))
}

// media appends a picture or a sound.
func (e *encoder) media(b []byte, ev *llm.Event) []byte {
	a := ev.Block.Media
	switch {
	case a.Kind == llm.Image && a.Address("image/png") != "":
		var s *speaker
		b, s = e.chunk(b, ev.Candidate)
		b = appendPicture(append(field(b, "images"), '['), a, s.pictures)
		s.pictures++
		return e.ended(append(b, ']'))
	case a.Kind == llm.Audio && (a.Data != "" || a.FileID != ""):
		b, _ = e.chunk(b, ev.Candidate)
		return e.ended(appendSound(field(b, "audio"), a))
	}
	return b
}
