package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
)

// strategies are those that a caller may ask for. The others need weights, which are the model's.
var strategies = []routing.Policy{routing.Latency, routing.Cost, routing.Reliability, routing.Balanced}

// policy is how the routes are ordered: as the caller asks, else as the key has it, else as the model has it, which is nil
// for a name that only providers list.
func (c *call) policy(model *snapshot.Model) (routing.Policy, error) {
	if asked := routing.Policy(strings.ToLower(c.r.Header.Get("X-Aihigress-Strategy"))); asked != "" {
		if !slices.Contains(strategies, asked) {
			return "", fault.New(fault.Invalid, "The header x-aihigress-strategy is none of latency, cost, reliability and balanced.")
		}
		return asked, nil
	}
	if c.key.Strategy != "" {
		return routing.Policy(c.key.Strategy), nil
	}
	if model != nil {
		return routing.Policy(model.Strategy), nil
	}
	return routing.Weighted, nil
}

// booked tells the board of an attempt that answered the call.
func (c *call) booked(outcome usage.Outcome) {
	if a := c.attempts.current; a != nil {
		a.leave(used(c.event.Usage))
	}
	if outcome != usage.OK || c.attempts.current == nil {
		return
	}
	tokens := int64(0)
	if c.endpoint.output {
		tokens = c.event.Usage.Output
	}
	c.attempts.current.end(health.OK, 0, tokens)
	c.continues()
}

// class is what a setback says to the health of its target.
func (s *setback) class() health.Class {
	if s.scope == ofRequest {
		return health.BadRequest
	}
	f := &s.failure
	if f.header == nil { // not in the vendor's words
		switch f.Code {
		case codeQuota:
			return health.OutOfQuota
		case codeAuth:
			if s.status == http.StatusForbidden {
				return health.Forbidden
			}
			return health.Unauthorized
		case codeTimeout:
			return health.TimedOut
		case codeMalformed, codeTruncated:
			return health.Malformed
		case codeTooLong:
			return health.BadRequest // it is our memory that it does not fit into
		}
		return health.Unreached
	}
	said := strings.ToLower(f.Code + " " + f.Type + " " + f.Message)
	switch status := f.HTTPStatus(); {
	case status == http.StatusTooManyRequests && strings.Contains(said, "request too large"):
		return health.BadRequest // OpenAI: larger than the account may send in a minute, however little it sends
	case status == http.StatusTooManyRequests:
		return health.RateLimited
	case s.scope == ofModel && strings.Contains(said, "model"):
		return health.NoModel
	case s.scope != ofProvider:
		return health.BadRequest // something that the request names is not there: a file, an answer
	case status == http.StatusConflict:
		return health.BadRequest
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return health.TimedOut
	case f.Kind() == llm.Overloaded:
		return health.Overloaded
	}
	return health.ServerError
}

// retryAfter is how long a vendor asks to be left alone; 0 where it does not say.
func retryAfter(h http.Header, e *llm.Error, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	text := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 && s < 1e9 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return max(e.RetryAfter, 0)
}

// refusesContent tells a refusal of what the caller said from one of the gateway's key: some vendors answer both with 403.
func refusesContent(e *llm.Error) bool {
	said := strings.ToLower(e.Code + " " + e.Type + " " + e.Message)
	for _, word := range [...]string{"moderation", "flagged", "content policy", "content_policy", "content_filter"} {
		if strings.Contains(said, word) {
			return true
		}
	}
	return false
}
