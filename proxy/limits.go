package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"aihigress/internal/limit"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
)

// limit holds the call to the limits of its key, user, role, model and tags. Those of providers are held by each attempt.
func (c *call) limit() error {
	claims := c.snapshot.Claims(c.claimed[:0], c.key, c.target, c.event.Tags)
	if len(claims) == 0 {
		return nil
	}
	lease, state, err := c.p.o.Limits.Admit(c.ctx, c.estimate(claims, c.longest), claims)
	rateHeader(c.w.Header(), requestRate, state.Requests)
	rateHeader(c.w.Header(), tokenRate, state.Tokens)
	if err != nil {
		return fmt.Errorf("admit the call: %w", err)
	}
	c.lease = lease
	return nil
}

// estimate is what the call takes of limits on tokens until it ends. A limit on what comes out holds all that may come, and
// one on both what the caller names.
func (c *call) estimate(claims []limit.Claim, output func() int64) limit.Use {
	use := limit.Use{Input: c.prompt, Tokens: c.prompt + c.facts.MaxTokens}
	if c.endpoint.output && slices.ContainsFunc(claims, countsOutput) {
		use.Output = output()
	}
	return use
}

func countsOutput(claim limit.Claim) bool {
	return slices.ContainsFunc(claim.Limits, func(l limit.Limit) bool { return l.What == limit.OutputTokens })
}

// longest is how long the answers may get together at any target.
func (c *call) longest() (most int64) {
	for i := range c.plan {
		most = max(most, c.maxOutput(c.plan[i].Route))
	}
	return most
}

// used is a call's usage as limits count it.
func used(u llm.Usage) limit.Use {
	return limit.Use{Input: u.TotalInput(), Output: u.Output, Tokens: u.Total()}
}

// visit takes room within the limits of a target's provider, for an attempt of so much. It tells how long there is none, and
// which limit says so.
func (c *call) visit(t *routing.Target, again bool) (*limit.Lease, time.Duration, *limit.Refusal) {
	claims := t.Route.Provider.Claims(c.claimed[:0], c.key.UserID)
	if len(claims) == 0 {
		return nil, 0, nil
	}
	var use limit.Use
	if !again {
		use = c.estimate(claims, func() int64 { return c.maxOutput(t.Route) })
	}
	lease, err := c.p.o.Limits.Take(c.ctx, use, claims...)
	if err == nil {
		return lease, 0, nil
	}
	const soon = 100 * time.Millisecond // a slot is free when some call ends
	refusal, ok := errors.AsType[*limit.Refusal](err)
	if !ok || refusal.Wait <= 0 {
		return nil, soon, refusal
	}
	return nil, refusal.Wait, refusal
}

// rateNames are the names of a limit's headers, as OpenAI has them: what it is, what is left of it, when it is whole again.
type rateNames struct{ limit, remaining, reset string }

var (
	requestRate = rateNames{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"}
	tokenRate   = rateNames{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"}
)

// rateHeader tells the caller where they stand with one limit.
func rateHeader(h http.Header, of rateNames, w limit.Window) {
	if w.Limit <= 0 {
		return
	}
	values := []string{strconv.FormatInt(w.Limit, 10), strconv.FormatInt(w.Remaining, 10), w.Reset.Round(time.Millisecond).String()}
	h[of.limit], h[of.remaining], h[of.reset] = values[0:1:1], values[1:2:2], values[2:3:3]
}
