package anthropic

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// maxMarkers is how many cache breakpoints a request may have.
const maxMarkers = 4

// countMarkers finds out how many cache markers are too many. The first ones go: what stands behind a later one covers
// them.
func (w *requestWriter) countMarkers() {
	count := func(blocks []*llm.Block) {
		for _, b := range blocks {
			if b.Cache != nil {
				w.markers++
			}
			inner := b.Content()
			for j := range inner {
				if inner[j].Cache != nil {
					w.markers++
				}
			}
		}
	}
	for i := range w.tools {
		if w.tools[i].Cache != nil {
			w.markers++
		}
	}
	count(w.system)
	for i := range w.turns {
		count(w.turns[i].blocks)
	}
	if w.r.CacheAll != nil {
		w.markers++
	}
	w.markers -= maxMarkers
}

// cache writes the marker of what is being written, if it has one.
func (w *requestWriter) cache(c *llm.Cache) {
	if c == nil {
		return
	}
	if w.markers > 0 {
		w.markers--
		w.drops.Add(llm.FieldCache)
		return
	}
	w.out = append(w.out, `,"cache_control":`...)
	w.out = appendCache(w.out, c)
}

func appendCache(dst []byte, c *llm.Cache) []byte {
	dst = append(dst, `{"type":"ephemeral"`...)
	if c.TTL == "5m" || c.TTL == "1h" {
		dst = append(append(append(dst, `,"ttl":"`...), c.TTL...), '"')
	}
	return append(dst, '}')
}

// blocks writes a list of blocks.
func (w *requestWriter) blocks(blocks []*llm.Block, role llm.Role) {
	w.out = append(w.out, '[')
	for i, b := range blocks {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.block(b, role)
	}
	w.out = append(w.out, ']')
}

// block writes a block that keep has let through.
func (w *requestWriter) block(b *llm.Block, role llm.Role) {
	if b.Vendor == llm.Anthropic && b.Type != "" { // it is written as it came
		w.out = append(w.out, b.Raw...)
		if b.Kind == llm.Media && b.Cache != nil && w.markers > 0 {
			w.markers-- // its marker is within
		}
		return
	}
	switch b.Kind {
	case llm.Text, llm.Refusal:
		w.out = appendTextBlock(w.out, b.Text)
		w.citations(b.Citations, role)
	case llm.Thinking:
		w.out = appendThinking(w.out, b.Text, b.State)
		return // which takes no marker
	case llm.ToolCall:
		w.call(b)
	case llm.ToolResult:
		w.result(b)
	case llm.Media:
		w.out = appendMedia(w.out, b.Media)
		w.drops.If(b.Media.Detail != "" && b.Media.Detail != "auto", llm.FieldDetail)
	case llm.Opaque:
	}
	w.cache(b.Cache)
	w.out = append(w.out, '}')
}

// appendTextBlock appends a text block without its closing brace.
func appendTextBlock(dst []byte, text string) []byte {
	return jsonwrite.String(append(dst, `{"type":"text","text":`...), text)
}

func (w *requestWriter) citations(list []llm.Citation, role llm.Role) {
	w.container("citations", '[', ']', func() {
		for i := range list {
			if c := &list[i]; c.Vendor == llm.Anthropic && len(c.Raw) > 0 && role == llm.Assistant {
				w.out = append(append(w.out, ','), c.Raw...)
			} else {
				w.drops.Add(llm.FieldCitations)
			}
		}
	})
}

// appendThinking appends a whole thinking block.
func appendThinking(dst []byte, text string, s llm.State) []byte {
	if s.Redacted && s.Origin == llm.Anthropic {
		dst = jsonwrite.String(append(dst, `{"type":"redacted_thinking","data":`...), s.Data)
		return append(dst, '}')
	}
	dst = jsonwrite.String(append(dst, `{"type":"thinking","thinking":`...), text)
	dst = jsonwrite.String(append(dst, `,"signature":`...), signature(s))
	return append(dst, '}')
}

// signature is what stands for a state: Anthropic's own as it is, another vendor's packed. The text of the thinking is
// beside it and need not be in it.
func signature(s llm.State) string {
	if s.Origin == llm.Anthropic && !s.Redacted {
		return s.Data
	}
	return llm.Carry(llm.Block{Kind: llm.Thinking, State: s})
}

func (w *requestWriter) call(b *llm.Block) {
	w.drops.If(!b.State.IsZero(), llm.FieldThinking) // Anthropic signs no calls
	w.out = jsonwrite.String(append(w.out, `{"type":"tool_use","id":`...), b.Call.ID)
	w.out = jsonwrite.String(append(w.out, `,"name":`...), w.called(b))
	w.out = append(w.out, `,"input":`...)
	w.out = appendInput(w.out, &b.Call)
	if b.Vendor == llm.Anthropic && len(b.Raw) > 2 { // what else Anthropic's calls have
		w.out = append(append(w.out, ','), b.Raw[1:len(b.Raw)-1]...)
	}
}

// called is the name under which a tool was called, which for those that the vendor runs is as it stands.
func (w *requestWriter) called(b *llm.Block) string {
	if w.hosted[b.Call.Name] {
		return b.Call.Name
	}
	return toolName(b.Call.Name, b.Call.Custom)
}

// appendInput appends the arguments of a call as an object, which they must be.
func appendInput(dst []byte, c *llm.Call) []byte {
	switch {
	case c.Custom:
		dst = jsonwrite.String(append(dst, `{"`+textInput+`":`...), c.Input)
		return append(dst, '}')
	case strings.TrimSpace(c.Input) == "":
		return append(dst, "{}"...)
	}
	at := len(dst)
	dst = append(dst, c.Input...)
	input := llm.JSON(dst[at:])
	switch {
	case !valid(input):
		dst = jsonwrite.String(append(dst[:at], `{"invalid_json":`...), c.Input) // the model wrote it so
		return append(dst, '}')
	case input.Kind() != '{':
		dst = append(append(dst[:at], `{"value":`...), c.Input...)
		return append(dst, '}')
	}
	return dst
}

// valid says that a value is JSON, though its texts may not be UTF-8 and its names repeated.
func valid(v llm.JSON) bool {
	var none struct{}
	return jsonread.Plain(v, &none, jsonread.Repeats, func(_ *struct{}, r *jsonread.Reader) { r.Raw() }) || v.IsValid(lenient)
}

func (w *requestWriter) result(b *llm.Block) {
	w.out = jsonwrite.String(append(w.out, `{"type":"tool_result","tool_use_id":`...), b.Result.CallID)
	first := true
	for i := range b.Result.Content {
		c := &b.Result.Content[i]
		if !inResult(c, &w.drops) {
			continue
		}
		if first {
			w.out = append(w.out, `,"content":[`...)
		} else {
			w.out = append(w.out, ',')
		}
		first = false
		w.block(c, llm.User)
	}
	if !first {
		w.out = append(w.out, ']')
	}
	if b.Result.IsError {
		w.out = append(w.out, `,"is_error":true`...)
	}
}

// inResult says whether what is in a result can be written, and notes it where not.
func inResult(b *llm.Block, d *llm.Drops) bool {
	switch {
	case b.Vendor == llm.Anthropic && b.Type != "":
	case b.Kind == llm.Text:
		return strings.TrimSpace(b.Text) != ""
	case b.Kind != llm.Media || sourceOf(b.Media) == "":
		d.Add(llm.FieldResultMedia)
		return false
	}
	return true
}

// sourceOf is the type of source that an image or a document is written with, or empty where the API does not take it.
func sourceOf(m *llm.Attachment) string {
	image, document := m.Kind == llm.Image, m.Kind == llm.Document
	switch {
	case !image && !document:
	case m.FileID != "" && m.Origin == llm.Anthropic:
		return "file"
	case image && m.Data != "":
		if imageType(m) != "" {
			return "base64"
		}
	case document && m.Data != "" && (m.MIMEType == "application/pdf" || m.MIMEType == "" && strings.HasPrefix(m.Data, "JVBERi")):
		return "base64"
	case document && plainText(m) != "":
		return "text"
	case strings.HasPrefix(m.URL, "https://"), strings.HasPrefix(m.URL, "http://"):
		return "url"
	}
	return ""
}

// appendMedia appends an image or a document without its closing brace.
func appendMedia(dst []byte, m *llm.Attachment) []byte {
	kind, mime := "image", imageType(m)
	if m.Kind == llm.Document {
		kind, mime = "document", "application/pdf"
	}
	dst = append(append(append(dst, `{"type":"`...), kind...), `","source":{"type":`...)
	switch source := sourceOf(m); source {
	case "file":
		dst = jsonwrite.String(append(dst, `"file","file_id":`...), m.FileID)
	case "base64":
		dst = append(append(append(dst, `"base64","media_type":"`...), mime...), `","data":`...)
		dst = jsonwrite.String(dst, m.Data)
	case "text":
		dst = jsonwrite.String(append(dst, `"text","media_type":"text/plain","data":`...), plainText(m))
	default:
		dst = jsonwrite.String(append(dst, `"url","url":`...), m.URL)
	}
	dst = append(dst, '}')
	if m.Kind == llm.Image {
		return dst
	}
	if m.Name != "" {
		dst = jsonwrite.String(append(dst, `,"title":`...), m.Name)
	}
	if m.Context != "" {
		dst = jsonwrite.String(append(dst, `,"context":`...), m.Context)
	}
	if m.Cite {
		dst = append(dst, `,"citations":{"enabled":true}`...)
	}
	return dst
}

// imageType is the type of a picture, found from its first bytes where nobody says it, or empty where the API does not
// take it.
func imageType(m *llm.Attachment) string {
	switch m.MIMEType {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return m.MIMEType
	case "image/jpg":
		return "image/jpeg"
	case "", "image/*", "application/octet-stream":
	default:
		return ""
	}
	for _, magic := range [...]struct{ prefix, kind string }{{"iVBORw", "image/png"}, {"/9j/", "image/jpeg"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"}} {
		if strings.HasPrefix(m.Data, magic.prefix) {
			return magic.kind
		}
	}
	return ""
}

// plainText is the text of a document that is nothing but text.
func plainText(m *llm.Attachment) string {
	if m.Text != "" {
		return m.Text
	}
	if m.Data == "" || !strings.HasPrefix(m.MIMEType, "text/") && m.MIMEType != "application/json" {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(m.Data)
	if err != nil || !utf8.Valid(text) {
		return ""
	}
	return string(text)
}

// mediaField is the field that a medium which cannot be written is reported as.
func mediaField(m *llm.Attachment) llm.Field {
	switch {
	case m.FileID != "":
		return llm.FieldFile
	case m.Kind == llm.Image && m.URL != "":
		return llm.FieldImageURL
	}
	return m.Kind.Field()
}
