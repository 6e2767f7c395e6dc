package jsonread

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonscan"
)

// Memory for short texts and values is taken for many at once, and goes on to the next document: what is kept of one keeps
// at most so much of others.
const (
	room  = 4 << 10
	short = 512 // bytes that share it
)

// text is the string that comes next.
func (r *Reader) text() string {
	if r.Kind() != '"' {
		r.odd = true
		return ""
	}
	from := r.at + 1
	r.at = from + jsonscan.Plain(r.b[from:])
	if r.at >= len(r.b) {
		r.odd = true
		return ""
	}
	said := r.b[from:r.at]
	if r.b[r.at] == '"' {
		r.at++
	} else {
		said = r.unescaped(from)
	}
	if len(said) == 0 {
		return ""
	}
	if r.rules&Small != 0 {
		return r.word(said)
	}
	if len(said) > short {
		return string(said)
	}
	if r.texts.Cap()-r.texts.Len() < len(said) {
		r.texts.Reset()
		r.texts.Grow(room)
	}
	at := r.texts.Len()
	r.texts.Write(said)
	return r.texts.String()[at:]
}

// unescaped is what a string says that was read up to its first escape: valid until the next one.
func (r *Reader) unescaped(from int) []byte {
	b, at := r.b, r.at
	said := append(r.buf[:0], b[from:at]...)
	for at < len(b) && !r.odd {
		switch c := b[at]; {
		case c == '"':
			r.at, r.buf = at+1, said
			return said
		case c == '\\' && at+1 < len(b) && escapes[b[at+1]] != 0:
			said = append(said, escapes[b[at+1]])
			at += 2
		case c == '\\' && at+1 < len(b) && b[at+1] == 'u':
			c, n := unicode(b[at+2:])
			r.odd = n == 0
			said = utf8.AppendRune(said, c)
			at += 2 + n
		case c == '\\' || c < ' ':
			r.odd = true
		default:
			n := jsonscan.Plain(b[at:])
			said = append(said, b[at:at+n]...)
			at += n
		}
	}
	r.odd = true
	return nil
}

// word is a text without memory of its own where one before was the same.
func (r *Reader) word(b []byte) string {
	var hash uint64
	switch n := len(b); {
	case n > 256:
		return string(b)
	case n >= 8:
		hash = binary.LittleEndian.Uint64(b) ^ binary.LittleEndian.Uint64(b[n-8:])*31
	case n >= 4:
		hash = uint64(binary.LittleEndian.Uint32(b)) ^ uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n >= 2:
		hash = uint64(binary.LittleEndian.Uint16(b)) ^ uint64(b[n-1])<<16
	default:
		return string(b) // no memory
	}
	known := &r.words[hash*0x9e3779b97f4a7c15>>56]
	if *known != string(b) {
		*known = string(b)
	}
	return *known
}

// keep is a copy of a value, in memory that is given or of the reader's.
func (r *Reader) keep(dst, value []byte) []byte {
	switch {
	case r.rules&Within != 0:
		return value
	case r.rules&Small != 0 || cap(dst) >= len(value) && cap(dst) > 0:
		return append(dst[:0], value...)
	case len(value) > short:
		return bytes.Clone(value)
	case cap(r.raws)-len(r.raws) < len(value):
		r.raws = make([]byte, 0, room)
	}
	from := len(r.raws)
	r.raws = append(r.raws, value...)
	return r.raws[from:len(r.raws):len(r.raws)]
}

// escapes are the characters that escapes of one letter stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unicode is the character of an escape by number, behind its u: four digits, or ten bytes where it takes another escape
// for the second half of a surrogate pair. The length is 0 where it is none.
func unicode(b []byte) (rune, int) {
	c, ok := hex(b)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(c):
		return c, 4
	case len(b) < 10 || b[4] != '\\' || b[5] != 'u':
		return 0, 0
	}
	low, ok := hex(b[6:])
	if c = utf16.DecodeRune(c, low); !ok || c == utf8.RuneError {
		return 0, 0
	}
	return c, 10
}

// hex reads four hexadecimal digits.
func hex(b []byte) (c rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, d := range b[:4] {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			d = d | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		c = c<<4 | rune(d)
	}
	return c, true
}
