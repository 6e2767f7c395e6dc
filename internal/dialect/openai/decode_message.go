package openai

import (
	"fmt"
	"strings"

	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// message reads one message. Messages of tools in a row become one turn of the user's, and what the user says behind them
// is part of it.
func (d *requestDecoder) message(m *message, at refusal.Place) error {
	d.extra("messages.", m.Extra)
	out := llm.Message{Name: m.Name}
	switch m.Role {
	case "system":
		out.Role = llm.System
	case "developer":
		out.Role = llm.Developer
	case "user":
		out.Role = llm.User
	case "assistant":
		out.Role = llm.Assistant
		return d.assistant(m, &out, at)
	case "tool", "function":
		return d.result(m, at)
	case "":
		return refusal.Missing(at.Of(".role"))
	default:
		return refusal.Invalid(at.Of(".role"), "expected one of 'system', 'developer', 'user', 'assistant' and 'tool', but got '%.40s'.", m.Role)
	}
	blocks, err := d.content(&m.Content, at.In(".content"))
	if err != nil {
		return err
	}
	out.Blocks = blocks
	markLast(out.Blocks, m.CacheControl)
	if last := d.last(); out.Role == llm.User && last != nil && last.Role == llm.User && onlyResults(last.Blocks) {
		last.Name, last.Blocks = out.Name, append(last.Blocks, out.Blocks...)
		return nil
	}
	d.out.Messages = append(d.out.Messages, out)
	return nil
}

func (d *requestDecoder) last() *llm.Message {
	if n := len(d.out.Messages); n > 0 {
		return &d.out.Messages[n-1]
	}
	return nil
}

func onlyResults(blocks []llm.Block) bool {
	for i := range blocks {
		if blocks[i].Kind != llm.ToolResult {
			return false
		}
	}
	return len(blocks) > 0
}

// markLast puts the cache marker of a message on its last block.
func markLast(blocks []llm.Block, c *cacheControl) {
	if n := len(blocks); c != nil && n > 0 && blocks[n-1].Cache == nil {
		blocks[n-1].Cache = c.cache()
	}
}

// content reads a message's content.
func (d *requestDecoder) content(c *content, at refusal.Place) ([]llm.Block, error) {
	if c.parts == nil {
		if !c.set || c.text == "" {
			return nil, nil
		}
		return append(d.room.List(1), llm.Block{Kind: llm.Text, Text: c.text}), nil
	}
	blocks := d.room.List(len(c.parts))
	for i := range c.parts {
		if p := &c.parts[i]; p.Type == "" && p.CachePoint != nil {
			if len(blocks) == 0 {
				return nil, refusal.Invalid(at.At(i).Of(".cachePoint"), "there is nothing before it in the message.")
			}
			markLast(blocks, (*cacheControl)(p.CachePoint))
			continue
		}
		b, err := d.part(&c.parts[i], at.At(i))
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func (d *requestDecoder) part(p *part, at refusal.Place) (llm.Block, error) {
	b := llm.Block{Kind: llm.Media, Cache: p.CacheControl.cache()}
	if p.Breakpoint != nil && b.Cache == nil {
		b.Cache = &llm.Cache{}
	}
	var err error
	switch {
	case p.Type == "text" && p.Text != nil:
		b.Kind, b.Text = llm.Text, *p.Text
	case p.Type == "refusal" && p.Refusal != nil:
		b.Kind, b.Text = llm.Refusal, *p.Refusal
	case p.Type == "thinking" && p.Thinking != nil:
		b.Kind, b.State = llm.Thinking, unsigned
		for _, t := range p.Thinking {
			if t.Text != nil {
				b.Text += *t.Text
			}
		}
	case p.Type == "image_url" && p.ImageURL != nil:
		b.Media, err = located(llm.Image, p.ImageURL.URL, at, ".image_url.url")
		b.Media.Detail = p.ImageURL.Detail
	case p.Type == "video_url" && p.VideoURL != nil:
		b.Media, err = located(llm.Video, p.VideoURL.URL, at, ".video_url.url")
	case p.Type == "input_audio" && p.InputAudio != nil:
		b.Media, err = sound(p.InputAudio, at.In(".input_audio"))
	case p.Type == "file" && p.File != nil:
		b.Media, err = document(p.File, at.In(".file"))
	case p.Type == "":
		return b, refusal.Missing(at.Of(".type"))
	case p.Type == "text" || p.Type == "refusal" || p.Type == "image_url" || p.Type == "video_url" || p.Type == "input_audio" || p.Type == "file":
		return b, refusal.Missing(at.Of("." + p.Type))
	default:
		b.Kind, b.Vendor, b.Type = llm.Opaque, llm.OpenAI, p.Type
		b.Raw, err = json.Marshal(p, jsonOut)
		return b, err
	}
	d.extra("messages.content.", p.Extra)
	return b, err
}

// located is a file by its address, which may hold the file itself.
func located(kind llm.MediaKind, address string, at refusal.Place, field string) (*llm.Attachment, error) {
	a := &llm.Attachment{Kind: kind}
	scheme, _, _ := strings.Cut(address, ":")
	switch strings.ToLower(scheme) {
	case "http", "https", "gs":
		a.URL = address
		return a, nil
	case "data":
		var ok bool
		if a.MIMEType, a.Data, ok = llm.SplitDataURL(address); ok {
			return a, nil
		}
	}
	name := at.Of(field)
	return a, &llm.RequestError{Param: name, Code: "invalid_image_url", Message: "Invalid '" + name + "': expected an http or https address, or a base64-encoded data URL."}
}

func sound(in *inputAudio, at refusal.Place) (*llm.Attachment, error) {
	a := &llm.Attachment{Kind: llm.Audio}
	data := in.Data
	if strings.HasPrefix(data, "data:") { // Qwen's way
		if _, rest, ok := strings.Cut(data, ","); ok {
			data = rest
		}
	}
	var ok bool
	if a.Data, ok = llm.Base64(data); !ok {
		return a, refusal.Invalid(at.Of(".data"), "expected base64-encoded sound.")
	}
	switch in.Format {
	case "mp3":
		a.MIMEType = "audio/mpeg"
	case "":
	default:
		a.MIMEType = "audio/" + in.Format
	}
	return a, nil
}

func document(f *file, at refusal.Place) (*llm.Attachment, error) {
	a := &llm.Attachment{Kind: llm.Document, Name: f.Filename}
	switch {
	case f.FileID != "":
		a.FileID, a.Origin = f.FileID, llm.OpenAI
		return a, nil
	case strings.HasPrefix(f.FileData, "http://"), strings.HasPrefix(f.FileData, "https://"): // OpenRouter's way
		a.URL = f.FileData
		return a, nil
	}
	var ok bool
	if llm.IsDataURL(f.FileData) {
		a.MIMEType, a.Data, ok = llm.SplitDataURL(f.FileData)
	} else {
		a.Data, ok = llm.Base64(f.FileData)
	}
	if !ok {
		return a, refusal.Invalid(at.Of(".file_data"), "expected a base64-encoded file, or a file_id.")
	}
	switch top, _, _ := strings.Cut(a.MIMEType, "/"); top {
	case "image":
		a.Kind = llm.Image
	case "audio":
		a.Kind = llm.Audio
	case "video":
		a.Kind = llm.Video
	case "":
		a.MIMEType = "application/pdf" // the only kind that may go without saying
	}
	return a, nil
}

// assistant reads what the model said before.
func (d *requestDecoder) assistant(m *message, out *llm.Message, at refusal.Place) error {
	front, signed := thinkingOf(m)
	said, err := d.content(&m.Content, at.In(".content"))
	if err != nil {
		return err
	}
	if m.Refusal != nil && *m.Refusal != "" {
		said = append(said, llm.Block{Kind: llm.Refusal, Text: *m.Refusal})
	}
	if m.Audio != nil && m.Audio.ID != "" {
		said = append(said, llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, FileID: m.Audio.ID, Origin: llm.OpenAI}})
	}
	for i := range m.Annotations {
		for j := range said {
			if said[j].Kind == llm.Text {
				said[j].Citations = append(said[j].Citations, m.Annotations[i].citation())
				break
			}
		}
	}
	calls, err := d.toolCalls(m, at)
	if err != nil {
		return err
	}
	if !signed {
		// What the ids carry is the same thinking with its states, so what came without them is the copy.
		for i := range calls {
			if len(calls[i].thinking) > 0 {
				front = nil
			}
		}
		if len(calls) > 0 && front == nil {
			front, calls[0].thinking = calls[0].thinking, nil
		}
	} else {
		for i := range calls {
			calls[i].thinking = nil
		}
	}
	var behind []llm.Block
	for i := range front {
		if behindText(&front[i]) {
			behind = append(behind, front[i])
		} else {
			out.Blocks = append(out.Blocks, front[i])
		}
	}
	switch {
	case len(out.Blocks) > 0 || len(behind) > 0:
		out.Blocks = append(append(out.Blocks, said...), behind...)
	case len(said) == 0:
		out.Blocks = d.room.List(len(calls))
	default:
		out.Blocks = said
	}
	for i := range calls {
		out.Blocks = append(append(out.Blocks, calls[i].thinking...), calls[i].block)
	}
	markLast(out.Blocks, m.CacheControl)
	d.out.Messages = append(d.out.Messages, *out)
	return nil
}

// carriedCall is a call with the thinking that its id carried.
type carriedCall struct {
	block    llm.Block
	thinking []llm.Block
}

func (d *requestDecoder) toolCalls(m *message, at refusal.Place) ([]carriedCall, error) {
	list := d.list[:0]
	defer func() { d.list = list }()
	for i := range m.ToolCalls {
		c := &m.ToolCalls[i]
		id, carried := llm.UncarryID(string(c.ID))
		call := llm.Call{ID: id}
		switch {
		case c.Custom != nil:
			call.Name, call.Input, call.Custom = c.Custom.Name, c.Custom.Input, true
		default:
			call.Name, call.Input = c.Function.Name, string(c.Function.Arguments)
		}
		if call.Name == "" {
			return nil, refusal.Missing(at.In(".tool_calls").At(i).Of(".function.name"))
		}
		if call.ID == "" {
			return nil, refusal.Missing(at.In(".tool_calls").At(i).Of(".id"))
		}
		if call.Input == "{}" && !call.Custom {
			call.Input = ""
		}
		one := carriedCall{block: llm.Block{Kind: llm.ToolCall, Call: call, State: c.state()}}
		for _, b := range carried {
			if b.Kind == llm.ToolCall {
				one.block.State = b.State
			} else {
				one.thinking = append(one.thinking, b)
			}
		}
		d.calls[call.ID] = call
		list = append(list, one)
	}
	if f := m.FunctionCall; f != nil && f.Name != "" {
		d.made++
		d.old = fmt.Sprintf("call_function_%d", d.made)
		call := llm.Call{ID: d.old, Name: f.Name, Input: string(f.Arguments)}
		if call.Input == "{}" {
			call.Input = ""
		}
		d.calls[d.old] = call
		list = append(list, carriedCall{block: llm.Block{Kind: llm.ToolCall, Call: call}})
	}
	return list, nil
}

// result reads what a tool returned.
func (d *requestDecoder) result(m *message, at refusal.Place) error {
	id, _ := llm.UncarryID(m.ToolCallID)
	if m.Role == "function" {
		id = d.old
	}
	if id == "" {
		return refusal.Missing(at.Of(".tool_call_id"))
	}
	r := &llm.Result{CallID: id, Name: m.Name}
	if call, ok := d.calls[id]; ok {
		r.Name, r.Custom = call.Name, call.Custom
	}
	var err error
	if r.Content, err = d.content(&m.Content, at.In(".content")); err != nil {
		return err
	}
	b := llm.Block{Kind: llm.ToolResult, Result: r, Cache: m.CacheControl.cache()}
	for i := range r.Content {
		if c := r.Content[i].Cache; c != nil { // the breakpoint stands behind the result as a whole
			b.Cache, r.Content[i].Cache = c, nil
		}
	}
	if last := d.last(); last != nil && last.Role == llm.User && onlyResults(last.Blocks) {
		last.Blocks = append(last.Blocks, b)
		return nil
	}
	d.out.Messages = append(d.out.Messages, llm.Message{Role: llm.User, Blocks: append(d.room.List(1), b)})
	return nil
}

// citation is the neutral form of an annotation.
func (a *annotation) citation() llm.Citation {
	if u := a.URLCitation; u != nil {
		return llm.Citation{Start: int(u.Start), End: int(u.End), URL: u.URL, Title: u.Title, Cited: u.Content}
	}
	raw, err := json.Marshal(a, jsonOut)
	if err != nil {
		return llm.Citation{}
	}
	return llm.Citation{Vendor: llm.OpenAI, Raw: raw}
}
