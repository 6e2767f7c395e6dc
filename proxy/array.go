package proxy

import "bytes"

// An array puts the events of a stream into one JSON array, an element each: what Gemini sends where nobody asks for
// alt=sse.
type array struct {
	begun bool
	buf   []byte
}

// append is events, complete and framed, as elements with what stands before them. It is valid until the next call.
func (a *array) append(events []byte) []byte {
	a.buf = a.buf[:0]
	within := false
	for len(events) > 0 {
		line, rest, _ := bytes.Cut(events, []byte("\n"))
		events = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		switch {
		case len(line) == 0:
			within = false
			continue
		case !ok:
			continue
		case !within:
			a.separate()
			within = true
		default:
			a.buf = append(a.buf, '\n') // JSON over several lines
		}
		a.buf = append(a.buf, bytes.TrimPrefix(data, []byte(" "))...)
	}
	return a.buf
}

func (a *array) separate() {
	if a.begun {
		a.buf = append(a.buf, ",\r\n"...)
	} else {
		a.buf = append(a.buf, '[')
		a.begun = true
	}
}

// end is what ends the array.
func (a *array) end() []byte {
	if !a.begun {
		return []byte("[]")
	}
	return []byte("]")
}
