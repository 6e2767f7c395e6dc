package openai

import (
	"errors"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// What follows is how the proxy names things of this package until it uses the interface.

// ErrMalformed is dialect.ErrMalformed.
var ErrMalformed = dialect.ErrMalformed

// RequestError is llm.RequestError.
type RequestError = llm.RequestError

// Error is an error as OpenAI and its likes put it.
type Error struct{ Message, Type, Code, Param string }

func legacyError(e *llm.Error) *Error {
	if e == nil {
		return nil
	}
	return &Error{Message: e.Message, Type: e.Type, Code: e.Code, Param: e.Param}
}

func (e Error) with(status int) *llm.Error {
	return &llm.Error{Status: status, Message: e.Message, Type: e.Type, Code: e.Code, Param: e.Param}
}

// ErrorBody renders an error answer. An empty type is filled in by the status.
func ErrorBody(status int, e Error) []byte { return Dialect{}.EncodeError(e.with(status)) }

// ErrorEvent renders an error inside a stream.
func ErrorEvent(status int, e Error) []byte { return Dialect{}.AppendErrorEvent(nil, e.with(status)) }

// TypeOf is the error type that goes with a status.
func TypeOf(status int) string { return typeOf(&llm.Error{Status: status}) }

// ParseError reads an upstream's error answer and reports whether there was one to read.
func ParseError(body []byte) (Error, bool) {
	e, ok := parseError(0, body)
	return *legacyError(e), ok
}

// Request is what the gateway reads of a request.
type Request struct {
	dialect.Facts
	HasAudio, HasFiles bool
	scanned            dialect.Scanned
}

// ScanRequest is ScanAny.
func ScanRequest(body []byte) (Request, error) {
	s, err := ScanAny(body)
	if err != nil {
		return Request{}, err
	}
	return Request{Facts: *s.Facts(), HasAudio: s.Facts().Media > 0, HasFiles: s.Facts().Media > 1, scanned: s}, nil
}

// Patch changes the model's name and asks for usage.
func (r *Request) Patch(body []byte, model string, askUsage bool) [][]byte {
	return r.scanned.Patch(body, dialect.Patch{Model: model, AskUsage: askUsage})
}

// PromptText passes on the texts that the model reads.
func PromptText(body []byte, onText func(part []byte)) { (*scanned)(nil).PromptText(body, onText) }

// Chunk is dialect.Chunk.
type Chunk struct {
	dialect.Chunk
	Error *Error
}

// Response is a dialect.Watch.
type Response struct{ *watch }

// NewResponse returns a reader for one answer.
func NewResponse(onText func(part []byte)) *Response { return &Response{newWatch(onText)} }

// Chunk reads the data of one event.
func (r *Response) Chunk(data []byte) (Chunk, error) {
	c, err := r.Event(data)
	if err != nil && !errors.Is(err, ErrMalformed) {
		err = errors.Join(ErrMalformed, err)
	}
	return Chunk{Chunk: c, Error: legacyError(c.Error)}, err
}

// Error is the error in a body that came with 200, after End.
func (r *Response) Error() *Error { return legacyError(r.watch.Error()) }
