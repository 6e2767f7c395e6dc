package openai

import (
	"strconv"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
)

// What follows reads the types that read themselves, each as its UnmarshalJSONFrom does, or finds them odd.

//go:generate go run ../readgen request message addressedObject answer

func (m *messages) readPlain(r *jsonread.Reader) {
	m.said = r.Kind() == '['
	jsonread.List(&m.list, r, (*message).readPlain)
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

func (u *report) readPlain(r *jsonread.Reader) {
	switch *u = (report{}); r.Kind() {
	case '{':
		u.seen = true
		if jsonscan.Check(usagePaths, r.Raw(), u) != nil {
			r.Odd()
		}
	case 'n':
		r.Null()
	default:
		r.Odd()
	}
}
