package gemini

import (
	"fmt"
	"strconv"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// Vertex AI can stream the arguments of a call (toolConfig.functionCallingConfig.streamFunctionCallArguments): the first part
// names the function, those that follow have values by their paths, and one without willContinue is the last. The paths
// may come in any order, so that the call is told as a whole, at its end.

// wirePartial is a value of an argument, or a piece of a text.
type wirePartial struct {
	JSONPath     string         `json:"jsonPath"`
	StringValue  *string        `json:"stringValue,omitzero"`
	NumberValue  jsontext.Value `json:"numberValue,omitzero"`
	BoolValue    *bool          `json:"boolValue,omitzero"`
	NullValue    jsontext.Value `json:"nullValue,omitzero"`
	WillContinue bool           `json:"willContinue,omitzero"`
}

// partial is a call that is being put together.
type partial struct {
	call  wireCall
	state llm.State
	args  *tree
	leaf  *tree // the text that goes on, or nil
	held  int   // bytes
}

// piece takes a part of a call that comes in pieces. It returns the call once it is whole, else nil.
func (c *reading) piece(w *wireCall, state llm.State) (*wireCall, llm.State, error) {
	if c.partial == nil {
		if !w.WillContinue && len(w.PartialArgs) == 0 {
			return w, state, nil
		}
		c.partial = &partial{args: &tree{object: true}}
	}
	p := c.partial
	if w.Name != "" && p.call.Name != "" && w.Name != p.call.Name {
		return nil, state, fmt.Errorf("%w: a call of %q within one of %q", dialect.ErrMalformed, w.Name, p.call.Name)
	}
	if w.Name != "" {
		p.call.Name = w.Name
	}
	if w.ID != "" {
		p.call.ID = w.ID
	}
	if !state.IsZero() {
		p.state = state
	}
	for i := range w.PartialArgs {
		if err := p.add(&w.PartialArgs[i]); err != nil {
			return nil, state, err
		}
	}
	if w.WillContinue {
		return nil, state, nil
	}
	c.partial = nil
	if p.call.Args = w.Args; isNull(w.Args) || len(p.args.members) > 0 {
		p.call.Args = p.args.append(nil)
	}
	return &p.call, p.state, nil
}

// add takes one value.
func (p *partial) add(w *wirePartial) error {
	if p.held += len(w.JSONPath) + 64; w.StringValue != nil {
		p.held += len(*w.StringValue)
	}
	if p.held > dialect.MaxText {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, dialect.ErrTooLong)
	}
	at := p.args.place(w.JSONPath)
	if at == nil {
		return fmt.Errorf("%w: an argument at %q", dialect.ErrMalformed, w.JSONPath)
	}
	if at != p.leaf {
		p.leaf = nil
	}
	switch {
	case w.StringValue != nil:
		if at.said == nil { // or else pieces of another text came in between
			at.scalar, at.said = nil, []byte{}
		}
		at.said = append(at.said, *w.StringValue...)
		if p.leaf = at; !w.WillContinue {
			p.leaf = nil
		}
	case w.BoolValue != nil:
		at.scalar, at.said = llm.JSON(strconv.FormatBool(*w.BoolValue)), nil
	case w.NumberValue.Kind() == '0':
		at.scalar, at.said = w.NumberValue.Clone(), nil
	case p.leaf == at && !w.WillContinue:
		p.leaf = nil // the end of a text may come without one
	case p.leaf == nil:
		at.scalar, at.said = llm.JSON("null"), nil
	}
	return nil
}

// place is the value at a path of RFC 9535, made where there is none yet: $.a.b[0]['c d']. It is nil for any other path.
func (t *tree) place(path string) *tree {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok || rest == "" {
		return nil
	}
	for depth := 0; rest != ""; depth++ {
		name, index := "", -1
		switch {
		case depth > maxTreeDepth:
			return nil
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			name, rest = rest[1:end], rest[end:]
		case strings.HasPrefix(rest, "['"), strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, rest[1:2]+"]")
			if end < 2 {
				return nil
			}
			name, rest = rest[2:end], rest[end+2:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			n, err := strconv.Atoi(rest[1:max(end, 1)])
			if err != nil || n < 0 {
				return nil
			}
			index, rest = n, rest[end+1:]
		default:
			return nil
		}
		if t = t.child(name, index); t == nil {
			return nil
		}
	}
	return t
}

// child is a member, or an element where the index is not negative: one that is there, or the next.
func (t *tree) child(name string, index int) *tree {
	fresh := len(t.scalar) == 0 && t.said == nil && !t.object && !t.array
	if index < 0 {
		if t.object = t.object || fresh; !t.object {
			return nil
		}
		at := t.get(name)
		if at == nil {
			at = &tree{}
			t.set(name, at)
		}
		return at
	}
	if t.array = t.array || fresh; !t.array || index > len(t.elements) {
		return nil
	}
	if index == len(t.elements) {
		t.elements = append(t.elements, &tree{})
	}
	return t.elements[index]
}
