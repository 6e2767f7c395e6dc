package anthropic

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// EncodeRequest implements dialect.Dialect.
func (Dialect) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	w := newRequestWriter(r, t)
	if err := r.Elsewhere(llm.Anthropic); err != nil {
		return nil, nil, err
	}
	w.decide()
	if r.Dialect == llm.Anthropic && r.Extra[noAnswer] != nil {
		w.maxTokens = 0
	}
	w.member("max_tokens", strconv.AppendInt(nil, w.maxTokens, 10))
	w.prompt()
	w.sampling()
	w.rest()
	w.unknown()
	w.out = append(w.out, '}')
	body, err := w.patched()
	return body, w.drops.Fields(), err
}

// requestWriter writes one request.
type requestWriter struct {
	r     *llm.Request
	t     dialect.Target
	model model
	out   []byte
	drops llm.Drops

	turns  []turn
	system []llm.Block
	tools  []llm.Tool
	choice llm.Choice

	maxTokens int64
	thinking  []byte // the value of thinking
	thinks    bool   // it is on
	effort    string
	// format is the native value of output_config.format; asTool that the answer's format is a tool which is called, and
	// instruct that the model is but told.
	format           []byte
	asTool, instruct bool
	markers          int // cache markers that are too many: the first ones are left out
}

func newRequestWriter(r *llm.Request, t dialect.Target) *requestWriter {
	w := &requestWriter{r: r, t: t, model: modelOf(t.Model), out: make([]byte, 0, r.Size())}
	w.out = append(w.out, `{"model":`...)
	w.out = appendString(w.out, t.Model)
	w.tools, w.choice = slices.Clone(r.Tools), r.Choice
	w.system, w.turns = split(r, &w.drops)
	return w
}

func (w *requestWriter) member(name string, value []byte) {
	w.out = append(append(append(w.out, `,"`...), name...), `":`...)
	w.out = append(w.out, value...)
}

// decide settles what depends on one another: limit, thinking, format, tools and the choice of them.
func (w *requestWriter) decide() {
	w.chooseTools()
	w.chooseFormat()
	w.chooseThinking()
	if w.instruct {
		w.system = append(w.system, llm.Block{Kind: llm.Text, Text: jsonInstruction + string(w.r.Format.Schema)})
		w.drops.Add(llm.FieldFormat)
	}
	w.turns = paired(w.turns, &w.drops)
	w.turns = w.ended(w.turns)
	w.countMarkers()
}

const jsonInstruction = "Answer with a single JSON object and nothing else. "

// prompt writes system, messages, tools and tool_choice.
func (w *requestWriter) prompt() {
	if len(w.system) > 0 {
		w.out = append(w.out, `,"system":`...)
		w.blocks(w.system, llm.System)
	}
	w.out = append(w.out, `,"messages":[`...)
	for i := range w.turns {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		switch w.turns[i].role {
		case llm.Assistant:
			w.out = append(w.out, `{"role":"assistant","content":`...)
		case llm.System:
			w.out = append(w.out, `{"role":"system","content":`...)
		default:
			w.out = append(w.out, `{"role":"user","content":`...)
		}
		w.blocks(w.turns[i].blocks, w.turns[i].role)
		w.out = append(w.out, '}')
	}
	w.out = append(w.out, ']')
	w.writeTools()
}

// sampling writes temperature, top_p, top_k and the stop sequences.
func (w *requestWriter) sampling() {
	r := w.r
	temperature, topP, topK := r.Temperature, r.TopP, r.TopK
	if temperature != nil && *temperature > 1 {
		one := 1.0
		temperature = &one
		w.drops.Add(llm.FieldTemperature)
	}
	if w.thinks || !w.model.samples() {
		w.drops.If(temperature != nil && *temperature != 1, llm.FieldTemperature)
		w.drops.If(topK != nil, llm.FieldTopK)
		temperature, topK = nil, nil
		if topP != nil && (*topP < 0.95 || !w.model.samples()) { // with thinking it is taken from there on
			w.drops.If(*topP != 1, llm.FieldTopP)
			topP = nil
		}
	}
	if temperature != nil && topP != nil && w.model.eitherOr() {
		w.drops.If(*topP != 1, llm.FieldTopP)
		topP = nil
	}
	if temperature != nil {
		w.member("temperature", strconv.AppendFloat(nil, max(0, *temperature), 'f', -1, 64))
	}
	if topP != nil {
		w.member("top_p", strconv.AppendFloat(nil, *topP, 'f', -1, 64))
	}
	if topK != nil && *topK > 0 {
		w.member("top_k", strconv.AppendInt(nil, *topK, 10))
	}
	var stop []byte
	for _, s := range r.Stop {
		if strings.TrimSpace(s) == "" { // which the API refuses
			w.drops.Add(llm.FieldStop)
			continue
		}
		stop = appendString(append(stop, ','), s)
	}
	if len(stop) > 0 {
		stop[0] = '['
		w.member("stop_sequences", append(stop, ']'))
	}
}

// rest writes the other fields, and notes those that the API has nothing for.
func (w *requestWriter) rest() {
	r := w.r
	if w.t.Stream {
		w.member("stream", []byte("true"))
	}
	if w.thinking != nil {
		w.member("thinking", w.thinking)
	}
	w.outputConfig()
	w.metadata()
	switch r.ServiceTier {
	case "":
	case "auto", "standard_only":
		w.member("service_tier", quote(r.ServiceTier))
	case "default":
		w.member("service_tier", []byte(`"standard_only"`))
	case "priority":
		w.member("service_tier", []byte(`"auto"`)) // which takes the priority that the account has
	default:
		w.drops.Add(llm.FieldServiceTier)
	}
	if r.CacheAll != nil {
		w.member("cache_control", appendCache(nil, r.CacheAll))
	}
	if len(r.ContextEdits) > 0 {
		w.member("context_management", r.ContextEdits)
	}
	d := &w.drops
	d.If(r.N > 1, llm.FieldN)
	d.If(r.MinP != nil, llm.FieldMinP)
	d.If(r.Frequency != nil && *r.Frequency != 0, llm.FieldFrequency)
	d.If(r.Presence != nil && *r.Presence != 0, llm.FieldPresence)
	d.If(r.Repetition != nil && *r.Repetition != 1, llm.FieldRepetition)
	d.If(r.Seed != nil, llm.FieldSeed)
	d.If(len(r.LogitBias) > 2, llm.FieldLogitBias)
	d.If(r.Logprobs || r.TopLogprobs > 0, llm.FieldLogprobs)
	d.If(r.Verbosity != "" && r.Verbosity != "medium", llm.FieldVerbosity)
	d.If(slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }), llm.FieldModalities)
	d.If(len(r.Metadata) > 0, llm.FieldMetadata)
	d.If(r.CacheKey != "", llm.FieldCacheKey)
	d.If(r.CacheFor != "", llm.FieldCacheFor)
	d.If(len(r.Prediction) > 0, llm.FieldPrediction)
	d.If(r.Store != nil && *r.Store, llm.FieldStore)
	d.If(r.Truncation != "" && r.Truncation != "disabled", llm.FieldTruncation)
	d.If(slices.ContainsFunc(r.Include, func(s string) bool { return s != "reasoning.encrypted_content" }), llm.FieldInclude)
	d.If(len(r.Safety) > 0, llm.FieldSafety)
}

func (w *requestWriter) outputConfig() {
	var fields [][]byte
	if w.effort != "" {
		fields = append(fields, append([]byte(`"effort":`), quote(w.effort)...))
	}
	if w.format != nil {
		fields = append(fields, append([]byte(`"format":`), w.format...))
	}
	fields = append(fields, w.extrasBelow("output_config.")...)
	if len(fields) > 0 {
		w.member("output_config", slices.Concat([]byte("{"), bytes.Join(fields, []byte(",")), []byte("}")))
	}
}

func (w *requestWriter) metadata() {
	fields := w.extrasBelow("metadata.")
	if user := w.drops.OneUser(w.r); user != "" {
		fields = append(fields, append([]byte(`"user_id":`), quote(user)...))
	}
	if len(fields) > 0 {
		w.member("metadata", slices.Concat([]byte("{"), bytes.Join(fields, []byte(",")), []byte("}")))
	}
}

// extrasBelow are the extra fields of a caller of this dialect that stand within an object.
func (w *requestWriter) extrasBelow(prefix string) [][]byte {
	var fields [][]byte
	for _, path := range w.extras() {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			fields = append(fields, slices.Concat(quote(name), []byte(":"), w.r.Extra[path]))
		}
	}
	return fields
}

func (w *requestWriter) extras() []string {
	paths := make([]string, 0, len(w.r.Extra))
	for path := range w.r.Extra {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// native are fields that the neutral model has no place for. Only callers of this dialect send them.
var native = []string{"container", "mcp_servers", "inference_geo", "speed", "diagnostics", "compaction", "fallbacks", "fallback_credit_token"}

// unknown writes or notes what the caller's codec did not know.
func (w *requestWriter) unknown() {
	for _, path := range w.extras() {
		switch {
		case path == noAnswer && w.r.Dialect == llm.Anthropic:
		case strings.HasPrefix(path, toolExtra), strings.HasPrefix(path, "output_config."), strings.HasPrefix(path, "metadata."):
		case slices.Contains(native, path), w.t.KeepExtra && !strings.ContainsAny(path, ".["):
			w.out = append(append(append(w.out, ','), quote(path)...), ':')
			w.out = append(w.out, w.r.Extra[path]...)
		default:
			w.drops.Add(llm.FieldExtra.With(path))
		}
	}
}

// patched does to the body what is done to one that passes through.
func (w *requestWriter) patched() ([]byte, error) {
	if !w.t.OmitModel && w.t.AnthropicVersion == "" && !w.t.ClaudeCLI {
		return w.out, nil
	}
	s, err := scan(w.out, false)
	if err != nil {
		return nil, err
	}
	return bytes.Join(s.Patch(w.out, dialect.Patch{Model: w.t.Model, OmitModel: w.t.OmitModel,
		AnthropicVersion: w.t.AnthropicVersion, ClaudeCLI: w.t.ClaudeCLI}), nil), nil
}
