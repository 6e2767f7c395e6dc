package responses

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
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
	q := requests.Get().(*request)
	defer q.free()
	if !jsonread.Plain(body, q, 0, (*request).readPlain) {
		q.reset()
		if err := json.Unmarshal(body, q, callers); err != nil {
			return nil, refusal.Undecoded("", err)
		}
	}
	return q.decode()
}

// decode makes sense of the request.
func (q *request) decode() (*llm.Request, error) {
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
	if err := q.Tools.read(r); err != nil {
		return nil, err
	}
	if err := q.choice(r); err != nil {
		return nil, err
	}
	if err := q.Input.read(); err != nil {
		return nil, err
	}
	_, prompt := r.Extra["prompt"]
	_, conversation := r.Extra["conversation"]
	if len(q.Input.turns) == 0 && r.Previous == "" && !prompt && !conversation {
		return nil, noInput()
	}
	r.Messages = q.Input.messages(q.Instructions)
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

// textOf is the text of a JSON string.
func textOf(raw jsontext.Value) (string, error) {
	if plain, ok := jsonread.Text(raw); ok {
		return plain, nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	return string(text), err
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
