package responses

import (
	"slices"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// minOutput is the least max_output_tokens that OpenAI takes.
const minOutput = 16

// requestWriter writes one request.
type requestWriter struct {
	r     *llm.Request
	tools llm.ToolIndex // of the request
	own   bool          // the caller is of the dialect
	store bool
	drops llm.Drops
	b     []byte
	begun bool // the input, which stands behind all else
}

// EncodeRequest implements dialect.Dialect. The upstream keeps nothing unless the caller is of the dialect and did not say
// that it should not, or said in another that it should; thinking then comes back sealed, for the caller to return. An
// answer's limit below the API's least is raised to it.
func (Dialect) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	w := requestWriter{r: r, tools: r.ToolIndex(), own: r.Dialect == llm.Responses}
	w.store = w.own
	if r.Store != nil {
		w.store = *r.Store
	}
	q := request{
		Model: t.Model, Stream: t.Stream, Parallel: r.Parallel, MaxTokens: r.MaxTokens, Temperature: r.Temperature, TopP: r.TopP,
		User: r.User, Safety: r.SafetyID, Metadata: r.Metadata, CacheKey: r.CacheKey, CacheFor: r.CacheFor, Store: r.Store, Previous: r.Previous, Truncation: r.Truncation,
	}
	if !w.own {
		q.Store, q.User, q.Safety = &w.store, llm.ShortUser(r.User), llm.ShortUser(r.SafetyID)
	}
	if q.MaxTokens > 0 {
		q.MaxTokens = max(q.MaxTokens, minOutput)
	}
	w.settings(&q, t)
	w.withhold(&q, t)
	messages := w.instructions(&q)
	var left llm.Drops // to be told last
	if t.KeepExtra || w.own {
		w.extra(&q, &left)
	} else {
		left.Extra(r)
	}
	memory := takeMemory(r.Size())
	w.b = memory.b
	w.head(&q)
	w.input(messages)
	w.refuse()
	for _, f := range left.Fields() {
		w.drops.Add(f)
	}
	memory.b = append(w.b, '}')
	return memory.free(), w.drops.Fields(), nil
}

// settings writes what is neither input nor tools.
func (w *requestWriter) settings(q *request, t dialect.Target) {
	r := w.r
	switch r.ServiceTier {
	case "", "auto", "default", "flex", "scale", "priority", "fast", "ultrafast":
		q.Tier = r.ServiceTier
	case "standard", "standard_only": // Gemini's and Anthropic's words
		q.Tier = "default"
	default:
		if w.own {
			q.Tier = r.ServiceTier
		} else {
			w.drops.Add(llm.FieldServiceTier)
		}
	}
	if r.Verbosity != "" || r.Format.Mode != llm.FormatText {
		q.Text = &textSettings{Verbosity: r.Verbosity}
	}
	switch r.Format.Mode {
	case llm.FormatJSON:
		q.Text.Format = &format{Type: "json_object"}
	case llm.FormatSchema:
		f := format{Type: "json_schema", Name: r.Format.Name, Description: r.Format.Description, Schema: r.Format.Schema, Strict: r.Format.Strict}
		if f.Name == "" {
			f.Name = "answer"
		}
		if f.Schema == nil {
			f.Schema = jsontext.Value(`{"type":"object"}`)
		}
		q.Text.Format = &f
	case llm.FormatText:
	}
	w.reasoning(q, t)
	q.Include = slices.Clone(r.Include)
	if r.Logprobs {
		q.Include = append(q.Include, includeLogprobs)
		q.TopLogprobs = r.TopLogprobs
	}
	if !w.store && reasons(t.Model) && !slices.Contains(q.Include, includeSealed) {
		q.Include = append(q.Include, includeSealed)
	}
}

// reasoning says how much to think, and whether to show it.
func (w *requestWriter) reasoning(q *request, t dialect.Target) {
	r := &w.r.Reasoning
	reasoning := reasoningSettings{Effort: effortOf(r), Summary: r.Summary}
	if reasoning.Summary == "" && (r.Budget != 0 || r.Adaptive) && reasoning.Effort != "none" {
		reasoning.Summary = "auto" // who sets a budget sees the thinking, by the habit of the vendors that have budgets
	}
	if reasoning.Summary == "none" {
		reasoning.Summary = ""
	}
	if !w.own {
		effort := reasoning.Effort
		reasoning.Effort = openai.Effort(t.Model, effort)
		if slices.Contains(openai.Refused(t.Host, t.Model, effort), llm.FieldReasoning) {
			reasoning.Effort = ""
		}
		// A model that cannot think needs not be told that it should not.
		w.drops.If(effort != "" && reasoning.Effort == "" && (effort != "none" || reasons(t.Model)), llm.FieldReasoning)
		if !reasons(t.Model) {
			w.drops.If(r.Summary != "" && r.Summary != "none", llm.FieldSummary)
			reasoning.Summary = ""
		}
	}
	if reasoning.Effort != "" || reasoning.Summary != "" {
		q.Reasoning = &reasoningSettings{Effort: reasoning.Effort, Summary: reasoning.Summary}
	}
}

// withhold takes out what the model would refuse. Who calls in this dialect hears it from the vendor, as elsewhere.
func (w *requestWriter) withhold(q *request, t dialect.Target) {
	if w.own {
		return
	}
	effort := ""
	if q.Reasoning != nil {
		effort = q.Reasoning.Effort
	}
	for _, f := range openai.Refused(t.Host, t.Model, effort) {
		switch f {
		case llm.FieldTemperature:
			w.drops.If(q.Temperature != nil && *q.Temperature != 1, f)
			q.Temperature = nil
		case llm.FieldTopP:
			w.drops.If(q.TopP != nil && *q.TopP != 1, f)
			q.TopP = nil
		case llm.FieldLogprobs:
			w.drops.If(w.r.Logprobs, f)
			q.TopLogprobs = 0
			q.Include = slices.DeleteFunc(q.Include, func(s string) bool { return s == includeLogprobs })
		}
	}
}

// effortOf is how much the model is to think; "" is unsaid.
func effortOf(r *llm.Reasoning) string {
	switch {
	case r.Effort != "":
		return r.Effort
	case r.Off:
		return "none"
	case r.Budget != 0:
		return llm.EffortOf(r.Budget)
	case r.Adaptive:
		return "medium"
	}
	return ""
}

// reasons reports whether a model can think, and its thinking be asked for: OpenAI refuses that for the models of its
// families that do not ("Encrypted content is not supported with this model").
func reasons(model string) bool {
	model = model[strings.LastIndexByte(model, '/')+1:]
	model = strings.TrimPrefix(model, "ft:")
	for _, family := range []string{"gpt-3", "gpt-4", "chatgpt-", "computer-use"} {
		if strings.HasPrefix(model, family) {
			return false
		}
	}
	return true
}

// refuse notes what the dialect has no place for.
func (w *requestWriter) refuse() {
	r, d := w.r, &w.drops
	d.If(r.N > 1, llm.FieldN)
	d.If(len(r.Stop) > 0, llm.FieldStop)
	d.If(r.TopK != nil, llm.FieldTopK)
	d.If(r.MinP != nil, llm.FieldMinP)
	d.If(r.Frequency != nil, llm.FieldFrequency)
	d.If(r.Presence != nil, llm.FieldPresence)
	d.If(r.Repetition != nil, llm.FieldRepetition)
	d.If(r.Seed != nil, llm.FieldSeed)
	d.If(len(r.LogitBias) > 0, llm.FieldLogitBias)
	d.If(slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }) || r.AudioOut != llm.AudioOut{}, llm.FieldModalities)
	d.If(r.CacheAll != nil, llm.FieldCache)
	d.If(len(r.Prediction) > 0, llm.FieldPrediction)
	d.If(len(r.Safety) > 0, llm.FieldSafety)
	d.If(len(r.ContextEdits) > 0, llm.FieldContextEdits)
}

// extra writes what only the caller's dialect has, where this is it or the upstream takes more than the dialect has.
func (w *requestWriter) extra(q *request, left *llm.Drops) {
	for name, value := range w.r.Extra {
		group, field, nested := strings.Cut(name, ".")
		switch {
		case !w.own && nested:
			left.Add(llm.FieldExtra.With(name)) // within what is written anew
		case !nested:
			q.Rest = with(q.Rest, name, value)
		case group == "text":
			if q.Text == nil {
				q.Text = &textSettings{}
			}
			q.Text.Rest = with(q.Text.Rest, field, value)
		case group == "reasoning":
			if q.Reasoning == nil {
				q.Reasoning = &reasoningSettings{}
			}
			q.Reasoning.Rest = with(q.Reasoning.Rest, field, value)
		}
	}
	for _, name := range knownFields {
		delete(q.Rest, name) // of another dialect that has a field of the same name; the neutral one counts
	}
}

// with adds a member to a map, or to a new one.
func with(m map[string]jsontext.Value, name string, value jsontext.Value) map[string]jsontext.Value {
	if m == nil {
		m = map[string]jsontext.Value{}
	}
	m[name] = value
	return m
}

// knownFields are those that request has.
var knownFields = []string{"model", "stream", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning",
	"max_output_tokens", "temperature", "top_p", "top_logprobs", "include", "service_tier", "user", "safety_identifier", "metadata",
	"prompt_cache_key", "prompt_cache_retention", "store", "previous_response_id", "truncation"}
