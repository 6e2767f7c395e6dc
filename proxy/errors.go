package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/dialect"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
)

// Codes of faults that the mapping below, or the pipeline, tells apart by more than their kind.
const (
	codeInvalidKey  = "invalid_api_key"
	codeTooLarge    = "request_too_large"
	codeNoModel     = "model_not_found"
	codeSlow        = "request_timeout"
	codeOverloaded  = "gateway_overloaded"
	codeTimeout     = "timeout"
	codeInternal    = "internal_error"
	codeAuth        = "upstream_auth"
	codeQuota       = "upstream_quota"
	codeMalformed   = "upstream_malformed"
	codeTruncated   = "upstream_truncated"
	codeTooLong     = "upstream_too_long"
	codeUnavailable = "upstream_unavailable"
	codeCancelled   = "client_closed_request"
	codeStopping    = "gateway_stopping"
)

// statusClientClosed is what a call is logged with whose caller went away before an answer (as nginx does).
const statusClientClosed = 499

// A failure is an error on its way to the caller.
type failure struct {
	llm.Error

	retryAfter string      // value of Retry-After; "" is none
	noRetry    bool        // x-should-retry: false
	header     http.Header // the vendor's; nil where the gateway itself refuses
}

// ours is a failure of the gateway's own making.
func ours(status int, kind, code, message string) failure {
	return failure{Error: llm.Error{Status: status, Type: kind, Code: code, Message: message}}
}

// describe maps an error to the answer: the one place where fault kinds become LLM errors. An internal error's text is
// for the log; the caller gets the request id.
func describe(err error, requestID string) failure {
	if bad, ok := errors.AsType[*llm.RequestError](err); ok {
		f := ours(http.StatusBadRequest, "invalid_request_error", bad.Code, bad.Message)
		f.Param = bad.Param
		return f
	}
	e, ok := fault.As(err)
	switch {
	case !ok, e.Kind == fault.Internal && e.Code != credit.CodeUnavailable:
		return ours(http.StatusInternalServerError, "server_error", codeInternal, "The gateway had an internal error. Request id: "+requestID)
	case e.Kind == fault.Internal:
		f := ours(http.StatusServiceUnavailable, "server_error", e.Code, e.Message)
		f.retryAfter = seconds(e.Retry)
		return f
	}
	f := ours(0, "", e.Code, e.Message)
	if len(e.Path) > 0 {
		f.Param = e.Path[len(e.Path)-1]
	}
	switch e.Kind {
	case fault.Invalid:
		f.set(http.StatusBadRequest, "invalid_request_error", "")
		switch e.Code {
		case codeTooLarge:
			f.Status = http.StatusRequestEntityTooLarge
		case codeSlow:
			f.Status = http.StatusRequestTimeout
		}
	case fault.Conflict:
		f.set(http.StatusConflict, "invalid_request_error", "conflict")
	case fault.Unauthenticated:
		f.set(http.StatusUnauthorized, "invalid_request_error", codeInvalidKey)
	case fault.Denied:
		f.set(http.StatusForbidden, "permission_error", "permission_denied")
	case fault.NotFound:
		f.set(http.StatusNotFound, "invalid_request_error", "not_found")
		if e.Code == codeNoModel {
			f.Param = "model"
		}
	case fault.Exhausted:
		f.set(http.StatusTooManyRequests, "insufficient_quota", "")
		f.Code, f.Class, f.noRetry = "insufficient_quota", llm.OutOfQuota, true
	case fault.Limited:
		f.set(http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded")
		f.retryAfter = seconds(e.Retry)
		if e.Code == codeOverloaded {
			f.Status, f.Type = http.StatusServiceUnavailable, "server_error"
		}
	case fault.Upstream:
		f.set(http.StatusBadGateway, "upstream_error", codeUnavailable)
		f.retryAfter = seconds(e.Retry)
		switch e.Code {
		case codeTimeout:
			f.Status = http.StatusGatewayTimeout
		case codeQuota, "no_provider":
			f.Status = http.StatusServiceUnavailable
		}
	case fault.Internal: // answered above
	}
	return f
}

// set fills in the status, the type, and the code where the fault has none of its own.
func (f *failure) set(status int, kind, code string) {
	f.Status, f.Type = status, kind
	if f.Code == "" {
		f.Code = code
	}
}

// seconds is a wait as Retry-After has it: whole seconds, rounded up. Unknown is "".
func seconds(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// reason is what the failure is logged with: many vendors give a type and no code, some neither.
func (f *failure) reason() string {
	switch {
	case f.Code != "":
		return f.Code
	case f.Type != "":
		return f.Type
	}
	switch f.Kind() {
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
		if f.Status >= 500 {
			return "server_error"
		}
	case llm.InvalidRequest, llm.NotFound, llm.TooLarge:
	}
	return "invalid_request_error"
}

// write answers with the failure in the caller's dialect. Nothing may have been written before.
func (f *failure) write(w http.ResponseWriter, d dialect.Dialect) {
	h := w.Header()
	source := "gateway"
	if f.header != nil {
		source = "upstream"
		failedHeader(h, f.header, f.Origin, d.Name())
	}
	f.RequestID = h.Get("X-Request-Id")
	h.Set("X-Aihigress-Error-Source", source)
	h.Set("Content-Type", "application/json")
	if f.retryAfter == "" && h.Get("Retry-After") == "" {
		f.retryAfter = seconds(f.RetryAfter) // Gemini says it in the body
	}
	if f.retryAfter != "" {
		h.Set("Retry-After", f.retryAfter)
	}
	if f.noRetry {
		h.Set("X-Should-Retry", "false")
	}
	b := d.EncodeError(&f.Error)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(f.HTTPStatus())
	_, _ = w.Write(b) // a caller who is gone needs no answer
}
