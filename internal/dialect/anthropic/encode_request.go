package anthropic

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// EncodeRequest implements dialect.Dialect.
func (Dialect) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	if err := r.Elsewhere(llm.Anthropic); err != nil {
		return nil, nil, err
	}
	w := newRequestWriter(r, t)
	defer w.free()
	w.decide()
	if r.Dialect == llm.Anthropic && r.Extra[noAnswer] != nil {
		w.maxTokens = 0
	}
	w.key("max_tokens")
	w.out = strconv.AppendInt(w.out, w.maxTokens, 10)
	w.prompt()
	w.sampling()
	w.rest()
	w.unknown()
	w.out = append(w.out, '}')
	body, err := w.body()
	return body, w.drops.Fields(), err
}

// requestWriter writes one request.
type requestWriter struct {
	r      *llm.Request
	t      dialect.Target
	model  model
	drops  llm.Drops
	extras []string // the paths of the request's extra fields, in order

	system []*llm.Block
	tools  []llm.Tool      // the request's, or a copy of them
	hosted map[string]bool // the names of those that the vendor runs
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

	// What follows keeps its memory for the next request.
	out          []byte
	list         []*llm.Block // of the system prompt and the turns, behind one another
	turns, spare []turn
	pairing      pairing
}

const (
	maxKept   = 64 << 10 // the most bytes of a body whose memory is used again
	keepTurns = 1 << 10  // the most turns, blocks and calls
)

var writers = sync.Pool{New: func() any { return &requestWriter{pairing: pairing{used: map[string]int{}}} }}

func newRequestWriter(r *llm.Request, t dialect.Target) *requestWriter {
	w := writers.Get().(*requestWriter)
	w.r, w.t, w.model = r, t, modelOf(t.Model)
	w.out = append(slices.Grow(w.out, r.Size()), `{"model":`...)
	w.out = jsonwrite.String(w.out, t.Model)
	w.tools, w.choice = slices.Clip(r.Tools), r.Choice
	if len(r.Extra) > 0 {
		w.extras = slices.Sorted(maps.Keys(r.Extra))
	}
	w.split()
	return w
}

// free gives the memory back.
func (w *requestWriter) free() {
	if w.empty() {
		writers.Put(w)
	}
}

// empty leaves nothing that leads to the request, and reports whether the memory is worth to be kept.
func (w *requestWriter) empty() bool {
	worth := cap(w.out) <= maxKept && cap(w.list) <= keepTurns && cap(w.turns) <= keepTurns && len(w.pairing.used) <= keepTurns
	clear(w.pairing.used)
	*w = requestWriter{
		out: w.out[:0], list: emptied(w.list), turns: emptied(w.turns), spare: emptied(w.spare),
		pairing: pairing{used: w.pairing.used, open: emptied(w.pairing.open)},
	}
	return worth
}

// emptied is the memory of a list, with nothing in it.
func emptied[T any](list []T) []T {
	clear(list[:cap(list)])
	return list[:0]
}

// key writes the name of a member whose value comes next.
func (w *requestWriter) key(name string) {
	w.out = append(append(append(w.out, `,"`...), name...), `":`...)
}

// member writes a member.
func (w *requestWriter) member(name string, value []byte) {
	w.key(name)
	w.out = append(w.out, value...)
}

// text writes a member that is a text.
func (w *requestWriter) text(name, value string) {
	w.key(name)
	w.out = jsonwrite.String(w.out, value)
}

// container writes a member whose value has others in it, each written with a comma in front, or nothing where none is.
func (w *requestWriter) container(name string, opener, closer byte, write func()) {
	before := len(w.out)
	w.key(name)
	from := len(w.out)
	if write(); len(w.out) == from {
		w.out = w.out[:before]
		return
	}
	w.out[from] = opener
	w.out = append(w.out, closer)
}

// decide settles what depends on one another: limit, thinking, format, tools and the choice of them.
func (w *requestWriter) decide() {
	w.chooseTools()
	w.chooseFormat()
	w.chooseThinking()
	if w.instruct {
		w.system = append(w.system, &llm.Block{Kind: llm.Text, Text: jsonInstruction + string(w.r.Format.Schema)})
		w.drops.Add(llm.FieldFormat)
	}
	for i := range w.tools {
		if w.tools[i].Vendor == "" {
			continue
		}
		if w.hosted == nil {
			w.hosted = map[string]bool{}
		}
		w.hosted[w.tools[i].Name] = true
	}
	w.pair()
	w.end()
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
		w.key("temperature")
		w.out = strconv.AppendFloat(w.out, max(0, *temperature), 'f', -1, 64)
	}
	if topP != nil {
		w.key("top_p")
		w.out = strconv.AppendFloat(w.out, *topP, 'f', -1, 64)
	}
	if topK != nil && *topK > 0 {
		w.key("top_k")
		w.out = strconv.AppendInt(w.out, *topK, 10)
	}
	w.container("stop_sequences", '[', ']', func() {
		for _, s := range r.Stop {
			if strings.TrimSpace(s) == "" { // which the API refuses
				w.drops.Add(llm.FieldStop)
				continue
			}
			w.out = jsonwrite.String(append(w.out, ','), s)
		}
	})
}

// rest writes the other fields, and notes those that the API has nothing for.
func (w *requestWriter) rest() {
	r := w.r
	if w.t.Stream {
		w.out = append(w.out, `,"stream":true`...)
	}
	if w.thinking != nil {
		w.member("thinking", w.thinking)
	}
	w.outputConfig()
	w.metadata()
	switch r.ServiceTier {
	case "":
	case "auto", "standard_only":
		w.text("service_tier", r.ServiceTier)
	case "default":
		w.text("service_tier", "standard_only")
	case "priority":
		w.text("service_tier", "auto") // which takes the priority that the account has
	default:
		w.drops.Add(llm.FieldServiceTier)
	}
	if r.CacheAll != nil {
		w.key("cache_control")
		w.out = appendCache(w.out, r.CacheAll)
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
	w.container("output_config", '{', '}', func() {
		if w.effort != "" {
			w.text("effort", w.effort)
		}
		if w.format != nil {
			w.member("format", w.format)
		}
		w.extrasBelow("output_config.")
	})
}

func (w *requestWriter) metadata() {
	w.container("metadata", '{', '}', func() {
		w.extrasBelow("metadata.")
		if user := w.drops.OneUser(w.r); user != "" {
			w.text("user_id", user)
		}
	})
}

// extrasBelow writes the extra fields of a caller of this dialect that stand within an object.
func (w *requestWriter) extrasBelow(prefix string) {
	for _, path := range w.extras {
		if name, ok := strings.CutPrefix(path, prefix); ok {
			w.extra(name, w.r.Extra[path])
		}
	}
}

// extra writes a member whose name is the caller's.
func (w *requestWriter) extra(name string, value llm.JSON) {
	w.out = append(jsonwrite.String(append(w.out, ','), name), ':')
	w.out = append(w.out, value...)
}

// native are fields that the neutral model has no place for. Only callers of this dialect send them.
var native = []string{"container", "mcp_servers", "inference_geo", "speed", "diagnostics", "compaction", "fallbacks", "fallback_credit_token"}

// unknown writes or notes what the caller's codec did not know.
func (w *requestWriter) unknown() {
	for _, path := range w.extras {
		switch {
		case path == noAnswer && w.r.Dialect == llm.Anthropic:
		case strings.HasPrefix(path, toolExtra), strings.HasPrefix(path, "output_config."), strings.HasPrefix(path, "metadata."):
		case slices.Contains(native, path), w.t.KeepExtra && !strings.ContainsAny(path, ".["):
			w.extra(path, w.r.Extra[path])
		default:
			w.drops.Add(llm.FieldExtra.With(path))
		}
	}
}

// body is what was written, with done to it what is done to one that passes through.
func (w *requestWriter) body() ([]byte, error) {
	if !w.t.OmitModel && w.t.AnthropicVersion == "" && !w.t.ClaudeCLI {
		return taken(&w.out), nil
	}
	s, err := scan(w.out, false)
	if err != nil {
		return nil, err
	}
	return bytes.Join(s.Patch(w.out, dialect.Patch{Model: w.t.Model, OmitModel: w.t.OmitModel,
		AnthropicVersion: w.t.AnthropicVersion, ClaudeCLI: w.t.ClaudeCLI}), nil), nil
}

// taken is what was written into memory that is used again: a copy, or where it is large the memory itself.
func taken(out *[]byte) []byte {
	written := *out
	if cap(written) > maxKept {
		*out = nil
		return written
	}
	return bytes.Clone(written)
}
