package replay_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"aihigress/internal/llm"
)

// A fact is one thing that a caller asked for or said. Field is what has to be reported where it is left out; the empty
// one may never be.
type fact struct {
	field llm.Field
	what  string
}

// facts are all that a request says, in the order of its conversation.
func facts(r *llm.Request) []fact {
	var f list
	for i := range r.Messages {
		f.message(&r.Messages[i])
	}
	for i := range r.Tools {
		f.tool(&r.Tools[i])
	}
	f.settings(r)
	f.rest(r)
	return f
}

type list []fact

func (f *list) add(field llm.Field, format string, args ...any) {
	*f = append(*f, fact{field, fmt.Sprintf(format, args...)})
}

// said adds a fact where something was said.
func (f *list) said(is bool, field llm.Field, format string, args ...any) {
	if is {
		f.add(field, format, args...)
	}
}

func (f *list) message(m *llm.Message) {
	role := map[llm.Role]string{llm.System: "system", llm.Developer: "developer", llm.User: "user", llm.Assistant: "assistant"}[m.Role]
	f.said(m.Name != "", llm.FieldName, "%s is %s", role, m.Name)
	for i := range m.Blocks {
		f.block(role, &m.Blocks[i])
	}
}

func (f *list) block(role string, b *llm.Block) {
	said := ""
	switch b.Kind {
	case llm.Text, llm.Refusal:
		said = b.Text
		f.said(b.Text != "", "", "%s: %s", role, b.Text)
		for _, c := range b.Citations {
			f.add(llm.FieldCitations, "%s cites %s %s %s", role, c.URL, c.Title, c.Cited)
		}
	case llm.Thinking:
		f.said(b.Text != "", llm.FieldThinking, "thinks: %s", b.Text)
		f.said(b.State.Data != "", llm.FieldThinking, "state of %s: %s", b.State.Origin, b.State.Data)
	case llm.ToolCall:
		said = b.Call.ID
		f.add("", "calls %s %s, custom %v: %s", b.Call.ID, b.Call.Name, b.Call.Custom, inputOf(&b.Call))
		f.said(!b.State.IsZero(), llm.FieldThinking, "state of %s: %s", b.State.Origin, b.State.Data)
	case llm.ToolResult:
		said = b.Result.CallID
		f.add("", "result of %s, custom %v, error %v", b.Result.CallID, b.Result.Custom, b.Result.IsError)
		for i := range b.Result.Content {
			f.block("result of "+b.Result.CallID, &b.Result.Content[i])
		}
	case llm.Media:
		said = b.Media.URL + b.Media.Data + b.Media.Text + b.Media.FileID
		f.media(role, b.Media)
	case llm.Opaque:
		f.add(llm.FieldVendorBlock.With(b.Type), "%s: %s", b.Vendor, sameJSON(b.Raw))
	}
	if b.Cache != nil {
		f.add(llm.FieldCache, "cache behind %.40s: %s", said, b.Cache.TTL)
	}
}

func inputOf(c *llm.Call) string {
	if c.Custom {
		return c.Input
	}
	if c.Input == "" {
		return "{}"
	}
	return string(sameJSON([]byte(c.Input)))
}

func (f *list) media(role string, m *llm.Attachment) {
	field := map[llm.MediaKind]llm.Field{llm.Image: llm.FieldImage, llm.Audio: llm.FieldAudio, llm.Video: llm.FieldVideo, llm.Document: llm.FieldDocument}[m.Kind]
	switch {
	case strings.HasPrefix(role, "result"):
		field = llm.FieldResultMedia
	case m.FileID != "":
		field = llm.FieldFile
	case m.Kind == llm.Image && m.URL != "":
		field = llm.FieldImageURL
	}
	f.add(field, "%s attaches kind %d %s%s%s%s", role, m.Kind, m.URL, m.Data, m.Text, m.FileID)
	f.said(m.MIMEType != "", field, "%s attaches type %s", role, m.MIMEType)
	f.said(m.Name != "", field, "%s attaches name %s", role, m.Name)
	f.said(m.Context != "", field, "%s attaches context %s", role, m.Context)
	f.said(m.Detail != "" && m.Detail != "auto", llm.FieldDetail, "%s attaches detail %s", role, m.Detail)
	f.said(m.Cite, llm.FieldCitations, "%s wants citations", role)
}

func (f *list) tool(t *llm.Tool) {
	if t.Vendor != "" {
		f.add(llm.FieldVendorTool.With(t.Type), "%s tool %s", t.Vendor, sameJSON(t.Raw))
		return
	}
	f.add("", "tool %s custom %v: %s", t.Name, t.Grammar != nil, t.Description)
	f.said(len(t.Grammar) > 2, llm.FieldCustomTool, "grammar of %s: %s", t.Name, sameJSON(t.Grammar))
	f.add(llm.FieldExtra.With("schema"), "schema of %s: %s", t.Name, sameJSON(t.Schema))
	f.said(at(t.Strict), llm.FieldStrict, "strict %s", t.Name) // unsaid is not strict, since each dialect says its habit
	f.said(t.Cache != nil, llm.FieldCache, "cache behind tool %s", t.Name)
	f.said(t.Namespace.Description != "", llm.FieldVendorTool.With("namespace"), "namespace %s: %s", t.Namespace.Name, t.Namespace.Description)
}

// at is what a pointer points to.
func at[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (f *list) settings(r *llm.Request) {
	f.said(r.Choice.Mode != llm.Unsaid, llm.FieldChoice, "choice %d of %s", r.Choice.Mode, slices.Sorted(slices.Values(r.Choice.Names)))
	f.said(r.Parallel != nil, llm.FieldParallel, "parallel %v", at(r.Parallel))
	if r.Format.Mode != llm.FormatText {
		f.add(llm.FieldFormat, "format %d", r.Format.Mode)
		f.said(r.Format.Name != "", llm.FieldFormat, "format is called %s", r.Format.Name)
		schema, means := bare(r.Format.Schema)
		f.said(schema != "", llm.FieldFormat, "format has schema %s", schema)
		f.said(means+r.Format.Description != "", llm.FieldFormat, "format means %s", cmp.Or(r.Format.Description, means))
		f.said(at(r.Format.Strict), llm.FieldStrict, "format is strict")
	}
	f.said(r.MaxTokens != 0, "", "max tokens %d", r.MaxTokens)
	f.said(r.N > 1, llm.FieldN, "n %d", r.N)
	f.said(len(r.Stop) > 0, llm.FieldStop, "stop %q", r.Stop)
	f.said(r.Temperature != nil, llm.FieldTemperature, "temperature %v", at(r.Temperature))
	f.said(r.TopP != nil, llm.FieldTopP, "top_p %v", at(r.TopP))
	f.said(r.TopK != nil, llm.FieldTopK, "top_k %v", at(r.TopK))
	f.said(r.MinP != nil, llm.FieldMinP, "min_p %v", at(r.MinP))
	f.said(r.Frequency != nil, llm.FieldFrequency, "frequency %v", at(r.Frequency))
	f.said(r.Presence != nil, llm.FieldPresence, "presence %v", at(r.Presence))
	f.said(r.Repetition != nil, llm.FieldRepetition, "repetition %v", at(r.Repetition))
	f.said(r.Seed != nil, llm.FieldSeed, "seed %v", at(r.Seed))
	f.said(len(r.LogitBias) > 0, llm.FieldLogitBias, "bias %s", r.LogitBias)
	f.said(r.Logprobs, llm.FieldLogprobs, "logprobs %d", r.TopLogprobs)
	f.said(effortOf(r.Reasoning) != "", llm.FieldReasoning, "thinks %s", effortOf(r.Reasoning))
	f.said(r.Reasoning.Summary != "", llm.FieldSummary, "summary %s", r.Reasoning.Summary)
	f.said(r.Verbosity != "", llm.FieldVerbosity, "verbosity %s", r.Verbosity)
}

// bare is a schema without the word that objects are closed, which some want said, and what it says of itself, which stands
// for a format's description where there is none.
func bare(schema []byte) (text, means string) {
	var v any
	if json.Unmarshal(schema, &v) != nil {
		return string(schema), ""
	}
	if top, ok := v.(map[string]any); ok {
		means, _ = top["description"].(string)
		delete(top, "description")
	}
	raw, _ := json.Marshal(open(v))
	return string(raw), means
}

func open(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = open(v[i])
		}
	case map[string]any:
		if v["additionalProperties"] == false {
			delete(v, "additionalProperties")
		}
		for name := range v {
			v[name] = open(v[name])
		}
	}
	return v
}

// effortOf is how much a model is to think, in the measure that all others can be told in.
func effortOf(r llm.Reasoning) string {
	switch {
	case r.Off:
		return "none"
	case r.Effort != "":
		return r.Effort
	case r.Budget == llm.Dynamic, r.Adaptive && r.Budget == 0:
		return "as it likes"
	case r.Budget != 0:
		return llm.EffortOf(r.Budget)
	}
	return ""
}

func (f *list) rest(r *llm.Request) {
	f.said(slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }), llm.FieldModalities, "modalities %s", r.Modalities)
	f.said(r.AudioOut != llm.AudioOut{}, llm.FieldModalities, "voice %+v", r.AudioOut)
	f.said(r.ServiceTier != "", llm.FieldServiceTier, "tier %s", r.ServiceTier)
	f.said(r.User != "", llm.FieldUser, "user %s", r.User)
	f.said(r.SafetyID != "", llm.FieldSafetyID, "safety identifier %s", r.SafetyID)
	for name, value := range r.Metadata {
		f.add(llm.FieldMetadata, "metadata %s: %s", name, value)
	}
	f.said(r.CacheKey != "", llm.FieldCacheKey, "cache key %s", r.CacheKey)
	f.said(r.CacheFor != "", llm.FieldCacheFor, "cache for %s", r.CacheFor)
	f.said(r.CacheAll != nil, llm.FieldCache, "cache all")
	f.said(len(r.Prediction) > 0, llm.FieldPrediction, "prediction %s", r.Prediction)
	f.said(r.Previous != "", llm.FieldPrevious, "previous %s", r.Previous)
	f.said(r.Store != nil, llm.FieldStore, "store %v", at(r.Store))
	f.said(r.Truncation != "" && r.Truncation != "disabled", llm.FieldTruncation, "truncation %s", r.Truncation)
	for _, name := range r.Include {
		f.add(llm.FieldInclude, "include %s", name)
	}
	f.said(len(r.Safety) > 0, llm.FieldSafety, "safety %s", sameJSON(r.Safety))
	f.said(len(r.ContextEdits) > 0, llm.FieldContextEdits, "context edits %s", sameJSON(r.ContextEdits))
	f.said(r.Stream, "", "stream")
	for name, value := range r.Extra {
		f.add(llm.FieldExtra.With(name), "%s: %s", name, sameJSON(value))
	}
}
