package refusal

import "strconv"

// A Place is where something stands in a request. It is put into words only where that is wrong.
type Place struct {
	Within string // a list: messages, tools
	Index  int    // in it; -1 is all of it
	field  string // of the one at the index, with a dot in front
	part   int    // of the field, counted from one; 0 is all of it
}

// In is a field of what is at the place, with a dot in front.
func (p Place) In(field string) Place {
	if p.field != "" || p.part > 0 {
		return Place{Within: p.Of(field), Index: -1}
	}
	p.field = field
	return p
}

// At is an element of what is at the place.
func (p Place) At(index int) Place {
	p.part = index + 1
	return p
}

// Of is what a caller calls a field of what is at the place; empty is the place itself.
func (p Place) Of(field string) string {
	name := p.Within
	if p.Index >= 0 {
		name += "[" + strconv.Itoa(p.Index) + "]"
	}
	name += p.field
	if p.part > 0 {
		name += "[" + strconv.Itoa(p.part-1) + "]"
	}
	return name + field
}
