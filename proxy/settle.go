package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
)

// settle books the call, once: the event goes to the spool before the caller sees the end of the answer, so that no
// kill can lose an answered call. Then the hold and the slot are given back. It reports whether the call stands in the
// books; if not, the caller must not see it end well.
func (c *call) settle(outcome usage.Outcome, status int, code string) bool {
	if c.settled {
		return true
	}
	c.settled = true
	defer c.giveBack()
	e := &c.event
	lostCost, lostCharge := c.lost()
	e.Outcome, e.HTTPStatus, e.ErrorCode = outcome, status, code
	e.Duration = time.Since(e.StartedAt)
	e.Attempts = c.attempts.log
	e.Usage = c.used(outcome)
	if c.attempts.current == nil {
		e.Usage, e.ProviderID, e.ProviderSlug, e.UpstreamModel = llm.Usage{}, nil, "", ""
		c.price(nil)
	} else {
		route := c.attempts.target().Route
		e.ProviderID, e.ProviderSlug, e.UpstreamModel = &route.Provider.ID, route.Provider.Slug, route.UpstreamID
		c.speak(route)
		c.price(route)
	}
	e.Add(lostCost, lostCharge)
	for i := range e.Attempts {
		e.Unpriced = e.Unpriced || e.Attempts[i].Unpriced // part of it is in no charge
	}
	e.Budgets = c.charged()
	c.booked(outcome)
	err := c.p.o.Meter.Finished(context.WithoutCancel(c.r.Context()), e) // also where the caller is gone
	if err != nil {
		web.NoteError(c.r.Context(), err)
	}
	c.note()
	return err == nil
}

// giveBack ends what the call holds, even where it could not be booked for a panic: it is then booked at the next start,
// with the charge that stands in the event.
func (c *call) giveBack() {
	if c.hold != nil {
		if c.event.Charge != nil {
			c.hold.Settle(*c.event.Charge)
		} else {
			c.hold.Release()
		}
	}
	c.settleBudgets()
	if c.event.Outcome == usage.Refused {
		c.lease.Return()
		return
	}
	c.lease.Finish(used(c.event.Usage))
}

// unbooked is the failure of a call whose end could not be written down.
func (c *call) unbooked() *failure {
	f := describe(errUnbooked, c.requestID)
	return &f
}

var errUnbooked = errors.New("the end of the call could not be recorded")

// release gives back what a call holds that was never settled.
func (c *call) release() {
	if c.key != nil && !c.settled {
		c.settle(usage.UpstreamError, http.StatusInternalServerError, codeInternal)
	}
	if c.upload != nil {
		c.upload.close()
	}
	if c.body != nil {
		c.p.bodies.give(c.decodedSize + c.encodedSize)
		c.body.free(c.sending.Idle() && c.hedged.Idle())
	}
	c.seen.close()
}

// used is what the call took: what the vendor said, else an estimate of what went out and came in.
func (c *call) used(outcome usage.Outcome) llm.Usage {
	if c.endpoint.free {
		return llm.Usage{}
	}
	if u, ok := c.seen.reported(); ok && !c.beyond(u) {
		if u.Estimated && u.TotalInput() == 0 {
			u.Input = c.promptCount() // the answer told of itself alone
		}
		if outcome == usage.OK {
			return u // and the text is not counted: that costs more than all the rest of a call
		}
		if got := c.countAnswer(); got > u.Output {
			u.Output, u.Estimated = got, true // counts so far, from before the answer broke off
		}
		return u
	}
	sent := outcome == usage.Cancelled && c.attempts.current != nil && c.attempts.current.sending.Sent()
	if !c.seen.accepted && !sent {
		return llm.Usage{} // no vendor has worked on it, as far as anybody can tell
	}
	u := llm.Usage{Input: countPrompt(c.scanned, c.body.bytes), Estimated: true}
	if c.endpoint.output {
		u.Output = c.countAnswer()
	}
	return u
}

// beyond reports whether counts are of more than the model holds and than the call can have asked for: then an estimate is
// booked. Catalogues name less than many models can, so that the model's context alone refutes nothing. Nor is anything known
// of what the vendor itself put into the prompt: files, an answer before, or what its tools found.
func (c *call) beyond(u llm.Usage) bool {
	if c.attempts.current == nil || u.Estimated || u.ToolUses > 0 || c.facts.Media > 0 || c.facts.Previous != "" {
		return false
	}
	upstream := c.attempts.target().Route.Upstream
	if upstream == nil || upstream.Context <= 0 {
		return false
	}
	c.seen.beyond = u.TotalInput() > max(upstream.Context, densePrompt(c.facts)+c.upload.dense()) ||
		u.Output > max(upstream.Context, c.facts.MaxTokens)*c.facts.N
	return c.seen.beyond
}

// countAnswer estimates the tokens of what was generated, which cannot be more than the caller allowed.
func (c *call) countAnswer() int64 {
	n := c.seen.text.Tokens()
	if c.facts.MaxTokens > 0 {
		n = min(n, c.facts.MaxTokens*c.facts.N)
	}
	return n
}

// price fills in what the event's usage costs by a route's rate. What used nothing costs nothing, priced or not.
func (c *call) price(route *snapshot.Route) {
	e := &c.event
	cost, charge, priced := rateOf(route).Charge(e.Usage, markupOf(route), e.StartedAt)
	e.Unpriced, e.Charge, e.Cost, e.PriceVersion = !priced, nil, nil, ""
	if priced && route != nil {
		e.PriceVersion = route.PriceVersion
	}
	if priced {
		paid := [2]money.Amount{charge, cost}
		e.Charge, e.Cost = &paid[0], &paid[1]
	}
}

// speak counts the characters that were read out, where they are paid: no vendor tells.
func (c *call) speak(route *snapshot.Route) {
	rate, u := rateOf(route), &c.event.Usage
	if c.endpoint.operation != upstream.Speech || rate.Rare == nil || rate.Rare.Characters == nil || u.IsZero() {
		return
	}
	c.scanned.PromptText(c.body.bytes, func(part []byte) {
		for _, b := range part {
			if b&0xC0 != 0x80 { // the beginning of a rune, which a part may end within
				u.Characters++
			}
		}
	})
}

func markupOf(route *snapshot.Route) pricing.Markup {
	if route == nil {
		return 0
	}
	return route.Markup
}

// rateOf is the rate of a route. The zero rate knows no price, and so makes any usage unpriced.
func rateOf(route *snapshot.Route) pricing.Rate {
	if route == nil || route.Upstream == nil {
		return pricing.Rate{}
	}
	return route.Upstream.Rate
}

// note adds the call to the log line of its request.
func (c *call) note() {
	e := &c.event
	web.Note(c.r.Context(),
		slog.String("key", c.key.Hint), slog.String("model", e.Model), slog.String("provider", e.ProviderSlug),
		slog.String("upstream_model", e.UpstreamModel), slog.String("outcome", string(e.Outcome)), slog.String("code", e.ErrorCode),
		slog.Int("attempts", len(e.Attempts)), slog.Int64("input_tokens", e.Usage.TotalInput()), slog.Int64("output_tokens", e.Usage.Output),
		slog.Duration("first_token", e.FirstToken))
	if c.seen.odd() {
		web.Note(c.r.Context(), slog.Bool("odd_usage", true))
	}
}
