package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/fault"
)

// Codes of faults that the mapping below, or the pipeline, tells apart by more than their kind.
const (
	codeInvalidKey  = "invalid_api_key"
	codeTooLarge    = "request_too_large"
	codeSlow        = "request_timeout"
	codeOverloaded  = "gateway_overloaded"
	codeTimeout     = "timeout"
	codeInternal    = "internal_error"
	codeAuth        = "upstream_auth"
	codeQuota       = "upstream_quota"
	codeMalformed   = "upstream_malformed"
	codeTruncated   = "upstream_truncated"
	codeUnavailable = "upstream_unavailable"
	codeCancelled   = "client_closed_request"
	codeStopping    = "gateway_stopping"
)

// statusClientClosed is what a call is logged with whose caller went away before an answer (as nginx does).
const statusClientClosed = 499

// A failure is an error as a caller of the OpenAI dialect sees it.
type failure struct {
	status  int
	kind    string // "type" of the error object
	code    string
	param   string
	message string

	retryAfter string      // value of Retry-After; "" is none
	noRetry    bool        // x-should-retry: false
	header     http.Header // the vendor's; nil where the gateway itself refuses
}

// describe maps an error to the answer: the one place where fault kinds become LLM errors. An internal error's text is
// for the log; the caller gets the request id.
func describe(err error, requestID string) failure {
	if bad, ok := errors.AsType[*openai.RequestError](err); ok {
		return failure{status: http.StatusBadRequest, kind: "invalid_request_error", code: bad.Code, param: bad.Param, message: bad.Message}
	}
	e, ok := fault.As(err)
	switch {
	case !ok, e.Kind == fault.Internal && e.Code != credit.CodeUnavailable:
		return failure{status: http.StatusInternalServerError, kind: "server_error", code: codeInternal,
			message: "The gateway had an internal error. Request id: " + requestID}
	case e.Kind == fault.Internal:
		return failure{status: http.StatusServiceUnavailable, kind: "server_error", code: e.Code, message: e.Message, retryAfter: seconds(e.Retry)}
	}
	f := failure{code: e.Code, message: e.Message}
	if len(e.Path) > 0 {
		f.param = e.Path[len(e.Path)-1]
	}
	switch e.Kind {
	case fault.Invalid:
		f.set(http.StatusBadRequest, "invalid_request_error", "")
		switch e.Code {
		case codeTooLarge:
			f.status = http.StatusRequestEntityTooLarge
		case codeSlow:
			f.status = http.StatusRequestTimeout
		}
	case fault.Conflict:
		f.set(http.StatusConflict, "invalid_request_error", "conflict")
	case fault.Unauthenticated:
		f.set(http.StatusUnauthorized, "invalid_request_error", codeInvalidKey)
	case fault.Denied:
		f.set(http.StatusForbidden, "permission_error", "permission_denied")
	case fault.NotFound:
		f.set(http.StatusNotFound, "invalid_request_error", "not_found")
	case fault.Exhausted:
		f.set(http.StatusTooManyRequests, "insufficient_quota", "")
		f.code, f.noRetry = "insufficient_quota", true
	case fault.Limited:
		f.set(http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded")
		f.retryAfter = seconds(e.Retry)
		if e.Code == codeOverloaded {
			f.status, f.kind = http.StatusServiceUnavailable, "server_error"
		}
	case fault.Upstream:
		f.set(http.StatusBadGateway, "upstream_error", codeUnavailable)
		f.retryAfter = seconds(e.Retry)
		switch e.Code {
		case codeTimeout:
			f.status = http.StatusGatewayTimeout
		case codeQuota, "no_provider":
			f.status = http.StatusServiceUnavailable
		}
	case fault.Internal: // answered above
	}
	return f
}

// set fills in the status, the type, and the code where the fault has none of its own.
func (f *failure) set(status int, kind, code string) {
	f.status, f.kind = status, kind
	if f.code == "" {
		f.code = code
	}
}

// seconds is a wait as Retry-After has it: whole seconds, rounded up. Unknown is "".
func seconds(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// reason is what the failure is logged with: many vendors give a type and no code.
func (f *failure) reason() string {
	if f.code != "" {
		return f.code
	}
	return f.kind
}

// object is the error as the OpenAI dialect puts it.
func (f *failure) object() openai.Error {
	return openai.Error{Message: f.message, Type: f.kind, Code: f.code, Param: f.param}
}

// write answers with the failure. Nothing may have been written before.
func (f *failure) write(w http.ResponseWriter) {
	h := w.Header()
	source := "gateway"
	if f.header != nil {
		source = "upstream"
		callerHeader(h, f.header)
		delete(h, "Content-Encoding")
	}
	h.Set("X-Aihigress-Error-Source", source)
	h.Set("Content-Type", "application/json")
	if f.retryAfter != "" {
		h.Set("Retry-After", f.retryAfter)
	}
	if f.noRetry {
		h.Set("X-Should-Retry", "false")
	}
	b := openai.ErrorBody(f.status, f.object())
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(f.status)
	_, _ = w.Write(b) // a caller who is gone needs no answer
}
