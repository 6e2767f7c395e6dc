package gemini

import (
	"slices"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxStop is how many stop sequences generationConfig takes.
const maxStop = 5

const mimeJSON = "application/json"

// read takes over how the answer is to be made.
func (w *wireConfig) read(r *llm.Request) error {
	if w == nil {
		return nil
	}
	r.Temperature, r.TopP = (*float64)(w.Temperature), (*float64)(w.TopP)
	r.Presence, r.Frequency = (*float64)(w.PresencePenalty), (*float64)(w.FrequencyPenalty)
	if w.TopK != nil {
		k := int64(*w.TopK)
		r.TopK = &k
	}
	r.N, r.MaxTokens, r.Seed = int64(w.CandidateCount), int64(w.MaxOutputTokens), (*int64)(w.Seed)
	r.Stop = w.StopSequences
	r.Logprobs, r.TopLogprobs = w.ResponseLogprobs, int(w.Logprobs)
	r.Reasoning = w.ThinkingConfig.reasoning()
	for _, m := range w.ResponseModalities {
		r.Modalities = append(r.Modalities, strings.ToLower(m))
	}
	if slices.Equal(r.Modalities, []string{"text"}) {
		r.Modalities = nil // as it is anyway
	}
	w.readVoice(r)
	members(w.Unknown, func(name string, value llm.JSON) { extra(r, "generationConfig."+camel(name), value) })
	return w.readFormat(r)
}

// readFormat takes over structured output. A choice among words (text/x.enum) has no neutral form.
func (w *wireConfig) readFormat(r *llm.Request) error {
	schema, isSchema := w.ResponseJSONSchema, !isNull(w.ResponseJSONSchema)
	if !isSchema && !isNull(w.ResponseSchema) {
		var err error
		if schema, err = fromOpenAPI(w.ResponseSchema); err != nil {
			return &llm.RequestError{Param: "generationConfig.responseSchema", Message: "The responseSchema is no schema: " + err.Error() + "."}
		}
		isSchema = true
	}
	switch {
	case w.ResponseMIMEType == mimeJSON && isSchema:
		r.Format = llm.Format{Mode: llm.FormatSchema, Name: "response", Schema: schema}
	case w.ResponseMIMEType == mimeJSON:
		r.Format.Mode = llm.FormatJSON
	case w.ResponseMIMEType == "" || w.ResponseMIMEType == "text/plain":
		if isSchema {
			return &llm.RequestError{Param: "generationConfig.responseMimeType", Message: "A response schema needs the responseMimeType application/json."}
		}
	default:
		extra(r, "generationConfig.responseMimeType", mustJSON(w.ResponseMIMEType))
		extra(r, "generationConfig.responseSchema", w.ResponseSchema)
		extra(r, "generationConfig.responseJsonSchema", w.ResponseJSONSchema)
	}
	return nil
}

// speech is the plain form of speechConfig: one prebuilt voice.
type speech struct {
	VoiceConfig struct {
		PrebuiltVoiceConfig struct {
			VoiceName string `json:"voiceName"`
		} `json:"prebuiltVoiceConfig"`
	} `json:"voiceConfig"`
}

func (w *wireConfig) readVoice(r *llm.Request) {
	if isNull(w.SpeechConfig) {
		return
	}
	var plain speech
	strict := json.JoinOptions(fromCaller, json.RejectUnknownMembers(true))
	if json.Unmarshal(w.SpeechConfig, &plain, strict) == nil {
		r.AudioOut.Voice = plain.VoiceConfig.PrebuiltVoiceConfig.VoiceName
		return
	}
	extra(r, "generationConfig.speechConfig", w.SpeechConfig) // several speakers, or a language
}

// config writes generationConfig.
func (e *requestEncoder) config() {
	r, d := e.in, &e.drops
	w := &e.room.config
	*w = wireConfig{
		Temperature: (*float)(r.Temperature), TopP: (*float)(r.TopP),
		PresencePenalty: penalty(r.Presence), FrequencyPenalty: penalty(r.Frequency),
		MaxOutputTokens: integer(r.MaxTokens), ResponseLogprobs: r.Logprobs, Logprobs: integer(r.TopLogprobs),
		ThinkingConfig: thinkingConfig(r.Reasoning, e.target.Model, d),
	}
	if r.TopK != nil {
		k := float(*r.TopK)
		w.TopK = &k
	}
	if r.N > 0 {
		w.CandidateCount = integer(r.N)
	}
	if r.Seed != nil {
		seed := integer(int32(*r.Seed)) // 32 bits are taken; the same seed stays the same
		w.Seed = &seed
	}
	for _, s := range r.Stop {
		if s == "" || len(w.StopSequences) == maxStop { // an empty one is refused
			d.Add(llm.FieldStop)
			continue
		}
		w.StopSequences = append(w.StopSequences, s)
	}
	for _, m := range r.Modalities {
		w.ResponseModalities = append(w.ResponseModalities, strings.ToUpper(m))
	}
	if len(w.ResponseModalities) == 1 && w.ResponseModalities[0] == "TEXT" {
		w.ResponseModalities = nil
	}
	if r.AudioOut.Voice != "" {
		var s speech
		s.VoiceConfig.PrebuiltVoiceConfig.VoiceName = r.AudioOut.Voice
		w.SpeechConfig = mustJSON(s)
	}
	d.If(r.AudioOut.Format != "" && r.AudioOut.Format != "pcm16", llm.FieldAudioFormat) // sound comes as it comes: as samples
	e.format(w)
	e.out.GenerationConfig = w // which is written if there is anything in it
}

// penalty leaves out one of zero, which changes nothing: some models refuse any.
func penalty(p *float64) *float {
	if p == nil || *p == 0 {
		return nil
	}
	return (*float)(p)
}

// format writes structured output. Models before generation 3 refuse it together with functions; they are told in words.
func (e *requestEncoder) format(w *wireConfig) {
	f := e.in.Format
	if f.Mode == llm.FormatText {
		return
	}
	f.Schema = f.Described()
	v := e.version
	if len(e.out.Tools) > 0 && !v.atLeast(3, 0) {
		if e.in.Choice.Mode != llm.None {
			e.drops.Add(llm.FieldFormat)
			if !isNull(f.Schema) {
				e.instruct(list[wirePart]{inWords(f.Schema)})
			}
			return
		}
		e.out.Tools, e.out.ToolConfig = nil, nil // none may be called
	}
	w.ResponseMIMEType = mimeJSON
	switch {
	case f.Mode != llm.FormatSchema || isNull(f.Schema):
	case v.jsonSchema():
		w.ResponseJSONSchema = f.Schema
	default:
		e.grown.lost = false // of tools: that was told
		w.ResponseSchema = e.grown.toOpenAPI(f.Schema)
		e.drops.If(e.grown.lost, llm.FieldFormat)
	}
}

// tiers are the service tiers by the words of all callers; "" is the one that everybody gets.
var tiers = map[string]string{
	"": "", "auto": "", "default": "", "standard": "", "standard_only": "", "flex": "flex", "priority": "priority",
}

// inWords tells the model what its answer must be.
func inWords(schema llm.JSON) wirePart {
	return textPart("As soon as no function needs to be called any more, answer with a single JSON value that satisfies this JSON schema, and with nothing else: " + string(schema))
}

// others notes what has no place here, and writes what has one at the top.
func (e *requestEncoder) others() {
	r, d := e.in, &e.drops
	tier, known := tiers[r.ServiceTier]
	e.out.ServiceTier = tier
	d.If(!known, llm.FieldServiceTier)
	e.out.SafetySettings = r.Safety
	if onVertex(e.target.Host) {
		e.out.Labels = r.Metadata
	} else {
		d.If(len(r.Metadata) > 0, llm.FieldMetadata)
	}
	d.If(r.Parallel != nil && !*r.Parallel, llm.FieldParallel)
	d.If(r.MinP != nil, llm.FieldMinP)
	d.If(r.Repetition != nil, llm.FieldRepetition)
	d.If(len(r.LogitBias) > 0, llm.FieldLogitBias)
	d.If(r.Verbosity != "", llm.FieldVerbosity)
	d.If(r.User != "", llm.FieldUser)
	d.If(r.SafetyID != "", llm.FieldSafetyID)
	d.If(r.CacheKey != "", llm.FieldCacheKey)
	d.If(r.CacheFor != "", llm.FieldCacheFor)
	d.If(r.CacheAll != nil, llm.FieldCache)
	d.If(len(r.Prediction) > 0, llm.FieldPrediction)
	d.If(r.Store != nil && *r.Store, llm.FieldStore)
	d.If(r.Truncation != "" && r.Truncation != "disabled", llm.FieldTruncation)
	d.If(slices.ContainsFunc(r.Include, func(s string) bool { return s != "reasoning.encrypted_content" }), llm.FieldInclude) // thinking is carried
	d.If(len(r.ContextEdits) > 0, llm.FieldContextEdits)
	e.extra()
}

// nativeTop are the fields of Extra that a caller of this dialect has at the top: they go back there.
var nativeTop = []string{"cachedContent", "modelArmorConfig", "store"}

// extra writes what Gemini knows of Extra, where it came from, and notes the rest.
func (e *requestEncoder) extra() {
	if len(e.in.Extra) == 0 {
		return
	}
	rest := llm.Request{Extra: map[string]llm.JSON{}}
	top, config, tools, choice := map[string]llm.JSON{}, map[string]llm.JSON{}, map[string]llm.JSON{}, map[string]llm.JSON{}
	for path, value := range e.in.Extra {
		if e.in.Dialect == llm.Gemini && strings.HasPrefix(path, besideFiles) {
			continue
		}
		if name, ok := strings.CutPrefix(path, "toolConfig.functionCallingConfig."); ok && e.out.ToolConfig != nil {
			choice[name] = value
		} else if name, ok := strings.CutPrefix(path, "toolConfig."); ok && !strings.Contains(name, ".") {
			tools[name] = value
		} else if name, ok := strings.CutPrefix(path, "generationConfig."); ok {
			config[name] = value
		} else if slices.Contains(nativeTop, path) || e.target.KeepExtra && !strings.ContainsAny(path, ".[") {
			top[path] = value
		} else {
			rest.Extra[path] = value
		}
	}
	e.drops.Extra(&rest)
	e.out.Unknown = object(top)
	if len(config) > 0 {
		e.out.GenerationConfig.Unknown = object(config)
	}
	if len(tools) > 0 {
		if e.out.ToolConfig == nil {
			e.out.ToolConfig = &wireToolConfig{}
		}
		e.out.ToolConfig.Unknown = object(tools)
	}
	if len(choice) > 0 {
		c := e.out.ToolConfig.FunctionCallingConfig
		if _, ok := choice["mode"]; ok {
			c.Mode = "VALIDATED"
			delete(choice, "mode")
		}
		c.Unknown = object(choice)
	}
}

// object is an object, or nothing where it has no members.
func object(members map[string]llm.JSON) jsontext.Value {
	if len(members) == 0 {
		return nil
	}
	return mustJSON(members)
}
