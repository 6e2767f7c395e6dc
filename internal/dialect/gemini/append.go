package gemini

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// output is JSON that is being written. What requests and answers have most of is written by hand, in a fraction of the time
// that any takes, which writes the same.
type output struct {
	b   []byte
	err error // the first
}

// outputs are kept for their memory.
var outputs = sync.Pool{New: func() any { return new(output) }}

// maxKept is the largest output that is kept, in bytes.
const maxKept = 64 << 10

// finish gives what was written, and the output back: with its memory where that is small, so that what was written gets
// memory of its own.
func (o *output) finish() ([]byte, error) {
	b, err := o.b, o.err
	if cap(b) > maxKept {
		return b, err
	}
	b = bytes.Clone(b)
	o.b, o.err = o.b[:0], nil
	outputs.Put(o)
	return b, err
}

// any writes a value.
func (o *output) any(v any) {
	raw, err := json.Marshal(v, written)
	o.b = append(o.b, raw...)
	o.fail(err)
}

func (o *output) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// text writes a string behind what stands before it.
func (o *output) text(before, s string) { o.b = jsonwrite.String(append(o.b, before...), s) }

// said writes a string behind what stands before it, unless it is empty.
func (o *output) said(before, s string) {
	if s != "" {
		o.text(before, s)
	}
}

// raw writes a value without spaces behind what stands before it, if there is one.
func (o *output) raw(before string, v jsontext.Value) {
	if v == nil {
		return
	}
	o.b = append(o.b, before...)
	if tight(v) {
		o.b = append(o.b, v...)
		return
	}
	var err error
	o.b, err = jsontext.AppendFormat(o.b, v, written)
	o.fail(err)
}

// sole writes an object of one text.
func (o *output) sole(name, text string) {
	o.b = append(jsonwrite.String(append(jsonwrite.String(append(o.b, '{'), name), ':'), text), '}')
}

// input writes the arguments of a call. Those that are no object, which models of other vendors make, are wrapped.
func (o *output) input(c *llm.Call) {
	switch {
	case c.Custom:
		o.sole(customField, c.Input)
		return
	case strings.TrimSpace(c.Input) == "":
		o.b = append(o.b, '{', '}')
		return
	}
	from := len(o.b)
	o.b = append(o.b, c.Input...)
	if o.b[from] == '{' && tight(o.b[from:]) {
		return
	}
	o.b = o.b[:from]
	if args := jsontext.Value(c.Input); args.IsValid(written) && args.Kind() == '{' {
		o.raw("", args)
		return
	}
	o.sole(customField, c.Input)
}

// tight reports whether a value is written as raw writes it, and is valid. Of those that are some may be found not to be.
func tight(v []byte) bool {
	return jsonwrite.Compact(v) && jsonread.Plain(v, new(struct{}), jsonread.Repeats, func(_ *struct{}, r *jsonread.Reader) { r.Raw() })
}

// object ends an object whose members, each with a comma in front, begin at a place.
func (o *output) object(from int) {
	if len(o.b) == from {
		o.b = append(o.b, '{', '}')
		return
	}
	o.b[from] = '{'
	o.b = append(o.b, '}')
}

// appendList writes a list behind what stands before it.
func appendList[T any](o *output, before string, all []T, one func(*output, *T)) {
	o.b = append(append(o.b, before...), '[')
	for i := range all {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		one(o, &all[i])
	}
	o.b = append(o.b, ']')
}

func (o *output) request(w *wireRequest) {
	appendList(o, `{"contents":`, w.Contents, (*output).content)
	if w.SystemInstruction != nil {
		o.b = append(o.b, `,"systemInstruction":`...)
		o.content(w.SystemInstruction)
	}
	if w.Tools != nil {
		appendList(o, `,"tools":`, w.Tools, (*output).tool)
	}
	if w.ToolConfig != nil {
		o.b = append(o.b, `,"toolConfig":`...)
		o.any(w.ToolConfig)
	}
	if w.GenerationConfig != nil {
		before := len(o.b)
		o.b = append(o.b, `,"generationConfig":`...)
		from := len(o.b)
		if o.config(w.GenerationConfig); string(o.b[from:]) == "{}" {
			o.b = o.b[:before]
		}
	}
	if w.SafetySettings == nil && w.ServiceTier == "" && w.Labels == nil && w.Unknown == nil {
		o.b = append(o.b, '}')
		return
	}
	rest := wireRest{w.SafetySettings, w.ServiceTier, w.Labels, w.Unknown}
	at := len(o.b)
	if o.any(&rest); len(o.b) == at+len("{}") {
		o.b = append(o.b[:at], '}')
		return
	}
	o.b[at] = ','
}

func (o *output) config(w *wireConfig) {
	if w.ResponseLogprobs || w.Logprobs != 0 || w.ResponseModalities != nil || w.SpeechConfig != nil || w.Unknown != nil {
		o.any(w)
		return
	}
	from := len(o.b)
	o.float(`,"temperature":`, w.Temperature)
	o.float(`,"topP":`, w.TopP)
	o.float(`,"topK":`, w.TopK)
	o.whole(`,"candidateCount":`, w.CandidateCount)
	o.whole(`,"maxOutputTokens":`, w.MaxOutputTokens)
	if w.StopSequences != nil {
		appendList(o, `,"stopSequences":`, w.StopSequences, func(o *output, s *string) { o.text("", *s) })
	}
	if w.Seed != nil {
		o.b = strconv.AppendInt(append(o.b, `,"seed":`...), int64(*w.Seed), 10)
	}
	o.float(`,"presencePenalty":`, w.PresencePenalty)
	o.float(`,"frequencyPenalty":`, w.FrequencyPenalty)
	o.said(`,"responseMimeType":`, w.ResponseMIMEType)
	o.raw(`,"responseSchema":`, w.ResponseSchema)
	o.raw(`,"responseJsonSchema":`, w.ResponseJSONSchema)
	if t := w.ThinkingConfig; t != nil {
		o.b = append(o.b, `,"thinkingConfig":`...)
		o.thinking(t)
	}
	o.object(from)
}

func (o *output) thinking(w *wireThinking) {
	from := len(o.b)
	if w.IncludeThoughts {
		o.b = append(o.b, `,"includeThoughts":true`...)
	}
	if w.ThinkingBudget != nil {
		o.b = strconv.AppendInt(append(o.b, `,"thinkingBudget":`...), int64(*w.ThinkingBudget), 10)
	}
	o.said(`,"thinkingLevel":`, w.ThinkingLevel)
	o.object(from)
}

// whole writes a whole number behind what stands before it, unless it is zero.
func (o *output) whole(before string, n integer) {
	if n != 0 {
		o.b = strconv.AppendInt(append(o.b, before...), int64(n), 10)
	}
}

// float writes a number behind what stands before it, if there is one.
func (o *output) float(before string, n *float) {
	switch {
	case n == nil:
		return
	case *n >= 0.001 && *n < 1e6: // as nearly all are
		o.b = strconv.AppendFloat(append(o.b, before...), float64(*n), 'f', -1, 64)
	default:
		o.b = append(o.b, before...)
		o.any(*n)
	}
}

func (o *output) content(w *wireContent) {
	from := len(o.b)
	o.said(`,"role":`, w.Role)
	if w.Parts != nil {
		appendList(o, `,"parts":`, w.Parts, (*output).part)
	}
	o.object(from)
}

func (o *output) part(w *wirePart) {
	c, r := w.FunctionCall, w.FunctionResponse
	if w.FileData != nil || w.VideoMetadata != nil || w.MediaResolution != nil || w.Unknown != nil ||
		c != nil && (c.PartialArgs != nil || c.WillContinue) {
		o.any(w)
		return
	}
	from := len(o.b)
	if w.Text != nil {
		o.text(`,"text":`, *w.Text)
	}
	if w.Thought {
		o.b = append(o.b, `,"thought":true`...)
	}
	if d := w.InlineData; d != nil {
		o.b = append(o.b, `,"inlineData":`...)
		from := len(o.b)
		o.said(`,"mimeType":`, d.MIMEType)
		o.text(`,"data":`, d.Data)
		o.said(`,"displayName":`, d.DisplayName)
		o.object(from)
	}
	if c != nil {
		o.b = append(o.b, `,"functionCall":`...)
		from := len(o.b)
		o.said(`,"id":`, c.ID)
		o.text(`,"name":`, c.Name)
		o.raw(`,"args":`, c.Args)
		if c.of != nil {
			o.b = append(o.b, `,"args":`...)
			o.input(c.of)
		}
		o.object(from)
	}
	if r != nil {
		o.b = append(o.b, `,"functionResponse":`...)
		from := len(o.b)
		o.said(`,"id":`, r.ID)
		o.text(`,"name":`, r.Name)
		o.raw(`,"response":`, r.Response)
		if r.under != "" {
			o.b = append(o.b, `,"response":`...)
			o.sole(r.under, r.said)
		}
		if r.Parts != nil {
			appendList(o, `,"parts":`, r.Parts, (*output).part)
		}
		o.object(from)
	}
	o.said(`,"thoughtSignature":`, w.ThoughtSignature)
	o.object(from)
}

func (o *output) tool(w *wireTool) {
	if w.Unknown != nil || w.FunctionDeclarations == nil {
		o.any(w)
		return
	}
	appendList(o, `{"functionDeclarations":`, w.FunctionDeclarations, (*output).function)
	o.b = append(o.b, '}')
}

func (o *output) function(w *wireFunction) {
	if w.Unknown != nil {
		o.any(w)
		return
	}
	from := len(o.b)
	o.text(`,"name":`, w.Name)
	o.said(`,"description":`, w.Description)
	o.raw(`,"parameters":`, w.Parameters)
	o.raw(`,"parametersJsonSchema":`, w.ParametersJSONSchema)
	o.object(from)
}
