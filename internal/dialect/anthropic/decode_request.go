package anthropic

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// DecodeRequest implements dialect.Dialect.
func (Dialect) DecodeRequest(body []byte, _ dialect.At) (*llm.Request, error) {
	return decodeRequest(body, true)
}

func decodeRequest(body []byte, limited bool) (*llm.Request, error) {
	reader, err := readRequest(body)
	if err != nil {
		return nil, err
	}
	defer reader.free()
	w := &reader.wire
	switch {
	case w.Model == "":
		return nil, missing("model")
	case len(w.Model) > maxModel:
		return nil, invalid("model", "longer than %d bytes", maxModel)
	case limited && w.MaxTokens == nil:
		return nil, missing("max_tokens")
	case len(w.Messages) == 0:
		return nil, invalid("messages", "at least one message is required")
	}
	r := &llm.Request{
		Dialect: llm.Anthropic, Messages: make([]llm.Message, 0, 1+len(w.Messages)), Model: w.Model, Stream: w.Stream, Stop: w.StopSequences, Temperature: w.Temperature, TopP: w.TopP, TopK: w.TopK,
		User: w.Metadata.UserID, ServiceTier: w.ServiceTier, CacheAll: w.CacheControl.neutral(), Extra: w.Extra,
	}
	if w.MaxTokens != nil {
		if *w.MaxTokens < 0 {
			return nil, invalid("max_tokens", "Input should be greater than or equal to 0")
		}
		if r.MaxTokens = *w.MaxTokens; r.MaxTokens == 0 && limited {
			// The prompt is to be cached and nothing answered. Elsewhere the shortest answer comes nearest to that.
			r.MaxTokens = 1
			extra(r, noAnswer, llm.JSON("0"))
		}
	}
	if len(w.ContextEdits) > 0 && w.ContextEdits.Kind() != 'n' {
		r.ContextEdits = w.ContextEdits
	}
	for name, value := range w.Metadata.Extra {
		extra(r, "metadata."+name, value)
	}
	if err := reader.messages(r); err != nil {
		return nil, err
	}
	if err := decodeTools(r, w.Tools); err != nil {
		return nil, err
	}
	if err := decodeChoice(r, w.ToolChoice); err != nil {
		return nil, err
	}
	return r, decodeOutput(r, w)
}

// noAnswer is the path of a max_tokens of zero.
const noAnswer = "max_tokens"

func extra(r *llm.Request, path string, value llm.JSON) {
	if r.Extra == nil {
		r.Extra = map[string]llm.JSON{}
	}
	r.Extra[path] = value
}

// messages decodes the conversation.
func (p *requestReader) messages(r *llm.Request) error {
	w := &p.wire
	n := len(w.System)
	for i := range w.Messages {
		for j := range w.Messages[i].Content {
			n += 1 + len(w.Messages[i].Content[j].Content.blocks)
		}
	}
	d := &p.blocks
	d.room = llm.RoomFor(n)
	if blocks := d.blocks(w.System); len(blocks) > 0 {
		for i := range blocks {
			hideBilling(&blocks[i])
		}
		r.Messages = append(r.Messages, llm.Message{Role: llm.System, Blocks: blocks})
	}
	if d.err != nil {
		return within("system", d.err)
	}
	for i := range w.Messages {
		m := llm.Message{Blocks: d.blocks(w.Messages[i].Content)}
		if d.err != nil {
			return within(fmt.Sprintf("messages.%d.content", i), d.err)
		}
		switch w.Messages[i].Role {
		case "user":
			m.Role = llm.User
		case "assistant":
			m.Role = llm.Assistant
		case "system":
			m.Role = llm.System
		default:
			return invalid(fmt.Sprintf("messages.%d.role", i), "Input should be user or assistant")
		}
		r.Messages = append(r.Messages, m)
	}
	return nil
}

// billing is how Claude Code begins a block of its system prompt that is for Anthropic and not for the model. It differs from
// session to session, so that other vendors would never find a prompt behind it in their caches.
const billing = "x-anthropic-billing-header"

// hideBilling makes that block one which only Anthropic gets.
func hideBilling(b *llm.Block) {
	if b.Kind == llm.Text && strings.HasPrefix(b.Text, billing+":") {
		*b = llm.Block{Kind: llm.Opaque, Vendor: llm.Anthropic, Type: billing, Raw: append(appendTextBlock(nil, b.Text), '}')}
	}
}

func decodeTools(r *llm.Request, tools []toolValue) error {
	var extras map[string]map[string]llm.JSON
	if len(tools) > 0 {
		r.Tools = make([]llm.Tool, 0, len(tools))
	}
	for i := range tools {
		w := &tools[i]
		if w.err != nil {
			e := wrongJSON(w.err)
			e.Param = strings.TrimSuffix("tools."+e.Param, ".")
			return e
		}
		if !w.own() {
			r.Tools = append(r.Tools, llm.Tool{Name: w.Name, Vendor: llm.Anthropic, Type: w.Type, Raw: w.raw, Cache: w.Cache.neutral()})
			continue
		}
		if w.Name == "" {
			return invalid("tools", "tool %d has no name", i)
		}
		r.Tools = append(r.Tools, llm.Tool{Name: w.Name, Description: w.Description, Schema: w.Schema, Strict: w.Strict, Cache: w.Cache.neutral()})
		for name, value := range w.Extra {
			if extras == nil {
				extras = map[string]map[string]llm.JSON{}
			}
			if extras[name] == nil {
				extras[name] = map[string]llm.JSON{}
			}
			extras[name][w.Name] = value
		}
	}
	for name, values := range extras {
		value, err := json.Marshal(values, json.Deterministic(true))
		if err != nil {
			return invalid("tools", "%v", err)
		}
		extra(r, toolExtra+name, value)
	}
	return nil
}

// toolExtra begins the paths of what is known of tools here alone. Its values are objects, by the tool's name.
const toolExtra = "tools[]."

func decodeChoice(r *llm.Request, w *wireChoice) error {
	if w == nil {
		return nil
	}
	switch w.Type {
	case "auto":
		r.Choice.Mode = llm.Auto
	case "any":
		r.Choice.Mode = llm.Required
	case "tool":
		if w.Name == "" {
			return missing("tool_choice.name")
		}
		r.Choice = llm.Choice{Mode: llm.Required, Names: []string{w.Name}}
	case "none":
		r.Choice.Mode = llm.None
	default:
		return invalid("tool_choice.type", "Input should be auto, any, tool or none")
	}
	if w.DisableParallel != nil {
		parallel := !*w.DisableParallel
		r.Parallel = &parallel
	}
	return nil
}

func decodeOutput(r *llm.Request, w *wireRequest) error {
	format := w.OutputFormat
	if o := w.OutputConfig; o != nil {
		r.Reasoning.Effort = o.Effort
		if o.Format != nil {
			format = o.Format
		}
		for name, value := range o.Extra {
			extra(r, "output_config."+name, value)
		}
	}
	if format != nil {
		if format.Type != "json_schema" || format.Schema.Kind() != '{' {
			return invalid("output_config.format", "Input should be a json_schema with its schema")
		}
		r.Format = llm.Format{Mode: llm.FormatSchema, Schema: format.Schema}
	}
	t := w.Thinking
	if t == nil {
		return nil
	}
	switch t.Type {
	case "enabled":
		if t.Budget < minBudget {
			return invalid("thinking.budget_tokens", "Input should be greater than or equal to %d", minBudget)
		}
		r.Reasoning.Budget = t.Budget
	case "adaptive":
		r.Reasoning.Adaptive = true
	case "disabled":
		r.Reasoning.Off = true
	default:
		return invalid("thinking.type", "Input should be enabled, adaptive or disabled")
	}
	switch t.Display {
	case "summarized":
		r.Reasoning.Summary = "auto"
	case "omitted":
		r.Reasoning.Summary = "none"
	}
	return nil
}

// blockDecoder turns blocks of requests and answers into neutral ones.
type blockDecoder struct {
	tools map[string]string // names by the id of their call
	err   *llm.RequestError // the first, its place within the blocks
	room  llm.Room
}

func (d *blockDecoder) blocks(from content) []llm.Block {
	if len(from) == 0 {
		return nil
	}
	to := d.room.List(len(from))
	for i := range from {
		fine := d.err == nil
		if to = d.append(to, &from[i]); fine && d.err != nil {
			d.err = within(strconv.Itoa(i), d.err)
		}
	}
	return to
}

func (d *blockDecoder) append(to []llm.Block, w *wireBlock) []llm.Block {
	if w.Type == "thinking" {
		if carried, ok := llm.Uncarry(w.Signature); ok {
			if all := appendCarried(to, carried, w.Thinking); len(all) > len(to) {
				return all
			}
		}
	}
	to = slices.Grow(to, 1)[:len(to)+1] // the memory was not used before
	b := &to[len(to)-1]
	b.Cache = w.Cache.neutral()
	switch w.Type {
	case "text":
		b.Kind, b.Text, b.Citations = llm.Text, w.Text, decodeCitations(w.Citations)
	case "image", "document":
		d.media(b, w)
	case "search_result":
		b.Kind, b.Vendor, b.Type, b.Raw = llm.Media, llm.Anthropic, w.Type, oneLine(w.raw)
		var source string
		_ = json.Unmarshal(w.Source, &source) // of another type it is no text to show
		b.Media = &llm.Attachment{Kind: llm.Document, MIMEType: "text/plain", Name: w.Title, Context: source, Text: textsOf(&w.Content), Cite: wantsCitations(w.Citations)}
	case "thinking":
		b.Kind, b.Text = llm.Thinking, w.Thinking
		if w.Signature != "" {
			b.State = llm.State{Origin: llm.Anthropic, Data: w.Signature}
		}
	case "redacted_thinking":
		b.Kind, b.State = llm.Thinking, llm.State{Origin: llm.Anthropic, Data: w.Data, Redacted: true}
	case "tool_use":
		id, carried := llm.UncarryID(w.ID)
		b.Kind, b.Call = llm.ToolCall, llm.Call{ID: id, Name: w.Name, Input: inputText(w.Input)}
		for _, c := range carried {
			if c.Kind == llm.ToolCall {
				b.State = c.State
			}
		}
		if len(w.Extra) > 0 {
			b.Vendor, b.Raw = llm.Anthropic, w.Extra
		}
		if d.tools != nil {
			d.tools[id] = w.Name
		}
	case "tool_result":
		id, _ := llm.UncarryID(w.ToolUseID)
		b.Kind, b.Result = llm.ToolResult, &llm.Result{CallID: id, Name: d.tools[id], Content: d.nested(&w.Content), IsError: w.IsError}
	default:
		b.Kind, b.Vendor, b.Type, b.Raw = llm.Opaque, llm.Anthropic, w.Type, oneLine(w.raw)
	}
	return to
}

// appendCarried puts back thinking of another vendor. Its text travels in the block itself.
func appendCarried(to, carried []llm.Block, text string) []llm.Block {
	for _, c := range carried {
		if c.Kind != llm.Thinking {
			continue
		}
		if c.Text == "" {
			c.Text, text = text, ""
		}
		to = append(to, c)
	}
	return to
}

// inputText is the arguments of a call; the empty object is "".
func inputText(input asText) string {
	if input == "" || input == "null" || emptyObject(input) {
		return ""
	}
	return string(input)
}

func emptyObject(v asText) bool {
	inner, ok := strings.CutPrefix(string(v), "{")
	return ok && strings.TrimSpace(inner) == "}"
}

// nested is the content of a tool's result. The API has no result within another; of many, each would be read once more for
// all those around it.
func (d *blockDecoder) nested(in *inside) []llm.Block {
	c := in.blocks
	if in.raw != nil {
		if err := json.Unmarshal(in.raw, &c); err != nil {
			d.fail(within("content", wrongJSON(err)))
			return nil
		}
	}
	for i := range c {
		if c[i].Type == "tool_result" {
			d.fail(invalid("content."+strconv.Itoa(i)+".type", "Input should be text, image, search_result, document or tool_reference"))
			return nil
		}
	}
	fine := d.err == nil
	blocks := d.blocks(c)
	if fine && d.err != nil {
		d.err = within("content", d.err)
	}
	return blocks
}

func (d *blockDecoder) fail(err *llm.RequestError) {
	if d.err == nil {
		d.err = err
	}
}

// within puts where an error was found in front of its place there.
func within(place string, err *llm.RequestError) *llm.RequestError {
	if err.Param == "" {
		err.Param, err.Message = place, place+": "+err.Message
	} else {
		err.Param, err.Message = place+"."+err.Param, place+"."+err.Message
	}
	return err
}

// textsOf joins the texts of a list of blocks, or is the text itself.
func textsOf(in *inside) string {
	c := in.blocks
	if in.raw != nil && json.Unmarshal(in.raw, &c, lenient) != nil {
		return ""
	}
	texts := make([]string, 0, len(c))
	for i := range c {
		if c[i].Type == "text" {
			texts = append(texts, c[i].Text)
		}
	}
	return strings.Join(texts, "\n\n")
}

func wantsCitations(raw llm.JSON) bool {
	var c struct {
		Enabled bool `json:"enabled"`
	}
	return raw.Kind() == '{' && json.Unmarshal(raw, &c, lenient) == nil && c.Enabled
}

func (d *blockDecoder) media(b *llm.Block, w *wireBlock) {
	b.Kind = llm.Media
	b.Media = &llm.Attachment{Kind: llm.Image, Name: w.Title, Context: w.Context}
	if w.Type == "document" {
		b.Media.Kind, b.Media.Cite = llm.Document, wantsCitations(w.Citations)
	}
	var s wireSource
	if jsonread.Plain(w.Source, &s, 0, (*wireSource).readPlain) {
		// as nearly all are
	} else if s = (wireSource{}); json.Unmarshal(w.Source, &s) != nil {
		d.fail(invalid("source", "the source of the %s cannot be read", w.Type))
		return
	}
	b.Media.MIMEType = s.MediaType
	switch s.Type {
	case "base64":
		b.Media.Data = s.Data
	case "url":
		b.Media.URL = s.URL
	case "file":
		b.Media.FileID, b.Media.Origin = s.FileID, llm.Anthropic
	case "text":
		b.Media.Text = s.Data
	case "content":
		b.Media.MIMEType, b.Media.Text = "text/plain", textsOf(&s.Content)
		b.Vendor, b.Type, b.Raw = llm.Anthropic, w.Type, oneLine(w.raw)
	default:
		d.fail(invalid("source.type", "the source of the %s should be base64, url, text, content or file", w.Type))
	}
}

// wireCitation is a citation of any type.
type wireCitation struct {
	Type     string `json:"type"`
	Cited    string `json:"cited_text"`
	Document int    `json:"document_index"`
	DocTitle string `json:"document_title"`
	FileID   string `json:"file_id"`
	URL      string `json:"url"`
	Title    string `json:"title"`
	Source   string `json:"source"`
	Index    string `json:"encrypted_index"`
}

func decodeCitations(raw llm.JSON) []llm.Citation {
	if raw.Kind() != '[' {
		return nil
	}
	var list []llm.JSON
	if json.Unmarshal(raw, &list, lenient) != nil {
		return nil
	}
	var to []llm.Citation
	for _, c := range list {
		to = append(to, decodeCitation(c))
	}
	return to
}

func decodeCitation(raw llm.JSON) llm.Citation {
	var w wireCitation
	_ = json.Unmarshal(raw, &w, lenient) // what of it can be read; it is passed on whole in its own dialect
	c := llm.Citation{URL: w.URL, Title: w.Title, Cited: w.Cited, FileID: w.FileID, Document: w.Document, Vendor: llm.Anthropic, Raw: oneLine(raw)}
	if w.Index == llm.Mark || w.FileID == llm.Mark { // another vendor's, that an answer had
		c.Vendor, c.Raw, c.FileID = "", nil, ""
	}
	if w.Type == "search_result_location" {
		c.URL = w.Source
	}
	if c.Title == "" {
		c.Title = w.DocTitle
	}
	return c
}
