package openai

import (
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DecodeRequest implements dialect.Dialect.
func (Dialect) DecodeRequest(body []byte, _ dialect.At) (*llm.Request, error) {
	d := requestDecoder{scratch: scratches.Get().(*scratch)}
	defer d.free()
	w := &d.in
	if !jsonread.Plain(body, w, 0, (*request).readPlain) {
		*w = request{}
		if err := json.Unmarshal(body, w); err != nil {
			return nil, refusal.Undecoded("", err)
		}
	}
	switch {
	case w.Model == "":
		return nil, refusal.Missing("model")
	case !w.Messages.said:
		return nil, refusal.Missing("messages")
	case len(w.Messages.all) == 0:
		return nil, emptyMessages()
	}
	d.out = &llm.Request{Dialect: llm.OpenAI}
	d.scalars(w)
	if err := d.limits(w); err != nil {
		return nil, err
	}
	if err := d.tools(w); err != nil {
		return nil, err
	}
	d.makeRoom()
	for i := range w.Messages.all {
		if err := d.message(i); err != nil {
			return nil, err
		}
	}
	return d.out, nil
}

// requestDecoder turns a body into a neutral request.
type requestDecoder struct {
	*scratch
	out     *llm.Request
	old     string // id that was made up for the last function_call
	made    int    // ids that were made up
	room    llm.Room
	results []llm.Result // memory for some of those to come
	left    int          // how many these are, about
	// answering says that the last message is a turn of the user's with nothing but results, to which more can come.
	answering bool
}

// scratch is the memory of a decoder that is needed for a short time: it is kept for the next.
type scratch struct {
	in    request
	calls map[string]called // those made so far, by id
	list  []carriedCall     // those of one message
}

var scratches = sync.Pool{New: func() any { return &scratch{calls: map[string]called{}} }}

// free gives the memory back, with nothing of the request in it.
func (s *scratch) free() {
	if len(s.calls) > keepMessages || cap(s.list) > keepMessages {
		return
	}
	clear(s.calls)
	clear(s.list[:cap(s.list)])
	s.in.forget()
	scratches.Put(s)
}

// maxResults is how many results' memory is taken at once.
const maxResults = 32

// called is what the result of a call has to know of it.
type called struct {
	name   string
	custom bool
}

// makeRoom takes memory for about what the messages will be.
func (d *requestDecoder) makeRoom() {
	list := d.in.Messages.all
	blocks := 0
	for i := range list {
		m := &list[i]
		blocks += len(m.Content.parts) + len(m.ToolCalls)
		if m.Content.text != "" {
			blocks++
		}
		if m.ToolCallID != "" {
			blocks++ // the result, which has others in it
			d.left++
		}
	}
	d.out.Messages, d.room = make([]llm.Message, 0, len(list)), llm.RoomFor(blocks)
}

// extra keeps fields that mean nothing elsewhere.
func (d *requestDecoder) extra(prefix string, fields map[string]jsontext.Value) {
	if len(fields) == 0 {
		return
	}
	for name, value := range fields {
		d.keep(prefix+name, value)
	}
}

func (d *requestDecoder) keep(name string, value jsontext.Value) {
	if !said(value) {
		return
	}
	if d.out.Extra == nil {
		d.out.Extra = map[string]llm.JSON{}
	}
	d.out.Extra[name] = value
}

// said reports whether a value is there and not null.
func said(v jsontext.Value) bool { return len(v) > 0 && v.Kind() != 'n' }

func whole(n *integer) int64 {
	if n == nil {
		return 0
	}
	return int64(*n)
}

func optional(n *integer) *int64 { return (*int64)(n) }

// scalars takes over what needs no checks.
func (d *requestDecoder) scalars(w *request) {
	r := d.out
	r.Model, r.Stream, r.Parallel = w.Model, w.Stream, w.ParallelToolCalls
	if w.StreamOptions != nil {
		r.IncludeUsage = w.StreamOptions.IncludeUsage
		delete(w.StreamOptions.Extra, "include_obfuscation") // ours never has any
		d.extra("stream_options.", w.StreamOptions.Extra)
	}
	r.Stop = w.Stop
	r.Temperature, r.TopP, r.MinP = w.Temperature, w.TopP, w.MinP
	r.Frequency, r.Presence, r.Repetition = w.FrequencyPenalty, w.PresencePenalty, w.RepetitionPenalty
	r.TopK, r.Seed = optional(w.TopK), optional(w.Seed)
	if r.Seed == nil {
		r.Seed = optional(w.RandomSeed)
	}
	if said(w.LogitBias) {
		r.LogitBias = w.LogitBias
	}
	r.Logprobs = w.Logprobs != nil && *w.Logprobs
	r.Verbosity, r.ServiceTier = w.Verbosity, w.ServiceTier
	r.Modalities = w.Modalities
	if w.Audio != nil {
		r.AudioOut = llm.AudioOut{Voice: string(w.Audio.Voice), Format: w.Audio.Format}
	}
	r.User, r.SafetyID = w.User, w.SafetyIdentifier
	r.Metadata, r.Store = w.Metadata, w.Store
	r.CacheKey, r.CacheFor = w.PromptCacheKey, w.PromptCacheRetention
	r.CacheAll = w.CacheControl.cache()
	if said(w.Prediction) {
		r.Prediction = w.Prediction
	}
	r.Reasoning = reasoningOf(w)
	d.extra("", w.Extra)
}

// cache is the neutral marker; nil makes none.
func (c *cacheControl) cache() *llm.Cache {
	if c == nil {
		return nil
	}
	return &llm.Cache{TTL: c.TTL}
}

// reasoningOf reads how much the model is to think, in the spellings of all vendors.
func reasoningOf(w *request) llm.Reasoning {
	r := llm.Reasoning{Effort: w.ReasoningEffort, Budget: whole(w.ThinkingBudget)}
	if o := w.Reasoning; o != nil {
		if r.Effort == "" {
			r.Effort = o.Effort
		}
		if o.MaxTokens != nil {
			r.Budget = whole(o.MaxTokens)
		}
		r.Summary = o.Summary
		if o.Exclude {
			r.Summary = "none"
		}
		r.Off = o.Enabled != nil && !*o.Enabled
		r.Adaptive = o.Enabled != nil && *o.Enabled && r.Effort == "" && r.Budget == 0
	}
	if t := w.Thinking; t != nil {
		if t.BudgetTokens != nil {
			r.Budget = whole(t.BudgetTokens)
		}
		r.Off = r.Off || t.Type == "disabled"
		r.Adaptive = r.Adaptive || (t.Type == "enabled" || t.Type == "auto") && r.Effort == "" && r.Budget == 0
	}
	if e := w.EnableThinking; e != nil {
		r.Off = r.Off || !*e
		r.Adaptive = r.Adaptive || *e && r.Effort == "" && r.Budget == 0
	}
	r.Off = r.Off || r.Effort == "none"
	return r
}

// limits checks what has bounds.
func (d *requestDecoder) limits(w *request) error {
	for _, n := range []struct {
		name string
		n    *integer
	}{{"max_tokens", w.MaxTokens}, {"max_completion_tokens", w.MaxCompletionTokens}, {"n", w.N}} {
		if n.n != nil && *n.n < 1 {
			return refusal.BelowOne(n.name)
		}
	}
	if n := whole(w.TopLogprobs); n < 0 || n > 20 {
		return refusal.Invalid("top_logprobs", "expected a value from 0 to 20.")
	}
	d.out.MaxTokens = max(whole(w.MaxTokens), whole(w.MaxCompletionTokens))
	d.out.N, d.out.TopLogprobs = whole(w.N), int(whole(w.TopLogprobs))
	if f := w.ResponseFormat; f != nil {
		switch f.Type {
		case "text", "":
		case "json_object":
			d.out.Format.Mode = llm.FormatJSON
		case "json_schema":
			if f.JSONSchema == nil {
				return refusal.Missing("response_format.json_schema")
			}
			s := f.JSONSchema
			d.out.Format = llm.Format{Mode: llm.FormatSchema, Name: s.Name, Description: s.Description, Strict: s.Strict}
			if said(s.Schema) {
				d.out.Format.Schema = s.Schema
			}
		default:
			return refusal.Invalid("response_format.type", "expected one of 'text', 'json_object' and 'json_schema', but got '%.40s'.", f.Type)
		}
	}
	return nil
}
