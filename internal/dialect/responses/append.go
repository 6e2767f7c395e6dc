package responses

import (
	"bytes"
	"math"
	"strconv"
	"sync"

	"aihigress/internal/dialect/jsonwrite"

	"github.com/go-json-experiment/json/jsontext"
)

// What follows writes by hand what package json would write, in a fraction of the time.

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// appendString appends a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte { return jsonwrite.String(dst, s) }

// appendText appends a text that was put together as a JSON string.
func appendText(dst, text []byte) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// appendOr appends a text, or null where it is empty.
func appendOr(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, s)
}

// appendSaid appends a member that is a text, behind what stands before it, unless it is empty.
func appendSaid(dst []byte, before, s string) []byte {
	if s == "" {
		return dst
	}
	return appendString(append(dst, before...), s)
}

// appendNumber appends a finite number.
func appendNumber(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return append(dst, marshal(f)...)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendValue appends a value as package json writes it: without white space, and with as few escapes as can be.
func appendValue(dst []byte, v jsontext.Value) []byte {
	switch {
	case v == nil:
		return append(dst, "null"...)
	case jsonwrite.Compact(v):
		return append(dst, v...)
	}
	dst, err := jsontext.AppendFormat(dst, v, upstreams)
	if err != nil {
		panic("responses: encode: " + err.Error())
	}
	return dst
}

// appendRest appends the members of an object that have no field, each with a comma in front.
func appendRest(dst []byte, rest map[string]jsontext.Value) []byte {
	for name, value := range rest {
		dst = appendValue(append(appendString(append(dst, ','), name), ':'), value)
	}
	return dst
}

// maxKept is the largest memory that is used again, in bytes.
const maxKept = 64 << 10

// memory is where something is written whose size is not known before.
type memory struct{ b []byte }

var memories = sync.Pool{New: func() any { return new(memory) }}

// takeMemory is empty memory for about so many bytes: some that was used before, or where it is much some of its own.
func takeMemory(about int) *memory {
	if about > maxKept {
		return &memory{make([]byte, 0, about)}
	}
	return memories.Get().(*memory)
}

// free gives the memory back, and returns what was written.
func (m *memory) free() []byte {
	if cap(m.b) > maxKept {
		return m.b
	}
	b := bytes.Clone(m.b)
	m.b = m.b[:0]
	memories.Put(m)
	return b
}
