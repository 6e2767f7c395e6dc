package responses

import (
	"fmt"
	"slices"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	includeSealed   = "reasoning.encrypted_content"
	includeLogprobs = "message.output_text.logprobs"
)

// DecodeRequest implements dialect.Dialect. Fields that mean nothing outside the dialect (conversation, prompt, background,
// context_management and the like) are in Extra by their path.
func (Dialect) DecodeRequest(body []byte, _ dialect.At) (*llm.Request, error) {
	var q request
	if !jsonread.Plain(body, &q, 0, (*request).readPlain) {
		q = request{}
		if err := json.Unmarshal(body, &q, callers); err != nil {
			return nil, refusal.Undecoded("", err)
		}
	}
	if q.Model == "" {
		return nil, refusal.Missing("model")
	}
	r := &llm.Request{
		Dialect: llm.Responses, Model: q.Model, Stream: q.Stream, Parallel: q.Parallel, MaxTokens: q.MaxTokens,
		Temperature: q.Temperature, TopP: q.TopP, TopLogprobs: q.TopLogprobs, ServiceTier: q.Tier, User: q.User, SafetyID: q.Safety,
		Metadata: q.Metadata, CacheKey: q.CacheKey, CacheFor: q.CacheFor, Previous: q.Previous, Store: q.Store, Truncation: q.Truncation,
	}
	for name, value := range q.Rest {
		if name == "stream_options" && onlyPadding(value) {
			continue // ours never have any
		}
		extra(r, name, value)
	}
	for _, name := range []string{"background", "conversation", "prompt"} {
		if v := r.Extra[name]; v != nil && string(v) != "false" {
			r.Bound = append(r.Bound, name)
		}
	}
	q.settings(r)
	if err := q.tools(r); err != nil {
		return nil, err
	}
	if q.Instructions != "" {
		r.Messages = append(r.Messages, llm.Message{Role: llm.System, Blocks: []llm.Block{{Kind: llm.Text, Text: q.Instructions}}})
	}
	before := len(r.Messages)
	if err := q.input(r); err != nil {
		return nil, err
	}
	_, prompt := r.Extra["prompt"]
	_, conversation := r.Extra["conversation"]
	if len(r.Messages) == before && r.Previous == "" && !prompt && !conversation {
		return nil, noInput()
	}
	return r, nil
}

// onlyPadding reports whether the options of a stream are about include_obfuscation alone.
func onlyPadding(options jsontext.Value) bool {
	var o struct {
		Padding *bool                     `json:"include_obfuscation"`
		Rest    map[string]jsontext.Value `json:",unknown"`
	}
	return json.Unmarshal(options, &o, callers) == nil && len(o.Rest) == 0
}

// extra keeps what only this dialect has.
func extra(r *llm.Request, name string, value jsontext.Value) {
	if isNull(value) {
		return
	}
	if r.Extra == nil {
		r.Extra = map[string]llm.JSON{}
	}
	r.Extra[name] = value
}

// settings reads what is neither input nor tools.
func (q *request) settings(r *llm.Request) {
	for _, name := range q.Include {
		if name == includeLogprobs {
			r.Logprobs = true
		} else {
			r.Include = append(r.Include, name)
		}
	}
	r.Logprobs = r.Logprobs || r.TopLogprobs > 0
	if t := q.Text; t != nil {
		r.Verbosity = t.Verbosity
		for name, value := range t.Rest {
			extra(r, "text."+name, value)
		}
		if f := t.Format; f != nil {
			switch f.Type {
			case "json_object":
				r.Format.Mode = llm.FormatJSON
			case "json_schema":
				r.Format = llm.Format{Mode: llm.FormatSchema, Name: f.Name, Description: f.Description, Schema: keepValue(f.Schema), Strict: f.Strict}
			}
		}
	}
	if s := q.Reasoning; s != nil {
		r.Reasoning.Effort, r.Reasoning.Off = s.Effort, s.Effort == "none"
		r.Reasoning.Summary = s.Summary
		if s.Summary == "" {
			r.Reasoning.Summary = s.Older
		}
		for name, value := range s.Rest {
			extra(r, "reasoning."+name, value)
		}
	}
}

// input reads the items.
func (q *request) input(r *llm.Request) error {
	switch q.Input.Kind() {
	case '"':
		text, err := textOf(q.Input)
		if err == nil && text != "" {
			r.Messages = append(r.Messages, llm.Message{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: text}}})
		}
		return err
	case '[':
		return q.items(r)
	case 'n', 0:
		return nil
	}
	return refusal.WrongType("input", "a string or an array", refusal.KindOf(q.Input.Kind()))
}

// items reads the list of items.
func (q *request) items(r *llm.Request) error {
	var rd reader
	var it item // one for all
	for i, raw := range jsonscan.Elements(q.Input) {
		it = item{}
		var err error
		if rd.item(raw, &it) {
			err = placeItem(r, &rd, &it, raw, i)
		} else {
			err = addItem(r, &rd, raw, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// textOf is the text of a JSON string.
func textOf(raw jsontext.Value) (string, error) {
	if plain, ok := jsonread.Text(raw); ok {
		return plain, nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return string(text), err
}

// addItem reads one item that is not as most are, and adds it.
func addItem(r *llm.Request, rd *reader, raw jsontext.Value, i int) error {
	var it item
	if err := json.Unmarshal(raw, &it, callers); err != nil {
		var message *llm.RequestError
		if message = refusal.Undecoded(fmt.Sprintf("input[%d]", i), err); raw.Kind() != '{' || known(raw) {
			return message
		}
		it = item{Type: typeOf(raw)} // an item of the vendor's own, whose fields may be anything
	}
	return placeItem(r, rd, &it, raw, i)
}

// placeItem adds one item to the turn that it belongs to: what the model said and did in a row is one turn, and so is what
// its calls returned with what the user says next.
func placeItem(r *llm.Request, rd *reader, it *item, raw jsontext.Value, i int) error {
	at := refusal.Place{Within: "input", Index: i}
	switch it.Type {
	case "message", "":
		if it.Type == "" && it.Role == "" && it.ID != "" {
			break // a reference
		}
		return addMessage(r, rd, it, at)
	case "function_call", "custom_tool_call":
		b, err := callOf(it, at)
		if err != nil {
			return err
		}
		id, states := llm.UncarryID(b.Call.ID)
		b.Call.ID = id
		for _, s := range states {
			if s.Kind == llm.ToolCall {
				b.State = s.State
			}
		}
		return add(r, llm.Assistant, b)
	case "function_call_output", "custom_tool_call_output":
		content, err := contentOf(rd, it.Output, at.In(".output"))
		if err != nil {
			return err
		}
		id, _ := llm.UncarryID(it.CallID)
		return add(r, llm.User, llm.Block{Kind: llm.ToolResult,
			Result: &llm.Result{CallID: id, Name: callName(r, id), Content: content, Custom: it.Type == "custom_tool_call_output"}})
	case localShellCall:
		if b, ok := shellCallOf(it, raw); ok {
			return add(r, llm.Assistant, b)
		}
	case localShellOutput:
		b, err := shellOutputOf(r, rd, it, raw, at)
		if err != nil {
			return err
		}
		return add(r, llm.User, b)
	case "reasoning":
		if blocks, ok := llm.Uncarry(it.Sealed); ok {
			return add(r, llm.Assistant, blocks...)
		}
		return add(r, llm.Assistant, thinkingOf(it))
	}
	role := llm.Assistant
	if answers(it.Type) {
		role = llm.User
	}
	return add(r, role, llm.Block{Kind: llm.Opaque, Vendor: llm.Responses, Type: opaqueType(it), Raw: raw})
}

func opaqueType(it *item) string {
	if it.Type == "" {
		return "item_reference"
	}
	return it.Type
}

// known reports whether an item is of a type whose fields mean something here.
func known(raw jsontext.Value) bool {
	switch typeOf(raw) {
	case "", "message", "function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output", "reasoning":
		return true
	}
	return false
}

func typeOf(raw jsontext.Value) string {
	var t struct {
		Type jsontext.Value `json:"type"`
	}
	if json.Unmarshal(raw, &t, upstreams) != nil || t.Type.Kind() != '"' {
		return ""
	}
	text, _ := textOf(t.Type)
	return text
}

// answers reports whether an item of the vendor's own is the caller's answer to one.
func answers(kind string) bool {
	switch kind {
	case "computer_call_output", "shell_call_output", "apply_patch_call_output",
		"mcp_approval_response", "tool_search_output", "program_output":
		return true
	}
	return false
}

// add adds blocks of one item to the turn they belong to.
func add(r *llm.Request, role llm.Role, blocks ...llm.Block) error {
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == role && (role == llm.Assistant || onlyResults(r.Messages[n-1].Blocks)) {
		r.Messages[n-1].Blocks = append(r.Messages[n-1].Blocks, blocks...)
		return nil
	}
	r.Messages = append(r.Messages, llm.Message{Role: role, Blocks: blocks})
	return nil
}

// onlyResults reports whether a user's turn has not come to what the user says.
func onlyResults(blocks []llm.Block) bool {
	return !slices.ContainsFunc(blocks, func(b llm.Block) bool { return b.Kind != llm.ToolResult && b.Kind != llm.Opaque })
}

// callName is the name of the tool that a call was made to.
func callName(r *llm.Request, id string) string {
	if b := callBy(r, id); b != nil {
		return b.Call.Name
	}
	return ""
}

// callBy is the latest call of an id, or nil.
func callBy(r *llm.Request, id string) *llm.Block {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		for j := range r.Messages[i].Blocks {
			if b := &r.Messages[i].Blocks[j]; b.Kind == llm.ToolCall && b.Call.ID == id {
				return b
			}
		}
	}
	return nil
}

func addMessage(r *llm.Request, rd *reader, it *item, at refusal.Place) error {
	role := llm.User
	switch it.Role {
	case "user":
	case "assistant":
		role = llm.Assistant
	case "system":
		role = llm.System
	case "developer":
		role = llm.Developer
	default:
		return &llm.RequestError{Param: at.Of(".role"), Code: "invalid_value",
			Message: fmt.Sprintf("Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", it.Role)}
	}
	if isNull(it.Content) {
		return refusal.Missing(at.Of(".content"))
	}
	blocks, err := contentOf(rd, it.Content, at.In(".content"))
	if err != nil {
		return err
	}
	for i := range blocks {
		setPhase(&blocks[i], it.Phase)
	}
	return add(r, role, blocks...)
}
