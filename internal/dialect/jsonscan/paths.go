// Package jsonscan validates JSON in pieces of any size and reports the few places of a document that somebody asked for.
// It keeps nothing but a stack of containers, so that a gateway can read the token counts out of an answer of any length
// while it passes by, and find the bytes to change in a request without decoding it.
package jsonscan

import (
	"fmt"
	"strings"
)

// ID names a place; zero is nowhere. Several paths may share one.
type ID uint8

// Paths is a compiled set of places, safe for concurrent use.
type Paths struct{ nodes []node }

type node struct {
	id       ID
	children []edge
	element  int16 // node of the elements of an array here, zero for none
}

type edge struct {
	key string
	to  int16
}

const (
	nowhere = 0 // node of everything nobody asked for
	root    = 1
)

// Compile prepares a set of paths like "choices[].delta.content": keys joined by dots, [] for the elements of an array, the
// empty path for the document itself. Keys with dots or brackets cannot be named. It panics on a path without an ID, since
// paths are constants of a program.
func Compile(paths map[string]ID) *Paths {
	return CompileSpelt(paths, func(key string) string { return key })
}

// CompileSpelt is Compile for documents whose keys may each be spelt in another way as well.
func CompileSpelt(paths map[string]ID, other func(key string) string) *Paths {
	p := &Paths{nodes: make([]node, 2)}
	for path, id := range paths {
		if id == 0 {
			panic(fmt.Sprintf("jsonscan: path %q has no ID", path))
		}
		at := int16(root)
		rest := path
		for rest != "" {
			if after, ok := strings.CutPrefix(rest, "[]"); ok {
				at = p.element(at)
				rest = strings.TrimPrefix(after, ".")
				continue
			}
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			at = p.child(at, rest[:end], other(rest[:end]))
			rest = strings.TrimPrefix(rest[end:], ".")
		}
		p.nodes[at].id = id
	}
	return p
}

func (p *Paths) child(at int16, key, other string) int16 {
	if to := p.find(at, []byte(key)); to != nowhere {
		return to
	}
	to := p.add()
	p.nodes[at].children = append(p.nodes[at].children, edge{key, to})
	if other != key {
		p.nodes[at].children = append(p.nodes[at].children, edge{other, to})
	}
	return to
}

func (p *Paths) element(at int16) int16 {
	if p.nodes[at].element == nowhere {
		to := p.add()
		p.nodes[at].element = to
	}
	return p.nodes[at].element
}

func (p *Paths) add() int16 {
	p.nodes = append(p.nodes, node{})
	return int16(len(p.nodes) - 1)
}

// find returns the node of a key, or nowhere.
func (p *Paths) find(at int16, key []byte) int16 {
	for i := range p.nodes[at].children {
		if e := &p.nodes[at].children[i]; e.key == string(key) {
			return e.to
		}
	}
	return nowhere
}
