package responses

import (
	"slices"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// openBlock begins what a block is here: a part of the message, or an item of its own.
func (e *encoder) openBlock(dst []byte, ev *llm.Event) []byte {
	b := &ev.Block
	if b.Kind == llm.Text || b.Kind == llm.Refusal {
		return e.openPart(dst, ev.Index, b)
	}
	if b.Kind == llm.Media && b.Media.Kind == llm.Audio && b.Media.Text != "" { // what is said in it is what there is a place for
		dst = e.openPart(dst, ev.Index, &llm.Block{Kind: llm.Text})
		return e.delta(dst, &llm.Event{Kind: llm.Delta, Index: ev.Index, Text: b.Media.Text})
	}
	dst = e.closeMessage(dst)
	if b.Vendor == llm.Responses && b.Type != "" && len(b.Raw) > 0 { // the whole item
		output, raw := e.count, oneLine(b.Raw)
		e.count++
		dst = e.added(dst, output, func(d []byte) []byte { return append(d, raw...) })
		from := e.begin()
		e.items = append(e.items, raw...)
		return e.done(dst, output, from)
	}
	switch b.Kind {
	case llm.Thinking, llm.ToolCall:
		return e.openItem(dst, ev)
	case llm.Media:
		if b.Media.Kind == llm.Image && b.Media.Data != "" { // what the dialect's own models answer pictures with
			output, id := e.next("ig")
			dst = e.added(dst, output, func(d []byte) []byte {
				return append(appendString(append(d, `{"type":"image_generation_call","id":`...), id), `,"status":"in_progress","result":null}`...)
			})
			from := e.begin()
			e.items = appendString(append(e.items, `{"type":"image_generation_call","id":`...), id)
			e.items = append(appendString(append(e.items, `,"status":"completed","result":`...), b.Media.Data), '}')
			dst = e.done(dst, output, from)
		}
	case llm.Text, llm.Refusal, llm.ToolResult, llm.Opaque:
	}
	return dst
}

func (e *encoder) openItem(dst []byte, ev *llm.Event) []byte {
	o := e.newItem()
	o.block, o.b = ev.Index, ev.Block
	prefix := "rs"
	if o.b.Kind == llm.ToolCall {
		prefix = "fc"
		o.custom = o.b.Call.Custom
		t := e.tools.Of(o.b.Call.Name)
		if t != nil && t.Grammar != nil && !o.custom {
			o.custom, o.unwrap = true, true
		}
		o.shell = isShell(t)
		switch {
		case o.custom:
			prefix = "ctc"
		case o.shell:
			prefix = "lsh"
		}
	}
	o.output, o.id = e.next(prefix)
	if s := o.b.State; o.b.Kind == llm.Thinking && s.Origin == llm.Responses && dialect.Name(s.ID) != "" {
		o.id = s.ID
	}
	o.place = appendPlace(o.place[:0], o.id, o.output)
	if o.b.Kind == llm.Thinking {
		o.place = append(o.place, `,"summary_index":0`...)
	}
	e.open = append(e.open, o)
	return e.added(dst, o.output, func(b []byte) []byte { return e.appendItem(b, o, "in_progress", nil) })
}

// openPart begins a part of the message, and the message where there is none.
func (e *encoder) openPart(dst []byte, block int, of *llm.Block) []byte {
	kind, phase := of.Kind, phaseOf(of)
	if e.message != nil && e.message.phase != phase {
		dst = e.closeMessage(dst)
	}
	if e.message == nil {
		m := &e.said
		*m = message{phase: phase, place: m.place[:0], parts: m.parts[:0], text: m.text[:0], quoted: m.quoted[:0], notes: m.notes[:0]}
		m.output, m.id = e.next("msg")
		e.message = m
		dst = e.added(dst, m.output, func(b []byte) []byte {
			return append(m.appendHead(b, "in_progress"), "]}"...)
		})
	} else {
		dst = e.closePart(dst)
	}
	m := e.message
	m.block, m.kind = block, kind
	m.text = m.text[:0]
	m.notes, m.noted = m.notes[:0], 0
	m.place = appendInt(append(appendPlace(m.place[:0], m.id, m.output), `,"content_index":`...), int64(m.count))
	return e.event(dst, "response.content_part.added", func(b []byte) []byte {
		return appendPart(append(e.place(b), `,"part":`...), kind, []byte(`""`), nil, nil)
	})
}

// appendHead appends the message up to its parts.
func (m *message) appendHead(b []byte, status string) []byte {
	b = appendString(append(b, `{"type":"message","id":`...), m.id)
	b = append(append(append(b, `,"status":"`...), status...), `","role":"assistant"`...)
	if m.phase != "" {
		b = appendString(append(b, `,"phase":`...), m.phase)
	}
	return append(b, `,"content":[`...)
}

// place appends where in the message the part at hand is.
func (e *encoder) place(b []byte) []byte { return append(b, e.message.place...) }

// appendPart appends a part of a message, with a text in quotes.
func appendPart(b []byte, kind llm.Kind, quoted, notes []byte, probs []llm.Logprob) []byte {
	if kind == llm.Refusal {
		return append(append(append(b, `{"type":"refusal","refusal":`...), quoted...), '}')
	}
	b = append(append(b, `{"type":"output_text","annotations":[`...), notes...)
	b = appendProbs(append(b, `],"logprobs":`...), probs)
	return append(append(append(b, `,"text":`...), quoted...), '}')
}

func appendProbs(b []byte, probs []llm.Logprob) []byte {
	if len(probs) == 0 {
		return append(b, "[]"...)
	}
	return append(b, marshal(likely(probs, true))...)
}

func (e *encoder) delta(dst []byte, ev *llm.Event) []byte {
	if ev.Text == "" {
		return dst
	}
	if m := e.message; m != nil && m.block == ev.Index {
		m.text = append(m.text, ev.Text...)
		e.held += len(ev.Text)
		name := "response.output_text.delta"
		if m.kind == llm.Refusal {
			name = "response.refusal.delta"
		}
		return e.event(dst, name, func(b []byte) []byte {
			b = appendString(append(e.place(b), `,"delta":`...), ev.Text)
			if m.kind != llm.Refusal {
				b = append(b, `,"logprobs":[]`...)
			}
			return b
		})
	}
	o := e.at(ev.Index)
	if o == nil {
		return dst
	}
	o.text = append(o.text, ev.Text...)
	e.held += len(ev.Text)
	if o.b.Kind == llm.Thinking && !o.shown {
		o.shown = true
		dst = e.event(dst, "response.reasoning_summary_part.added", func(b []byte) []byte {
			return append(append(b, o.place...), `,"part":{"type":"summary_text","text":""}`...)
		})
	}
	if o.unwrap || o.shell {
		return dst // the text in it is known at the end, and a command comes whole
	}
	return e.itemDelta(dst, o, ev.Text)
}

func (e *encoder) itemDelta(dst []byte, o *openItem, text string) []byte {
	name := "response.function_call_arguments.delta"
	switch {
	case o.b.Kind == llm.Thinking:
		name = "response.reasoning_summary_text.delta"
	case o.custom:
		name = "response.custom_tool_call_input.delta"
	}
	return e.event(dst, name, func(b []byte) []byte { return appendString(append(append(b, o.place...), `,"delta":`...), text) })
}

// appendPlace appends which item an event is about.
func appendPlace(b []byte, id string, output int) []byte {
	return appendInt(append(appendString(append(b, `,"item_id":`...), id), `,"output_index":`...), int64(output))
}

func (e *encoder) cite(dst []byte, ev *llm.Event) []byte {
	m := e.message
	if m == nil || m.block != ev.Index || m.kind != llm.Text {
		return dst
	}
	note := annotationOf(&ev.Citation)
	if m.noted > 0 {
		m.notes = append(m.notes, ',')
	}
	m.notes = append(m.notes, note...)
	e.held += len(note)
	m.noted++
	return e.event(dst, "response.output_text.annotation.added", func(b []byte) []byte {
		b = appendInt(append(e.place(b), `,"annotation_index":`...), int64(m.noted-1))
		return append(append(b, `,"annotation":`...), note...)
	})
}

func (e *encoder) closeBlock(dst []byte, block int) []byte {
	for i, o := range e.open {
		if o.block == block {
			e.open = slices.Delete(e.open, i, i+1)
			return e.closeItem(dst, o)
		}
	}
	return dst // parts of a message end with the next one, since how likely their tokens were may come later
}

// closeAll ends what is open.
func (e *encoder) closeAll(dst []byte) []byte {
	dst = e.closeMessage(dst)
	for _, o := range e.open {
		dst = e.closeItem(dst, o)
	}
	e.open = e.open[:0]
	return dst
}

func (e *encoder) closePart(dst []byte) []byte {
	m := e.message
	if m == nil || m.block < 0 {
		return dst
	}
	m.quoted = appendText(m.quoted[:0], m.text)
	if !e.quiet {
		dst = slices.Grow(dst, 3*(partRoom+len(m.quoted)+len(m.notes)))
	}
	var probs []llm.Logprob
	if m.kind == llm.Text {
		probs, e.probs = e.probs, nil
	}
	name, field := "response.output_text.done", `,"text":`
	if m.kind == llm.Refusal {
		name, field = "response.refusal.done", `,"refusal":`
	}
	dst = e.event(dst, name, func(b []byte) []byte {
		b = append(append(e.place(b), field...), m.quoted...)
		if m.kind == llm.Text {
			b = appendProbs(append(b, `,"logprobs":`...), probs)
		}
		return b
	})
	if m.count > 0 {
		m.parts = append(m.parts, ',')
	}
	from := len(m.parts)
	m.parts = appendPart(m.parts, m.kind, m.quoted, m.notes, probs)
	dst = e.event(dst, "response.content_part.done", func(b []byte) []byte {
		return append(append(e.place(b), `,"part":`...), m.parts[from:]...)
	})
	m.block = -1
	m.count++
	return dst
}

func (e *encoder) closeMessage(dst []byte) []byte {
	m := e.message
	if m == nil {
		return dst
	}
	dst = e.closePart(dst)
	from := e.begin()
	e.items = append(append(m.appendHead(e.items, "completed"), m.parts...), "]}"...)
	e.message, e.held = nil, 0
	for _, o := range e.open {
		e.held += len(o.text)
	}
	return e.done(dst, m.output, from)
}

// partRoom is about how long an event is that tells a part, without its text.
const partRoom = 256

// newItem is an item in memory that was used before, where there is some.
func (e *encoder) newItem() *openItem {
	n := len(e.spare) - 1
	if n < 0 {
		return new(openItem)
	}
	o := e.spare[n]
	e.spare = e.spare[:n]
	return o
}

// closeItem ends an item, whose memory the next one uses.
func (e *encoder) closeItem(dst []byte, o *openItem) []byte {
	text := o.text
	e.held -= len(text)
	if !e.quiet {
		dst = slices.Grow(dst, 3*(partRoom+len(text)+len(text)/8))
	}
	switch {
	case o.b.Kind == llm.Thinking:
		if e.quiet && o.b.State.Origin == llm.Responses && o.b.State.ID != "" {
			o.id = o.b.State.ID
		}
		o.b.Text = string(text)
		if o.shown {
			dst = e.event(dst, "response.reasoning_summary_text.done", func(b []byte) []byte {
				return appendText(append(append(b, o.place...), `,"text":`...), text)
			})
			dst = e.event(dst, "response.reasoning_summary_part.done", func(b []byte) []byte {
				return append(appendText(append(append(b, o.place...), `,"part":{"type":"summary_text","text":`...), text), '}')
			})
		}
	case o.custom:
		if o.unwrap {
			whole := llm.Unwrap(string(text))
			if text = []byte(whole); whole != "" {
				dst = e.itemDelta(dst, o, whole)
			}
		}
		dst = e.event(dst, "response.custom_tool_call_input.done", func(b []byte) []byte {
			return appendText(append(append(b, o.place...), `,"input":`...), text)
		})
	case o.shell:
	default:
		if len(text) == 0 {
			text = []byte("{}")
			dst = e.itemDelta(dst, o, "{}")
		}
		dst = e.event(dst, "response.function_call_arguments.done", func(b []byte) []byte {
			_, name := splitName(&e.tools, o.b.Call.Name)
			b = appendString(append(append(b, o.place...), `,"name":`...), name)
			return appendText(append(b, `,"arguments":`...), text)
		})
	}
	from := e.begin()
	e.items = e.appendItem(e.items, o, "completed", text)
	dst = e.done(dst, o.output, from)
	*o = openItem{place: o.place[:0], text: o.text[:0]}
	e.spare = append(e.spare, o)
	return dst
}

// appendItem appends a reasoning item or a call.
func (e *encoder) appendItem(b []byte, o *openItem, status string, text []byte) []byte {
	if o.b.Kind == llm.Thinking {
		b = append(appendString(append(b, `{"type":"reasoning","id":`...), o.id), `,"summary":[`...)
		if len(text) > 0 {
			b = append(appendText(append(b, `{"type":"summary_text","text":`...), text), '}')
		}
		b = append(b, ']')
		sealed := o.b.State.Data
		if o.b.State.Origin != llm.Responses {
			sealed = llm.Carry(o.b)
		}
		if status == "completed" && sealed != "" {
			b = appendString(append(b, `,"encrypted_content":`...), sealed)
		}
		return append(b, '}')
	}
	kind, field := "function_call", `,"arguments":`
	if o.custom {
		kind, field = "custom_tool_call", `,"input":`
	}
	callID := o.b.Call.ID
	if s := o.b.State; !s.IsZero() {
		callID = llm.CarryID(callID, llm.Block{Kind: llm.ToolCall, State: s})
	}
	if o.shell {
		kind = localShellCall
	}
	b = append(append(append(b, `{"type":"`...), kind...), `","id":`...)
	b = append(append(append(appendString(b, o.id), `,"status":"`...), status...), '"')
	if o.shell {
		return append(appendAction(append(appendString(append(b, `,"call_id":`...), callID), `,"action":`...), text), '}')
	}
	namespace, name := splitName(&e.tools, o.b.Call.Name)
	if namespace != "" {
		b = appendString(append(b, `,"namespace":`...), namespace)
	}
	b = appendString(append(b, `,"call_id":`...), callID)
	b = appendString(append(b, `,"name":`...), name)
	return append(appendText(append(b, field...), text), '}')
}
