package jsonread

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// What follows reads values of the types that structs are made of, as json.Unmarshal does into empty ones. What stood there
// before is gone, but that the memory of lists, of raw values and behind pointers is used again.

// String reads a text.
func String(to *string, r *Reader) {
	if *to = ""; !r.Null() {
		*to = r.text()
	}
}

// Text is what a value says that is a plain string, and nothing else.
func Text(value []byte) (text string, ok bool) {
	ok = len(value) > 0 && value[0] == '"' && Plain(value, &text, 0, String)
	return text, ok
}

// Bool reads a truth.
func Bool(to *bool, r *Reader) {
	switch *to = false; r.Kind() {
	case 't':
		*to = r.literal("true")
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	default:
		r.odd = true
	}
}

// Float64 reads a number.
func Float64(to *float64, r *Reader) {
	if *to = 0; r.Null() {
		return
	}
	f, err := strconv.ParseFloat(string(r.Digits()), 64)
	if err != nil {
		r.odd = true
	}
	*to = f
}

// Int64 reads a whole number.
func Int64(to *int64, r *Reader) {
	if *to = 0; r.Null() {
		return
	}
	n, err := strconv.ParseInt(string(r.Digits()), 10, 64)
	if err != nil {
		r.odd = true
	}
	*to = n
}

// Int reads a whole number.
func Int(to *int, r *Reader) {
	var n int64
	if Int64(&n, r); int64(int(n)) != n {
		r.odd = true
	}
	*to = int(n)
}

// Value reads a value as it stands, into memory that is there, or of its own.
func Value(to *jsontext.Value, r *Reader) {
	if raw := r.Raw(); !r.odd {
		*to = r.keep(*to, raw)
	}
}

// Optional reads what may be null, into memory that is there, or its own.
func Optional[T any](to **T, r *Reader, one func(*T, *Reader)) {
	switch {
	case r.Null():
		*to = nil
		return
	case *to == nil:
		*to = new(T)
	}
	one(*to, r)
}

// OptionalString reads a text that may be null.
func OptionalString(to **string, r *Reader) {
	if *to = nil; !r.Null() {
		if len(r.strings) == 0 {
			r.strings = make([]string, 16)
		}
		*to, r.strings = &r.strings[0], r.strings[1:]
		String(*to, r)
	}
}

// List reads a list, into memory that is there or its own.
func List[T any](to *[]T, r *Reader, one func(*T, *Reader)) {
	if r.Null() {
		*to = nil
		return
	}
	list := (*to)[:0]
	if list == nil {
		list = []T{}
	}
	r.enter('[')
	for r.more(']', len(list)) {
		if len(list) == cap(list) {
			list = append(list, *new(T))
		} else {
			list = list[:len(list)+1]
		}
		one(&list[len(list)-1], r)
	}
	*to = list
}

// Map reads an object whose names may be anything.
func Map[T any](to *map[string]T, r *Reader, one func(*T, *Reader)) {
	if *to = nil; r.Null() {
		return
	}
	*to = map[string]T{}
	for m := r.Object(); r.Next(&m); {
		name := string(m.Name)
		var value T
		one(&value, r)
		(*to)[name] = value
	}
}

// Ignore passes over a member that nobody asked for. Known are the names of the others.
func (r *Reader) Ignore(name []byte, known ...string) {
	r.foreign(name, known)
	r.skip()
}

// Extra keeps a member that nobody asked for, among others. Known are the names of the rest.
func (r *Reader) Extra(to *map[string]jsontext.Value, name []byte, known ...string) {
	r.foreign(name, known)
	if *to == nil {
		*to = map[string]jsontext.Value{}
	}
	var value jsontext.Value
	Value(&value, r)
	(*to)[string(name)] = value
}

// Rest keeps a member that nobody asked for, in an object of all of them. Known are the names of the rest.
func (r *Reader) Rest(to *jsontext.Value, name []byte, known ...string) {
	r.foreign(name, known)
	if len(*to) == 0 {
		*to = append(*to, '{')
	} else {
		(*to)[len(*to)-1] = ','
	}
	*to = append(append(append(*to, '"'), name...), '"', ':')
	*to = append(append(*to, r.Raw()...), '}')
}

// foreign finds a name odd that is another spelling of one of the names that are known, where these match.
func (r *Reader) foreign(name []byte, known []string) {
	if r.rules&AnyCase == 0 {
		return
	}
	for _, k := range known {
		if sameLetters(name, k) {
			r.odd = true
		}
	}
}

// sameLetters reports whether two names are the same but for case, '_' and '-'. What is not ASCII may be.
func sameLetters(name []byte, known string) bool {
	i := 0
	for _, c := range name {
		switch {
		case c >= 0x80:
			return true
		case c == '_' || c == '-':
			continue
		case i == len(known) || lower(c) != lower(known[i]):
			return false
		}
		i++
	}
	return i == len(known)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
