package jsonscan

import (
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxKept is the largest buffer for texts that is used again, in bytes.
const maxKept = 64 << 10

var texts = sync.Pool{New: func() any { return new([]byte) }}

// Text reads the text that comes next, or null as the empty one. It is what json.UnmarshalDecode does, but for the time that
// takes over long texts with many lines.
func Text(d *jsontext.Decoder, to *string) error {
	if d.PeekKind() != '"' {
		return json.UnmarshalDecode(d, to)
	}
	quoted, err := d.ReadValue()
	if err != nil {
		return err
	}
	buffer := texts.Get().(*[]byte)
	text, ok := appendUnescaped((*buffer)[:0], quoted[1:len(quoted)-1])
	if !ok {
		text, _ = jsontext.AppendUnquote(text[:0], quoted) // an error is of what is not UTF-8, now with U+FFFD in its place
	}
	*to = string(text)
	if cap(text) <= maxKept {
		*buffer = text
	}
	texts.Put(buffer)
	return nil
}

// escapes are the characters that escapes of one letter stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendUnescaped appends what a valid string says. It reports false for what is rare: escapes by number, and bytes that are
// not UTF-8.
func appendUnescaped(dst, inner []byte) ([]byte, bool) {
	if !utf8.Valid(inner) {
		return dst, false
	}
	for {
		n := Plain(inner)
		dst = append(dst, inner[:n]...)
		if n == len(inner) {
			return dst, true
		}
		c := escapes[inner[n+1]]
		if c == 0 {
			return dst, false
		}
		dst, inner = append(dst, c), inner[n+2:]
	}
}
