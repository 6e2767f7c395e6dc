package responses

import (
	"strings"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// report is a usage object before it is made sense of.
type report struct {
	seen   bool // there was an object
	broken bool // a count was negative, absurd or no number
	counts [reportFields]int64
}

type reportField uint8

const (
	inputTokens reportField = iota
	outputTokens
	totalTokens
	cachedTokens
	cacheWriteTokens
	audioInput
	imageInput
	reasoningTokens
	audioOutput
	imageOutput
	reportFields
)

// countGroups are the counts within a usage object, by the object that they stand in: it itself, or one of its members.
var countGroups = map[string]map[string]reportField{
	"":                      {"input_tokens": inputTokens, "output_tokens": outputTokens, "total_tokens": totalTokens},
	"input_tokens_details":  {"cached_tokens": cachedTokens, "cache_write_tokens": cacheWriteTokens, "audio_tokens": audioInput, "image_tokens": imageInput},
	"output_tokens_details": {"reasoning_tokens": reasoningTokens, "audio_tokens": audioOutput, "image_tokens": imageOutput},
}

// countNames are the same by their paths.
var countNames = func() map[string]reportField {
	all := map[string]reportField{}
	for group, names := range countGroups {
		for name, field := range names {
			all[strings.TrimPrefix(group+"."+name, ".")] = field
		}
	}
	return all
}()

// usagePaths find the counts in a usage object by itself; an ID is a field and one.
var usagePaths = func() *jsonscan.Paths {
	paths := make(map[string]jsonscan.ID, len(countNames))
	for name, field := range countNames {
		paths[name] = jsonscan.ID(field) + 1
	}
	return jsonscan.Compile(paths)
}()

// read reads a usage object, within a document that was validated as a whole. What is none changes nothing.
func (r *report) read(raw jsontext.Value) {
	if raw.Kind() != '{' {
		return
	}
	before := *r
	*r = report{seen: true}
	if jsonread.Plain(raw, r, jsonread.Within, (*report).readPlain) {
		return
	}
	*r = report{seen: true}
	if jsonscan.Check(usagePaths, raw, r) != nil {
		*r = before
	}
}

func (r *report) readPlain(rd *jsonread.Reader) { r.readGroup(rd, countGroups[""], countGroups) }

// readGroup reads an object that counts stand in, and those of its members that are such objects.
func (r *report) readGroup(rd *jsonread.Reader, names map[string]reportField, groups map[string]map[string]reportField) {
	for m := rd.Object(); rd.Next(&m); {
		field, known := names[string(m.Name)]
		inner := groups[string(m.Name)]
		switch {
		case known:
			r.readCount(rd, field)
		case inner != nil && len(m.Name) > 0 && rd.Kind() == '{':
			r.readGroup(rd, inner, nil)
		default:
			rd.Raw()
		}
	}
}

func (r *report) readCount(rd *jsonread.Reader, field reportField) {
	switch kind := rd.Kind(); {
	case kind == '-' || '0' <= kind && kind <= '9':
		n := rd.Digits()
		if len(n) > maxDigits {
			rd.Odd()
		}
		r.set(field, n)
	case !rd.Null():
		rd.Odd()
	}
}

// Open implements jsonscan.Handler.
func (*report) Open(jsonscan.ID, jsonscan.Kind, int64) {}

// Text implements jsonscan.Handler.
func (*report) Text(jsonscan.ID, []byte) {}

// Close implements jsonscan.Handler.
func (r *report) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, _ int64) {
	if kind != jsonscan.Null {
		r.set(reportField(id-1), raw)
	}
}

// set takes a count from the text of a JSON number.
func (r *report) set(f reportField, raw []byte) {
	n, ok := llm.ParseTokens(raw)
	if !ok {
		r.broken = true
		return
	}
	r.counts[f] = n
}

// usage makes sense of the report. Credible is false where it is missing, has nothing in it or has counts that cannot be,
// and the caller should estimate. Odd is true where counts contradict each other or cannot be. Cached tokens and those
// written to the cache are counted within input_tokens, reasoning within output_tokens.
func (r *report) usage() (u llm.Usage, credible, odd bool) {
	if !r.seen || r.broken {
		return llm.Usage{}, false, r.broken
	}
	c := &r.counts
	input, cached, write := c[inputTokens], c[cachedTokens], c[cacheWriteTokens]
	if cached+write > input { // never charge more input than there was
		odd = true
		cached = min(cached, input)
		write = min(write, input-cached)
	}
	rest := input - cached - write
	u = llm.Usage{
		Input:        rest,
		CachedInput:  cached,
		CacheWrite5m: write,
		Output:       c[outputTokens],
		Reasoning:    c[reasoningTokens],
		AudioInput:   min(c[audioInput], rest),
		ImageInput:   min(c[imageInput], rest),
		AudioOutput:  c[audioOutput],
		ImageOutput:  c[imageOutput],
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), odd || clamped
}

// maxDigits is the longest plain count.
const maxDigits = 20
