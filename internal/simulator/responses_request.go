package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// responsesRequest is the part of a Responses request that has a meaning here.
type responsesRequest struct {
	Model           string            `json:"model"`
	Input           json.RawMessage   `json:"input"`
	Instructions    json.RawMessage   `json:"instructions"`
	Stream          bool              `json:"stream"`
	Store           *bool             `json:"store"`
	Previous        string            `json:"previous_response_id"`
	Include         []string          `json:"include"`
	MaxOutputTokens *int              `json:"max_output_tokens"`
	Parallel        *bool             `json:"parallel_tool_calls"`
	Temperature     *float64          `json:"temperature"`
	TopP            *float64          `json:"top_p"`
	Tools           []json.RawMessage `json:"tools"`
	ToolChoice      json.RawMessage   `json:"tool_choice"`
	Text            json.RawMessage   `json:"text"`
	Metadata        map[string]string `json:"metadata"`
	User            string            `json:"user"`
	ServiceTier     string            `json:"service_tier"`
	Truncation      string            `json:"truncation"`
	PromptCacheKey  string            `json:"prompt_cache_key"`
	Reasoning       *struct {
		Effort  string `json:"effort"`
		Summary string `json:"summary"`
	} `json:"reasoning"`

	items []json.RawMessage // the conversation with what previous_response_id stands for
}

// The top-level fields that OpenAI's description of the API has. The vendor refuses all others.
var (
	responsesFields = fieldSet(`metadata top_logprobs temperature top_p user safety_identifier prompt_cache_key prompt_cache_retention
		prompt_cache_options previous_response_id model background max_tool_calls text tools tool_choice prompt service_tier truncation
		reasoning input include parallel_tool_calls store instructions moderation stream stream_options conversation context_management
		max_output_tokens client_metadata`)
	responsesCountFields = fieldSet(`model input previous_response_id tools text reasoning truncation instructions personality conversation
		tool_choice parallel_tool_calls`)
	responsesIncludes = []string{"file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
		"message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
		"reasoning.encrypted_content", "message.output_text.logprobs"}
)

// readResponses decodes a request and refuses what the real vendor refuses.
func readResponses(x *exchange, known map[string]bool) (*responsesRequest, *failure) {
	q := new(responsesRequest)
	if gjson.ValidBytes(x.body) {
		if name := unknownField(gjson.ParseBytes(x.body), known); name != "" {
			return nil, badRequest(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
		}
	}
	if fail := decode(x.body, q); fail != nil {
		return nil, fail
	}
	if fail := q.check(); fail != nil {
		return nil, fail
	}
	if q.Previous != "" {
		kept, ok := x.s.store.get(x.key, q.Previous)
		if !ok {
			return nil, &failure{status: http.StatusBadRequest, kind: "invalid_request_error", param: "previous_response_id",
				code: "previous_response_not_found", message: "Previous response with id '" + q.Previous + "' not found."}
		}
		q.items = append(q.items, kept.items...)
	}
	mine := len(q.items)
	input := gjson.ParseBytes(q.Input)
	if input.Type == gjson.String {
		q.items = append(q.items, append(appendString([]byte(`{"role":"user","content":`), input.Str), '}'))
	}
	if input.IsArray() {
		for _, item := range input.Array() {
			q.items = append(q.items, json.RawMessage(item.Raw))
		}
	}
	return q, checkItems(x, q.items, mine)
}

func (q *responsesRequest) stores() bool { return q.Store == nil || *q.Store }

func (q *responsesRequest) includes(what string) bool { return slices.Contains(q.Include, what) }

func (q *responsesRequest) check() *failure {
	input := gjson.ParseBytes(q.Input)
	switch {
	case q.Model == "":
		return badRequest("model", "missing_required_parameter", "Missing required parameter: 'model'.")
	case len(q.Input) == 0 && q.Previous == "":
		return badRequest("", "missing_required_parameter", "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.")
	case len(q.Input) > 0 && input.Type != gjson.String && !input.IsArray():
		return badRequest("input", "invalid_type", "Invalid type for 'input': expected one of an array of objects or a string, but got %s instead.", typeName(input))
	case q.MaxOutputTokens != nil && *q.MaxOutputTokens < 16:
		return badRequest("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got %d instead.", *q.MaxOutputTokens)
	case q.Temperature != nil && (*q.Temperature < 0 || *q.Temperature > 2):
		return badRequest("temperature", "decimal_above_max_value", "Invalid 'temperature': decimal out of range. Expected a value between 0 and 2, but got %g instead.", *q.Temperature)
	}
	for i, what := range q.Include {
		if !slices.Contains(responsesIncludes, what) {
			return badRequest("include["+itoa(i)+"]", "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", what, strings.Join(responsesIncludes, "', '"))
		}
	}
	for i, raw := range q.Tools {
		at := "tools[" + itoa(i) + "]"
		t := gjson.ParseBytes(raw)
		switch t.Get("type").String() {
		case "":
			return badRequest(at+".type", "missing_required_parameter", "Missing required parameter: '%s.type'.", at)
		case "function", "custom":
			if t.Get("function").Exists() { // the chat form
				return badRequest(at+".function", "unknown_parameter", "Unknown parameter: '%s.function'.", at)
			}
			if name := t.Get("name").String(); !toolName.MatchString(name) {
				return badRequest(at+".name", "invalid_value", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
			}
		}
	}
	if f := gjson.GetBytes(q.Text, "format"); f.Get("type").String() == "json_schema" && (!f.Get("name").Exists() || !f.Get("schema").Exists()) {
		return badRequest("text.format.name", "missing_required_parameter", "Missing required parameter: 'text.format.name'.")
	}
	return nil
}

func typeName(v gjson.Result) string {
	switch {
	case v.IsObject():
		return "an object"
	case v.IsArray():
		return "an array"
	case v.Type == gjson.String:
		return "a string"
	case v.Type == gjson.Number:
		return "a number"
	case v.IsBool():
		return "a boolean"
	}
	return "null"
}

// ask turns the request into a neutral one.
func (q *responsesRequest) ask(model string, summary bool) *ask {
	a := &ask{model: model, choices: 1, parallel: q.Parallel == nil || *q.Parallel, thinking: true, shown: false}
	if q.MaxOutputTokens != nil {
		a.limit = *q.MaxOutputTokens
	}
	if r := q.Reasoning; r != nil && r.Effort != "none" {
		a.reason = 12
		a.shown = r.Summary != "" || summary
	}
	switch f := gjson.GetBytes(q.Text, "format"); f.Get("type").String() {
	case "json_schema":
		a.format = f.Get("schema").Raw
	case "json_object":
		a.format = anyObject
	}
	q.askTools(a)
	if len(q.Instructions) > 0 && string(q.Instructions) != "null" {
		a.prompt = append(a.prompt, turn{tokens: 4 + tokensOf(len(q.Instructions)), digest: xxhash.Sum64(q.Instructions)})
	}
	for _, raw := range q.items {
		a.prompt = append(a.prompt, turn{tokens: itemTokens(raw), digest: xxhash.Sum64(raw)})
		a.talk.item(gjson.ParseBytes(raw))
	}
	return a
}

// item takes in an item of a Responses conversation.
func (t *talk) item(item gjson.Result) {
	switch item.Get("type").String() {
	case "", "message":
		switch item.Get("role").String() {
		case "user":
			eachText(item.Get("content"), t.user)
		case "assistant":
			t.assistant()
		}
	case "function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call":
		t.assistant()
	case "function_call_output", "custom_tool_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output":
		t.result(joinText(item.Get("output")))
	}
}

// itemTokens estimates an item: a quarter of its bytes, but a fixed sum for a picture or a file.
func itemTokens(raw []byte) int {
	const overhead, picture = 4, 85
	n := len(raw)
	pictures := 0
	gjson.GetBytes(raw, "content").ForEach(func(_, part gjson.Result) bool {
		if kind := part.Get("type").String(); kind == "input_image" || kind == "input_file" {
			n -= len(part.Raw)
			pictures++
		}
		return true
	})
	return overhead + tokensOf(max(n, 0)) + pictures*picture
}

func (q *responsesRequest) askTools(a *ask) {
	if len(q.Tools) == 0 {
		return
	}
	first := turn{}
	for _, raw := range q.Tools {
		t := gjson.ParseBytes(raw)
		first.tokens += 8 + tokensOf(len(raw))
		first.digest = mix(first.digest, xxhash.Sum64(raw))
		switch t.Get("type").String() {
		case "function":
			a.tools = append(a.tools, tool{name: t.Get("name").String(), schema: t.Get("parameters").Raw})
		case "custom":
			a.tools = append(a.tools, tool{name: t.Get("name").String(), free: true})
		}
	}
	a.prompt = append(a.prompt, first)
	switch choice := gjson.ParseBytes(q.ToolChoice); choice.String() {
	case "none":
		a.tools = nil
	case "required":
		a.required = true
	default:
		a.force = choice.Get("name").String()
		a.allow(choice)
	}
}

// allow keeps of the tools those that an allowed_tools choice names, as chat and Responses have it.
func (a *ask) allow(choice gjson.Result) {
	if choice.Get("type").String() != "allowed_tools" {
		return
	}
	if in := choice.Get("allowed_tools"); in.IsObject() {
		choice = in // chat nests it
	}
	names := map[string]bool{}
	for _, t := range choice.Get("tools").Array() {
		names[t.Get("name").String()+t.Get("function.name").String()] = true
	}
	a.tools = slices.DeleteFunc(a.tools, func(t tool) bool { return !names[t.name] })
	a.required = choice.Get("mode").String() == "required"
}
