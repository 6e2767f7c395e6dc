package responses

import (
	"cmp"
	"fmt"
	"mime"
	"strings"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// content is a text or parts. It may be null.
type content struct {
	kind  jsontext.Kind // '"', '[', 'n', or 0 of what has yet to be read
	text  string
	parts []part
	raw   jsontext.Value // as it stands, until settle reads it
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. Nothing is wrong of what nobody asks for.
func (c *content) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	*c = content{raw: raw.Clone()}
	return err
}

func (c *content) readPlain(r *jsonread.Reader) {
	c.reset()
	switch kind := jsontext.Kind(r.Kind()); kind {
	case '"':
		c.kind = kind
		jsonread.String(&c.text, r)
	case '[':
		c.kind = kind
		jsonread.List(&c.parts, r, (*part).readPlain)
	case 'n':
		c.kind = kind
		r.Null()
	default:
		c.raw = r.Raw()
	}
}

// reset makes it empty, and keeps the memory of parts.
func (c *content) reset() { *c = content{parts: c.parts[:0]} }

// settle reads what was left as it stands.
func (c *content) settle(rules json.Options) (err error) {
	switch kind := c.raw.Kind(); {
	case c.kind != 0:
	case kind == '"':
		c.kind = kind
		c.text, err = textOf(c.raw)
	default:
		c.kind = kind
		err = json.Unmarshal(c.raw, &c.parts, rules)
	}
	return err
}

// empty reports whether there is none.
func (c *content) empty() bool { return c.kind == 'n' || c.kind == 0 && isNull(c.raw) }

// appendContent reads the content of a message, or what a tool returned: up to what is wrong.
func appendContent(blocks []llm.Block, c *content, at refusal.Place) ([]llm.Block, error) {
	if err := c.settle(callers); err != nil {
		return blocks, refusal.Undecoded(at.Of(""), err)
	}
	if c.kind == '"' {
		return append(blocks, llm.Block{Kind: llm.Text, Text: c.text}), nil
	}
	for i := range c.parts {
		b, err := blockOf(&c.parts[i], at.At(i))
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// blockOf reads one part.
func blockOf(p *part, at refusal.Place) (b llm.Block, err error) {
	switch p.Type {
	case "input_text", "output_text", "text":
		if p.Text == nil {
			return b, refusal.Missing(at.Of(".text"))
		}
		b = llm.Block{Kind: llm.Text, Text: *p.Text, Citations: citationsOf(p.Annotations)}
	case "refusal":
		b = llm.Block{Kind: llm.Refusal}
		if p.Refusal != nil {
			b.Text = *p.Refusal
		}
	case "input_image":
		b.Kind = llm.Media
		b.Media, err = attachment(llm.Image, p.ImageURL, "", p, at)
	case "input_video":
		b.Kind = llm.Media
		b.Media, err = attachment(llm.Video, p.VideoURL, "", p, at)
	case "input_file":
		b.Kind = llm.Media
		b.Media, err = attachment(llm.Document, p.FileURL, p.FileData, p, at)
	case "input_audio":
		b = llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio}}
		if p.Audio != nil {
			var ok bool
			b.Media.MIMEType = soundType(p.Audio.Format)
			if b.Media.Data, ok = llm.Base64(p.Audio.Data); !ok && p.Audio.Data != "" {
				err = refusal.Invalid(at.Of(".input_audio.data"), "expected base64-encoded sound.")
			}
		}
	default:
		return b, &llm.RequestError{Param: at.Of(".type"), Code: "invalid_value", Message: fmt.Sprintf("Invalid value: '%s'. Supported values are: "+
			"'input_text', 'input_image', 'output_text', 'refusal', 'input_file', and 'input_audio'.", p.Type)}
	}
	if err != nil {
		return b, err
	}
	if m := b.Media; b.Kind == llm.Media && m.URL == "" && m.Data == "" && m.FileID == "" {
		return b, &llm.RequestError{Param: at.Of(""), Code: "missing_required_parameter", Message: fmt.Sprintf("'%s' has neither content nor an address nor a file.", at.Of(""))}
	}
	if !isNull(p.Cache) {
		b.Cache = &llm.Cache{}
	}
	return b, nil
}

// attachment reads a file of a part: by address, which may hold it whole, by content, or by id.
func attachment(kind llm.MediaKind, url, data string, p *part, at refusal.Place) (*llm.Attachment, error) {
	a := &llm.Attachment{Kind: kind, Name: p.FileName, Detail: p.Detail, FileID: p.FileID}
	if a.FileID != "" {
		a.Origin = llm.Responses
	}
	ok := true
	switch content := cmp.Or(data, url); {
	case llm.IsDataURL(content):
		a.MIMEType, a.Data, ok = llm.SplitDataURL(content)
	case data != "":
		a.URL = url
		a.Data, ok = llm.Base64(data)
	default:
		a.URL = url
	}
	if !ok {
		return a, refusal.Invalid(at.Of(""), "its content is neither base64 nor a data URL that can be read.")
	}
	if a.Data != "" && a.MIMEType == "" && kind == llm.Document {
		a.MIMEType = fileType(a.Name)
	}
	return a, nil
}

// pictureCall is an item that holds a picture which the vendor made.
const pictureCall = "image_generation_call"

// drawn makes a block the picture that its item holds, so that callers of all dialects see it; the item stays beside it for
// those of this one. An item without a picture, which failed, stays what it is.
func drawn(b *llm.Block) {
	var call struct {
		Result string `json:"result"`
		Format string `json:"output_format"`
	}
	if json.Unmarshal(b.Raw, &call, upstreams) != nil || call.Result == "" {
		return
	}
	if call.Format == "" {
		call.Format = "png" // the API's default
	}
	b.Kind, b.Media = llm.Media, &llm.Attachment{Kind: llm.Image, MIMEType: "image/" + call.Format, Data: call.Result}
}

// fileType is the type of a file by its name; PDF where that says nothing, which is what the API takes most of all.
func fileType(name string) string {
	at := strings.LastIndexByte(name, '.')
	if at >= 0 {
		if kind, _, _ := strings.Cut(mime.TypeByExtension(strings.ToLower(name[at:])), ";"); kind != "" {
			return kind
		}
	}
	return "application/pdf"
}

// soundType is the MIME type of a sound's format.
func soundType(format string) string {
	switch format {
	case "mp3":
		return "audio/mpeg"
	case "":
		return "audio/wav"
	}
	return "audio/" + format
}

// soundFormat undoes soundType.
func soundFormat(kind string) string {
	switch kind {
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	case "audio/x-wav", "audio/wave", "":
		return "wav"
	}
	return strings.TrimPrefix(kind, "audio/")
}

// citationsOf reads annotations.
func citationsOf(raw []jsontext.Value) []llm.Citation {
	var all []llm.Citation
	for _, r := range raw {
		if c, ok := citationOf(r); ok {
			all = append(all, c)
		}
	}
	return all
}

func citationOf(raw jsontext.Value) (llm.Citation, bool) {
	var a annotation
	if json.Unmarshal(raw, &a, upstreams) != nil || a.Type == "" {
		return llm.Citation{}, false
	}
	c := llm.Citation{Start: a.Start, End: a.End, URL: a.URL, Title: a.Title, FileID: a.FileID, Vendor: llm.Responses, Raw: oneLine(raw)}
	if c.Title == "" {
		c.Title = a.FileName
	}
	return c, true
}

// annotationOf writes a citation.
func annotationOf(c *llm.Citation) jsontext.Value {
	if c.Vendor == llm.Responses && len(c.Raw) > 0 {
		return oneLine(c.Raw)
	}
	if c.URL != "" {
		b := appendString([]byte(`{"type":"url_citation","url":`), c.URL)
		b = appendInt(append(b, `,"start_index":`...), int64(c.Start))
		b = appendInt(append(b, `,"end_index":`...), int64(c.End))
		return append(appendString(append(b, `,"title":`...), c.Title), '}')
	}
	b := appendString([]byte(`{"type":"file_citation","file_id":`), c.FileID)
	b = appendInt(append(b, `,"index":`...), int64(c.End))
	return append(appendString(append(b, `,"filename":`...), c.Title), '}')
}

// callOf reads a call of a tool of the caller's.
func callOf(it *item, at refusal.Place) (llm.Block, error) {
	b := llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: it.CallID, Name: joinName(it.Namespace, it.Name), Custom: it.Type == "custom_tool_call"}}
	if it.Name == "" || it.CallID == "" {
		return b, &llm.RequestError{Param: at.Of(""), Code: "missing_required_parameter", Message: fmt.Sprintf("'%s' needs a name and a call_id.", at.Of(""))}
	}
	text := it.Arguments
	if b.Call.Custom {
		text = it.Input
	}
	if text.text != nil {
		b.Call.Input = *text.text
	}
	return b, nil
}

// thinkingOf reads a reasoning item. Parts of its summary, and of the thinking itself where an open model shows it, are
// apart by blank lines.
func thinkingOf(it *item) llm.Block {
	_ = it.Content.settle(upstreams) // a vendor's own form of it says nothing here
	var texts []string
	for _, parts := range [][]part{it.Summary, it.Content.parts} {
		for i := range parts {
			if text := parts[i].Text; text != nil && *text != "" {
				texts = append(texts, *text)
			}
		}
	}
	b := llm.Block{Kind: llm.Thinking, Text: strings.Join(texts, "\n\n")}
	if it.Sealed != "" || it.ID != "" && !minted(it.ID) {
		b.State = llm.State{Origin: llm.Responses, ID: it.ID, Data: it.Sealed}
	}
	return b
}

// minted reports whether an item's id is one that an encoder of this package made, which no upstream knows.
func minted(id string) bool { return strings.Contains(id, llm.Mark) }

// logprobsOf reads how likely tokens were.
func logprobsOf(list []logprob) []llm.Logprob {
	all := make([]llm.Logprob, 0, len(list))
	for _, l := range list {
		p := llm.Logprob{Token: l.Token, Logprob: l.Logprob}
		for _, c := range l.Bytes {
			p.Bytes = append(p.Bytes, byte(c)) // what is no byte is not believed to matter
		}
		if len(l.Top) > 0 {
			p.Top = logprobsOf(l.Top)
		}
		all = append(all, p)
	}
	return all
}

// likely writes how likely tokens were.
func likely(list []llm.Logprob, top bool) []logprob {
	all := make([]logprob, 0, len(list))
	for _, p := range list {
		l := logprob{Token: p.Token, Logprob: p.Logprob, Bytes: []int{}}
		text := p.Bytes
		if text == nil {
			text = []byte(p.Token)
		}
		for _, c := range text {
			l.Bytes = append(l.Bytes, int(c))
		}
		if top {
			l.Top = likely(p.Top, false)
		}
		all = append(all, l)
	}
	return all
}

// setPhase keeps the phase of a message with what it says: models want it back.
func setPhase(b *llm.Block, phase string) {
	if phase != "" {
		b.Vendor, b.Raw = llm.Responses, append(appendString([]byte(`{"phase":`), phase), '}')
	}
}

// phaseOf undoes setPhase.
func phaseOf(b *llm.Block) string {
	if b.Vendor != llm.Responses || b.Type != "" || len(b.Raw) == 0 {
		return ""
	}
	var beside struct {
		Phase string `json:"phase"`
	}
	_ = json.Unmarshal(b.Raw, &beside, upstreams) // which setPhase made
	return beside.Phase
}
