package openai

import (
	"strconv"

	"aihigress/internal/dialect/jsonread"
)

// What follows reads the types that read themselves, each as its UnmarshalJSONFrom does, or finds them odd.

//go:generate go run ../readgen request message addressedObject answer

func readList[T any](l *list[T], r *jsonread.Reader, one func(*T, *jsonread.Reader)) {
	l.said = r.Kind() == '['
	jsonread.List(&l.all, r, one)
}

func (i *integer) readPlain(r *jsonread.Reader) {
	n, err := strconv.ParseInt(string(r.Digits()), 10, 64)
	if err != nil {
		r.Odd()
	}
	*i = integer(n)
}

func (t *texts) readPlain(r *jsonread.Reader) {
	if r.Kind() != '"' {
		jsonread.List((*[]string)(t), r, jsonread.String)
		return
	}
	*t = make(texts, 1)
	jsonread.String(&(*t)[0], r)
}

func (c *content) readPlain(r *jsonread.Reader) {
	*c = content{set: true, parts: c.parts[:0]}
	switch r.Kind() {
	case 'n':
		c.set = !r.Null()
	case '"':
		jsonread.String(&c.text, r)
	default:
		c.list = true
		jsonread.List(&c.parts, r, (*part).readPlain)
	}
}

func (a *addressed) readPlain(r *jsonread.Reader) {
	if *a = (addressed{}); r.Kind() == '"' {
		jsonread.String(&a.URL, r)
		return
	}
	(*addressedObject)(a).readPlain(r)
}

func (v *voice) readPlain(r *jsonread.Reader) {
	if r.Kind() != '"' {
		r.Odd()
	}
	jsonread.String((*string)(v), r)
}

func (c *toolChoice) readPlain(r *jsonread.Reader) {
	if *c = (toolChoice{}); r.Kind() != '"' {
		r.Odd()
	}
	jsonread.String(&c.Word, r)
}

func (a *arguments) readPlain(r *jsonread.Reader) {
	if r.Kind() == '{' {
		*a = arguments(r.Raw())
		return
	}
	jsonread.String((*string)(a), r)
}

func (l *loose) readPlain(r *jsonread.Reader) {
	switch r.Kind() {
	case '"':
		jsonread.String((*string)(l), r)
	case 'n':
		*l = ""
		r.Null()
	default:
		r.Odd()
	}
}

func (c *count) readPlain(r *jsonread.Reader) { jsonread.Int64((*int64)(c), r) }

func (p *position) readPlain(r *jsonread.Reader) {
	p.said = r.Kind() != 'n'
	p.at.readPlain(r)
}

func (p *present) readPlain(r *jsonread.Reader) {
	*p = r.Kind() != 'n'
	r.Raw()
}

// readPlain finds what the counts of reportNames are, by the same names.
func (u *report) readPlain(r *jsonread.Reader) {
	if *u = (report{}); r.Null() {
		return
	}
	u.seen = true
	for m := r.Object(); r.Next(&m); {
		switch string(m.Name) {
		case "prompt_tokens":
			u.readCount(promptTokens, r)
		case "completion_tokens":
			u.readCount(completionTokens, r)
		case "total_tokens":
			u.readCount(totalTokens, r)
		case "prompt_cache_hit_tokens", "cached_tokens":
			u.readCount(cacheHitTokens, r)
		case "prompt_tokens_details":
			u.readDetails(r, audioInput, imageInput)
		case "completion_tokens_details":
			u.readDetails(r, audioOutput, imageOutput)
		default:
			r.Ignore(m.Name)
		}
	}
}

// readDetails reads the counts of the input, or of the output, of which those of sound and pictures are given.
func (u *report) readDetails(r *jsonread.Reader, audio, image reportField) {
	if r.Null() {
		return
	}
	for m := r.Object(); r.Next(&m); {
		switch input := audio == audioInput; {
		case string(m.Name) == "audio_tokens":
			u.readCount(audio, r)
		case string(m.Name) == "image_tokens":
			u.readCount(image, r)
		case input && string(m.Name) == "cached_tokens":
			u.readCount(cachedTokens, r)
		case input && string(m.Name) == "cache_write_tokens":
			u.readCount(cacheWriteTokens, r)
		case !input && string(m.Name) == "reasoning_tokens":
			u.readCount(reasoningTokens, r)
		default:
			r.Ignore(m.Name)
		}
	}
}

func (u *report) readCount(f reportField, r *jsonread.Reader) {
	if r.Null() {
		return
	}
	n := r.Digits()
	if len(n) > maxDigits {
		r.Odd()
	}
	u.set(f, n)
}

// maxDigits is the longest plain count.
const maxDigits = 20
