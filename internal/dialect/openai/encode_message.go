package openai

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// maxCallID is the longest id of a tool call that OpenAI takes.
const maxCallID = 40

// messages writes the model and the messages.
func (e *requestEncoder) messages() {
	e.b = append(e.b, '{')
	e.text("model", e.out.Model)
	lead := e.formatInWords()
	if len(e.in.Messages) == 0 && lead == "" {
		return
	}
	e.b = append(field(e.b, "messages"), '[')
	if lead != "" {
		e.begin("system", "")
		e.b = append(jsonwrite.String(e.b, lead), '}')
	}
	for i := range e.in.Messages {
		m := &e.in.Messages[i]
		switch m.Role {
		case llm.System:
			e.instruction("system", m)
		case llm.Developer:
			role := "system"
			if e.vendor.openAI {
				role = "developer"
			}
			e.instruction(role, m)
		case llm.User:
			e.user(m)
		case llm.Assistant:
			e.assistant(m)
		}
	}
	if e.vendor.strictOrder && e.last == "assistant" && !e.calling {
		e.b = append(e.b[:len(e.b)-1], `,"prefix":true}`...)
	}
	e.b = append(e.b, ']')
}

// begin begins a message, up to its content. The name of who speaks is left out where the vendor does not want to know.
func (e *requestEncoder) begin(role, name string) {
	e.b = append(append(append(comma(e.b), `{"role":"`...), role...), '"')
	if name != "" && e.takes(llm.FieldName) {
		e.b = jsonwrite.String(append(e.b, `,"name":`...), name)
	}
	e.b = append(e.b, `,"content":`...)
}

// say writes a message of the user's or of the system's, in the order that the vendor wants.
func (e *requestEncoder) say(role, name string, blocks []llm.Block) {
	from := len(e.b)
	if e.vendor.strictOrder && e.last == "tool" {
		e.begin("assistant", "")
		e.b = append(e.b, `"Understood."}`...)
	}
	e.begin(role, name)
	if !e.content(blocks, "\n\n") {
		e.b = e.b[:from]
		return
	}
	e.b = append(e.b, '}')
	e.last = role
	e.take(name != "", llm.FieldName)
}

// instruction writes what a system or a developer says. Where that may stand at the head alone, the user says it later on.
func (e *requestEncoder) instruction(role string, m *llm.Message) {
	blocks := m.Blocks
	if e.vendor.strictOrder && e.last != "" && e.last != "system" {
		role, blocks = "user", slices.Clone(blocks)
		for i := range blocks {
			if blocks[i].Kind == llm.Text {
				blocks[i].Text = "<system>\n" + blocks[i].Text + "\n</system>"
			}
		}
	}
	e.say(role, m.Name, blocks)
}

// user writes a turn of the user's: the results of tools as messages of their own, then what else there is. Tools return
// text alone here, so files that they returned follow in the user's name, behind a line that says which call they are of.
func (e *requestEncoder) user(m *llm.Message) {
	var rest []llm.Block
	for i := range m.Blocks {
		if b := &m.Blocks[i]; b.Kind == llm.ToolResult {
			rest = append(rest, e.result(b)...)
		} else {
			rest = appendBlock(rest, m.Blocks, i)
		}
	}
	e.say("user", m.Name, rest)
}

// appendBlock appends one block of a list. Where it is the first, the list's memory is shared: blocks are large, and mostly
// alone. What changes a block copies it.
func appendBlock(to, from []llm.Block, i int) []llm.Block {
	if len(to) == 0 {
		return from[i : i+1 : i+1]
	}
	return append(to, from[i])
}

// result writes one tool message and returns what it cannot hold.
func (e *requestEncoder) result(b *llm.Block) []llm.Block {
	r := b.Result
	var texts, rest []llm.Block
	for i := range r.Content {
		switch c := &r.Content[i]; c.Kind {
		case llm.Text:
			texts = appendBlock(texts, r.Content, i)
		case llm.Media:
			rest = append(rest, *c)
		default:
			e.drops.Add(llm.FieldVendorBlock.With(c.Type))
		}
	}
	if len(rest) > 0 {
		line := "What the tool call " + e.callID(r.CallID) + " returned:"
		if r.Name != "" {
			line = "What " + r.Name + " returned (tool call " + e.callID(r.CallID) + "):"
		}
		rest = append([]llm.Block{{Kind: llm.Text, Text: line}}, rest...)
		if len(texts) == 0 {
			texts = []llm.Block{{Kind: llm.Text, Text: "What it returned follows in the next message."}}
		}
	}
	if r.IsError {
		prefix := "Error: "
		if len(texts) == 0 {
			prefix = "Error"
		}
		texts = append([]llm.Block{{Kind: llm.Text, Text: prefix}}, texts...)
		if len(texts) > 1 {
			texts[1].Text = prefix + texts[1].Text
			texts = texts[1:]
		}
	}
	if b.Cache != nil && len(texts) > 0 && texts[len(texts)-1].Cache == nil {
		texts = slices.Clone(texts)
		texts[len(texts)-1].Cache = b.Cache
	}
	e.begin("tool", "")
	if !e.content(texts, "\n\n") {
		e.b = append(e.b, `""`...)
	}
	if id := e.callID(r.CallID); id != "" {
		e.b = jsonwrite.String(append(e.b, `,"tool_call_id":`...), id)
	}
	e.b, e.last = append(e.b, '}'), "tool"
	return rest
}

// content writes blocks as a text where they are one, else as a list, and reports whether there were any. OpenAI takes lists
// of texts anywhere; for others they are joined.
func (e *requestEncoder) content(blocks []llm.Block, join string) bool {
	plain, marked := true, false
	for i := range blocks {
		plain = plain && blocks[i].Kind == llm.Text
		marked = marked || blocks[i].Cache != nil
	}
	if marked && !e.vendor.cache && !e.breakpoints {
		e.drops.Add(llm.FieldCache)
		marked = false
	}
	if plain && !marked && (len(blocks) < 2 || !e.vendor.openAI) {
		return e.joined(blocks, join)
	}
	from := len(e.b)
	e.b = append(e.b, '[')
	for i := range blocks {
		e.part(&blocks[i])
	}
	if len(e.b) == from+1 {
		e.b = e.b[:from]
		return false
	}
	e.b = append(e.b, ']')
	return true
}

// joined writes texts as one, and reports whether there were any.
func (e *requestEncoder) joined(blocks []llm.Block, join string) bool {
	if len(blocks) == 0 {
		return false
	}
	text := blocks[0].Text
	e.drops.If(len(blocks[0].Citations) > 0, llm.FieldCitations)
	if len(blocks) > 1 {
		texts := make([]string, len(blocks))
		for i := range blocks {
			e.drops.If(len(blocks[i].Citations) > 0, llm.FieldCitations)
			texts[i] = blocks[i].Text
		}
		text = strings.Join(texts, join)
	}
	e.b = jsonwrite.String(e.b, text)
	return true
}

// part writes one block, or notes that it cannot be.
func (e *requestEncoder) part(b *llm.Block) {
	var p part
	ok := false
	switch b.Kind {
	case llm.Text:
		e.drops.If(len(b.Citations) > 0, llm.FieldCitations)
		e.b = jsonwrite.String(append(comma(e.b), `{"type":"text","text":`...), b.Text)
		e.mark(b.Cache)
		return
	case llm.Refusal:
		p, ok = part{Type: "refusal", Refusal: &b.Text}, true
	case llm.Media:
		if p, ok = e.media(b.Media); p.ImageURL != nil {
			e.b = jsonwrite.String(append(comma(e.b), `{"type":"image_url","image_url":{"url":`...), p.ImageURL.URL)
			if p.ImageURL.Detail != "" {
				e.b = jsonwrite.String(append(e.b, `,"detail":`...), p.ImageURL.Detail)
			}
			e.b = append(e.b, '}')
			e.mark(b.Cache)
			return
		}
	case llm.Opaque:
		p, ok = e.opaque(b)
	case llm.Thinking, llm.ToolCall, llm.ToolResult: // have their places in the message
	}
	if !ok {
		return
	}
	if b.Cache != nil {
		switch {
		case e.vendor.cache:
			p.CacheControl = e.cacheControl(b.Cache)
		case e.breakpoints:
			p.Breakpoint = &breakpoint{Mode: "explicit"}
		}
	}
	e.b = append(comma(e.b), e.marshal(&p)...)
}

// mark ends a part that is written by hand, with its cache marker.
func (e *requestEncoder) mark(c *llm.Cache) {
	switch {
	case c == nil:
	case e.vendor.cache:
		e.b = appendCache(e.b, c)
	case e.breakpoints:
		e.b = append(e.b, `,"prompt_cache_breakpoint":{"mode":"explicit"}`...)
	}
	e.b = append(e.b, '}')
}

// callID is an id of a tool call as the vendor takes it, the same for the call and its result.
func (e *requestEncoder) callID(id string) string {
	switch {
	case e.vendor.shortIDs:
		if len(id) == 9 && strings.Trim(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == "" {
			return id
		}
		return hashed(id)[:9]
	case e.vendor.openAI && len(id) > maxCallID:
		return "call_" + hashed(id)
	}
	return id
}

// hashed is 32 hexadecimal digits.
func hashed(s string) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(s)) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}

// assistant writes what the model said before.
func (e *requestEncoder) assistant(m *llm.Message) {
	e.take(m.Name != "", llm.FieldName)
	e.calls, e.thought, e.details = e.calls[:0], e.thought[:0], nil
	var said []llm.Block
	sound := ""
	for i := range m.Blocks {
		b := &m.Blocks[i]
		switch b.Kind {
		case llm.Thinking:
			e.think(b)
		case llm.ToolCall:
			e.calls = append(e.calls, e.call(b))
		case llm.Media:
			if b.Media.FileID != "" && b.Media.Kind == llm.Audio && ours(b.Media.Origin) && sound == "" {
				sound = b.Media.FileID
				continue
			}
			e.drops.Add(b.Media.Kind.Field()) // the model's own pictures are not taken back
		case llm.Text, llm.Refusal, llm.Opaque, llm.ToolResult:
			said = appendBlock(said, m.Blocks, i)
		}
	}
	if !e.vendor.openAI { // refusals are a word of OpenAI's
		own := false // the list is a copy
		for i := range said {
			if said[i].Kind == llm.Refusal {
				if !own {
					said, own = slices.Clone(said), true
				}
				said[i].Kind = llm.Text
			}
		}
	}
	refused := len(said) == 1 && said[0].Kind == llm.Refusal
	refusal := ""
	if refused {
		refusal, said = said[0].Text, nil
	}
	from := len(e.b)
	e.begin("assistant", m.Name)
	if !e.content(said, "") {
		switch {
		case refused || sound != "" || len(e.calls) > 0:
			e.b = append(e.b, "null"...)
		case len(e.thought) > 0 || len(e.details) > 0:
			e.b = append(e.b, `""`...)
		default:
			e.b = e.b[:from]
			return
		}
	}
	if refused {
		e.b = jsonwrite.String(append(e.b, `,"refusal":`...), refusal)
	}
	if sound != "" {
		e.b = append(jsonwrite.String(append(e.b, `,"audio":{"id":`...), sound), '}')
	}
	e.toolCalls()
	if len(e.thought) > 0 {
		e.b = jsonwrite.String(append(e.b, `,"reasoning_content":`...), strings.Join(e.thought, ""))
	}
	e.other("reasoning_details", len(e.details) > 0, e.details)
	e.b = append(e.b, '}')
	e.last, e.calling = "assistant", len(e.calls) > 0
}

// toolCalls writes the calls of a message.
func (e *requestEncoder) toolCalls() {
	for i := range e.calls {
		if i == 0 {
			e.b = append(e.b, `,"tool_calls":[`...)
		}
		c := &e.calls[i]
		if c.Custom != nil || len(c.ExtraContent) > 0 || c.ID == "" {
			e.b = append(comma(e.b), e.marshal(c)...)
			continue
		}
		e.b = jsonwrite.String(append(comma(e.b), `{"id":`...), string(c.ID))
		e.b = jsonwrite.String(append(e.b, `,"type":"function","function":{"name":`...), c.Function.Name)
		e.b = append(jsonwrite.String(append(e.b, `,"arguments":`...), string(c.Function.Arguments)), "}}"...)
	}
	if len(e.calls) > 0 {
		e.b = append(e.b, ']')
	}
}

// think gives thinking back to who wants it.
func (e *requestEncoder) think(b *llm.Block) {
	own := b.State.Origin == llm.OpenAI
	switch {
	case own && b.State.Data != "" && e.vendor.details:
		d := detailOf(b.Text, b.State)
		d.Index = position{true, count(len(e.details))}
		e.details = append(e.details, d)
	case e.vendor.reasoning && b.Text != "" && (own || b.State.IsZero() || e.vendor != &anyVendor):
		// Thinking is only text to these, whoever thought it; in a tool loop some refuse a turn that has none.
		if e.vendor.keep {
			if e.out.Thinking == nil {
				e.out.Thinking = &thinking{Type: "enabled"}
			}
			e.out.Thinking.Clear = pointer(false)
		}
		e.thought = append(e.thought, b.Text)
		e.drops.If(b.State.Data != "", llm.FieldThinking)
	default:
		e.drops.If(b.Text != "" || b.State.Data != "", llm.FieldThinking)
	}
}

func (e *requestEncoder) call(b *llm.Block) toolCall {
	w := toolCall{ID: loose(e.callID(b.Call.ID)), Type: "function"}
	if own := extraContent(b.State); own != nil && e.vendor.reasoning {
		w.ExtraContent = own
	} else {
		e.drops.If(!b.State.IsZero(), llm.FieldThinking)
	}
	if b.Call.Custom && e.vendor.openAI {
		w.Type, w.Custom = "custom", &customCall{Name: llm.ToolName(b.Call.Name), Input: b.Call.Input}
		return w
	}
	w.Function = functionCall{Name: llm.ToolName(b.Call.Name), Arguments: arguments(b.Call.Input)}
	switch {
	case b.Call.Custom:
		w.Function.Arguments = arguments(llm.Wrap(b.Call.Input))
	case b.Call.Input == "":
		w.Function.Arguments = "{}"
	}
	return w
}

// extraContent is the state of a call that a vendor of this dialect made.
func extraContent(s llm.State) jsontext.Value {
	v := jsontext.Value(s.Data)
	if s.Origin != llm.OpenAI || s.Data == "" || !v.IsValid(jsonOut) {
		return nil
	}
	return v
}

// ours reports whether a file's id is one of OpenAI's, which keeps the files of both its dialects in one place.
func ours(origin string) bool { return origin == llm.OpenAI || origin == llm.Responses }
