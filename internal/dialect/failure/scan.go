// Package failure collects what an upstream's error says of itself. Each dialect says where its errors have what.
package failure

import (
	"bytes"
	"strconv"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

const maxText = 4 << 10 // bytes of each text that are kept

// The parts of an error. An answer that is watched for errors has IDs of its own from End on.
const (
	Object jsonscan.ID = iota + 1 // the error itself; a text in its place is Bare
	Message
	Type
	Code
	Param
	Reason
	Request // id of the request
	Delay
	Bare // a message of an error without an object: the error is a text, or the document has its fields at the top
	End
)

// Scan collects the parts of an error as they pass; the first of each counts. Its zero value is ready.
type Scan struct {
	parts  [End][]byte
	closed uint16 // by 1 << ID
	found  bool
}

var _ jsonscan.Handler = (*Scan)(nil)

// Read reads the error in a body, which may break off. The body may begin with a mark of its byte order.
func Read(paths *jsonscan.Paths, body []byte) *Scan {
	var s Scan
	jsonscan.Read(paths, bytes.TrimPrefix(body, []byte("\ufeff")), &s)
	return &s
}

// Reset gets ready for another document.
func (s *Scan) Reset() {
	if s.found || s.closed != 0 {
		*s = Scan{}
	}
}

// Found reports whether there was an Object.
func (s *Scan) Found() bool { return s.found }

// Open implements jsonscan.Handler.
func (s *Scan) Open(id jsonscan.ID, kind jsonscan.Kind, _ int64) {
	if id == Object && kind != jsonscan.Null {
		s.found = true
	}
}

// Text implements jsonscan.Handler.
func (s *Scan) Text(id jsonscan.ID, part []byte) {
	if id == Object {
		id = Bare
	}
	if s.closed&(1<<id) == 0 {
		s.parts[id] = jsonscan.Keep(s.parts[id], part, maxText)
	}
}

// Close implements jsonscan.Handler.
func (s *Scan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, _ int64) {
	if kind == jsonscan.Number {
		s.Text(id, raw)
	}
	if id == Object {
		id = Bare
	}
	if len(s.parts[id]) > 0 {
		s.closed |= 1 << id
	}
}

// Part is the text of a part.
func (s *Scan) Part(id jsonscan.ID) string { return string(bytes.ToValidUTF8(s.parts[id], nil)) }

// Error is what was collected, not yet classified.
func (s *Scan) Error(origin string, status int) *llm.Error {
	e := &llm.Error{Status: status, Type: s.Part(Type), Code: s.Part(Code), Param: s.Part(Param), Message: s.Part(Message),
		Origin: origin, RequestID: s.Part(Request)}
	if e.Message == "" {
		e.Message = s.Part(Bare)
	}
	return e
}

// Status is the status, or where it is zero the one that the code says (OpenRouter in the middle of a stream, Google).
func (s *Scan) Status(status int) int {
	if n, err := strconv.Atoi(string(s.parts[Code])); status == 0 && err == nil && n >= 400 && n < 600 {
		return n
	}
	return status
}
