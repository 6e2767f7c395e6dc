package proxy

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/pin"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// Pins remember where answers are kept that later requests go on from: a *pin.Pins.
type Pins interface {
	Lookup(ctx context.Context, answer string) (pin.Pin, bool)
	Remember(ctx context.Context, answer string, p pin.Pin)
}

// codeNoPrevious is OpenAI's code of a request that goes on from an answer which is not there.
const codeNoPrevious = "previous_response_not_found"

// keepsState leaves of the routes those that could know the answer which the request goes on from: the vendor keeps it, so
// only providers of the caller's dialect can.
func (c *call) keepsState(routes []snapshot.Route) ([]snapshot.Route, error) {
	if c.facts.Previous == "" {
		return routes, nil
	}
	name := c.endpoint.dialect.Name()
	routes = snapshot.Through(routes, func(p *snapshot.Provider) bool { return p.Dialect == name })
	if len(routes) == 0 {
		return nil, &llm.RequestError{Param: "previous_response_id", Code: "unsupported_parameter",
			Message: fmt.Sprintf("The model `%.100s` keeps no answers here: send the whole conversation as input instead of 'previous_response_id'.", c.facts.Model)}
	}
	return routes, nil
}

// followState restricts the plan to where the answer is kept that the request goes on from. Where nobody knows, every
// account is asked in turn: see knowsNot.
func (c *call) followState() error {
	if c.facts.Previous == "" || c.p.o.Pins == nil {
		return nil
	}
	at, ok := c.p.o.Pins.Lookup(c.ctx, c.facts.Previous)
	if !ok {
		return nil
	}
	if at.Account != c.key.AccountID {
		return c.noPrevious()
	}
	var kept []routing.Target
	for i := range c.plan {
		t := &c.plan[i]
		if t.Route.Provider.ID != at.Provider {
			continue
		}
		if slices.Contains(t.Route.Provider.Dead, at.Key) {
			return fault.New(fault.Upstream, "The key that the previous response was made with cannot be used at present.").WithCode("no_provider")
		}
		if t.Key == nil || t.Key.ID == at.Key {
			kept = append(kept, *t)
		}
	}
	if len(kept) == 0 {
		return c.noPrevious() // its provider or key is gone, and nobody else has it
	}
	c.plan = kept
	return nil
}

func (c *call) noPrevious() error {
	return &llm.RequestError{Param: "previous_response_id", Code: codeNoPrevious,
		Message: fmt.Sprintf("Previous response with id '%.100s' not found.", c.facts.Previous)}
}

// knowsNot reports whether a vendor's refusal says only that this account has no such answer. Another may.
func (c *call) knowsNot(e *llm.Error) bool {
	return c.facts.Previous != "" && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) &&
		(e.Code == codeNoPrevious || e.Param == "previous_response_id")
}

// remember notes where an answer is kept, if it is.
func (c *call) remember(answer string) {
	if answer == "" || !c.facts.Stores || c.p.o.Pins == nil {
		return
	}
	t := c.attempts.target()
	at := pin.Pin{Account: c.key.AccountID, Provider: t.Route.Provider.ID}
	if t.Key != nil {
		at.Key = t.Key.ID
	}
	c.p.o.Pins.Remember(c.ctx, answer, at)
}
