package openai

import (
	"bytes"
	"math"
	"strconv"
	"sync"

	"aihigress/internal/dialect/jsonwrite"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What follows writes the parts of a body as package json writes the structs of wire_request.go, most of them by hand.

// maxKept is the largest memory that encoders are kept with, in bytes.
const maxKept = 64 << 10

// requestEncoders are kept for their memory.
var requestEncoders = sync.Pool{New: func() any { return new(requestEncoder) }}

// free gives the encoder back, with nothing of the request in it.
func (e *requestEncoder) free() {
	clear(e.calls[:cap(e.calls)])
	clear(e.thought[:cap(e.thought)])
	kept := requestEncoder{b: e.b[:0], tools: e.tools[:0], thought: e.thought[:0], calls: e.calls[:0]}
	if cap(e.b)+cap(e.tools) > maxKept || cap(e.calls)+cap(e.thought) > maxCalls {
		kept = requestEncoder{}
	}
	*e = kept
	requestEncoders.Put(e)
}

// body ends the body. A small one gets memory of its own, a large one has what was taken for it.
func (e *requestEncoder) body() ([]byte, error) {
	e.settings()
	e.b = append(e.b, '}')
	if cap(e.b) <= maxKept {
		return bytes.Clone(e.b), e.err
	}
	b := e.b
	e.b = nil
	return b, e.err
}

// settings writes what stands behind the messages.
func (e *requestEncoder) settings() {
	w := &e.out
	if len(e.tools) > 0 {
		e.b = append(append(append(field(e.b, "tools"), '['), e.tools...), ']')
	}
	e.other("tool_choice", w.ToolChoice != nil, w.ToolChoice)
	e.truth("parallel_tool_calls", w.ParallelToolCalls)
	e.value("web_search_options", w.WebSearchOptions)
	if w.Stream {
		e.b = append(field(e.b, "stream"), "true"...)
	}
	e.other("stream_options", w.StreamOptions != nil, w.StreamOptions)
	e.whole("max_tokens", w.MaxTokens)
	e.whole("max_completion_tokens", w.MaxCompletionTokens)
	e.whole("n", w.N)
	e.texts("stop", w.Stop)
	e.float("temperature", w.Temperature)
	e.float("top_p", w.TopP)
	e.float("frequency_penalty", w.FrequencyPenalty)
	e.float("presence_penalty", w.PresencePenalty)
	e.whole("seed", w.Seed)
	e.value("logit_bias", w.LogitBias)
	e.truth("logprobs", w.Logprobs)
	e.whole("top_logprobs", w.TopLogprobs)
	e.other("response_format", w.ResponseFormat != nil, w.ResponseFormat)
	e.texts("modalities", w.Modalities)
	e.other("audio", w.Audio != nil, w.Audio)
	e.text("reasoning_effort", w.ReasoningEffort)
	e.text("verbosity", w.Verbosity)
	e.text("service_tier", w.ServiceTier)
	e.text("user", w.User)
	e.text("safety_identifier", w.SafetyIdentifier)
	e.other("metadata", w.Metadata != nil, w.Metadata)
	e.truth("store", w.Store)
	e.text("prompt_cache_key", w.PromptCacheKey)
	e.text("prompt_cache_retention", w.PromptCacheRetention)
	e.value("prediction", w.Prediction)
	e.whole("top_k", w.TopK)
	e.float("min_p", w.MinP)
	e.float("repetition_penalty", w.RepetitionPenalty)
	e.other("reasoning", w.Reasoning != nil, w.Reasoning)
	e.other("thinking", w.Thinking != nil, w.Thinking)
	e.truth("enable_thinking", w.EnableThinking)
	e.whole("thinking_budget", w.ThinkingBudget)
	e.whole("random_seed", w.RandomSeed)
	e.other("cache_control", w.CacheControl != nil, w.CacheControl)
	if len(w.Extra) > 0 {
		if object := e.marshal(&request{Extra: w.Extra}); e.err == nil {
			e.b = append(comma(e.b), object[1:len(object)-1]...)
		}
	}
}

func (e *requestEncoder) text(name, s string) {
	if s != "" {
		e.b = jsonwrite.String(field(e.b, name), s)
	}
}

func (e *requestEncoder) texts(name string, list []string) {
	if list == nil {
		return
	}
	e.b = append(field(e.b, name), '[')
	for i, s := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = jsonwrite.String(e.b, s)
	}
	e.b = append(e.b, ']')
}

func (e *requestEncoder) truth(name string, t *bool) {
	if t != nil {
		e.b = strconv.AppendBool(field(e.b, name), *t)
	}
}

func (e *requestEncoder) whole(name string, n *integer) {
	if n != nil {
		e.b = strconv.AppendInt(field(e.b, name), int64(*n), 10)
	}
}

func (e *requestEncoder) float(name string, f *float64) {
	if f == nil {
		return
	}
	if size := math.Abs(*f); size != 0 && !(size >= 1e-6 && size < 1e21) { // with an exponent, or no number that JSON has
		e.other(name, true, f)
		return
	}
	e.b = strconv.AppendFloat(field(e.b, name), *f, 'f', -1, 64)
}

// value writes a member that came as JSON.
func (e *requestEncoder) value(name string, v jsontext.Value) {
	if v != nil {
		e.b = e.appendValue(field(e.b, name), v)
	}
}

// written writes a value as jsonOut does: in one line, as short as it can be.
var written = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(false), jsontext.PreserveRawStrings(false))

func (e *requestEncoder) appendValue(b []byte, v jsontext.Value) []byte {
	b, err := jsontext.AppendFormat(b, v, written)
	e.fail(err)
	return b
}

// other writes a member that is rare, if it is said.
func (e *requestEncoder) other(name string, said bool, v any) {
	if said {
		e.b = append(field(e.b, name), e.marshal(v)...)
	}
}

func (e *requestEncoder) marshal(v any) []byte {
	raw, err := json.Marshal(v, jsonOut)
	e.fail(err)
	return raw
}

// fail keeps the first error.
func (e *requestEncoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}
