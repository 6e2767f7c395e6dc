package responses

import (
	"slices"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// instructions takes a system prompt at the head as instructions, and returns the messages that are left.
func (w *requestWriter) instructions(q *request) []llm.Message {
	messages := w.r.Messages
	if len(messages) > 1 && messages[0].Role == llm.System {
		if b := messages[0].Blocks; len(b) == 1 && b[0].Kind == llm.Text && b[0].Text != "" {
			q.Instructions, messages = b[0].Text, messages[1:]
		}
	}
	return messages
}

// input writes the messages that are no instructions, as items.
func (w *requestWriter) input(messages []llm.Message) {
	if len(messages) < len(w.r.Messages) {
		m := &w.r.Messages[0]
		w.drops.If(m.Blocks[0].Cache != nil, llm.FieldCache)
		w.drops.If(m.Name != "", llm.FieldName)
	}
	if w.r.Format.Mode == llm.FormatJSON && !w.own && !mentionJSON(messages) { // else an error, whatever the instructions say
		w.add(jsontext.Value(`{"type":"message","role":"developer","content":"Answer with a JSON object."}`))
	}
	for i := range messages {
		w.message(&messages[i])
	}
	if w.begun {
		w.b = append(w.b, ']')
	}
}

func mentionJSON(messages []llm.Message) bool {
	for i := range messages {
		for j := range messages[i].Blocks {
			if strings.Contains(strings.ToLower(messages[i].Blocks[j].Text), "json") {
				return true
			}
		}
	}
	return false
}

// next begins another item.
func (w *requestWriter) next() {
	if w.begun {
		w.b = append(w.b, ',')
		return
	}
	w.begun = true
	w.b = append(w.b, `,"input":[`...)
}

// add adds an item.
func (w *requestWriter) add(raw jsontext.Value) {
	w.next()
	w.b = append(w.b, raw...)
}

// message writes one turn: runs of what is said as messages, and what was done in between as items of their own.
func (w *requestWriter) message(m *llm.Message) {
	w.drops.If(m.Name != "", llm.FieldName)
	phase := "" // of the message at hand
	begin := func() {
		w.next()
		w.b = append(append(append(w.b, `{"type":"message","role":"`...), roleOf(m.Role)...), '"')
		if phase != "" {
			w.b = appendString(append(w.b, `,"phase":`...), phase)
		}
		w.b = append(w.b, `,"content":`...)
	}
	open := false // a message with a list of parts
	flush := func() {
		if open {
			w.b = append(w.b, `]}`...)
		}
		open = false
	}
	for i := range m.Blocks {
		b := &m.Blocks[i]
		if b.Kind == llm.Text || b.Kind == llm.Refusal || b.Kind == llm.Media {
			p, ok := w.part(b, m.Role)
			if now := phaseOf(b); now != phase {
				flush()
				phase = now
			}
			switch {
			case !ok:
			case m.Role == llm.Assistant && p.Text != nil && len(p.Annotations) == 0 && isNull(p.Cache):
				flush() // only as a text may what a model said come without the id that it got
				begin()
				w.b = append(appendString(w.b, *p.Text), '}')
			case !open:
				begin()
				open = true
				w.b = p.append(append(w.b, '['))
			default:
				w.b = p.append(append(w.b, ','))
			}
			continue
		}
		flush()
		w.item(b)
	}
	flush()
}

func roleOf(r llm.Role) string {
	switch r {
	case llm.System:
		return "system"
	case llm.Developer:
		return "developer"
	case llm.Assistant:
		return "assistant"
	case llm.User:
	}
	return "user"
}

// append writes a part.
func (p *part) append(dst []byte) []byte {
	if p.Type == "input_text" && p.Text != nil && isNull(p.Cache) { // nearly all of them
		return append(appendString(append(dst, `{"type":"input_text","text":`...), *p.Text), '}')
	}
	whole := *p
	return append(dst, marshal(&whole)...)
}

// item writes what is no message.
func (w *requestWriter) item(b *llm.Block) {
	w.drops.If(b.Cache != nil, llm.FieldCache)
	if b.Vendor == llm.Responses && b.Type != "" {
		w.add(b.Raw)
		return
	}
	switch b.Kind {
	case llm.Thinking:
		w.thinking(b)
	case llm.ToolCall:
		w.drops.If(!b.State.IsZero(), llm.FieldThinking)
		w.call(&b.Call)
	case llm.ToolResult:
		kind := `{"type":"function_call_output","call_id":`
		if b.Result.Custom {
			kind = `{"type":"custom_tool_call_output","call_id":`
		}
		w.next()
		w.b = append(appendString(append(w.b, kind...), b.Result.CallID), `,"output":`...)
		w.b = append(w.output(w.b, b.Result), '}')
	case llm.Opaque:
		w.drops.Add(llm.FieldVendorBlock.With(b.Type))
	case llm.Text, llm.Refusal, llm.Media:
	}
}

// call writes a call of a tool.
func (w *requestWriter) call(c *llm.Call) {
	kind, field, input := `{"type":"function_call","call_id":`, `,"arguments":`, c.Input
	switch {
	case c.Custom:
		kind, field = `{"type":"custom_tool_call","call_id":`, `,"input":`
	case input == "":
		input = "{}"
	}
	namespace, name := splitName(&w.tools, c.Name)
	w.next()
	b := appendString(append(w.b, kind...), c.ID)
	b = appendString(append(b, `,"name":`...), plainName(w.r, name))
	if namespace != "" {
		b = appendString(append(b, `,"namespace":`...), namespace)
	}
	w.b = append(appendString(append(b, field...), input), '}')
}

// thinking writes a reasoning item where the upstream can read it: sealed, or kept there under its id.
func (w *requestWriter) thinking(b *llm.Block) {
	s := &b.State
	if s.Origin != llm.Responses || s.Data == "" && (!w.store || s.ID == "") {
		w.drops.If(b.Text != "" || !s.IsZero(), llm.FieldThinking)
		return
	}
	w.next()
	w.b = append(appendSaid(append(w.b, `{"type":"reasoning"`...), `,"id":`, s.ID), `,"summary":[`...)
	if b.Text != "" {
		w.b = append(appendString(append(w.b, `{"type":"summary_text","text":`...), b.Text), '}')
	}
	w.b = append(appendSaid(append(w.b, ']'), `,"encrypted_content":`, s.Data), '}')
}

// output writes what a tool returned: as a text where it is one. The dialect has no mark for errors, so their text says it.
func (w *requestWriter) output(dst []byte, r *llm.Result) []byte {
	content := r.Content
	if r.IsError {
		content = append([]llm.Block{{Kind: llm.Text, Text: "Error:"}}, content...)
		if len(content) > 1 && content[1].Kind == llm.Text {
			content[1].Text = "Error: " + content[1].Text
			content = content[1:]
		}
	}
	if len(content) == 0 {
		return append(dst, `""`...)
	}
	if len(content) == 1 && content[0].Kind == llm.Text && (content[0].Cache == nil || !w.own) {
		w.drops.If(content[0].Cache != nil, llm.FieldCache)
		return appendString(dst, content[0].Text)
	}
	parts := []part{}
	for i := range content {
		b := &content[i]
		switch {
		case b.Kind == llm.Opaque:
			w.drops.Add(llm.FieldVendorBlock.With(b.Type))
		case b.Kind == llm.Media && (b.Media.Kind == llm.Audio || b.Media.Kind == llm.Video):
			w.drops.Add(llm.FieldResultMedia)
		default:
			if p, ok := w.part(b, llm.User); ok {
				parts = append(parts, p)
			}
		}
	}
	if len(parts) == 0 {
		return append(dst, `""`...)
	}
	return append(dst, marshal(parts)...)
}

// part writes a piece of what is said, if it has a place.
func (w *requestWriter) part(b *llm.Block, role llm.Role) (part, bool) {
	p := part{Type: "input_text", Text: &b.Text}
	switch {
	case b.Kind == llm.Refusal && role == llm.Assistant:
		p = part{Type: "refusal", Refusal: &b.Text}
	case b.Kind == llm.Media && role == llm.Assistant:
		w.drops.Add(b.Media.Kind.Field())
		return p, false
	case b.Kind == llm.Media:
		var field llm.Field
		if p, field = w.media(b.Media); field != "" {
			w.drops.Add(field)
			return p, false
		}
	case role == llm.Assistant:
		p.Type = "output_text"
		for i := range b.Citations {
			if c := &b.Citations[i]; c.Vendor == llm.Responses || c.URL != "" {
				p.Annotations = append(p.Annotations, annotationOf(c))
			} else {
				w.drops.Add(llm.FieldCitations)
			}
		}
	}
	if b.Cache != nil {
		if w.own {
			p.Cache = jsontext.Value(`{"mode":"explicit"}`)
		} else {
			w.drops.Add(llm.FieldCache)
		}
	}
	return p, true
}

// media writes an attachment, or names the field that has no place.
func (w *requestWriter) media(a *llm.Attachment) (part, llm.Field) {
	w.drops.If(a.Cite, llm.FieldCite)
	if a.FileID != "" && a.Origin != llm.Responses && a.Origin != llm.OpenAI {
		return part{}, llm.FieldFile
	}
	web := strings.HasPrefix(a.URL, "https://") || strings.HasPrefix(a.URL, "http://")
	content := ""
	if a.Data != "" {
		content = a.Address(map[llm.MediaKind]string{llm.Image: "image/png", llm.Document: "application/pdf"}[a.Kind])
	}
	switch a.Kind {
	case llm.Image:
		p := part{Type: "input_image", ImageURL: content, FileID: a.FileID, Detail: a.Detail}
		if p.Detail == "" {
			p.Detail = "auto"
		}
		if content == "" && a.FileID == "" {
			if !web {
				return p, llm.FieldImageURL
			}
			p.ImageURL = a.URL
		}
		return p, ""
	case llm.Document:
		if a.Text != "" {
			text := a.Text
			for _, line := range []string{a.Context, a.Name} {
				if line != "" {
					text = line + "\n\n" + text
				}
			}
			return part{Type: "input_text", Text: &text}, ""
		}
		w.drops.If(a.Context != "", llm.FieldDocument)
		p := part{Type: "input_file", FileData: content, FileID: a.FileID, Detail: a.Detail}
		switch {
		case content != "":
			p.FileName = a.Name
			if p.FileName == "" && !w.own {
				p.FileName = "document" + extensionOf(a.MIMEType)
			}
		case a.FileID == "":
			if !web {
				return p, llm.FieldDocument
			}
			p.FileURL = a.URL
		}
		return p, ""
	case llm.Audio:
		if w.own && a.Data != "" { // the description has no sound in messages; some upstreams of the dialect do
			return part{Type: "input_audio", Audio: &sound{Data: a.Data, Format: soundFormat(a.MIMEType)}}, ""
		}
	case llm.Video:
		if w.own && a.URL != "" {
			return part{Type: "input_video", VideoURL: a.URL}, ""
		}
	}
	return part{}, a.Kind.Field()
}

// extensionOf is the ending of a file's name by its type; OpenAI tells types by it.
func extensionOf(kind string) string {
	types := []string{"application/pdf", ".pdf", "text/plain", ".txt", "text/markdown", ".md", "text/html", ".html", "text/csv", ".csv", "application/json", ".json"}
	if at := slices.Index(types, kind); at >= 0 && kind != "" {
		return types[at+1]
	}
	return ".pdf"
}
