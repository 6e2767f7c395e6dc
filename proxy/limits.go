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
	rateHeader(c.w.Header(), "Requests", state.Requests)
	rateHeader(c.w.Header(), "Tokens", state.Tokens)
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
	var room [2]limit.Claim
	claims := t.Route.Provider.Claims(room[:0], c.key.UserID)
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

// rateHeader tells the caller where they stand with one limit, in the words of OpenAI.
func rateHeader(h http.Header, of string, w limit.Window) {
	if w.Limit <= 0 {
		return
	}
	h["X-Ratelimit-Limit-"+of] = []string{strconv.FormatInt(w.Limit, 10)}
	h["X-Ratelimit-Remaining-"+of] = []string{strconv.FormatInt(w.Remaining, 10)}
	h["X-Ratelimit-Reset-"+of] = []string{w.Reset.Round(time.Millisecond).String()}
}
