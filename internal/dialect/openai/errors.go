package openai

import (
	"bytes"
	"net/http"

	"aihigress/internal/dialect/jsonscan"
)

const maxErrorText = 4 << 10 // bytes of each field of an upstream's error that are kept

// Error is an error as OpenAI and its likes put it.
type Error struct {
	Message, Type, Code, Param string
}

// ErrorBody renders an error answer. An empty type is filled in by the status.
func ErrorBody(status int, e Error) []byte {
	if e.Type == "" {
		e.Type = TypeOf(status)
	}
	b := make([]byte, 0, 128+len(e.Message))
	b = appendString(append(b, `{"error":{"message":`...), e.Message)
	b = appendString(append(b, `,"type":`...), e.Type)
	b = appendNullable(append(b, `,"param":`...), e.Param)
	b = appendNullable(append(b, `,"code":`...), e.Code)
	return append(b, "}}"...)
}

// ErrorEvent renders an error inside a stream: one event, complete with its blank line. SDKs raise an error on it.
func ErrorEvent(status int, e Error) []byte {
	b := append([]byte("data: "), ErrorBody(status, e)...)
	return append(b, "\n\n"...)
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, s)
}

// TypeOf is the error type that goes with a status.
func TypeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

const (
	idErrObject jsonscan.ID = iota + 1
	idErrMessage
	idErrType
	idErrCode
	idErrParam
	idErrBare // the error is a text, or the document has its fields at the top
)

// errorPaths covers the envelopes seen: OpenAI's; the same in a list (Gemini's compatibility layer); a text instead of the
// object; fields at the top (Mistral, vLLM); "detail" (FastAPI, which many are built on).
var errorPaths = jsonscan.Compile(map[string]jsonscan.ID{
	"error":                idErrObject,
	"error.message":        idErrMessage,
	"error.type":           idErrType,
	"error.code":           idErrCode,
	"error.param":          idErrParam,
	"[].error":             idErrObject,
	"[].error.message":     idErrMessage,
	"[].error.type":        idErrType,
	"[].error.status":      idErrType,
	"[].error.code":        idErrCode,
	"message":              idErrBare,
	"message.detail[].msg": idErrBare,
	"detail":               idErrBare,
	"detail[].msg":         idErrBare,
	"type":                 idErrType,
	"code":                 idErrCode,
	"param":                idErrParam,
})

// ParseError reads an upstream's error answer and reports whether there was one to read: a page of HTML has none. A body
// that breaks off still tells what came before. Texts are cut after 4 KiB each. They are the upstream's words, which may
// name hosts, accounts and keys: scrub them before a caller sees them.
func ParseError(body []byte) (Error, bool) {
	var e errorScan
	var s jsonscan.Scanner
	s.Init(errorPaths, &e)
	_, _ = s.Write(bytes.TrimPrefix(body, []byte("\ufeff"))) // what was read up to the mistake is all there is
	return e.error()
}

// errorScan collects the fields of an error; the first of each counts.
type errorScan struct {
	fields [6][]byte // by ID - idErrMessage
	closed [6]bool
	object bool
}

func (e *errorScan) field(id jsonscan.ID) jsonscan.ID {
	if id == idErrObject {
		return idErrBare // a text instead of the object
	}
	return id
}

func (e *errorScan) Open(id jsonscan.ID, kind jsonscan.Kind, _ int64) {
	if id == idErrObject && kind != jsonscan.Null {
		e.object = true
	}
}

func (e *errorScan) Text(id jsonscan.ID, part []byte) { e.add(e.field(id), part) }

func (e *errorScan) add(id jsonscan.ID, part []byte) {
	if i := id - idErrMessage; !e.closed[i] {
		f := &e.fields[i]
		*f = append(*f, part[:min(len(part), maxErrorText-len(*f))]...)
	}
}

func (e *errorScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, _ int64) {
	id = e.field(id)
	if kind == jsonscan.Number {
		e.add(id, raw)
	}
	if len(e.fields[id-idErrMessage]) > 0 {
		e.closed[id-idErrMessage] = true
	}
}

// error returns what was collected, if it amounts to an error.
func (e *errorScan) error() (Error, bool) {
	text := func(id jsonscan.ID) string { return string(bytes.ToValidUTF8(e.fields[id-idErrMessage], nil)) }
	err := Error{Message: text(idErrMessage), Type: text(idErrType), Code: text(idErrCode), Param: text(idErrParam)}
	if err.Message == "" {
		err.Message = text(idErrBare)
	}
	return err, e.object || err.Message != ""
}
