package gemini

import (
	"encoding/base64"
	"strings"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// EncodeRequest implements dialect.Dialect.
//
// Files go by content, by the name that Google gave them, or by address: gs, and http and https, which Google fetches itself
// (blog.google, "Increased file size limits and expanded inputs support in Gemini API"). System messages at the head become systemInstruction;
// later ones stay in their place as the user's words between <system> lines, so that the prefix that a cache holds does not
// change.
func (Dialect) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	e := newRequestEncoder(r, t)
	defer e.free()
	if err := e.encode(); err != nil {
		return nil, nil, err
	}
	return e.write()
}

// encode puts the request together.
func (e *requestEncoder) encode() error {
	if err := e.in.Elsewhere(llm.Gemini); err != nil {
		return err
	}
	e.messages()
	e.tools()
	e.config()
	e.others()
	if len(e.out.Contents) == 0 {
		return &llm.RequestError{Message: "The request has no messages."}
	}
	return nil
}

// write writes what was put together.
func (e *requestEncoder) write() ([]byte, []llm.Field, error) {
	o, _ := outputs.Get().(*output)
	if n := e.in.Size(); n > maxKept {
		o.b = make([]byte, 0, n)
	}
	o.request(&e.out)
	body, err := o.finish()
	if err != nil {
		return nil, nil, &llm.RequestError{Message: "The request cannot be written: " + err.Error() + "."}
	}
	return body, e.drops.Fields(), nil
}

type requestEncoder struct {
	in      *llm.Request
	target  dialect.Target
	version version // of the target's model
	out     wireRequest
	drops   llm.Drops
	names   map[string]*llm.Call // calls of the conversation by id: results are paired by name
	grown   growth

	room wireRoom // what out is made of
}

// requestEncoders are kept for their memory.
var requestEncoders = sync.Pool{New: func() any { return &requestEncoder{names: map[string]*llm.Call{}} }}

func newRequestEncoder(r *llm.Request, t dialect.Target) *requestEncoder {
	e, _ := requestEncoders.Get().(*requestEncoder)
	e.in, e.target, e.version = r, t, versionOf(t.Model)
	e.out.Contents = e.room.contents.list(len(r.Messages) + 1)
	return e
}

func (e *requestEncoder) free() {
	e.empty()
	requestEncoders.Put(e)
}

// empty keeps the memory, with nothing of the request in it.
func (e *requestEncoder) empty() {
	e.in, e.target, e.out, e.drops, e.grown = nil, dialect.Target{}, wireRequest{}, llm.Drops{}, growth{}
	e.room.reset()
	if len(e.names) > keepList {
		e.names = map[string]*llm.Call{}
	}
	clear(e.names)
}

// messages writes the conversation.
func (e *requestEncoder) messages() {
	head := true
	for i := range e.in.Messages {
		m := &e.in.Messages[i]
		e.drops.If(m.Name != "", llm.FieldName)
		system := m.Role == llm.System || m.Role == llm.Developer
		head = head && system
		switch {
		case head:
			e.system(m)
		case system:
			e.add("user", e.midSystem(m))
		case m.Role == llm.Assistant:
			e.add("model", e.model(m))
		default:
			e.add("user", e.user(m))
		}
	}
	e.pair()
	switch c := e.out.Contents; {
	case len(c) == 0 && e.out.SystemInstruction != nil: // a system prompt alone is what the user says
		e.add("user", e.out.SystemInstruction.Parts)
		e.out.SystemInstruction = nil
	case len(c) > 0 && c[0].Role == "model": // a conversation begins with the user
		e.out.Contents = append(list[wireContent]{{Role: "user", Parts: list[wirePart]{textPart(" ")}}}, c...)
	}
	if c := e.out.Contents; len(c) > 0 && c[len(c)-1].Role == "model" && e.in.Dialect != llm.Gemini && !prefills(e.target.Model) {
		e.add("user", list[wirePart]{textPart(goOn)})
	}
}

// goOn stands in for the user's turn, where the model cannot go on with what it began to say.
const goOn = "Continue."

// add adds to the conversation; neighbours of one role become one.
func (e *requestEncoder) add(role string, parts list[wirePart]) {
	if len(parts) == 0 {
		return
	}
	if n := len(e.out.Contents); n > 0 && e.out.Contents[n-1].Role == role {
		last := &e.out.Contents[n-1]
		last.Parts = append(last.Parts, parts...)
		return
	}
	e.out.Contents = append(e.out.Contents, wireContent{Role: role, Parts: parts})
}

func textPart(s string) wirePart { return wirePart{Text: &s} }

func (e *requestEncoder) system(m *llm.Message) {
	if parts := e.user(m); len(parts) > 0 {
		e.instruct(parts)
	}
}

// instruct adds to the system instruction.
func (e *requestEncoder) instruct(parts list[wirePart]) {
	if e.out.SystemInstruction == nil {
		e.out.SystemInstruction = &e.room.system
		*e.out.SystemInstruction = wireContent{Role: "user", Parts: parts}
		return
	}
	e.out.SystemInstruction.Parts = append(e.out.SystemInstruction.Parts, parts...)
}

// midSystem is a system message within the conversation.
func (e *requestEncoder) midSystem(m *llm.Message) list[wirePart] {
	parts := e.user(m)
	for i := range parts {
		if parts[i].Text != nil {
			parts[i] = textPart("<system>\n" + *parts[i].Text + "\n</system>")
		}
	}
	return parts
}

// user writes what the user says, tool results included.
func (e *requestEncoder) user(m *llm.Message) list[wirePart] {
	var parts list[wirePart] = e.room.parts.list(len(m.Blocks))
	for i := range m.Blocks {
		b := &m.Blocks[i]
		e.drops.If(b.Cache != nil, llm.FieldCache)
		switch b.Kind {
		case llm.Text, llm.Refusal:
			if b.Text != "" {
				parts = append(parts, wirePart{Text: &b.Text})
			}
			e.drops.If(len(b.Citations) > 0, llm.FieldCitations)
		case llm.Media:
			if p, ok := e.file(b); ok {
				parts = append(parts, p)
			}
		case llm.ToolResult:
			parts = e.result(parts, b.Result)
		case llm.Opaque:
			parts = e.opaque(parts, b)
		case llm.Thinking:
			e.drops.Add(llm.FieldThinking)
		case llm.ToolCall:
		}
	}
	return parts
}

// model writes what the model said.
func (e *requestEncoder) model(m *llm.Message) list[wirePart] {
	var parts list[wirePart] = e.room.parts.list(len(m.Blocks))
	firstCall, signed := -1, false
	for i := range m.Blocks {
		b := &m.Blocks[i]
		e.drops.If(b.Cache != nil, llm.FieldCache)
		switch b.Kind {
		case llm.Text, llm.Refusal:
			if b.Text != "" {
				parts = append(parts, wirePart{Text: &b.Text})
			}
			e.drops.If(len(b.Citations) > 0, llm.FieldCitations)
		case llm.Thinking:
			parts = e.thinking(parts, b)
		case llm.ToolCall:
			e.names[b.Call.ID] = &b.Call
			p := wirePart{FunctionCall: e.room.calls.one(writeCall(&b.Call))}
			if b.State.Origin == llm.Gemini {
				p.ThoughtSignature, signed = b.State.Data, true
			} else {
				e.drops.If(!b.State.IsZero(), llm.FieldThinking)
			}
			if firstCall < 0 {
				firstCall = len(parts)
			}
			parts = append(parts, p)
		case llm.Media:
			if p, ok := e.file(b); ok {
				parts = append(parts, p)
			}
		case llm.Opaque:
			parts = e.opaque(parts, b)
		case llm.ToolResult:
		}
	}
	if firstCall >= 0 && !signed && e.version.atLeast(3, 0) {
		parts[firstCall].ThoughtSignature = dummySignature // the first of parallel calls is the one that must be signed
	}
	return parts
}

// thinking writes back what Gemini signed. A signature without text belongs to the text before it, or is an empty part of
// its own. Thinking of others has no place; neither has thinking that nobody signed, which is Gemini's own summary and not
// wanted back.
func (e *requestEncoder) thinking(parts list[wirePart], b *llm.Block) list[wirePart] {
	if b.State.Origin != llm.Gemini {
		e.drops.If(!b.State.IsZero(), llm.FieldThinking)
		return parts
	}
	return appendSigned(parts, b.Text, b.State.Data)
}

// appendSigned adds thinking with its native signature: to the text or file before it, where it has no text of its own.
func appendSigned(parts list[wirePart], thought, signature string) list[wirePart] {
	if n := len(parts); thought == "" && n > 0 {
		last := &parts[n-1]
		if last.ThoughtSignature == "" && !last.Thought && (last.Text != nil || last.InlineData != nil || last.FileData != nil) {
			last.ThoughtSignature = signature
			return parts
		}
	}
	p := textPart(thought)
	p.Thought, p.ThoughtSignature = thought != "", signature
	return append(parts, p)
}

func (e *requestEncoder) opaque(parts list[wirePart], b *llm.Block) list[wirePart] {
	var p wirePart
	if b.Vendor != llm.Gemini || json.Unmarshal(b.Raw, &p, fromUpstream) != nil {
		e.drops.Add(llm.FieldVendorBlock.With(b.Type))
		return parts
	}
	return append(parts, p)
}

// file writes a file, with what Gemini's own callers say beside it.
func (e *requestEncoder) file(b *llm.Block) (wirePart, bool) {
	p, ok := e.media(b.Media)
	if ok && b.Vendor == llm.Gemini && b.Type == "" && len(b.Raw) > 0 && json.Unmarshal(b.Raw, &p, fromUpstream) != nil {
		return wirePart{}, false // it was read before
	}
	return p, ok
}

// media writes a file. An address needs a type, which is guessed by its ending where the caller gave none.
func (e *requestEncoder) media(a *llm.Attachment) (wirePart, bool) {
	e.drops.If(a.Detail != "" && a.Detail != "auto", llm.FieldDetail)
	e.drops.If(a.Cite, llm.FieldCite)
	if a.Context != "" {
		e.drops.Add(llm.FieldDocument)
	}
	mime, name := a.MIMEType, a.Name
	if e.in != nil && e.in.Dialect != llm.Gemini && !onVertex(e.target.Host) {
		name = "" // Vertex AI alone takes it, of all who may be asked for it
		e.drops.If(a.Name != "", llm.FieldFileName)
	}
	switch {
	case a.Text != "" && a.Data == "":
		if mime == "" {
			mime = "text/plain"
		}
		return wirePart{InlineData: &wireBlob{MIMEType: mime, Data: base64.StdEncoding.EncodeToString([]byte(a.Text)), DisplayName: name}}, true
	case a.Data != "":
		if mime == "" {
			mime = guess(a.Name, a.Kind)
		}
		return wirePart{InlineData: &wireBlob{MIMEType: mime, Data: a.Data, DisplayName: name}}, true
	case a.URL != "" && isURL(a.URL):
		if mime == "" {
			mime = guess(a.URL, a.Kind)
		}
		return wirePart{FileData: &wireFile{MIMEType: mime, FileURI: a.URL, DisplayName: name}}, true
	case a.FileID != "" && a.Origin == llm.Gemini:
		return wirePart{FileData: &wireFile{MIMEType: mime, FileURI: a.FileID, DisplayName: name}}, true
	case a.FileID != "":
		e.drops.Add(llm.FieldFile)
	default:
		e.drops.Add(a.Kind.Field())
	}
	return wirePart{}, false
}

// endings are the types of files by the ending of their names.
var endings = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic",
	"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html", "csv": "text/csv", "json": "application/json",
	"mp3": "audio/mp3", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac", "m4a": "audio/m4a", "aac": "audio/aac",
	"mp4": "video/mp4", "mov": "video/mov", "webm": "video/webm", "mpeg": "video/mpeg",
}

// guess is the type of a file by its name or address, or the commonest of its kind.
func guess(name string, kind llm.MediaKind) string {
	name, _, _ = strings.Cut(name, "?")
	name, _, _ = strings.Cut(name, "#")
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		if mime, ok := endings[strings.ToLower(name[at+1:])]; ok {
			return mime
		}
	}
	switch kind {
	case llm.Image:
		return "image/jpeg"
	case llm.Audio:
		return "audio/wav"
	case llm.Video:
		return "video/mp4"
	case llm.Document:
	}
	return "application/pdf"
}

// result writes what a function returned. From generation 3 on files stand within the response; before, they follow it as
// parts of their own.
func (e *requestEncoder) result(parts list[wirePart], r *llm.Result) list[wirePart] {
	name, custom := r.Name, r.Custom
	if call, ok := e.names[r.CallID]; ok {
		name, custom = call.Name, call.Custom
	}
	if name == "" {
		name = r.CallID // a result of a call that is not in the conversation
	}
	if custom {
		name += customSuffix
	}
	w := e.room.results.one(wireResult{ID: r.CallID, Name: name})
	said := ""
	var more strings.Builder // where there is a second text
	var files list[wirePart]
	for i := range r.Content {
		b := &r.Content[i]
		e.drops.If(b.Cache != nil, llm.FieldCache)
		switch b.Kind {
		case llm.Text:
			switch {
			case said == "":
				said = b.Text
				continue
			case more.Len() == 0:
				more.WriteString(said)
			}
			more.WriteByte('\n')
			more.WriteString(b.Text)
		case llm.Media:
			if p, ok := e.file(b); ok {
				files = append(files, p)
			}
		case llm.Opaque:
			e.drops.Add(llm.FieldVendorBlock.With(b.Type))
		case llm.Thinking, llm.ToolCall, llm.ToolResult, llm.Refusal:
		}
	}
	if more.Len() > 0 {
		said = more.String()
	}
	w.write(said, r.IsError)
	parts = append(parts, wirePart{FunctionResponse: w})
	if e.version.atLeast(3, 0) {
		w.Parts = files
		return parts
	}
	return append(parts, files...)
}
