// Package formdata finds the short fields of a multipart/form-data body while it streams by, and where they stand, so that
// a large upload can be forwarded without being kept.
//
// It takes less than readers usually do, since whatever two readers understand differently could show one model to the
// gateway and another to the vendor: lines end with CRLF, the body begins with its boundary, the boundary stands nowhere
// else, and a field that is looked for comes once and is no file.
package formdata

import (
	"bytes"
	"fmt"
	"mime"
	"slices"
	"strings"

	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"
)

const (
	maxBoundary = 70       // characters (RFC 2046, section 5.1.1)
	maxHeader   = 8 << 10  // bytes of the header of a part
	maxParts    = 1000     // parts
	maxPadding  = 64       // blanks behind a boundary
	maxValue    = 32 << 10 // bytes of a field's value that are kept
)

// Boundary is the boundary in a Content-Type. The error is an *llm.RequestError. Of a boundary in the extended notation of
// RFC 2231, or with characters that RFC 2046 does not have, another reader might make another one.
func Boundary(contentType string) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	switch {
	case err != nil, kind != "multipart/form-data", boundary == "", len(boundary) > maxBoundary,
		strings.Contains(strings.ToLower(contentType), "boundary*"), strings.ContainsFunc(boundary, notInBoundary), strings.HasSuffix(boundary, " "):
		return "", refuse("The request must be multipart/form-data with a boundary.")
	}
	return boundary, nil
}

func notInBoundary(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("'()+_,-./:=? ", r)
}

// A Field is a short field that was found.
type Field struct {
	Value      string // its first 32 KiB
	Start, End int64  // of the value in the body
}

// A Finder reads one body in pieces of any size. It keeps the fields that are looked for and little else. It is not safe
// for concurrent use.
type Finder struct {
	dash   []byte
	wanted []string
	fields map[string]Field

	state state
	buf   []byte // what was not understood yet
	pos   int64  // of its first byte in the body
	parts int

	name  string // of the part at hand, where it is wanted
	value []byte
	start int64
	files int
}

type state uint8

const (
	atStart state = iota
	atDelimiter
	atHeader
	inData
	atEnd
)

// NewFinder looks for fields by name.
func NewFinder(boundary string, wanted ...string) *Finder {
	return &Finder{dash: []byte("--" + boundary), wanted: wanted, fields: map[string]Field{}}
}

// Field is a field that was read to its end, and whether there is one so far.
func (f *Finder) Field(name string) (Field, bool) {
	field, ok := f.fields[name]
	return field, ok
}

// Files is how many files have begun.
func (f *Finder) Files() int { return f.files }

// Write reads the next piece. The error is an *llm.RequestError, and final.
func (f *Finder) Write(p []byte) (int, error) {
	f.buf = append(f.buf, p...)
	for {
		n, more, err := f.step()
		if err != nil {
			return 0, err
		}
		f.buf = f.buf[:copy(f.buf, f.buf[n:])]
		f.pos += int64(n)
		if !more {
			return len(p), nil
		}
	}
}

// End reports whether the body is complete. The error is an *llm.RequestError.
func (f *Finder) End() error {
	if f.state != atEnd {
		return refuse("The multipart body breaks off before its last boundary.")
	}
	return nil
}

// step understands as much as it can of one thing: n bytes. It reports false where more bytes are needed.
func (f *Finder) step() (n int, more bool, err error) {
	switch f.state {
	case atStart:
		switch {
		case bytes.HasPrefix(f.buf, f.dash):
			f.state = atDelimiter
			return len(f.dash), true, nil
		case !bytes.HasPrefix(f.dash, f.buf):
			return 0, false, refuse("The multipart body does not begin with its boundary.")
		}
		return 0, false, nil
	case atDelimiter:
		return f.delimiter()
	case atHeader:
		return f.header()
	case inData:
		return f.data()
	case atEnd: // what comes here is nobody's, but some readers look for parts in it
		if len(bytes.Trim(f.buf, " \t\r\n")) > 0 {
			return 0, false, refuse("The multipart body goes on behind its last boundary.")
		}
	}
	return len(f.buf), false, nil
}

// delimiter reads what stands behind a boundary.
func (f *Finder) delimiter() (n int, more bool, err error) {
	if bytes.HasPrefix(f.buf, []byte("--")) {
		f.state = atEnd
		return 2, true, nil
	}
	rest := bytes.TrimLeft(f.buf, " \t")
	padding := len(f.buf) - len(rest)
	switch {
	case bytes.HasPrefix(rest, []byte("\r\n")):
		f.state = atHeader
		if f.parts++; f.parts > maxParts {
			return 0, false, refuse("The multipart body has more than %d parts.", maxParts)
		}
		return padding + 2, true, nil
	case padding <= maxPadding && (len(rest) == 0 || len(rest) == 1 && (rest[0] == '\r' || rest[0] == '-' && padding == 0)):
		return 0, false, nil
	}
	return 0, false, refuse("The boundary of the multipart body stands within its content.")
}

// header reads the header of a part.
func (f *Finder) header() (n int, more bool, err error) {
	end := bytes.Index(f.buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(f.buf) > maxHeader {
			return 0, false, refuse("The header of a part is longer than %d bytes.", maxHeader)
		}
		return 0, false, nil
	}
	if err := f.begin(string(f.buf[:end])); err != nil {
		return 0, false, err
	}
	f.state = inData
	f.start = f.pos + int64(end) + 4
	return end + 4, true, nil
}

// begin takes note of a part by its header.
func (f *Finder) begin(header string) error {
	var params map[string]string
	encoded := false
	for line := range strings.SplitSeq(header, "\r\n") {
		key, value, ok := strings.Cut(line, ":")
		// A control character ends a line for some readers, and a text for others.
		if !ok || key == "" || key != strings.TrimSpace(key) || strings.ContainsFunc(line, control) {
			return refuse("The header of a part cannot be read.")
		}
		switch {
		case strings.EqualFold(key, "Content-Transfer-Encoding"):
			encoded = !slices.Contains([]string{"7bit", "8bit", "binary"}, strings.ToLower(strings.TrimSpace(value)))
		case strings.EqualFold(key, "Content-Disposition"):
			kind, found, err := mime.ParseMediaType(value)
			if err != nil || kind != "form-data" || params != nil || !plainName(found["name"], value) {
				return refuse("The Content-Disposition of a part cannot be read.")
			}
			params = found
		}
	}
	if params == nil {
		return refuse("A part has no Content-Disposition.")
	}
	_, file := params["filename"]
	if file {
		f.files++
	}
	if f.name = ""; !slices.Contains(f.wanted, params["name"]) {
		return nil
	}
	f.name, f.value = params["name"], f.value[:0]
	if _, twice := f.fields[f.name]; twice {
		return refusal.Duplicate(f.name)
	}
	if file || encoded {
		return &llm.RequestError{Param: f.name, Code: "invalid_type", Message: fmt.Sprintf("Invalid type for '%s': expected a plain field.", f.name)}
	}
	return nil
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// plainName reports whether a part's name is one that all readers read alike: without escapes, and not in the extended
// notation of RFC 2231; and no second one stands in the name of a file behind an escaped quote, which not all readers know.
func plainName(name, disposition string) bool {
	lower := strings.ToLower(disposition)
	extended := strings.Count(lower, "name*") > strings.Count(lower, "filename*")
	hidden := strings.Contains(lower, `\"`) && strings.Count(lower, "name=") > 1+strings.Count(lower, "filename=")
	return name != "" && !extended && !hidden && !strings.ContainsAny(name, "\\\"%")
}

// data reads the content of a part up to the next boundary.
func (f *Finder) data() (n int, more bool, err error) {
	at := bytes.Index(f.buf, f.dash)
	if at < 0 { // half a boundary may stand at the end, and the line break before it
		n = max(0, len(f.buf)-len(f.dash)-1)
		f.keep(f.buf[:n])
		return n, false, nil
	}
	if at < 2 || f.buf[at-2] != '\r' || f.buf[at-1] != '\n' {
		return 0, false, refuse("The boundary of the multipart body stands within its content.")
	}
	f.keep(f.buf[:at-2])
	if f.name != "" {
		f.fields[f.name] = Field{Value: string(f.value), Start: f.start, End: f.pos + int64(at) - 2}
	}
	f.state = atDelimiter
	return at + len(f.dash), true, nil
}

// keep adds to the value of a field that is looked for.
func (f *Finder) keep(p []byte) {
	if f.name != "" {
		f.value = append(f.value, p[:min(len(p), maxValue-len(f.value))]...)
	}
}

func refuse(format string, args ...any) error {
	return &llm.RequestError{Code: "invalid_multipart", Message: fmt.Sprintf(format, args...)}
}
