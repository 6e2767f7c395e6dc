package openai

import (
	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
)

const includeUsage = `"include_usage":true`

// Patch implements dialect.Scanned: the model's name, and stream_options.include_usage where p asks for the usage of a
// stream and the caller did not.
func (r *scanned) Patch(body []byte, p dialect.Patch) [][]byte {
	e := editor{body: body, out: make([][]byte, 0, 6)}
	askUsage := p.AskUsage && r.facts.Stream && !r.facts.IncludeUsage
	editModel := func() {
		if p.Model != r.facts.Model {
			e.replace(r.model, jsonwrite.String(nil, p.Model))
		}
		if askUsage && !r.options.present() {
			e.replace(span{r.model.end, r.model.end}, []byte(`,"stream_options":{`+includeUsage+`}`))
		}
	}
	if r.options.start > r.model.start {
		editModel()
	}
	if askUsage && r.options.present() {
		switch {
		case r.null:
			e.replace(r.options, []byte(`{`+includeUsage+`}`))
		case r.include.present():
			e.replace(r.include, []byte("true"))
		case emptyObject(body[r.options.start:r.options.end]):
			e.replace(span{r.options.start + 1, r.options.start + 1}, []byte(includeUsage))
		default:
			e.replace(span{r.options.start + 1, r.options.start + 1}, []byte(includeUsage+","))
		}
	}
	if r.options.start <= r.model.start {
		editModel()
	}
	return e.end()
}

// editor puts a body together from what stays and what is new, in the order of the body.
type editor struct {
	body []byte
	out  [][]byte
	at   int64
}

func (e *editor) replace(old span, text []byte) {
	if old.start > e.at {
		e.out = append(e.out, e.body[e.at:old.start])
	}
	e.out = append(e.out, text)
	e.at = old.end
}

func (e *editor) end() [][]byte {
	if e.at < int64(len(e.body)) {
		e.out = append(e.out, e.body[e.at:])
	}
	return e.out
}

// emptyObject reports whether an object that is known to be valid has no fields.
func emptyObject(object []byte) bool {
	for _, c := range object[1:] {
		switch c {
		case ' ', '\n', '\r', '\t':
		default:
			return c == '}'
		}
	}
	return false
}
