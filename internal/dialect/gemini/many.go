package gemini

import (
	"slices"

	"aihigress/internal/llm"
)

// few is how many are looked through one by one. Where there are more, maps find them: a request of nothing else would take
// time by the square of its length.
const few = 16

// set is a list that tells what is in it.
type set[T comparable] struct {
	list  []T
	many  map[T]struct{} // the first of the list, as many as known
	known int
}

func (s *set[T]) has(v T) bool {
	if len(s.list) <= few {
		return slices.Contains(s.list, v)
	}
	if s.many == nil {
		s.many = make(map[T]struct{}, len(s.list))
	}
	for _, v := range s.list[s.known:] {
		s.many[v] = struct{}{}
	}
	s.known = len(s.list)
	_, ok := s.many[v]
	return ok
}

// distinct are the names of a list, each once.
func distinct(names []string) []string {
	var all set[string]
	for _, name := range names {
		if !all.has(name) {
			all.list = append(all.list, name)
		}
	}
	return all.list
}

// waitingCalls are those that wait for their results, in order. Where there are many, those that do no more are left empty.
type waitingCalls struct {
	list  []llm.Call
	many  map[callKey][]int // where in the list they are, of the first of the list, as many as known
	known int
	taken int
}

// callKey is an id or a name.
type callKey struct{ id, name string }

// take takes out the first call of an id, or of a name where there is no id.
func (c *waitingCalls) take(id, name string) (llm.Call, bool) {
	if c.many != nil || len(c.list) > few {
		return c.takeFar(id, name)
	}
	for i, call := range c.list {
		if id == call.ID || id == "" && call.Name == name {
			c.list = slices.Delete(c.list, i, i+1)
			return call, true
		}
	}
	return llm.Call{}, false
}

// takeFar does the same by maps.
func (c *waitingCalls) takeFar(id, name string) (llm.Call, bool) {
	if c.many == nil {
		c.many = map[callKey][]int{}
	}
	for ; c.known < len(c.list); c.known++ {
		for _, key := range [...]callKey{{id: c.list[c.known].ID}, {name: c.list[c.known].Name}} {
			c.many[key] = append(c.many[key], c.known)
		}
	}
	key := callKey{id: id}
	if id == "" {
		key.name = name
	}
	places := c.many[key]
	for len(places) > 0 && c.list[places[0]].ID == "" {
		places = places[1:] // it was taken by its other key
	}
	if len(places) == 0 {
		delete(c.many, key)
		return llm.Call{}, false
	}
	c.many[key] = places[1:]
	call := c.list[places[0]]
	c.list[places[0]] = llm.Call{}
	if c.taken++; c.taken == len(c.list) {
		*c = waitingCalls{list: c.list[:0]}
	}
	return call, true
}
