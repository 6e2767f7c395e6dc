package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/dialect/openai"
	"aihigress/internal/snapshot"
)

// maxErrorBody is how much of a vendor's error answer is read.
const maxErrorBody = 64 << 10

// refused reads a vendor's error answer.
func (c *call) refused(ctx context.Context, r *http.Response, p *snapshot.Provider) *setback {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxErrorBody))
	if err != nil && c.gone() {
		c.cancelled()
		return nil
	}
	if s := ownSetback(ctx); err != nil && s != nil {
		return s
	}
	e, _ := openai.ParseError(raw)
	s := judge(r.StatusCode, e, p)
	if s.failure.header != nil {
		s.failure.header = r.Header
	}
	return s
}

// complained is the setback of an answer that began with 200 and turned out to be an error.
func complained(e *openai.Error, p *snapshot.Provider) *setback {
	status := http.StatusBadGateway
	if code, err := strconv.Atoi(e.Code); err == nil && code >= 400 && code < 600 {
		status = code
	} else {
		switch kind := strings.ToLower(e.Type + " " + e.Code); {
		case strings.Contains(kind, "quota"), strings.Contains(kind, "rate_limit"):
			status = http.StatusTooManyRequests
		case strings.Contains(kind, "authentication"), strings.Contains(kind, "invalid_api_key"):
			status = http.StatusUnauthorized
		case strings.Contains(kind, "invalid_request"):
			status = http.StatusBadRequest
		}
	}
	s := judge(status, *e, p)
	s.status = http.StatusOK
	return s
}

// fromVendor marks a failure as the vendor's own, before its header is known.
var fromVendor = http.Header{}

// judge says whose fault a vendor's error is, and what the caller is told. A refusal of our credential or account is
// ours to mend, so the caller gets an error of the gateway's; all else is passed on, cleaned.
func judge(status int, e openai.Error, p *snapshot.Provider) *setback {
	s := &setback{scope: ofProvider, status: status}
	switch {
	case status == http.StatusPaymentRequired, status == http.StatusTooManyRequests && aboutQuota(e):
		s.scope = ofKey
		s.failure = failure{status: http.StatusServiceUnavailable, kind: "upstream_error", code: codeQuota,
			message: "The gateway's account at the provider is used up."}
		return s
	case status == http.StatusUnauthorized, status == http.StatusForbidden, aboutKey(e):
		s.scope = ofKey
		s.failure = failure{status: http.StatusBadGateway, kind: "upstream_error", code: codeAuth,
			message: "The provider refused the gateway's credential."}
		return s
	case status < 400:
		s.failure = failure{status: http.StatusBadGateway, kind: "upstream_error", code: codeMalformed,
			message: fmt.Sprintf("The provider answered with status %d.", status)}
		return s
	case status == http.StatusTooManyRequests:
		s.scope = ofKey
	case status == http.StatusNotFound:
		s.scope = ofModel
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
	default:
		s.scope = ofRequest
	}
	s.failure = failure{
		status: status, header: fromVendor,
		kind: scrubToken(e.Type, p), code: scrubToken(e.Code, p), param: scrubToken(e.Param, p),
		message: scrub(e.Message, p),
	}
	if s.failure.kind == "" {
		s.failure.kind = openai.TypeOf(status)
	}
	if s.failure.message == "" {
		s.failure.message = fmt.Sprintf("The provider answered with status %d.", status)
	}
	return s
}

// aboutQuota tells an account that is used up from one that is asked too fast: both are 429.
func aboutQuota(e openai.Error) bool {
	for _, word := range [...]string{e.Type, e.Code} {
		word = strings.ToLower(word)
		if strings.Contains(word, "quota") || strings.Contains(word, "billing") || strings.Contains(word, "balance") {
			return true
		}
	}
	return false
}

// aboutKey finds refusals of a credential that come with another status than 401 (Gemini's compatibility layer: 400).
func aboutKey(e openai.Error) bool {
	return e.Code == "invalid_api_key" || strings.Contains(strings.ToLower(e.Message), "api key not valid")
}
