package openai

import (
	"net/http"
	"strings"

	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"
)

// EncodeError implements dialect.Dialect.
func (Dialect) EncodeError(e *llm.Error) []byte {
	return appendError(make([]byte, 0, 128+len(e.Message)), e)
}

// AppendErrorEvent implements dialect.Dialect. SDKs raise an error on an event with an error object.
func (Dialect) AppendErrorEvent(dst []byte, e *llm.Error) []byte {
	return append(appendError(append(dst, "data: "...), e), "\n\n"...)
}

func appendError(b []byte, e *llm.Error) []byte {
	kind, code := wordsOf(e)
	b = jsonwrite.String(append(b, `{"error":{"message":`...), e.Message)
	b = jsonwrite.String(append(b, `,"type":`...), kind)
	b = appendNullable(append(b, `,"param":`...), e.Param)
	b = appendNullable(append(b, `,"code":`...), code)
	return append(b, "}}"...)
}

// wordsOf are the type and the code of an error. Those of OpenAI and of the gateway stay; those of other vendors become
// what OpenAI calls such a failure, and where it has no code for it, the vendor's own word is the code.
func wordsOf(e *llm.Error) (kind, code string) {
	kind, code = e.Type, e.Code
	if e.Origin != "" && e.Origin != llm.OpenAI && e.Origin != llm.Responses {
		kind = ""
		switch e.Kind() {
		case llm.OutOfQuota:
			code = "insufficient_quota"
		case llm.RateLimited:
			code = "rate_limit_exceeded"
		case llm.Unauthorized:
			code = "invalid_api_key"
		case llm.TooLarge:
			if e.Status != http.StatusRequestEntityTooLarge {
				code = "context_length_exceeded"
			}
		case llm.Unclassified, llm.InvalidRequest, llm.Forbidden, llm.NotFound, llm.Overloaded, llm.TimedOut, llm.ServerError:
		}
		if code == "" {
			code = e.Type
		}
	}
	if kind == "" {
		kind = typeOf(e)
	}
	return kind, code
}

// typeOf is OpenAI's type of an error.
func typeOf(e *llm.Error) string {
	switch e.Kind() {
	case llm.Unauthorized:
		return "authentication_error"
	case llm.Forbidden:
		return "permission_error"
	case llm.RateLimited:
		return "rate_limit_error"
	case llm.OutOfQuota:
		return "insufficient_quota"
	case llm.Overloaded, llm.ServerError, llm.Unclassified:
		return "server_error"
	case llm.TimedOut:
		if e.Status < 500 {
			break // 408 says that the caller was too slow
		}
		return "server_error"
	case llm.InvalidRequest, llm.NotFound, llm.TooLarge:
	}
	return "invalid_request_error"
}

// classOf is what kind of failure an error of this dialect is. Where there is a status it says more than the words, but
// for what hides behind 400 and 429.
func classOf(status int, kind, code string) llm.Class {
	switch {
	case kind == "insufficient_quota" || code == "insufficient_quota" || code == "billing_hard_limit_reached":
		return llm.OutOfQuota
	case code == "context_length_exceeded":
		return llm.TooLarge
	case status != 0:
		return llm.Unclassified
	}
	for _, word := range []string{code, kind} {
		switch {
		case strings.Contains(word, "rate_limit"):
			return llm.RateLimited
		case strings.Contains(word, "overloaded"):
			return llm.Overloaded
		case strings.Contains(word, "authentication"), word == "invalid_api_key":
			return llm.Unauthorized
		case strings.Contains(word, "permission"):
			return llm.Forbidden
		case strings.Contains(word, "not_found"):
			return llm.NotFound
		case strings.Contains(word, "timeout"):
			return llm.TimedOut
		case strings.Contains(word, "server_error"), strings.Contains(word, "internal_error"):
			return llm.ServerError
		case strings.Contains(word, "invalid"):
			return llm.InvalidRequest
		}
	}
	return llm.Unclassified
}

// DecodeError implements dialect.Dialect. A body that breaks off still tells what came before. Texts are cut after 4 KiB
// each; they may name hosts, accounts and keys.
func (Dialect) DecodeError(status int, body []byte) *llm.Error {
	e, _ := parseError(status, body)
	return e
}

// parseError reports as well whether there was an error to read: a page of HTML has none.
func parseError(status int, body []byte) (*llm.Error, bool) {
	s := failure.Read(errorPaths, body)
	e := errorOf(s, status)
	return e, s.Found() || e.Message != ""
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonwrite.String(dst, s)
}

// errorPaths covers the envelopes seen: OpenAI's; the same in a list (Gemini's compatibility layer); a text instead of the
// object; fields at the top (Mistral, vLLM); "detail" (FastAPI, which many are built on).
var errorPaths = jsonscan.Compile(map[string]jsonscan.ID{
	"error":                failure.Object,
	"error.message":        failure.Message,
	"error.type":           failure.Type,
	"error.code":           failure.Code,
	"error.param":          failure.Param,
	"[].error":             failure.Object,
	"[].error.message":     failure.Message,
	"[].error.type":        failure.Type,
	"[].error.status":      failure.Type,
	"[].error.code":        failure.Code,
	"message":              failure.Bare,
	"message.detail[].msg": failure.Bare,
	"detail":               failure.Bare,
	"detail[].msg":         failure.Bare,
	"type":                 failure.Type,
	"code":                 failure.Code,
	"param":                failure.Param,
})

// errorOf is an error as it was read. Status is zero in the middle of a stream.
func errorOf(s *failure.Scan, status int) *llm.Error {
	e := s.Error(llm.OpenAI, s.Status(status))
	e.Class = classOf(e.Status, e.Type, e.Code)
	if e.Status == 0 || e.Status == http.StatusBadRequest {
		// Who is no OpenAI says it in OpenAI's words, but without its code: DeepSeek, vLLM, xAI.
		for _, words := range [...]string{"maximum context length", "maximum prompt length"} {
			if strings.Contains(e.Message, words) {
				e.Class = llm.TooLarge
			}
		}
	}
	return e
}
