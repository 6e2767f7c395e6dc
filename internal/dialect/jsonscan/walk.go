package jsonscan

import (
	"bytes"
	"iter"
)

// Members are the members of an object, as they stand: names with their quotes, and values. The object must have been
// validated before; of what is no object there are none, and of what is not valid they are anything. A name that has
// escapes still has them.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		at := inside(object, '{')
		for at < len(object) && object[at] == '"' {
			name := object[at:After(object, at)]
			at = space(object, at+len(name))
			if at = space(object, at+1); at >= len(object) { // behind the colon
				return
			}
			value := object[at:After(object, at)]
			if !yield(name, value[:len(value):len(value)]) {
				return
			}
			if at = space(object, at+len(value)); at < len(object) && object[at] == ',' {
				at = space(object, at+1)
			}
		}
	}
}

// Elements are the values of an array, by their index. What Members says of validity holds here too.
func Elements(array []byte) iter.Seq2[int, []byte] {
	return func(yield func(i int, value []byte) bool) {
		at := inside(array, '[')
		for i := 0; at < len(array) && array[at] != ']'; i++ {
			value := array[at:After(array, at)]
			if len(value) == 0 || !yield(i, value[:len(value):len(value)]) {
				return
			}
			if at = space(array, at+len(value)); at < len(array) && array[at] == ',' {
				at = space(array, at+1)
			}
		}
	}
}

// inside is where the first member of a container is, or the end of what is no such container.
func inside(v []byte, opener byte) int {
	at := space(v, 0)
	if at >= len(v) || v[at] != opener {
		return len(v)
	}
	return space(v, at+1)
}

// space is where the next byte is that is no white space.
func space(v []byte, at int) int {
	for at < len(v) && (v[at] == ' ' || v[at] == '\n' || v[at] == '\r' || v[at] == '\t') {
		at++
	}
	return min(at, len(v))
}

// After is where the value ends that begins at a place, of what was validated before.
func After(v []byte, at int) int {
	switch v[at] {
	case '"':
		return afterText(v, at)
	case '{', '[':
		for depth := 0; at < len(v); at++ {
			switch v[at] {
			case '"':
				at = afterText(v, at) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
		}
		return len(v)
	}
	for at < len(v) && v[at] != ',' && v[at] != '}' && v[at] != ']' && v[at] > ' ' {
		at++
	}
	return at
}

// afterText is where the string ends that begins at a place: at a quote with no backslash before it, or an even number.
func afterText(v []byte, from int) int {
	for at := from + 1; at < len(v); {
		quote := bytes.IndexByte(v[at:], '"')
		if quote < 0 {
			break
		}
		quote += at
		slashes := 0
		for quote-1-slashes > from && v[quote-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return quote + 1
		}
		at = quote + 1
	}
	return len(v)
}
