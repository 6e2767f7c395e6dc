package simulator

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// messagesRequest is the part of a Messages request that has a meaning here.
type messagesRequest struct {
	Model         string             `json:"model"`
	System        json.RawMessage    `json:"system"`
	Messages      []messagesMessage  `json:"messages"`
	MaxTokens     *int               `json:"max_tokens"`
	Stream        bool               `json:"stream"`
	StopSequences []string           `json:"stop_sequences"`
	Temperature   *float64           `json:"temperature"`
	TopP          *float64           `json:"top_p"`
	TopK          *int               `json:"top_k"`
	Thinking      *messagesThinking  `json:"thinking"`
	Tools         []json.RawMessage  `json:"tools"`
	ToolChoice    *messagesChoice    `json:"tool_choice"`
	OutputConfig  *messagesOutput    `json:"output_config"`
	OutputFormat  *messagesFormat    `json:"output_format"` // the beta's place for it
	CacheControl  *messagesCacheMark `json:"cache_control"`
	Version       string             `json:"anthropic_version"` // Vertex AI only
}

type messagesMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type messagesThinking struct {
	Type    string `json:"type"`
	Budget  *int   `json:"budget_tokens"`
	Display string `json:"display"`
}

type messagesChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel bool   `json:"disable_parallel_tool_use"`
}

type messagesOutput struct {
	Effort string          `json:"effort"`
	Format *messagesFormat `json:"format"`
}

type messagesFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type messagesCacheMark struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

func (m *messagesCacheMark) mark() mark {
	switch {
	case m == nil:
		return noMark
	case m.TTL == "1h":
		return mark1h
	}
	return mark5m
}

// The top-level fields that the vendor knows (its OpenAPI description, with those of the betas). It refuses all others.
var (
	messagesFields = fieldSet(`model messages cache_control container context_management inference_geo max_tokens mcp_servers metadata
		output_config output_format service_tier speed stop_sequences stream system temperature thinking tool_choice tools top_k top_p
		user_profile_id`)
	countFields = fieldSet(`model messages cache_control context_management mcp_servers output_config output_format speed system
		thinking tool_choice tools`)
	vertexFields = fieldSet(`anthropic_version anthropic_beta messages cache_control container context_management max_tokens mcp_servers
		metadata output_config output_format service_tier stop_sequences stream system temperature thinking tool_choice tools top_k top_p`)
)

// fieldSet makes a set of names that stand apart by white space.
func fieldSet(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// unknownField returns the first key of an object that is not in the set.
func unknownField(object gjson.Result, known map[string]bool) (name string) {
	object.ForEach(func(key, _ gjson.Result) bool {
		if !known[key.Str] {
			name = key.Str
		}
		return name == ""
	})
	return name
}

// readMessages decodes a request and refuses what the real vendor refuses.
func readMessages(x *exchange, known map[string]bool) (*messagesRequest, *failure) {
	v := x.vendor.(anthropic)
	if v.vertex && known["max_tokens"] {
		known = vertexFields
	}
	if x.r.Header.Get("Anthropic-Version") == "" && !v.vertex {
		return nil, badRequest("", "", "anthropic-version: header is required")
	}
	if !json.Valid(x.body) {
		return nil, badRequest("", "", "The request body is not valid JSON: it could not be parsed.")
	}
	if name := unknownField(gjson.ParseBytes(x.body), known); name != "" {
		return nil, badRequest("", "", "%s: Extra inputs are not permitted", name)
	}
	q := new(messagesRequest)
	if fail := decode(x.body, q); fail != nil {
		return nil, badRequest("", "", "%s: Input should be a valid value", fail.param)
	}
	return q, q.check(x, known["max_tokens"])
}

// check refuses what is out of range in itself; checkMessages what does not fit together.
func (q *messagesRequest) check(x *exchange, generates bool) *failure {
	v := x.vendor.(anthropic)
	switch {
	case v.vertex && q.Version == "" && generates:
		return badRequest("", "", "anthropic_version: Field required")
	case !v.vertex && q.Model == "":
		return badRequest("", "", "model: Field required")
	case q.Messages == nil:
		return badRequest("", "", "messages: Field required")
	case len(q.Messages) == 0:
		return badRequest("", "", "messages: at least one message is required")
	case generates && q.MaxTokens == nil:
		return badRequest("", "", "max_tokens: Field required")
	case q.MaxTokens != nil && *q.MaxTokens < 1:
		return badRequest("", "", "max_tokens: Input should be greater than or equal to 1")
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 1):
		return badRequest("", "", "temperature: range: 0..1")
	case q.TopP != nil && (*q.TopP < 0 || *q.TopP > 1):
		return badRequest("", "", "top_p: range: 0..1")
	}
	for i, stop := range q.StopSequences {
		if strings.TrimSpace(stop) == "" {
			return badRequest("", "", "stop_sequences.%d: each stop sequence must contain non-whitespace", i)
		}
	}
	for _, check := range []func() *failure{q.checkThinking, q.checkTools, q.checkFormat, q.checkSystem} {
		if fail := check(); fail != nil {
			return fail
		}
	}
	return q.checkMessages(x)
}

func (q *messagesRequest) checkThinking() *failure {
	t := q.Thinking
	if t == nil {
		return nil
	}
	switch t.Type {
	case "enabled":
		switch {
		case t.Budget == nil:
			return badRequest("", "", "thinking.enabled.budget_tokens: Field required")
		case *t.Budget < 1024:
			return badRequest("", "", "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
		case q.MaxTokens != nil && *q.MaxTokens <= *t.Budget:
			return badRequest("", "", "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size")
		}
	case "adaptive":
		if t.Budget != nil {
			return badRequest("", "", "thinking.adaptive.budget_tokens: Extra inputs are not permitted")
		}
	case "disabled":
		return nil
	default:
		return badRequest("", "", "thinking: Input tag '%s' found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'", t.Type)
	}
	if q.Temperature != nil && *q.Temperature != 1 {
		return badRequest("", "", "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking#important-considerations-when-using-extended-thinking")
	}
	if q.TopK != nil {
		return badRequest("", "", "`top_k` must be unset when thinking is enabled.")
	}
	if c := q.ToolChoice; c != nil && (c.Type == "any" || c.Type == "tool") {
		return badRequest("", "", "Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

// toolName is what the vendor takes as a tool's name, toolID as the id of a call.
var (
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	toolID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
)

func (q *messagesRequest) checkTools() *failure {
	seen := map[string]bool{}
	for i, raw := range q.Tools {
		t := gjson.ParseBytes(raw)
		name, kind := t.Get("name").String(), t.Get("type").String()
		if kind != "" && kind != "custom" {
			seen[name] = true // one that the vendor runs itself
			continue
		}
		switch {
		case !toolName.MatchString(name):
			return badRequest("", "", "tools.%d.custom.name: String should match pattern '%s'", i, toolName)
		case seen[name]:
			return badRequest("", "", "tools: Tool names must be unique.")
		case !t.Get("input_schema").Exists():
			return badRequest("", "", "tools.%d.custom.input_schema: Field required", i)
		case t.Get("input_schema.type").String() != "object":
			return badRequest("", "", "tools.%d.custom.input_schema.type: Input should be 'object'", i)
		}
		if field := unknownField(t, toolFields); field != "" {
			return badRequest("", "", "tools.%d.custom.%s: Extra inputs are not permitted", i, field)
		}
		seen[name] = true
	}
	c := q.ToolChoice
	if c == nil {
		return nil
	}
	if len(q.Tools) == 0 {
		return badRequest("", "", "tool_choice may only be specified while providing tools.")
	}
	switch c.Type {
	case "auto", "any", "none":
	case "tool":
		if !seen[c.Name] {
			return badRequest("", "", "Tool '%s' not found in provided tools", c.Name)
		}
	default:
		return badRequest("", "", "tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", c.Type)
	}
	return nil
}

var toolFields = fieldSet("type description name input_schema cache_control strict eager_input_streaming allowed_callers defer_loading input_examples")

func (q *messagesRequest) format() *messagesFormat {
	if q.OutputConfig != nil && q.OutputConfig.Format != nil {
		return q.OutputConfig.Format
	}
	return q.OutputFormat
}

func (q *messagesRequest) checkFormat() *failure {
	f := q.format()
	switch {
	case f == nil:
	case f.Type != "json_schema":
		return badRequest("", "", "output_config.format.type: Input should be 'json_schema'")
	case len(f.Schema) == 0:
		return badRequest("", "", "output_config.format.schema: Field required")
	}
	return nil
}

// ask turns the request into a neutral one.
func (q *messagesRequest) ask(model string) *ask {
	a := &ask{model: model, choices: 1, parallel: true, stops: q.StopSequences}
	if q.MaxTokens != nil {
		a.limit = *q.MaxTokens
	}
	if t := q.Thinking; t != nil && t.Type != "disabled" {
		a.thinking, a.shown, a.reason = true, true, 12
	}
	if f := q.format(); f != nil {
		a.format = string(f.Schema)
	}
	for _, raw := range q.Tools {
		t := gjson.ParseBytes(raw)
		a.prompt = append(a.prompt, turn{tokens: 8 + tokensOf(len(raw)), digest: xxhash.Sum64(raw), mark: markOf(t)})
		if kind := t.Get("type").String(); kind == "" || kind == "custom" {
			a.tools = append(a.tools, tool{name: t.Get("name").String(), schema: t.Get("input_schema").Raw})
		}
	}
	if c := q.ToolChoice; c != nil {
		a.parallel = !c.DisableParallel
		switch c.Type {
		case "none":
			a.tools = nil
		case "any":
			a.required = true
		case "tool":
			a.force = c.Name
		}
	}
	a.block("system", q.System)
	for _, m := range q.Messages {
		a.block(m.Role, m.Content)
	}
	if last := len(a.prompt) - 1; q.CacheControl != nil && last >= 0 {
		a.prompt[last].mark = q.CacheControl.mark()
	}
	return a
}

// block adds the blocks of a message to the prompt and to the talk.
func (a *ask) block(role string, content json.RawMessage) {
	if len(content) == 0 {
		return
	}
	if role == "assistant" {
		a.talk.assistant()
	}
	add := func(text string, raw []byte, m mark) {
		a.prompt = append(a.prompt, turn{tokens: 2 + tokensOf(len(text)), digest: xxhash.Sum64(raw), mark: m})
	}
	whole := gjson.ParseBytes(content)
	if whole.Type == gjson.String {
		add(whole.Str, content, noMark)
		if role == "user" {
			a.talk.user(whole.Str)
		}
		return
	}
	whole.ForEach(func(_, b gjson.Result) bool {
		switch b.Get("type").String() {
		case "text":
			add(b.Get("text").Str, []byte(b.Get("text").Raw), markOf(b))
			if role == "user" {
				a.talk.user(b.Get("text").Str)
			}
		case "tool_result":
			result := joinText(b.Get("content"))
			add(result, []byte(b.Get("content").Raw), markOf(b))
			a.talk.result(result)
		case "image", "document":
			a.prompt = append(a.prompt, turn{tokens: 85, digest: xxhash.Sum64String(b.Get("source").Raw), mark: markOf(b)})
		default:
			add(b.Raw, []byte(b.Get("id").Raw+b.Get("input").Raw+b.Get("signature").Raw), markOf(b))
		}
		return true
	})
}

// markOf reads a block's cache marker.
func markOf(block gjson.Result) mark {
	c := block.Get("cache_control")
	if !c.IsObject() {
		return noMark
	}
	return (&messagesCacheMark{TTL: c.Get("ttl").String()}).mark()
}
