package gemini

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// A tree is a JSON value whose objects keep the order of their members: a model writes properties in the order in which the
// schema has them.
type tree struct {
	object, array bool
	members       []member // of an object
	elements      []*tree  // of an array
	scalar        llm.JSON // of anything else
}

type member struct {
	name  string
	value *tree
}

const (
	maxTreeDepth = 64
	maxTreeNodes = 10_000
)

var errTree = errors.New("it is too deep or too large")

// parseTree reads a value that is valid JSON. The tree shares its memory.
func parseTree(v llm.JSON) (*tree, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(v), fromUpstream) // which a decoder reads where it is
	nodes := 0
	return readTree(d, 0, &nodes)
}

func readTree(d *jsontext.Decoder, depth int, nodes *int) (*tree, error) {
	if *nodes++; depth > maxTreeDepth || *nodes > maxTreeNodes {
		return nil, errTree
	}
	switch kind := d.PeekKind(); kind {
	case '{', '[':
		if _, err := d.ReadToken(); err != nil {
			return nil, err
		}
		t := &tree{object: kind == '{', array: kind == '['}
		for {
			next := d.PeekKind()
			if next == '}' || next == ']' {
				_, err := d.ReadToken()
				return t, err
			}
			name := ""
			if t.object {
				token, err := d.ReadToken()
				if err != nil {
					return nil, err
				}
				name = token.String()
			}
			child, err := readTree(d, depth+1, nodes)
			if err != nil {
				return nil, err
			}
			if t.object {
				t.set(name, child)
			} else {
				t.elements = append(t.elements, child)
			}
		}
	default:
		v, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("read JSON: %w", err)
		}
		return &tree{scalar: slices.Clip(v)}, nil
	}
}

// get is a member, or nil.
func (t *tree) get(name string) *tree {
	for i := range t.members {
		if t.members[i].name == name {
			return t.members[i].value
		}
	}
	return nil
}

// set adds or replaces a member.
func (t *tree) set(name string, value *tree) {
	for i := range t.members {
		if t.members[i].name == name {
			t.members[i].value = value
			return
		}
	}
	t.members = append(t.members, member{name, value})
}

// drop removes members.
func (t *tree) drop(names ...string) {
	t.members = slices.DeleteFunc(t.members, func(m member) bool { return slices.Contains(names, m.name) })
}

// text is the value of a string.
func (t *tree) text() (string, bool) {
	if t == nil || t.scalar.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, t.scalar)
	return string(b), err == nil
}

func textTree(s string) *tree { return &tree{scalar: jsonwrite.String(nil, s)} }

// append writes the value.
func (t *tree) append(dst []byte) []byte {
	switch {
	case t.object:
		dst = append(dst, '{')
		for i, m := range t.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.value.append(append(jsonwrite.String(dst, m.name), ':'))
		}
		return append(dst, '}')
	case t.array:
		dst = append(dst, '[')
		for i, e := range t.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	}
	return append(dst, t.scalar...)
}
