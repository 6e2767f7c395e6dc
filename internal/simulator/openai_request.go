package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// chatRequest is the part of a chat completion request that has a meaning here.
type chatRequest struct {
	Model               string            `json:"model"`
	Messages            []json.RawMessage `json:"messages"`
	Stream              bool              `json:"stream"`
	StreamOptions       *streamOptions    `json:"stream_options"`
	MaxTokens           *int              `json:"max_tokens"`
	MaxCompletionTokens *int              `json:"max_completion_tokens"`
	N                   *int              `json:"n"`
	Seed                int64             `json:"seed"`
	Tools               []chatTool        `json:"tools"`
	ToolChoice          json.RawMessage   `json:"tool_choice"`
	ParallelToolCalls   *bool             `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat   `json:"response_format"`
	Stop                json.RawMessage   `json:"stop"`
	Logprobs            bool              `json:"logprobs"`
	TopLogprobs         int               `json:"top_logprobs"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatTool struct {
	Type     string `json:"type"`
	Function struct {
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"function"`
	Custom struct {
		Name string `json:"name"`
	} `json:"custom"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// badRequest is a refusal in the vendor's words.
func badRequest(param, code, message string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, kind: "invalid_request_error", param: param, code: code,
		message: fmt.Sprintf(message, args...)}
}

// decode reads a body into dst and tells what is wrong in the vendor's words.
func decode(body []byte, dst any) *failure {
	err := json.Unmarshal(body, dst)
	var typeErr *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typeErr):
		return badRequest(typeErr.Field, "invalid_type", "Invalid type for '%s': expected %s, but got a %s instead.",
			typeErr.Field, typeErr.Type, typeErr.Value)
	case err != nil:
		return badRequest("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)")
	}
	return nil
}

// check refuses what the real vendor refuses.
func (q *chatRequest) check() *failure {
	if q.Model == "" {
		return badRequest("", "", "you must provide a model parameter")
	}
	if len(q.Messages) == 0 {
		return badRequest("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	}
	for i, m := range q.Messages {
		if role := gjson.GetBytes(m, "role").String(); !strings.Contains(" system developer user assistant tool function ", " "+role+" ") || role == "" {
			return badRequest(fmt.Sprintf("messages[%d].role", i), "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", role)
		}
	}
	for param, v := range map[string]*int{"max_tokens": q.MaxTokens, "max_completion_tokens": q.MaxCompletionTokens, "n": q.N} {
		if v != nil && *v < 1 {
			return badRequest(param, "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= 1, but got %d instead.", param, *v)
		}
	}
	if q.N != nil && *q.N > 128 {
		return badRequest("n", "integer_above_max_value", "Invalid 'n': integer above maximum value. Expected a value <= 128, but got %d instead.", *q.N)
	}
	if q.StreamOptions != nil && !q.Stream {
		return badRequest("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	if q.TopLogprobs < 0 || q.TopLogprobs > 20 {
		return badRequest("top_logprobs", "integer_above_max_value", "Invalid 'top_logprobs': integer out of range. Expected a value between 0 and 20, but got %d instead.", q.TopLogprobs)
	}
	if q.TopLogprobs > 0 && !q.Logprobs {
		return badRequest("top_logprobs", "", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	if len(q.Tools) == 0 && len(q.ToolChoice) > 0 && string(q.ToolChoice) != "null" {
		return badRequest("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	return nil
}

// ask turns the request into a neutral one.
func (q *chatRequest) ask(model string) *ask {
	a := &ask{model: model, choices: 1, parallel: true, seed: uint64(q.Seed), thinking: true}
	if q.N != nil {
		a.choices = *q.N
	}
	switch {
	case q.MaxCompletionTokens != nil:
		a.limit = *q.MaxCompletionTokens
	case q.MaxTokens != nil:
		a.limit = *q.MaxTokens
	}
	if q.ParallelToolCalls != nil {
		a.parallel = *q.ParallelToolCalls
	}
	if f := q.ResponseFormat; f != nil {
		switch f.Type {
		case "json_schema":
			a.format = string(f.JSONSchema.Schema)
		case "json_object":
			a.format = anyObject
		}
	}
	a.stops = stopsOf(q.Stop)
	q.askTools(a)
	for _, raw := range q.Messages {
		a.talk.chatMessage(raw)
		a.prompt = append(a.prompt, turn{tokens: messageTokens(raw), digest: xxhash.Sum64(raw)})
	}
	return a
}

// chatMessage takes in a message of a chat.
func (t *talk) chatMessage(raw []byte) {
	m := gjson.ParseBytes(raw)
	switch m.Get("role").String() {
	case "user":
		eachText(m.Get("content"), t.user)
	case "assistant":
		t.assistant()
	case "tool", "function":
		t.result(joinText(m.Get("content")))
	}
}

// eachText passes on the texts of a message: a string, or an array of parts with a "text".
func eachText(content gjson.Result, pass func(string)) {
	if content.Type == gjson.String {
		pass(content.Str)
		return
	}
	content.ForEach(func(_, part gjson.Result) bool {
		if s := part.Get("text"); s.Type == gjson.String {
			pass(s.Str)
		}
		return true
	})
}

// joinText returns all texts of a message as one.
func joinText(content gjson.Result) string {
	var all []string
	eachText(content, func(s string) { all = append(all, s) })
	return strings.Join(all, "\n")
}

// askTools adds the tools and what the caller wants of them. Tools come first in a prompt, so they are its first turn.
func (q *chatRequest) askTools(a *ask) {
	if len(q.Tools) == 0 {
		return
	}
	first := turn{}
	for _, t := range q.Tools {
		schema := string(t.Function.Parameters)
		first.tokens += 8 + tokensOf(len(t.Function.Name)+len(schema))
		first.digest = mix(first.digest, xxhash.Sum64String(t.Function.Name), xxhash.Sum64String(schema))
		switch t.Type {
		case "function":
			a.tools = append(a.tools, tool{name: t.Function.Name, schema: schema})
		case "custom":
			first.digest = mix(first.digest, xxhash.Sum64String(t.Custom.Name))
			a.tools = append(a.tools, tool{name: t.Custom.Name, free: true})
		}
	}
	a.prompt = append(a.prompt, first)
	switch choice := gjson.ParseBytes(q.ToolChoice); choice.String() {
	case "none":
		a.tools = nil
	case "required":
		a.required = true
	default:
		a.force = choice.Get("function.name").String() + choice.Get("custom.name").String()
		a.allow(choice)
	}
}

// messageTokens estimates a message: a quarter of the bytes of its texts, fixed sums for pictures and sound.
func messageTokens(raw []byte) int {
	const overhead, picture = 4, 85
	n := overhead
	content := gjson.GetBytes(raw, "content")
	if !content.IsArray() {
		n += tokensOf(len(content.String()))
	}
	content.ForEach(func(_, part gjson.Result) bool {
		switch part.Get("type").String() {
		case "text":
			n += tokensOf(len(part.Get("text").String()))
		case "":
		default:
			n += picture
		}
		return true
	})
	if calls := gjson.GetBytes(raw, "tool_calls"); calls.Exists() {
		n += tokensOf(len(calls.Raw))
	}
	return n
}

// tokensOf estimates the tokens of a text of n bytes.
func tokensOf(n int) int { return (n + 3) / 4 }
