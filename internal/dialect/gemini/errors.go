package gemini

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

const maxDelay = time.Hour // a longer wait is not believed

// errorKeys are the places of an error in a document: google.rpc.Status, and the flat form of Google's OAuth servers, whose
// "error" is a word.
var errorKeys = map[string]jsonscan.ID{
	"error":                  failure.Object,
	"error.message":          failure.Message,
	"error.status":           failure.Type,
	"error.code":             failure.Code,
	"error.details[].reason": failure.Reason,
	"error.details[].fieldViolations[].field": failure.Param,
	"error.details[].retryDelay":              failure.Delay,
	"error_description":                       failure.Message,
}

// errorPaths finds an error in a body, or in a list as streams that are not server-sent events have it.
var errorPaths = jsonscan.Compile(join(errorKeys, below("[].", errorKeys)))

// errorOf is an error as it was read. A status of zero is found from the error's code.
func errorOf(s *failure.Scan, status int) *llm.Error {
	e := s.Error(llm.Gemini, s.Status(status))
	e.Code = s.Part(failure.Reason) // the number is a status
	if d, bad := time.ParseDuration(s.Part(failure.Delay)); bad == nil && d > 0 && d <= maxDelay {
		e.RetryAfter = d
	}
	e.Class = classify(e)
	return e
}

// words are the canonical codes of google.rpc with the statuses that go with them.
var words = []struct {
	word   string
	status int
	class  llm.Class
}{
	{"INVALID_ARGUMENT", http.StatusBadRequest, llm.InvalidRequest},
	{"UNAUTHENTICATED", http.StatusUnauthorized, llm.Unauthorized},
	{"PERMISSION_DENIED", http.StatusForbidden, llm.Forbidden},
	{"NOT_FOUND", http.StatusNotFound, llm.NotFound},
	{"RESOURCE_EXHAUSTED", http.StatusTooManyRequests, llm.RateLimited},
	{"UNAVAILABLE", http.StatusServiceUnavailable, llm.Overloaded},
	{"DEADLINE_EXCEEDED", http.StatusGatewayTimeout, llm.TimedOut},
	{"INTERNAL", http.StatusInternalServerError, llm.ServerError},
	{"FAILED_PRECONDITION", http.StatusBadRequest, llm.InvalidRequest},
	{"OUT_OF_RANGE", http.StatusBadRequest, llm.InvalidRequest},
	{"ALREADY_EXISTS", http.StatusConflict, llm.InvalidRequest},
	{"ABORTED", http.StatusConflict, llm.ServerError},
	{"CANCELLED", 499, llm.ServerError},
	{"UNIMPLEMENTED", http.StatusNotImplemented, llm.NotFound},
	{"DATA_LOSS", http.StatusInternalServerError, llm.ServerError},
	{"UNKNOWN", http.StatusInternalServerError, llm.ServerError},
}

// classify sorts an error by its word, which tells more than the status: a bad key is 400 here, and so is a prompt that is
// too long.
func classify(e *llm.Error) llm.Class {
	switch {
	case e.Code == "API_KEY_INVALID" || e.Code == "API_KEY_EXPIRED" || e.Code == "ACCESS_TOKEN_EXPIRED":
		return llm.Unauthorized
	case e.Type == "INVALID_ARGUMENT" && (strings.Contains(e.Message, "exceeds the maximum number of tokens") ||
		strings.Contains(e.Message, "the input token count is")): // the latter are Vertex AI's words
		return llm.TooLarge
	}
	for _, w := range words {
		if w.word == e.Type {
			return w.class
		}
	}
	return llm.ClassOf(e.Status)
}

// word is the status word that goes with an error.
func word(e *llm.Error) string {
	if e.Origin == llm.Gemini && e.Type != "" {
		return e.Type
	}
	class := e.Kind()
	if class == llm.TooLarge {
		class = llm.InvalidRequest
	}
	if class == llm.OutOfQuota {
		class = llm.RateLimited
	}
	for _, w := range words {
		if w.class == class {
			return w.word
		}
	}
	return "UNKNOWN"
}

// DecodeError implements dialect.Dialect. The status word is Type, an ErrorInfo's reason is Code.
func (Dialect) DecodeError(status int, body []byte) *llm.Error {
	return errorOf(failure.Read(errorPaths, body), status)
}

// EncodeError implements dialect.Dialect. Code, Param and RetryAfter go into details as google.rpc has them; the domain of
// the reason tells whose word it is.
func (Dialect) EncodeError(e *llm.Error) []byte {
	b := make([]byte, 0, 256+len(e.Message))
	b = append(b, `{"error":{"code":`...)
	b = strconv.AppendInt(b, int64(e.HTTPStatus()), 10)
	b = jsonwrite.String(append(b, `,"message":`...), e.Message)
	b = jsonwrite.String(append(b, `,"status":`...), word(e))
	mark := len(b)
	b = append(b, `,"details":[`...)
	open := len(b)
	if e.Code != "" {
		b = jsonwrite.String(append(b, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...), e.Code)
		b = append(jsonwrite.String(append(b, `,"domain":`...), domain(e.Origin)), '}', ',')
	}
	if e.Param != "" {
		b = jsonwrite.String(append(b, `{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...), e.Param)
		b = append(jsonwrite.String(append(b, `,"description":`...), e.Message), "}]},"...)
	}
	if e.RetryAfter > 0 {
		b = append(b, `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		b = append(strconv.AppendFloat(b, e.RetryAfter.Seconds(), 'f', -1, 64), `s"},`...)
	}
	if len(b) == open {
		b = b[:mark]
	} else {
		b[len(b)-1] = ']'
	}
	return append(b, "}}"...)
}

// domain is whose word an error's code is.
func domain(origin string) string {
	switch origin {
	case "":
		return "aihigress"
	case llm.Gemini:
		return "googleapis.com"
	}
	return origin
}

// AppendErrorEvent implements dialect.Dialect. Google's SDKs raise on an event that has an "error".
func (d Dialect) AppendErrorEvent(dst []byte, e *llm.Error) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, d.EncodeError(e)...)
	return append(dst, "\n\n"...)
}
