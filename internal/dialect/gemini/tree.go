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
	said          []byte   // or a text that came in pieces, nil for none

	merged bool // merge made it, and may add to it

	places map[string]int // where the first of each name is, of the first members, as many as known, once there are many
	known  int
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

// find is where the first member of a name is, or -1.
func (t *tree) find(name string) int {
	if len(t.members) <= few {
		return slices.IndexFunc(t.members, func(m member) bool { return m.name == name })
	}
	if t.places == nil {
		t.places = make(map[string]int, len(t.members))
	}
	for ; t.known < len(t.members); t.known++ {
		if _, before := t.places[t.members[t.known].name]; !before {
			t.places[t.members[t.known].name] = t.known
		}
	}
	if at, ok := t.places[name]; ok {
		return at
	}
	return -1
}

// moved forgets where members are, which have other places or names now.
func (t *tree) moved() { t.places, t.known = nil, 0 }

// get is a member, or nil.
func (t *tree) get(name string) *tree {
	if at := t.find(name); at >= 0 {
		return t.members[at].value
	}
	return nil
}

// set adds or replaces a member.
func (t *tree) set(name string, value *tree) {
	if at := t.find(name); at >= 0 {
		t.members[at].value = value
		return
	}
	t.members = append(t.members, member{name, value})
}

// drop removes members.
func (t *tree) drop(names ...string) {
	t.members = slices.DeleteFunc(t.members, func(m member) bool { return slices.Contains(names, m.name) })
	t.moved()
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
	case t.said != nil:
		return jsonwrite.String(dst, string(t.said))
	}
	return append(dst, t.scalar...)
}

// fits takes what the value has in bytes, about, from a room, and reports whether there was enough: a value may stand in
// itself at many places, and would be much more than was read.
func (t *tree) fits(room *int) bool {
	*room -= 2 + len(t.scalar) + len(t.said)
	for i := range t.members {
		if *room -= 4 + len(t.members[i].name); *room < 0 || !t.members[i].value.fits(room) {
			return false
		}
	}
	for _, e := range t.elements {
		if *room < 0 || !e.fits(room) {
			return false
		}
	}
	return *room >= 0
}
