package gemini

import (
	"unicode/utf8"

	"aihigress/internal/dialect/jsonscan"

	"github.com/go-json-experiment/json/jsontext"
)

// What has to be escaped in a string is looked for byte by byte at first, and behind so many in pieces that are copied before.
const (
	quotedBytes = 16
	quotedPiece = 128
)

// quote appends a JSON string; bytes that are not UTF-8 become U+FFFD. It writes what jsontext.AppendQuote does, sooner.
func quote(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		dst, _ = jsontext.AppendQuote(dst, s)
		return dst
	}
	dst = append(dst, '"')
	for n := 0; len(s) > 0; s = s[n:] {
		if dst, n = appendPlain(dst, s); n < len(s) {
			dst = appendEscaped(dst, s[n])
			n++
		}
	}
	return append(dst, '"')
}

// appendPlain appends the beginning of s that needs no escapes, and counts its bytes.
func appendPlain(dst []byte, s string) (longer []byte, n int) {
	for n < min(len(s), quotedBytes) && !escaped[s[n]] {
		n++
	}
	dst = append(dst, s[:n]...)
	if n < quotedBytes {
		return dst, n
	}
	for n < len(s) {
		at := len(dst)
		dst = append(dst, s[n:min(len(s), n+quotedPiece)]...)
		plain := jsonscan.Plain(dst[at:])
		if n += plain; at+plain < len(dst) {
			return dst[:at+plain], n
		}
	}
	return dst, n
}

// appendEscaped appends a quote, a backslash or a control character.
func appendEscaped(dst []byte, c byte) []byte {
	if short := shortEscapes[c]; short != 0 {
		return append(dst, '\\', short)
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

var (
	// shortEscapes are the letters of escapes of one letter.
	shortEscapes = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
	// escaped are the bytes that cannot stand for themselves.
	escaped = func() (all [256]bool) {
		for c := range all {
			all[c] = c < 0x20 || c == '"' || c == '\\'
		}
		return all
	}()
)
