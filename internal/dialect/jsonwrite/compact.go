package jsonwrite

import (
	"strings"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonscan"
)

// Compact reports whether a value that is valid is as package json writes it: without white space, and with as few escapes as can be. Of
// those that are, some may be found not to be.
func Compact(v []byte) bool {
	if !utf8.Valid(v) {
		return false
	}
	for at := 0; at < len(v); at++ {
		if v[at] <= ' ' {
			return false
		}
		if v[at] != '"' {
			continue
		}
		for at++; ; at += 2 {
			at += jsonscan.Plain(v[at:])
			if at+1 < len(v) && v[at] == '\\' && strings.IndexByte(`"\bfnrt`, v[at+1]) >= 0 {
				continue
			}
			if at >= len(v) || v[at] != '"' {
				return false
			}
			break
		}
	}
	return len(v) > 0
}
