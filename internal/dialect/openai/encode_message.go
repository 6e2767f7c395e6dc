package openai

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// maxCallID is the longest id of a tool call that OpenAI takes.
const maxCallID = 40

func (e *requestEncoder) messages() {
	if len(e.in.Messages) > 0 {
		e.out.Messages = newMessages()
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
	if last := e.last(); e.vendor.strictOrder && last != nil && last.Role == "assistant" && len(last.ToolCalls) == 0 {
		last.Extra = map[string]jsontext.Value{"prefix": jsontext.Value("true")}
	}
}

// last is the last message that was written, or nil.
func (e *requestEncoder) last() *message {
	if n := len(e.out.Messages); n > 0 {
		return &e.out.Messages[n-1]
	}
	return nil
}

// say writes a message of the user's or of the system's, in the order that the vendor wants.
func (e *requestEncoder) say(role, name string, c content) {
	if last := e.last(); e.vendor.strictOrder && last != nil && last.Role == "tool" {
		e.out.Messages = append(e.out.Messages, message{Role: "assistant", Content: content{set: true, text: "Understood."}})
	}
	e.out.Messages = append(e.out.Messages, message{Role: role, Name: e.participant(name), Content: c})
}

// instruction writes what a system or a developer says. Where that may stand at the head alone, the user says it later on.
func (e *requestEncoder) instruction(role string, m *llm.Message) {
	blocks := m.Blocks
	if last := e.last(); e.vendor.strictOrder && last != nil && last.Role != "system" {
		role, blocks = "user", slices.Clone(blocks)
		for i := range blocks {
			if blocks[i].Kind == llm.Text {
				blocks[i].Text = "<system>\n" + blocks[i].Text + "\n</system>"
			}
		}
	}
	if c, ok := e.content(blocks, "\n\n"); ok {
		e.say(role, m.Name, c)
	}
}

// participant is the name of who speaks, where the vendor wants to know.
func (e *requestEncoder) participant(name string) string {
	if e.take(name != "", llm.FieldName) {
		return name
	}
	return ""
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
	if c, ok := e.content(rest, "\n\n"); ok {
		e.say("user", m.Name, c)
	}
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
	c, ok := e.content(texts, "\n\n")
	if !ok {
		c = content{set: true}
	}
	e.out.Messages = append(e.out.Messages, message{Role: "tool", ToolCallID: e.callID(r.CallID), Content: c})
	return rest
}

// content writes blocks as a text where they are one, else as a list. OpenAI takes lists of texts anywhere; for others
// they are joined.
func (e *requestEncoder) content(blocks []llm.Block, join string) (content, bool) {
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
		if len(blocks) == 1 {
			e.drops.If(len(blocks[0].Citations) > 0, llm.FieldCitations)
			return content{set: true, text: blocks[0].Text}, true
		}
		texts := make([]string, len(blocks))
		for i := range blocks {
			e.drops.If(len(blocks[i].Citations) > 0, llm.FieldCitations)
			texts[i] = blocks[i].Text
		}
		return content{set: true, text: strings.Join(texts, join)}, len(blocks) > 0
	}
	parts := make([]part, 0, len(blocks))
	for i := range blocks {
		if p, ok := e.part(&blocks[i]); ok {
			parts = append(parts, p)
		}
	}
	return content{set: true, parts: parts}, len(parts) > 0
}

// part writes one block, or notes that it cannot be.
func (e *requestEncoder) part(b *llm.Block) (p part, ok bool) {
	switch b.Kind {
	case llm.Text:
		e.drops.If(len(b.Citations) > 0, llm.FieldCitations)
		p, ok = part{Type: "text", Text: &b.Text}, true
	case llm.Refusal:
		p, ok = part{Type: "refusal", Refusal: &b.Text}, true
	case llm.Media:
		p, ok = e.media(b.Media)
	case llm.Opaque:
		p, ok = e.opaque(b)
	case llm.Thinking, llm.ToolCall, llm.ToolResult: // have their places in the message
	}
	if ok && b.Cache != nil {
		switch {
		case e.vendor.cache:
			p.CacheControl = e.cacheControl(b.Cache)
		case e.breakpoints:
			p.Breakpoint = &breakpoint{Mode: "explicit"}
		}
	}
	return p, ok
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
	w := message{Role: "assistant", Name: e.participant(m.Name)}
	var said []llm.Block
	var thought strings.Builder
	for i := range m.Blocks {
		b := &m.Blocks[i]
		switch b.Kind {
		case llm.Thinking:
			e.thought(&w, &thought, b)
		case llm.ToolCall:
			w.ToolCalls = append(w.ToolCalls, e.call(b))
		case llm.Media:
			if b.Media.FileID != "" && b.Media.Kind == llm.Audio && ours(b.Media.Origin) && w.Audio == nil {
				w.Audio = &audioRef{ID: b.Media.FileID}
				continue
			}
			e.drops.Add(b.Media.Kind.Field()) // the model's own pictures are not taken back
		case llm.Text, llm.Refusal, llm.Opaque, llm.ToolResult:
			said = appendBlock(said, m.Blocks, i)
		}
	}
	if thought.Len() > 0 {
		w.ReasoningContent = pointer(thought.String())
	}
	for i := range said {
		if said[i].Kind == llm.Refusal && !e.vendor.openAI { // a word of OpenAI's
			said = slices.Clone(said)
			said[i].Kind = llm.Text
		}
	}
	if len(said) == 1 && said[0].Kind == llm.Refusal {
		w.Refusal, said = &said[0].Text, nil
	}
	if c, ok := e.content(said, ""); ok {
		w.Content = c
	}
	switch {
	case w.Content.set || w.Refusal != nil || w.Audio != nil || len(w.ToolCalls) > 0:
	case w.ReasoningContent != nil || len(w.ReasoningDetails) > 0:
		w.Content = content{set: true}
	default:
		return
	}
	e.out.Messages = append(e.out.Messages, w)
}

// thought gives thinking back to who wants it.
func (e *requestEncoder) thought(w *message, text *strings.Builder, b *llm.Block) {
	own := b.State.Origin == llm.OpenAI
	switch {
	case own && b.State.Data != "" && e.vendor.details:
		d := detailOf(b.Text, b.State)
		d.Index = pointer(count(len(w.ReasoningDetails)))
		w.ReasoningDetails = append(w.ReasoningDetails, d)
	case e.vendor.reasoning && b.Text != "" && (own || b.State.IsZero() || e.vendor != &anyVendor):
		// Thinking is only text to these, whoever thought it; in a tool loop some refuse a turn that has none.
		if e.vendor.keep {
			if e.out.Thinking == nil {
				e.out.Thinking = &thinking{Type: "enabled"}
			}
			e.out.Thinking.Clear = pointer(false)
		}
		text.WriteString(b.Text)
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
	w.Function = &functionCall{Name: llm.ToolName(b.Call.Name), Arguments: arguments(b.Call.Input)}
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
