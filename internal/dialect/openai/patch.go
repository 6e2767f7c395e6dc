package openai

import (
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Body is a request body in pieces that share memory with the original, so that a large one is not copied to be changed.
// It can be read many times, once for each attempt.
type Body [][]byte

// Len is the size in bytes.
func (b Body) Len() int64 {
	n := int64(0)
	for _, part := range b {
		n += int64(len(part))
	}
	return n
}

// Bytes copies the pieces together.
func (b Body) Bytes() []byte {
	all := make([]byte, 0, b.Len())
	for _, part := range b {
		all = append(all, part...)
	}
	return all
}

// NewReader returns a reader of the whole, which is an io.WriterTo as well.
func (b Body) NewReader() io.Reader {
	r := &bodyReader{}
	r.rest = append(r.parts[:0], b...)
	return r
}

type bodyReader struct {
	parts [8][]byte // room for all that Patch makes
	rest  Body
}

func (r *bodyReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && len(r.rest) > 0 {
		c := copy(p[n:], r.rest[0])
		n += c
		r.skip(c)
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *bodyReader) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for len(r.rest) > 0 {
		n, err := w.Write(r.rest[0])
		total += int64(n)
		r.skip(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// skip drops n bytes of the first piece, and the piece with its last.
func (r *bodyReader) skip(n int) {
	if r.rest[0] = r.rest[0][n:]; len(r.rest[0]) == 0 {
		r.rest = r.rest[1:]
	}
}

const includeUsage = `"include_usage":true`

// Patch returns the body that was scanned with another model name and, where includeUsage is true and the request streams
// without asking for it, with stream_options.include_usage set. All other bytes stay as and where they are. The body must
// not change while the result is in use.
func (r *Request) Patch(body []byte, model string, askUsage bool) Body {
	e := editor{body: body, out: make(Body, 0, 6)}
	askUsage = askUsage && r.Stream && !r.IncludeUsage
	editModel := func() {
		if model != r.Model {
			e.replace(r.model, appendString(nil, model))
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
	out  Body
	at   int64
}

func (e *editor) replace(old span, text []byte) {
	if old.start > e.at {
		e.out = append(e.out, e.body[e.at:old.start])
	}
	e.out = append(e.out, text)
	e.at = old.end
}

func (e *editor) end() Body {
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

// appendString appends a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}
