package gemini

import (
	"unicode/utf8"

	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json/jsontext"
)

// quoted is how many bytes of a string are copied at a time, before what has to be escaped is looked for in them.
const quoted = 128

// quote appends a JSON string; bytes that are not UTF-8 become U+FFFD. It writes what jsontext.AppendQuote does.
func quote(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		dst, _ = jsontext.AppendQuote(dst, s)
		return dst
	}
	dst = append(dst, '"')
	for len(s) > 0 {
		piece := s[:min(len(s), quoted)]
		at := len(dst)
		dst = append(dst, piece...)
		n := jsonscan.Plain(dst[at:])
		if s = s[n:]; n < len(piece) {
			dst = appendEscaped(dst[:at+n], s[0])
			s = s[1:]
		}
	}
	return append(dst, '"')
}

// appendEscaped appends a quote, a backslash or a control character.
func appendEscaped(dst []byte, c byte) []byte {
	if short := shortEscapes[c]; short != 0 {
		return append(dst, '\\', short)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// shortEscapes are the letters of escapes of one letter.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
