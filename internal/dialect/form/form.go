// Package form reads requests whose fields stand at known places, as those of most endpoints beside generation do:
// embeddings, pictures, speech, moderation, reranking. It finds what policy needs, and changes the model's name in place.
package form

import (
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"
)

// maxModel is how long a model's name may be, in bytes.
const maxModel = 512

// A Role is what a place of a form means to the gateway.
type Role = jsonscan.ID

const (
	// Model is the name of the model.
	Model Role = iota + 1
	// Resource is the name of the model as Google's resources have it, models/NAME or NAME, where the address names it as
	// well. There may be many.
	Resource
	// Stream is a boolean that asks for a stream.
	Stream
	// StreamFormat is a text that asks for a stream of events where it is "sse".
	StreamFormat
	// Count is how many answers are wanted.
	Count
	// Text is what the model reads: a text, or a number, which is a token.
	Text
	// Picture is a picture that the model looks at.
	Picture

	root
)

// A Form is a kind of request. It is safe for concurrent use.
type Form struct {
	paths *jsonscan.Paths
	names map[Role]string
	model string
}

// New makes a form of its places, which are named as in jsonscan.Compile. Without a model in a request, and in its address,
// it is taken to be defaultModel; where that is empty the request is refused.
func New(defaultModel string, places map[string]Role) *Form {
	f := &Form{names: map[Role]string{}, model: defaultModel}
	all := map[string]jsonscan.ID{"": root}
	for path, role := range places {
		all[path] = role
		f.names[role] = path
	}
	f.paths = jsonscan.Compile(all)
	return f
}

// Scan reads a request. The error is an *llm.RequestError: a body that is no JSON object, a field of the wrong type, one
// that is given twice, a missing model.
func (f *Form) Scan(body []byte, at dialect.At) (dialect.Scanned, error) {
	s := &scan{form: f, scanned: scanned{form: f, facts: dialect.Facts{Model: at.Model, Stream: at.Stream, N: 1}}}
	err := jsonscan.Check(f.paths, body, s)
	switch {
	case err != nil:
		return nil, refusal.Unscanned(err)
	case s.err != nil:
		return nil, s.err
	}
	if facts := &s.scanned.facts; facts.Model == "" {
		if facts.Model = f.model; f.model == "" || len(s.scanned.places) > 0 {
			return nil, refusal.NoModel()
		}
		s.scanned.insert = s.brace + 1
	}
	return &s.scanned, nil
}

// span is a part of a body.
type span struct{ start, end int64 }

// place is where a model's name stands.
type place struct {
	span
	prefix string // that it keeps
	same   bool   // without it, the name is the one that was asked for
}

type scanned struct {
	form   *Form
	facts  dialect.Facts
	places []place
	insert int64 // where a model has to be put, behind the brace; 0 where there is one
}

// Facts implements dialect.Scanned.
func (s *scanned) Facts() *dialect.Facts { return &s.facts }

// Thread implements dialect.Scanned: nothing goes on with anything.
func (*scanned) Thread() dialect.Thread { return dialect.Thread{} }

// Patch implements dialect.Scanned. Only the model changes.
func (s *scanned) Patch(body []byte, p dialect.Patch) [][]byte {
	if s.insert > 0 {
		field := jsonwrite.String([]byte(`"model":`), p.Model)
		if rest := strings.TrimLeft(string(body[s.insert:min(int64(len(body)), s.insert+64)]), " \t\r\n"); !strings.HasPrefix(rest, "}") {
			field = append(field, ',')
		}
		return [][]byte{body[:s.insert], field, body[s.insert:]}
	}
	pieces := make([][]byte, 0, 1+2*len(s.places))
	from := int64(0)
	for _, at := range s.places {
		if at.same && p.Model == s.facts.Model {
			continue
		}
		pieces = append(pieces, body[from:at.start], jsonwrite.String(nil, at.prefix+p.Model))
		from = at.end
	}
	return append(pieces, body[from:])
}

// PromptText implements dialect.Scanned.
func (s *scanned) PromptText(body []byte, onText func(part []byte)) {
	jsonscan.Pass(s.form.paths, body, onText, func(role Role) bool { return role == Text }, nil)
}

// scan collects what jsonscan reports.
type scan struct {
	form    *Form
	scanned scanned
	err     *llm.RequestError
	seen    uint32
	text    []byte
	start   int64 // of the value at hand
	brace   int64 // of the document
}

func (s *scan) fail(err *llm.RequestError) {
	if s.err == nil {
		s.err = err
	}
}

// Open implements jsonscan.Handler.
func (s *scan) Open(role Role, kind jsonscan.Kind, at int64) {
	s.text = s.text[:0]
	name := s.form.names[role]
	want, article := jsonscan.String, "a string"
	switch role {
	case root:
		s.brace = at
		if kind != jsonscan.Object {
			s.fail(refusal.WrongType("", "an object", kind))
		}
		return
	case Text:
		return
	case Picture:
		if kind != jsonscan.Null {
			s.scanned.facts.Images++
		}
		return
	case Stream:
		want, article = jsonscan.Bool, "a boolean"
	case Count:
		want, article = jsonscan.Number, "an integer"
	}
	if role != Resource {
		if s.seen&(1<<role) != 0 {
			s.fail(refusal.Duplicate(name))
		}
		s.seen |= 1 << role
	}
	if kind != want && (kind != jsonscan.Null || role == Model || role == Resource) {
		s.fail(refusal.WrongType(name, article, kind))
	}
	s.start = at
}

// Text implements jsonscan.Handler.
func (s *scan) Text(role Role, part []byte) {
	switch role {
	case Text:
		s.scanned.facts.TextBytes += int64(len(part))
	case Model, Resource, StreamFormat:
		s.text = jsonscan.Keep(s.text, part, maxModel+1)
	}
}

// Close implements jsonscan.Handler.
func (s *scan) Close(role Role, kind jsonscan.Kind, raw []byte, at int64) {
	facts := &s.scanned.facts
	switch role {
	case Model:
		if len(s.text) > maxModel {
			s.fail(refusal.TooLong(s.form.names[role], maxModel))
		}
		facts.Model = string(s.text)
		s.scanned.places = append(s.scanned.places, place{span: span{s.start, at}, same: true})
	case Resource:
		name, prefixed := strings.CutPrefix(string(s.text), "models/")
		p := place{span: span{s.start, at}, same: name == facts.Model}
		if prefixed {
			p.prefix = "models/"
		}
		s.scanned.places = append(s.scanned.places, p)
	case Stream:
		facts.Stream = string(raw) == "true"
	case StreamFormat:
		facts.Stream = string(s.text) == "sse"
	case Count:
		n, err := refusal.Count(s.form.names[role], kind, raw)
		if err != nil {
			s.fail(err)
		}
		facts.N = max(1, n)
	case Text:
		if kind == jsonscan.Number {
			facts.InputTokens++
		}
	}
}
