package responses

import (
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// appendSettings appends what every response object repeats of its request: fields with a comma in front of each.
func appendSettings(b []byte, to *llm.Request) []byte {
	if to == nil {
		to = &llm.Request{}
	}
	room := 1 << 10
	for i := range to.Tools {
		room += 128 + len(to.Tools[i].Description) + len(to.Tools[i].Schema)
	}
	b = append(slices.Grow(b, room), `,"background":false,"instructions":null,"max_output_tokens":`...)
	b = appendCount(b, to.MaxTokens)
	b = append(b, `,"max_tool_calls":null,"parallel_tool_calls":`...)
	b = strconv.AppendBool(b, to.Parallel == nil || *to.Parallel)
	b = appendOr(append(b, `,"previous_response_id":`...), to.Previous)
	b = appendOr(append(b, `,"prompt_cache_key":`...), to.CacheKey)
	b = appendOr(append(b, `,"reasoning":{"effort":`...), effortOf(&to.Reasoning))
	summary := to.Reasoning.Summary
	if summary == "none" {
		summary = ""
	}
	b = appendOr(append(b, `,"summary":`...), summary)
	b = appendOr(append(b, `},"safety_identifier":`...), to.SafetyID)
	b = append(b, `,"store":false,"temperature":`...)
	b = appendFloat(b, to.Temperature)
	b = append(b, `,"text":{"format":`...)
	switch to.Format.Mode {
	case llm.FormatJSON:
		b = append(b, `{"type":"json_object"}`...)
	case llm.FormatSchema:
		b = append(b, marshal(&format{Type: "json_schema", Name: to.Format.Name, Description: to.Format.Description, Schema: to.Format.Schema, Strict: to.Format.Strict})...)
	case llm.FormatText:
		b = append(b, `{"type":"text"}`...)
	}
	verbosity := to.Verbosity
	if verbosity == "" {
		verbosity = "medium"
	}
	b = appendString(append(b, `,"verbosity":`...), verbosity)
	b = append(b, `},"tool_choice":`...)
	if choice := choiceValue(to); choice != nil {
		b = append(b, choice...)
	} else {
		b = append(b, `"auto"`...)
	}
	b = appendTools(append(b, `,"tools":[`...), to, func(llm.Field) {}, appendShown)
	b = appendInt(append(b, `],"top_logprobs":`...), int64(to.TopLogprobs))
	b = appendFloat(append(b, `,"top_p":`...), to.TopP)
	truncation := to.Truncation
	if truncation == "" {
		truncation = "disabled"
	}
	b = appendString(append(b, `,"truncation":`...), truncation)
	if to.User != "" {
		b = appendString(append(b, `,"user":`...), to.User)
	}
	b = append(b, `,"metadata":`...)
	if len(to.Metadata) == 0 {
		return append(b, "{}"...)
	}
	meta, err := json.Marshal(to.Metadata, upstreams, json.Deterministic(true))
	if err != nil {
		return append(b, "{}"...)
	}
	return append(b, meta...)
}

// appendShown writes a tool as answers repeat it: a function has its parameters and says whether it is strict.
func appendShown(b []byte, to *llm.Request, t *llm.Tool, more map[string]jsontext.Value) []byte {
	if t.Grammar != nil {
		return appendTool(b, to, t, more)
	}
	b = appendOr(append(b, `{"type":"function","description":`...), t.Description)
	b = appendString(append(b, `,"name":`...), plainName(to, t.Name))
	b = append(b, `,"parameters":`...)
	switch {
	case t.Schema != nil:
		b = appendValue(b, t.Schema)
	case to.Dialect == llm.Responses:
		b = append(b, "null"...)
	default:
		b = append(b, noParameters...)
	}
	strict := to.Dialect == llm.Responses // where nothing is said
	if t.Strict != nil {
		strict = *t.Strict
	}
	return append(strconv.AppendBool(append(b, `,"strict":`...), strict), '}')
}

// appendCount appends a count, or null where it is unsaid.
func appendCount(dst []byte, n int64) []byte {
	if n == 0 {
		return append(dst, "null"...)
	}
	return appendInt(dst, n)
}

// appendFloat appends a setting whose default is 1.
func appendFloat(dst []byte, f *float64) []byte {
	if f == nil {
		return append(dst, "1.0"...)
	}
	raw, err := json.Marshal(*f)
	if err != nil { // no number
		return append(dst, "1.0"...)
	}
	return append(dst, raw...)
}

// appendUsage appends the counts in this dialect's way: input has what was cached in it.
func appendUsage(dst []byte, u *llm.Usage) []byte {
	dst = appendInt(append(dst, `{"input_tokens":`...), u.TotalInput())
	dst = appendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.CachedInput)
	dst = appendInt(append(dst, `,"cache_write_tokens":`...), u.CacheWrite5m+u.CacheWrite1h)
	dst = appendInt(append(dst, `},"output_tokens":`...), u.Output)
	dst = appendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), u.Reasoning)
	dst = appendInt(append(dst, `},"total_tokens":`...), u.Total())
	return append(dst, '}')
}

// tierOf is a tier in OpenAI's words; default stands for those that it has none for, since every answer tells one.
func tierOf(tier string) string {
	switch tier {
	case "auto", "flex", "scale", "priority", "fast", "ultrafast":
		return tier
	}
	return "default"
}

// ending is how an answer ended, in the dialect's words.
type ending struct {
	status     string // completed, incomplete or failed
	incomplete string // why
	code       string // of a failed one; server_error where it has none
	failure    string // of a failed one, in words
}

func endingOf(f llm.Finish) ending {
	switch f {
	case llm.FinishLength, llm.FinishContext:
		return ending{status: "incomplete", incomplete: "max_output_tokens"}
	case llm.FinishFilter:
		return ending{status: "incomplete", incomplete: "content_filter"}
	case llm.FinishMalformed:
		return ending{status: "failed", failure: "The model made a tool call that cannot be used."}
	case llm.FinishError:
		return ending{status: "failed", failure: "The model failed to go on."}
	case llm.FinishUnknown, llm.FinishStop, llm.FinishStopSequence, llm.FinishTools, llm.FinishRefusal, llm.FinishPause:
	}
	return ending{status: "completed"}
}

// answerID is an id as the dialect's are: what the upstream called its answer, behind resp_.
func answerID(id string) string {
	if strings.HasPrefix(id, "resp_") {
		return id
	}
	return "resp_" + id
}
