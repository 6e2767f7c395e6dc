package responses

import (
	"bytes"

	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json/jsontext"
)

// reader reads items and parts that are as nearly all of them are, within a body that was validated as a whole. Where it
// says false the value has to be read with package json, which takes several times as long and knows what is wrong.
type reader struct {
	buf  []byte // memory for texts, used again
	list []part // and for parts
}

// item reads an item whose fields are of the right types.
func (rd *reader) item(raw jsontext.Value, it *item) bool {
	if raw.Kind() != '{' {
		return false
	}
	for name, value := range jsonscan.Members(raw) {
		ok := true
		switch string(name) {
		case `"type"`:
			it.Type, ok = rd.word(value)
		case `"role"`:
			it.Role, ok = rd.word(value)
		case `"id"`:
			it.ID, ok = rd.text(value)
		case `"content"`:
			it.Content = value
		case `"call_id"`:
			it.CallID, ok = rd.text(value)
		case `"name"`:
			it.Name, ok = rd.text(value)
		case `"arguments"`:
			it.Arguments, ok = rd.option(value)
		case `"input"`:
			it.Input, ok = rd.option(value)
		case `"output"`:
			it.Output = value
		case `"summary"`:
			it.Summary, ok = rd.parts(nil, value)
		case `"encrypted_content"`:
			it.Sealed, ok = rd.text(value)
		case `"phase"`:
			it.Phase, ok = rd.word(value)
		case `"namespace"`:
			it.Namespace, ok = rd.text(value)
		default:
			ok = bytes.IndexByte(name, '\\') < 0
		}
		if !ok {
			return false
		}
	}
	return true
}

// parts reads a list of parts, in memory that is given.
func (rd *reader) parts(all []part, raw jsontext.Value) ([]part, bool) {
	if raw.Kind() != '[' {
		return nil, false
	}
	for _, value := range jsonscan.Elements(raw) {
		all = append(all, part{})
		if !rd.part(value, &all[len(all)-1]) {
			return nil, false
		}
	}
	return all, true
}

// part reads a part that has nothing but a text.
func (rd *reader) part(raw jsontext.Value, p *part) bool {
	if raw.Kind() != '{' {
		return false
	}
	for name, value := range jsonscan.Members(raw) {
		ok := false
		switch string(name) {
		case `"type"`:
			p.Type, ok = rd.word(value)
		case `"text"`:
			p.Text, ok = rd.option(value)
		case `"annotations"`, `"logprobs"`:
			ok = string(value) == "[]"
		}
		if !ok {
			return false
		}
	}
	return true
}

// text reads a string, or null as an empty one.
func (rd *reader) text(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", v.Kind() == 'n'
	}
	var err error
	rd.buf, err = jsontext.AppendUnquote(rd.buf[:0], v)
	return string(rd.buf), err == nil
}

// option reads a string, or null as none.
func (rd *reader) option(v jsontext.Value) (*string, bool) {
	if v.Kind() == 'n' {
		return nil, true
	}
	text, ok := rd.text(v)
	return &text, ok
}

// word is text for what is one of a few words, which need no memory.
func (rd *reader) word(v jsontext.Value) (string, bool) {
	switch string(v) {
	case `"message"`:
		return "message", true
	case `"user"`:
		return "user", true
	case `"assistant"`:
		return "assistant", true
	case `"input_text"`:
		return "input_text", true
	case `"output_text"`:
		return "output_text", true
	case `"summary_text"`:
		return "summary_text", true
	case `"function_call"`:
		return "function_call", true
	case `"function_call_output"`:
		return "function_call_output", true
	case `"reasoning"`:
		return "reasoning", true
	}
	return rd.text(v)
}
