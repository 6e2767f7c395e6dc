package jsonscan

import "bytes"

// run takes whole tokens as far as they are usual, a piece of a document at a time, and counts their bytes. It stops where
// something is not so plain: at a mistake, at \u, at a token that goes on in the next piece. There step goes on, a byte or a
// run of bytes at a time, which knows all cases, and the same documents get to the same calls of the handler by both.
func (s *Scanner) run(p []byte, at int64) int {
	i := 0
	for i < len(p) {
		c := p[i]
		switch s.state {
		case wantComma:
			top := s.stack[len(s.stack)-1]
			switch {
			case c == ',' && top.array:
				s.place, s.state = s.paths.nodes[top.place].element, wantValue
			case c == ',':
				s.state = wantKey
			case c == ']' && top.array, c == '}' && !top.array:
				_ = s.pop(top.array, at+int64(i)) // the right end is none that fails
			case isSpace(c):
			default:
				return i
			}
			i++
		case wantFirstKey, wantKey:
			switch {
			case c == '"':
				n := s.runKey(p[i+1:])
				if n == 0 {
					return i
				}
				i += 1 + n
			case c == '}' && s.state == wantFirstKey:
				_ = s.pop(false, at+int64(i))
				i++
			case isSpace(c):
				i++
			default:
				return i
			}
		case wantFirstValue, wantValue:
			switch {
			case isSpace(c):
				i++
			case c == ']' && s.state == wantFirstValue:
				_ = s.pop(true, at+int64(i))
				i++
			default:
				n, whole := s.runValue(p[i:], at+int64(i))
				i += n
				if !whole {
					return i
				}
			}
		default:
			return i
		}
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// runKey takes a key without escapes and the colon right behind it, and counts their bytes; none is another one.
func (s *Scanner) runKey(p []byte) int {
	n := Plain(p)
	if n+1 >= len(p) || p[n] != '"' || p[n+1] != ':' {
		return 0
	}
	s.place, s.state = nowhere, wantValue
	if top := s.stack[len(s.stack)-1]; top.place != nowhere && n <= maxKey {
		s.place = s.paths.find(top.place, p[:n])
	}
	return n + 2
}

// runValue takes a value, of a container its first byte, and counts its bytes. A string may be left within, at what does
// not go on so: that is not whole.
func (s *Scanner) runValue(p []byte, at int64) (n int, whole bool) {
	kind := Number
	switch c := p[0]; c {
	case '"':
		return s.runString(p, at)
	case '{', '[':
		s.id, s.from = s.paths.nodes[s.place].id, at
		if len(s.stack) >= MaxDepth {
			return 0, false
		}
		_ = s.push(c == '[', at) // there is room
		return 1, true
	case 't', 'f', 'n':
		kind, n = Bool, len("null")
		word := "true"
		switch c {
		case 'f':
			word, n = "false", len("false")
		case 'n':
			word, kind = "null", Null
		}
		if !bytes.HasPrefix(p, []byte(word)) {
			return 0, false
		}
	default:
		if n = Digits(p); n == 0 || n == len(p) || n > maxNumber { // at the end it may go on
			return 0, false
		}
	}
	s.id, s.from = s.paths.nodes[s.place].id, at
	if s.id != 0 {
		s.handler.Open(s.id, kind, at)
	}
	s.close(kind, p[:n:n], at+int64(n))
	return n, true
}

// runString takes a string.
func (s *Scanner) runString(p []byte, at int64) (n int, whole bool) {
	s.id, s.from, s.isKey, s.high, s.state = s.paths.nodes[s.place].id, at, false, 0, inString
	if s.id != 0 {
		s.handler.Open(s.id, String, at)
	}
	for n = 1; n < len(p); {
		if more := Plain(p[n:]); more > 0 {
			if s.id != 0 {
				s.handler.Text(s.id, p[n:n+more])
			}
			if n += more; n == len(p) {
				break
			}
		}
		switch c := p[n]; {
		case c == '"':
			s.close(String, nil, at+int64(n)+1)
			return n + 1, true
		case c == '\\' && n+1 < len(p) && escapes[p[n+1]] != 0:
			if s.id != 0 {
				s.rune[0] = escapes[p[n+1]]
				s.handler.Text(s.id, s.rune[:1])
			}
			n += 2
		default:
			return n, false
		}
	}
	return n, false
}

// escapes are the bytes that stand behind a backslash for one.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
