package gemini

import (
	"errors"
	"slices"

	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fromPlainCaller reads contents that are as nearly all of them are, in a fraction of the time that fromCaller takes. What
// it refuses has to be read with fromCaller, which takes every spelling and knows what is wrong.
var fromPlainCaller = json.JoinOptions(fromCaller, json.WithUnmarshalers(json.UnmarshalFromFunc(readContents)))

var errNotPlain = errors.New("it is not as most contents are")

func readContents(d *jsontext.Decoder, all *list[wireContent]) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	var rd reader
	if v.Kind() != '[' || !rd.contents(v, all) {
		return errNotPlain
	}
	return nil
}

// reader reads contents within a list that was validated as a whole. Its methods report false for what is not plain.
type reader struct {
	buf []byte // memory for texts, used again
}

func (rd *reader) contents(v jsontext.Value, all *list[wireContent]) bool {
	*all = list[wireContent]{}
	for _, one := range jsonscan.Elements(v) {
		*all = append(*all, wireContent{})
		if !rd.content(one, &(*all)[len(*all)-1]) {
			return false
		}
	}
	return true
}

func (rd *reader) content(v jsontext.Value, w *wireContent) bool {
	if v.Kind() != '{' {
		return false
	}
	for name, value := range jsonscan.Members(v) {
		ok := false
		switch string(name) {
		case `"role"`:
			w.Role, ok = rd.role(value)
		case `"parts"`:
			ok = rd.parts(value, w)
		}
		if !ok {
			return false
		}
	}
	return true
}

func (rd *reader) parts(v jsontext.Value, w *wireContent) bool {
	if v.Kind() != '[' {
		return false
	}
	w.Parts = list[wirePart]{}
	for _, one := range jsonscan.Elements(v) {
		w.Parts = append(w.Parts, wirePart{})
		if !rd.part(one, &w.Parts[len(w.Parts)-1]) {
			return false
		}
	}
	return true
}

// part reads a text, a call, or what a call returned.
func (rd *reader) part(v jsontext.Value, w *wirePart) bool {
	if v.Kind() != '{' {
		return false
	}
	for name, value := range jsonscan.Members(v) {
		ok := false
		switch string(name) {
		case `"text"`:
			var text string
			text, ok = rd.text(value)
			w.Text = &text
		case `"thought"`:
			w.Thought, ok = string(value) == "true", jsontext.Value(value).Kind() == 't' || jsontext.Value(value).Kind() == 'f'
		case `"thoughtSignature"`:
			w.ThoughtSignature, ok = rd.text(value)
		case `"functionCall"`:
			w.FunctionCall = &wireCall{}
			ok = rd.named(value, &w.FunctionCall.ID, &w.FunctionCall.Name, `"args"`, &w.FunctionCall.Args)
		case `"functionResponse"`:
			w.FunctionResponse = &wireResult{}
			ok = rd.named(value, &w.FunctionResponse.ID, &w.FunctionResponse.Name, `"response"`, &w.FunctionResponse.Response)
		}
		if !ok {
			return false
		}
	}
	return true
}

// named reads an object of an id, a name, and a value of which it makes a copy.
func (rd *reader) named(v jsontext.Value, id, name *string, key string, to *jsontext.Value) bool {
	if v.Kind() != '{' {
		return false
	}
	for member, value := range jsonscan.Members(v) {
		ok := false
		switch string(member) {
		case `"id"`:
			*id, ok = rd.text(value)
		case `"name"`:
			*name, ok = rd.text(value)
		case key:
			*to, ok = slices.Clone(value), true
		}
		if !ok {
			return false
		}
	}
	return true
}

// text reads a string.
func (rd *reader) text(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	var err error
	rd.buf, err = jsontext.AppendUnquote(rd.buf[:0], v)
	return string(rd.buf), err == nil
}

// role is text without memory for the two that there are.
func (rd *reader) role(v jsontext.Value) (string, bool) {
	switch string(v) {
	case `"user"`:
		return "user", true
	case `"model"`:
		return "model", true
	}
	return rd.text(v)
}
