package anthropic

import (
	"net/http"
	"strings"

	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// errorPaths covers Anthropic's envelope and those of who stands in front of it: Google's for Claude on Vertex, alone or in
// a list; relays that put the message at the top, or a text instead of the object.
var errorPaths = jsonscan.Compile(map[string]jsonscan.ID{
	"error":            failure.Object,
	"error.message":    failure.Message,
	"error.type":       failure.Type,
	"error.status":     failure.Type,
	"error.code":       failure.Code,
	"request_id":       failure.Request,
	"[].error":         failure.Object,
	"[].error.message": failure.Message,
	"[].error.status":  failure.Type,
	"[].error.code":    failure.Code,
	"message":          failure.Bare,
	"detail":           failure.Bare,
})

// errorOf is an error as it was read.
func errorOf(s *failure.Scan, status int) *llm.Error {
	e := s.Error(llm.Anthropic, status)
	e.Class = classes[e.Type]
	if tooLong(e) {
		e.Class = llm.TooLarge
	}
	return e
}

// classes are the kinds of error by Anthropic's name.
var classes = map[string]llm.Class{
	"invalid_request_error": llm.InvalidRequest,
	"authentication_error":  llm.Unauthorized,
	"permission_error":      llm.Forbidden,
	"not_found_error":       llm.NotFound,
	"request_too_large":     llm.TooLarge,
	"rate_limit_error":      llm.RateLimited,
	"billing_error":         llm.OutOfQuota,
	"overloaded_error":      llm.Overloaded,
	"timeout_error":         llm.TimedOut,
	"api_error":             llm.ServerError,
}

// promptTooLong is how Anthropic begins to say that a prompt does not fit the model. Claude Code looks for it, and then
// makes its conversation shorter by itself.
const promptTooLong = "prompt is too long"

// tooLong reports whether an error says that the prompt does not fit the model's context, in the words of any vendor.
func tooLong(e *llm.Error) bool {
	if e.Code == "context_length_exceeded" {
		return true
	}
	message := strings.ToLower(e.Message)
	for _, words := range [...]string{promptTooLong, "maximum context length", "context window", "context length",
		"exceeds the maximum number of tokens", "input token count", "exceed context limit"} {
		if strings.Contains(message, words) {
			return e.Status == 0 || e.Status == http.StatusBadRequest || e.Status == http.StatusRequestEntityTooLarge
		}
	}
	return false
}

// DecodeError implements dialect.Dialect.
func (Dialect) DecodeError(status int, body []byte) *llm.Error {
	return errorOf(failure.Read(errorPaths, body), status)
}

// EncodeError implements dialect.Dialect.
func (Dialect) EncodeError(e *llm.Error) []byte { return appendError(nil, e) }

// AppendErrorEvent implements dialect.Dialect.
func (Dialect) AppendErrorEvent(dst []byte, e *llm.Error) []byte {
	dst = append(dst, "event: error\ndata: "...)
	dst = appendError(dst, e)
	return append(dst, "\n\n"...)
}

// KeepAlive implements dialect.Dialect. SDKs skip it wherever it stands.
func (Dialect) KeepAlive() []byte { return []byte("event: ping\ndata: {\"type\":\"ping\"}\n\n") }

func appendError(dst []byte, e *llm.Error) []byte {
	message := e.Message
	kind := e.Type
	if e.Origin != llm.Anthropic || kind == "" {
		kind = typeOf(e)
	}
	if e.Origin != llm.Anthropic && tooLong(e) && !strings.HasPrefix(message, promptTooLong) {
		kind, message = "invalid_request_error", promptTooLong+": "+message
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonwrite.String(dst, kind)
	dst = append(dst, `,"message":`...)
	dst = jsonwrite.String(dst, message)
	dst = append(dst, '}')
	if e.RequestID != "" {
		dst = append(dst, `,"request_id":`...)
		dst = jsonwrite.String(dst, e.RequestID)
	}
	return append(dst, '}')
}

// typeOf is Anthropic's word for an error of another vendor or of the gateway.
func typeOf(e *llm.Error) string {
	switch e.Kind() {
	case llm.InvalidRequest:
		return "invalid_request_error"
	case llm.Unauthorized:
		return "authentication_error"
	case llm.Forbidden:
		return "permission_error"
	case llm.NotFound:
		return "not_found_error"
	case llm.TooLarge:
		if e.Status == http.StatusRequestEntityTooLarge {
			return "request_too_large"
		}
		return "invalid_request_error"
	case llm.RateLimited:
		return "rate_limit_error"
	case llm.OutOfQuota:
		return "billing_error"
	case llm.Overloaded:
		return "overloaded_error"
	case llm.TimedOut:
		return "timeout_error"
	case llm.Unclassified, llm.ServerError:
	}
	return "api_error"
}
