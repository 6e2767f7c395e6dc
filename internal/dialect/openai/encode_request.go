package openai

import (
	"reflect"
	"slices"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// EncodeRequest implements dialect.Dialect.
func (Dialect) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	e, err := encodeRequest(r, t)
	if err != nil {
		return nil, nil, err
	}
	defer e.free()
	body, err := e.body()
	if err != nil {
		return nil, nil, unwritten(err)
	}
	return body, e.drops.Fields(), nil
}

func unwritten(err error) error {
	return &llm.RequestError{Message: "The request cannot be written for the upstream: " + err.Error() + "."}
}

// encodeRequest turns a request into a body, up to its settings. The encoder is to be given back with free.
func encodeRequest(r *llm.Request, t dialect.Target) (*requestEncoder, error) {
	if err := r.Elsewhere(llm.OpenAI); err != nil {
		return nil, err
	}
	e := requestEncoders.Get().(*requestEncoder)
	if n := r.Size(); n > maxKept {
		e.b = make([]byte, 0, n)
	}
	e.in, e.target, e.vendor = r, t, vendorOf(t.Host)
	e.breakpoints = e.vendor.openAI && modelOf(t.Model).since(5, 6)
	e.thinking()
	if e.vendor.refuses != nil && r.Dialect != llm.OpenAI { // who calls in this dialect hears it from the vendor, as elsewhere
		e.refused = e.vendor.refuses(t.Model, e.out.ReasoningEffort)
	}
	e.scalars()
	e.limits()
	e.listTools()
	e.messages()
	e.format()
	e.rest()
	return e, nil
}

// requestEncoder turns a neutral request into a body.
type requestEncoder struct {
	in          *llm.Request
	target      dialect.Target
	vendor      *vendor
	breakpoints bool
	refused     []llm.Field // by the model
	drops       llm.Drops
	out         request // what stands behind the messages, but for the tools
	last        string  // role of the last message
	calling     bool    // it is the assistant's, with calls
	err         error   // the first of writing

	b     []byte // the body
	tools []byte // which stand behind the messages

	// Of the assistant's message at hand, what stands behind its content.
	calls   []toolCall
	thought []string
	details []reasoningDetail
}

// takes reports whether a field may be written.
func (e *requestEncoder) takes(f llm.Field) bool {
	return e.vendor.takes(f) && !slices.Contains(e.refused, f)
}

// take reports whether a field is to be written, and notes it where it is said and cannot be.
func (e *requestEncoder) take(said bool, f llm.Field) bool {
	if said && !e.takes(f) {
		e.drops.Add(f)
		return false
	}
	return said
}

func pointer[T any](v T) *T { return &v }

// number is a whole number, where there is one.
func number(n *int64) *integer {
	if *n == 0 {
		return nil
	}
	return (*integer)(n)
}

// usageAsked is what asks for the usage of a stream.
var usageAsked = &streamOptions{IncludeUsage: true}

func (e *requestEncoder) scalars() {
	r, w := e.in, &e.out
	w.Model, w.Stream = e.target.Model, e.target.Stream
	if e.target.OmitModel {
		w.Model = ""
	}
	if w.Stream && (e.target.AskUsage || r.IncludeUsage) && !e.vendor.noStreamOptions {
		w.StreamOptions = usageAsked
	}
	w.N = number(&r.N)
	if e.take(len(r.Stop) > 0, llm.FieldStop) {
		w.Stop = r.Stop
	}
	e.number(&w.Temperature, r.Temperature, 1, llm.FieldTemperature)
	e.number(&w.TopP, r.TopP, 1, llm.FieldTopP)
	e.number(&w.FrequencyPenalty, r.Frequency, 0, llm.FieldFrequency)
	e.number(&w.PresencePenalty, r.Presence, 0, llm.FieldPresence)
	if e.take(r.TopK != nil, llm.FieldTopK) {
		w.TopK = (*integer)(r.TopK)
	}
	if e.take(r.MinP != nil, llm.FieldMinP) {
		w.MinP = r.MinP
	}
	if e.take(r.Repetition != nil, llm.FieldRepetition) {
		w.RepetitionPenalty = r.Repetition
	}
	if w.Seed = (*integer)(r.Seed); e.vendor.randomSeed {
		w.Seed, w.RandomSeed = nil, w.Seed
	}
	if e.take(len(r.LogitBias) > 0, llm.FieldLogitBias) {
		w.LogitBias = r.LogitBias
	}
	if e.take(r.Logprobs, llm.FieldLogprobs) {
		w.Logprobs = pointer(true)
		if r.TopLogprobs != 0 {
			w.TopLogprobs = pointer(integer(r.TopLogprobs))
		}
	}
	if e.take(r.Verbosity != "", llm.FieldVerbosity) {
		w.Verbosity = r.Verbosity
	}
	e.endUser()
	if e.take(len(r.Metadata) > 0, llm.FieldMetadata) {
		w.Metadata = r.Metadata
	}
	if r.Store != nil && (*r.Store || e.vendor.takes(llm.FieldStore)) && e.take(true, llm.FieldStore) {
		w.Store = r.Store
	}
	if e.take(r.CacheKey != "", llm.FieldCacheKey) {
		w.PromptCacheKey = r.CacheKey
	}
	if e.take(r.CacheFor != "", llm.FieldCacheFor) {
		w.PromptCacheRetention = r.CacheFor
	}
	if e.take(len(r.Prediction) > 0, llm.FieldPrediction) {
		w.Prediction = r.Prediction
	}
	if r.CacheAll != nil {
		if w.CacheControl = e.cacheControl(r.CacheAll); w.CacheControl == nil {
			e.drops.Add(llm.FieldCache)
		}
	}
	e.tier()
	e.modalities()
}

// number writes a setting, unless it is refused; its default then goes without saying.
func (e *requestEncoder) number(to **float64, n *float64, usual float64, f llm.Field) {
	if n != nil && (e.take(*n != usual, f) || e.takes(f)) {
		*to = n
	}
}

// endUser writes who the end user is, by both names where they are known.
func (e *requestEncoder) endUser() {
	r, w := e.in, &e.out
	switch {
	case !e.vendor.takes(llm.FieldUser):
		e.drops.If(r.User != "", llm.FieldUser)
		e.drops.If(r.SafetyID != "", llm.FieldSafetyID)
		return
	case e.vendor.openAI || e.vendor == &anyVendor:
		w.User, w.SafetyIdentifier = r.User, r.SafetyID
	default:
		w.User = e.drops.OneUser(r)
	}
	if r.Dialect != llm.OpenAI {
		w.User, w.SafetyIdentifier = llm.ShortUser(w.User), llm.ShortUser(w.SafetyIdentifier)
	}
}

// tier writes the service tier. Anthropic's and Gemini's words for the ordinary one become OpenAI's.
func (e *requestEncoder) tier() {
	tier := e.in.ServiceTier
	switch tier {
	case "standard_only", "standard", "SERVICE_TIER_STANDARD":
		tier = "default"
	case "", "auto", "default", "flex", "scale", "priority", "fast":
	default:
		if e.vendor.openAI {
			e.drops.Add(llm.FieldServiceTier)
			return
		}
	}
	if e.take(tier != "", llm.FieldServiceTier) {
		e.out.ServiceTier = tier
	}
}

func (e *requestEncoder) modalities() {
	r, w := e.in, &e.out
	beyond := false
	for _, m := range r.Modalities {
		if e.vendor.openAI && m != "text" && m != "audio" {
			e.drops.Add(llm.FieldModalities)
			continue
		}
		beyond = beyond || m != "text"
		w.Modalities = append(w.Modalities, m)
	}
	if !beyond || !e.take(true, llm.FieldModalities) {
		w.Modalities = nil
	}
	for _, m := range w.Modalities {
		if m == "audio" && r.AudioOut != (llm.AudioOut{}) {
			w.Audio = &audioOut{Voice: voice(r.AudioOut.Voice), Format: r.AudioOut.Format}
		}
	}
}

func (e *requestEncoder) limits() {
	if e.vendor.openAI {
		e.out.MaxCompletionTokens = number(&e.in.MaxTokens)
	} else {
		e.out.MaxTokens = number(&e.in.MaxTokens)
	}
}

// thinking says how much to think, in the vendor's way.
func (e *requestEncoder) thinking() {
	r, w := e.in.Reasoning, &e.out
	effort := r.Effort
	if effort == "" && r.Budget > 0 {
		effort = llm.EffortOf(r.Budget)
	}
	if r.Off {
		effort = r.Effort // "none", where the caller has a word for it
	}
	switch e.vendor.style {
	case byReasoning:
		e.openRouter(r)
		return
	case byThinking:
		switch {
		case r.Off:
			w.Thinking = &thinking{Type: "disabled"}
		case effort != "" || r.Adaptive || r.Budget != 0:
			w.Thinking = &thinking{Type: "enabled"}
			if e.vendor.effortToo {
				w.ReasoningEffort = effort
			}
		}
	case byEnable:
		switch {
		case r.Off:
			w.EnableThinking = pointer(false)
		case effort != "" || r.Adaptive || r.Budget != 0:
			w.EnableThinking = pointer(true)
			if budget := max(r.Budget, llm.BudgetOf(effort)); r.Budget >= 0 && budget > 0 {
				if r.Budget > 0 {
					budget = r.Budget
				}
				w.ThinkingBudget = pointer(integer(budget))
			}
		}
	case byEffort:
		e.effort(r, effort)
	}
	e.drops.If(r.Summary != "" && r.Summary != "none" && (e.vendor.openAI || r.Summary != "auto"), llm.FieldSummary)
}

// effort writes reasoning_effort. Where the amount is the model's to choose, saying nothing says it.
func (e *requestEncoder) effort(r llm.Reasoning, effort string) {
	if !e.vendor.openAI {
		refused := e.vendor.refuses != nil && slices.Contains(e.vendor.refuses(e.target.Model, effort), llm.FieldReasoning)
		e.drops.If(r.Off && effort == "" || refused && effort != "" && effort != "none", llm.FieldReasoning)
		if !refused {
			e.out.ReasoningEffort = effort
		}
		return
	}
	if r.Off {
		effort = "none"
	}
	m := modelOf(e.target.Model)
	e.out.ReasoningEffort = Effort(m.name, effort)
	e.drops.If(effort != "" && e.out.ReasoningEffort == "" && (effort == "none") == m.takesEffort(), llm.FieldReasoning)
	if m.since(5, 4) && e.in.Dialect != llm.OpenAI && slices.ContainsFunc(e.in.Tools, func(t llm.Tool) bool { return t.Vendor == "" }) && !m.idle(effort) {
		// "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions", said or not.
		e.drops.If(effort != "", llm.FieldReasoning)
		e.out.ReasoningEffort = "none"
	}
}

func (e *requestEncoder) openRouter(r llm.Reasoning) {
	if r.IsZero() {
		return
	}
	o := &reasoning{Exclude: r.Summary == "none"}
	switch {
	case r.Off:
		o.Effort = "none"
	case r.Budget > 0 && r.Effort == "":
		o.MaxTokens = pointer(integer(r.Budget))
	case r.Effort == "max":
		o.Effort = "xhigh" // the most it knows
	case r.Effort != "":
		o.Effort = r.Effort
	default:
		o.Enabled = pointer(true)
	}
	if r.Summary != "none" {
		o.Summary = r.Summary
	}
	e.out.Reasoning = o
}

// format asks for structured output. Who knows JSON mode only is told the schema in words.
func (e *requestEncoder) format() {
	f, w := e.in.Format, &e.out
	switch f.Mode {
	case llm.FormatText:
	case llm.FormatJSON:
		w.ResponseFormat = &responseFormat{Type: "json_object"}
	case llm.FormatSchema:
		if e.vendor.objectOnly {
			w.ResponseFormat = &responseFormat{Type: "json_object"}
			e.drops.If(f.Strict != nil && *f.Strict, llm.FieldFormat)
			return
		}
		name := f.Name
		if name == "" {
			name = "answer"
		}
		w.ResponseFormat = &responseFormat{Type: "json_schema", JSONSchema: &jsonSchema{Name: name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}}
	}
}

// formatInWords is what the model has to be told of the format, in front of all messages.
func (e *requestEncoder) formatInWords() string {
	switch f := &e.in.Format; {
	case f.Mode == llm.FormatJSON && !e.mentionsJSON():
		return "Answer with a JSON object." // JSON mode without the word is an error
	case f.Mode == llm.FormatSchema && e.vendor.objectOnly:
		return "Answer with a JSON object that satisfies this JSON schema, and nothing else:\n" + string(f.Schema)
	}
	return ""
}

func (e *requestEncoder) mentionsJSON() bool {
	for i := range e.in.Messages {
		for j := range e.in.Messages[i].Blocks {
			text := e.in.Messages[i].Blocks[j].Text
			if strings.Contains(text, "JSON") || strings.Contains(strings.ToLower(text), "json") {
				return true
			}
		}
	}
	return false
}

// rest deals with what this dialect has no place for.
func (e *requestEncoder) rest() {
	r := e.in
	e.drops.If(r.Truncation == "auto", llm.FieldTruncation)
	for _, include := range r.Include {
		switch include {
		case "reasoning.encrypted_content", "message.output_text.logprobs": // thinking is carried, logprobs are a field here
		default:
			e.drops.Add(llm.FieldInclude)
		}
	}
	e.drops.If(len(r.Safety) > 0, llm.FieldSafety)
	e.drops.If(len(r.ContextEdits) > 0, llm.FieldContextEdits)
	if !e.target.KeepExtra {
		e.drops.Extra(r)
		return
	}
	left := llm.Request{Extra: map[string]llm.JSON{}}
	for name, value := range r.Extra {
		if strings.Contains(name, ".") || knownFields[name] {
			left.Extra[name] = value
			continue
		}
		if e.out.Extra == nil {
			e.out.Extra = map[string]jsontext.Value{}
		}
		e.out.Extra[name] = value
	}
	e.drops.Extra(&left)
}

// knownFields are the names that request has fields for: an extra one must not come twice.
var knownFields = func() map[string]bool {
	names := map[string]bool{}
	for t, i := reflect.TypeFor[request](), 0; i < t.NumField(); i++ {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}()
