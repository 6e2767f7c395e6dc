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
func (d *requestDecoder) message(i int) error {
	m, at := &d.in.Messages.all[i], refusal.Place{Within: "messages", Index: i}
	d.extra("messages.", m.Extra)
	role := llm.User
	switch m.Role {
	case "system":
		role = llm.System
	case "developer":
		role = llm.Developer
	case "user":
	case "assistant":
		return d.assistant(m, at)
	case "tool", "function":
		return d.result(i, at)
	case "":
		return refusal.Missing(at.Of(".role"))
	default:
		return refusal.Invalid(at.Of(".role"), "expected one of 'system', 'developer', 'user', 'assistant' and 'tool', but got '%.40s'.", m.Role)
	}
	blocks, err := d.content(&m.Content, 0, at)
	if err != nil {
		return err
	}
	markLast(blocks, m.CacheControl)
	if d.answering && role == llm.User {
		last := d.last()
		last.Name, last.Blocks = m.Name, append(last.Blocks, blocks...)
		d.answering = len(blocks) == 0
		return nil
	}
	d.turn(role, m.Name, blocks)
	return nil
}

// turn adds a message.
func (d *requestDecoder) turn(role llm.Role, name string, blocks []llm.Block) {
	d.out.Messages = append(d.out.Messages, llm.Message{Role: role, Name: name, Blocks: blocks})
	d.answering = false
}

func (d *requestDecoder) last() *llm.Message { return &d.out.Messages[len(d.out.Messages)-1] }

// add adds a block to a list and returns it to be filled. Blocks are large: where there is memory for one it is empty.
func add(list *[]llm.Block) *llm.Block {
	n := len(*list)
	if n < cap(*list) {
		*list = (*list)[:n+1]
	} else {
		*list = append(*list, llm.Block{})
	}
	return &(*list)[n]
}

// markLast puts the cache marker of a message on its last block.
func markLast(blocks []llm.Block, c *cacheControl) {
	if n := len(blocks); c != nil && n > 0 && blocks[n-1].Cache == nil {
		blocks[n-1].Cache = c.cache()
	}
}

// content reads the content of a message into a list that has room for more.
func (d *requestDecoder) content(c *content, more int, at refusal.Place) ([]llm.Block, error) {
	if !c.list {
		if c.text == "" {
			return d.blocks(more), nil
		}
		blocks := d.blocks(1 + more)
		b := add(&blocks)
		b.Kind, b.Text = llm.Text, c.text
		return blocks, nil
	}
	blocks := d.blocks(len(c.parts) + more)
	for i := range c.parts {
		p, at := &c.parts[i], at.In(".content").At(i)
		if p.Type == "" && p.CachePoint != nil {
			if len(blocks) == 0 {
				return nil, refusal.Invalid(at.Of(".cachePoint"), "there is nothing before it in the message.")
			}
			markLast(blocks, (*cacheControl)(p.CachePoint))
			continue
		}
		if err := d.part(add(&blocks), p, at); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// blocks is a list with room for so many, nil for none.
func (d *requestDecoder) blocks(n int) []llm.Block {
	if n == 0 {
		return nil
	}
	return d.room.List(n)
}

// part reads a part into a block that is empty.
func (d *requestDecoder) part(b *llm.Block, p *part, at refusal.Place) error {
	b.Kind, b.Cache = llm.Media, p.CacheControl.cache()
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
		b.Kind, b.Text, b.State = llm.Thinking, joinTexts(p.Thinking), unsigned
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
		return refusal.Missing(at.Of(".type"))
	case p.Type == "text" || p.Type == "refusal" || p.Type == "image_url" || p.Type == "video_url" || p.Type == "input_audio" || p.Type == "file":
		return refusal.Missing(at.Of("." + p.Type))
	default:
		b.Kind, b.Vendor, b.Type = llm.Opaque, llm.OpenAI, p.Type
		b.Raw, err = json.Marshal(p, jsonOut)
		return err
	}
	d.extra("messages.content.", p.Extra)
	return err
}

// joinTexts is the text of parts put together.
func joinTexts(parts []part) string {
	var few [8]string
	texts := few[:0]
	for i := range parts {
		if text := parts[i].Text; text != nil {
			texts = append(texts, *text)
		}
	}
	return strings.Join(texts, "")
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
func (d *requestDecoder) assistant(m *message, at refusal.Place) error {
	front, signed := thinkingOf(m)
	blocks, err := d.content(&m.Content, len(m.ToolCalls), at)
	if err != nil {
		return err
	}
	if m.Refusal != nil && *m.Refusal != "" {
		blocks = append(blocks, llm.Block{Kind: llm.Refusal, Text: *m.Refusal})
	}
	if m.Audio != nil && m.Audio.ID != "" {
		blocks = append(blocks, llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Audio, FileID: m.Audio.ID, Origin: llm.OpenAI}})
	}
	cite(blocks, m.Annotations)
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
	if len(front) > 0 {
		blocks = around(front, blocks, len(calls))
	}
	for i := range calls {
		c := &calls[i]
		blocks = append(blocks, c.thinking...)
		b := add(&blocks)
		b.Kind, b.Call, b.State = llm.ToolCall, c.call, c.state
	}
	markLast(blocks, m.CacheControl)
	d.turn(llm.Assistant, m.Name, blocks)
	return nil
}

// cite puts annotations on the first text, if there is one.
func cite(blocks []llm.Block, list []annotation) {
	if len(list) == 0 {
		return
	}
	for i := range blocks {
		if b := &blocks[i]; b.Kind == llm.Text {
			for j := range list {
				b.Citations = append(b.Citations, list[j].citation())
			}
			return
		}
	}
}

// around puts thinking in front of what was said, or behind it where it stands there. The list has room for more.
func around(front, said []llm.Block, more int) []llm.Block {
	blocks := make([]llm.Block, 0, len(front)+len(said)+more)
	var behind []llm.Block
	for i := range front {
		if behindText(&front[i]) {
			behind = append(behind, front[i])
		} else {
			blocks = append(blocks, front[i])
		}
	}
	return append(append(blocks, said...), behind...)
}

// carriedCall is a call with its state and the thinking that its id carried.
type carriedCall struct {
	call     llm.Call
	state    llm.State
	thinking []llm.Block
}

func (d *requestDecoder) toolCalls(m *message, at refusal.Place) ([]carriedCall, error) {
	d.list = d.list[:0]
	for i := range m.ToolCalls {
		c := &m.ToolCalls[i]
		id, carried := llm.UncarryID(string(c.ID))
		call := llm.Call{ID: id}
		if c.Custom != nil {
			call.Name, call.Input, call.Custom = c.Custom.Name, c.Custom.Input, true
		} else {
			call.Name, call.Input = c.Function.Name, string(c.Function.Arguments)
		}
		if call.Name == "" {
			return nil, refusal.Missing(at.In(".tool_calls").At(i).Of(".function.name"))
		}
		if call.ID == "" {
			return nil, refusal.Missing(at.In(".tool_calls").At(i).Of(".id"))
		}
		one := d.called(call)
		one.state = c.state()
		for _, b := range carried {
			if b.Kind == llm.ToolCall {
				one.state = b.State
			} else {
				one.thinking = append(one.thinking, b)
			}
		}
	}
	if f := m.FunctionCall; f != nil && f.Name != "" {
		d.made++
		d.old = fmt.Sprintf("call_function_%d", d.made)
		d.called(llm.Call{ID: d.old, Name: f.Name, Input: string(f.Arguments)})
	}
	return d.list, nil
}

// called adds a call to those of the message, and to all for their results.
func (d *requestDecoder) called(call llm.Call) *carriedCall {
	if call.Input == "{}" && !call.Custom {
		call.Input = ""
	}
	d.calls[call.ID] = called{call.Name, call.Custom}
	d.list = append(d.list, carriedCall{call: call})
	return &d.list[len(d.list)-1]
}

// result reads what a tool returned.
func (d *requestDecoder) result(i int, at refusal.Place) error {
	m := &d.in.Messages.all[i]
	id, _ := llm.UncarryID(m.ToolCallID)
	if m.Role == "function" {
		id = d.old
	}
	if id == "" {
		return refusal.Missing(at.Of(".tool_call_id"))
	}
	r := d.newResult()
	r.CallID, r.Name = id, m.Name
	if call, ok := d.calls[id]; ok {
		r.Name, r.Custom = call.name, call.custom
	}
	var err error
	if r.Content, err = d.content(&m.Content, 0, at); err != nil {
		return err
	}
	if !d.answering {
		d.turn(llm.User, "", d.room.List(d.answers(i)))
		d.answering = true
	}
	b := add(&d.last().Blocks)
	b.Kind, b.Result, b.Cache = llm.ToolResult, r, m.CacheControl.cache()
	for i := range r.Content {
		if c := r.Content[i].Cache; c != nil { // the breakpoint stands behind the result as a whole
			b.Cache, r.Content[i].Cache = c, nil
		}
	}
	return nil
}

// newResult is memory for a result, which is taken for several at once.
func (d *requestDecoder) newResult() *llm.Result {
	if len(d.results) == 0 {
		d.results = make([]llm.Result, max(1, min(d.left, maxResults)))
	}
	r := &d.results[0]
	d.results = d.results[1:]
	d.left--
	return r
}

// answers counts the results in a row from a message on.
func (d *requestDecoder) answers(i int) int {
	n := 0
	for _, m := range d.in.Messages.all[i:] {
		if m.Role != "tool" && m.Role != "function" {
			break
		}
		n++
	}
	return n
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
