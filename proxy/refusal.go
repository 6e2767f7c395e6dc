package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/keypool"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

// maxErrorBody is how much of a vendor's error answer is read.
const maxErrorBody = 64 << 10

// refused reads a vendor's error answer.
func (c *call) refused(ctx context.Context, r *http.Response, d dialect.Dialect) *setback {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxErrorBody))
	if err != nil && c.gone() {
		c.cancelled()
		return nil
	}
	if s := ownSetback(ctx); err != nil && s != nil {
		return s
	}
	e := d.DecodeError(r.StatusCode, raw)
	s := judge(e, c.attempts.target().Route.Provider)
	if s.scope == ofRequest && c.knowsNot(e) || s.failure.header != nil && c.lacksState(e) {
		s.scope = ofKey
	}
	if s.failure.header != nil {
		s.failure.header = r.Header
	}
	now := time.Now()
	s.retryAfter = retryAfter(r.Header, e, now)
	if s.retryAfter == 0 && r.StatusCode == http.StatusTooManyRequests {
		s.retryAfter = keypool.Reset(d.Name(), r.Header, now)
	}
	return s
}

// complained is the setback of an answer that began with 200 and turned out to be an error.
func complained(said *llm.Error, p *snapshot.Provider) *setback {
	e := *said
	if e.Status < 400 {
		e.Status = statusOf(&e)
	}
	s := judge(&e, p)
	s.status = http.StatusOK
	return s
}

// statusOf is the status that an error without one would have come with.
func statusOf(e *llm.Error) int {
	if code, err := strconv.Atoi(e.Code); err == nil && code >= 400 && code < 600 {
		return code
	}
	switch e.Class {
	case llm.Unclassified:
	case llm.TooLarge:
		return http.StatusBadRequest // the prompt for the model, not the body for a server
	default:
		return e.HTTPStatus()
	}
	switch kind := strings.ToLower(e.Type + " " + e.Code); {
	case strings.Contains(kind, "quota"), strings.Contains(kind, "rate_limit"):
		return http.StatusTooManyRequests
	case strings.Contains(kind, "authentication"), strings.Contains(kind, "invalid_api_key"):
		return http.StatusUnauthorized
	case strings.Contains(kind, "invalid_request"):
		return http.StatusBadRequest
	}
	return http.StatusBadGateway
}

// fromVendor marks a failure as the vendor's own, before its header is known.
var fromVendor = http.Header{}

// judge says whose fault a vendor's error is, and what the caller is told. A refusal of our credential or account is
// ours to mend, so the caller gets an error of the gateway's; all else is passed on, cleaned.
func judge(e *llm.Error, p *snapshot.Provider) *setback {
	status := e.Status
	s := &setback{scope: ofProvider, status: status}
	switch {
	case status == http.StatusPaymentRequired, status >= 400 && e.AboutQuota():
		s.scope = ofKey
		s.failure = ours(http.StatusServiceUnavailable, "upstream_error", codeQuota, "The gateway's account at the provider is used up.")
		return s
	case status == http.StatusForbidden && refusesContent(e):
		s.scope = ofRequest
	case status == http.StatusUnauthorized, status == http.StatusForbidden, e.AboutKey():
		s.scope = ofKey
		s.failure = refusedKey()
		return s
	case status < 400:
		s.failure = ours(http.StatusBadGateway, "upstream_error", codeMalformed, fmt.Sprintf("The provider answered with status %d.", status))
		return s
	case e.Class == llm.TooLarge: // whatever its status: a longer context is not to be had elsewhere under this name
		s.scope = ofRequest
	case status == http.StatusTooManyRequests:
		s.scope = ofKey
	case status == http.StatusNotFound:
		s.scope = ofModel
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
	default:
		s.scope = ofRequest
	}
	said := *e
	said.Type, said.Code, said.Param = scrubToken(e.Type, p), scrubToken(e.Code, p), scrubToken(e.Param, p)
	said.Message = scrub(e.Message, p)
	if said.Message == "" {
		said.Message = fmt.Sprintf("The provider answered with status %d.", status)
	}
	s.failure = failure{Error: said, header: fromVendor}
	return s
}

// refusedKey is what the caller is told where a key of ours is no good.
func refusedKey() failure {
	return ours(http.StatusBadGateway, "upstream_error", codeAuth, "The provider refused the gateway's credential.")
}
