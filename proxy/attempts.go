package proxy

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
)

// A scope is what a failure says about: who else would fail the same way.
type scope int

const (
	ofRequest  scope = iota // it would fail everywhere: nothing else is tried
	ofModel                 // this model at this provider, with whatever key
	ofKey                   // everything with this key
	ofProvider              // perhaps everything at this provider: others are tried first
)

// A setback is an attempt that brought nothing, and the answer if no other one does.
type setback struct {
	scope      scope
	status     int // the vendor's; 0 where none came
	failure    failure
	retryAfter time.Duration // the vendor's; 0 where it did not say
	unsent     bool          // no connection: the vendor cannot have seen the request
}

// progress is how far the attempts of a call have come. The masks have a bit for each target of the plan.
type progress struct {
	target  *routing.Target // the one that is being tried
	count   int
	repeats int // of these, on a target that could not be connected to
	started time.Time
	live    health.Attempt // as the board watches it
	log     []usage.Attempt

	out  uint32 // tried, bound to fail like one that was, or with a key that has no room
	last uint32 // better not: their provider failed

	wait time.Duration // the shortest until a key that was passed over has room; zero where none was
}

// The masks have room for the longest plan.
const _ = uint32(1) << (routing.MaxTargets - 1)

// next is the first target that is not ruled out and whose key has room, one of a provider that has not failed before
// others, and one that is out of use only when there is no other; nil is none. The board watches it from here on.
func (a *progress) next(plan []routing.Target, keys *pace, board *health.Board) *routing.Target {
	for _, pass := range [...]struct {
		out   uint32
		force bool
	}{{a.last, false}, {0, false}, {0, true}} {
		for i := range plan {
			if (a.out|pass.out)&(1<<i) != 0 {
				continue
			}
			live, inUse := board.Begin(plan[i].Health(), pass.force)
			if !inUse {
				continue
			}
			a.out |= 1 << i
			a.live = live
			if wait := keys.take(plan[i].Key, time.Now()); wait > 0 {
				a.ended(health.Cancelled, 0, 0)
				if a.wait == 0 || wait < a.wait {
					a.wait = wait
				}
				continue
			}
			return &plan[i]
		}
	}
	return nil
}

// begin counts an attempt.
func (a *progress) begin(t *routing.Target) {
	a.target, a.started = t, time.Now()
	a.count++
}

// rule draws the conclusions from a failure of the present target.
func (a *progress) rule(plan []routing.Target, s scope) {
	failed := a.target
	for i := range plan {
		t := &plan[i]
		if t.Route.Provider.ID != failed.Route.Provider.ID {
			continue
		}
		switch s {
		case ofModel:
			if t.Route.UpstreamID == failed.Route.UpstreamID {
				a.out |= 1 << i
			}
		case ofKey:
			if t.Key == failed.Key {
				a.out |= 1 << i
			}
		case ofProvider:
			a.last |= 1 << i
		case ofRequest:
		}
	}
}

// note writes down how the present attempt ended.
func (a *progress) note(status int, code string) {
	p := a.target.Route.Provider
	entry := usage.Attempt{ProviderID: p.ID, ProviderSlug: p.Slug, Status: status, Error: code,
		StartedAt: a.started, Duration: time.Since(a.started)}
	if a.target.Key != nil {
		entry.KeyID = a.target.Key.ID
	}
	a.log = append(a.log, entry)
}

// attempt tries the targets of the plan until one answers, the commit point has passed, or nothing is left.
func (c *call) attempt() {
	var last *setback
	var unfit error // why a target was not asked
	for c.attempts.count < c.p.o.MaxAttempts {
		target := c.attempts.next(c.plan, &c.p.keys, c.p.o.Health)
		if target == nil {
			if target = c.again(last); target == nil {
				break
			}
		} else if !c.mayRetry(target, c.p.o.Health.Now()) {
			c.attempts.ended(health.Cancelled, 0, 0)
			continue
		}
		w, err := c.wayTo(target)
		if err != nil {
			c.attempts.ended(health.Cancelled, 0, 0)
			unfit = err
			continue
		}
		c.attempts.begin(target)
		s := c.try(w)
		if s == nil {
			return
		}
		c.answer.attemptOver()
		c.attempts.note(s.status, s.failure.reason())
		last = s
		if s.scope == ofRequest || c.upload != nil && !c.upload.repeats() {
			break
		}
		c.attempts.rule(c.plan, s.scope)
	}
	_, bad := errors.AsType[*llm.RequestError](unfit)
	switch {
	case c.settled: // its caller left between two attempts
	case c.endpoint.estimate != nil && !bad && (last == nil || last.scope != ofRequest):
		c.estimated()
	case last != nil:
		c.giveUp(last)
	case unfit != nil:
		c.unfit(unfit)
	default:
		c.busy()
	}
}

// unfit refuses a call that no target can take.
func (c *call) unfit(err error) {
	if e, ok := fault.As(err); ok && e.Code != codeOverloaded {
		err = c.notHere()
	}
	f := describe(err, c.requestID)
	if f.Code == codeInternal {
		web.NoteError(c.r.Context(), err)
	}
	c.settle(usage.Refused, f.Status, f.reason())
	c.fail(&f)
}

// try makes one attempt. A nil setback says that the call is over: answered, or its caller gone.
func (c *call) try(w *way) (s *setback) {
	defer func() {
		if s != nil {
			c.attempts.ended(s.class(), s.retryAfter, 0)
		}
		c.attempts.ended(health.Cancelled, 0, 0) // what was neither booked nor found fault with: its caller is gone
	}()
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	limit := c.p.o.FirstByte
	if w.streams && c.upload == nil { // an upload takes its time
		limit = c.p.o.FirstToken
	}
	c.seen.begin()
	c.answer.attempt(limit, cancel, w)

	t := c.attempts.target
	outgoing := upstream.Call{
		Provider: t.Route.Provider, Key: t.Key, Path: w.address.Path, Query: w.query,
		Header:  c.upstreamHeader(w),
		Body:    w.body,
		Sending: &c.sending,
	}
	if c.upload != nil && w.passes {
		outgoing.Reader, outgoing.Length = c.upload.open(ctx, w.route.UpstreamID)
	}
	response, err := c.p.o.Upstream.Do(ctx, outgoing)
	if err != nil {
		return c.unreached(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 { // 101: what follows is another protocol, and ends when its sender likes
		return malformed(response.StatusCode)
	}
	if response.StatusCode > 299 {
		return c.refused(ctx, response, w.dialect)
	}
	if coding := response.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return malformed(response.StatusCode) // nobody asked for it, and usage could not be read
	}
	c.seen.accepted = true
	if w.reply != nil {
		tr := translation{c: c, ctx: ctx, cancel: cancel, response: response, way: w}
		return tr.replied()
	}
	streams := eventStream(response, w.streams && !c.endpoint.beside) // which vendors name beside generation
	if w.passes && (streams == c.event.Streamed || !c.endpoint.translates) {
		c.seen.watches(w.dialect)
		if streams {
			r := relay{c: c, ctx: ctx, cancel: cancel, response: response, way: w, holds: w.dialect.Name() == llm.Gemini}
			return r.run()
		}
		if sounds(response) {
			return c.sound(ctx, response)
		}
		return c.whole(ctx, response)
	}
	// A vendor that was asked for a stream may still answer whole, and the other way round: translated like any other.
	tr := translation{c: c, ctx: ctx, cancel: cancel, response: response, way: w}
	return tr.run(streams)
}

// eventStream reports whether a response is a stream of events. Some vendors do not say.
func eventStream(r *http.Response, asked bool) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return asked
	}
	return kind == "text/event-stream" || asked && kind != "application/json" && kind != "text/html"
}

// unreached is the setback of an attempt that no response came of.
func (c *call) unreached(ctx context.Context, err error) *setback {
	if c.gone() {
		c.cancelled()
		return nil
	}
	if s := ownSetback(ctx); s != nil {
		return s
	}
	if c.upload != nil && c.upload.failed() != nil {
		return &setback{scope: ofRequest, failure: describe(c.upload.failed(), c.requestID)}
	}
	web.Note(c.r.Context(), slog.String("attempt_error", err.Error()))
	s := &setback{scope: ofProvider, failure: describe(err, c.requestID), unsent: upstream.Unconnected(err)}
	switch e, ok := fault.As(err); {
	case !ok || e.Kind == fault.Internal:
		s.failure = ours(http.StatusBadGateway, "upstream_error", codeUnavailable, "The provider could not be called.")
	case e.Code == upstream.CodeCredential:
		s.scope = ofKey
		s.failure = refusedKey()
	}
	return s
}

// ownSetback is the setback of an attempt that the gateway itself ended, by the clock mostly; nil where it did not.
func ownSetback(ctx context.Context) *setback {
	f := ours(http.StatusGatewayTimeout, "upstream_error", codeTimeout, "")
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTotal):
		f.Message = "The call did not end in the time it was given."
		return &setback{scope: ofRequest, failure: f}
	case errors.Is(cause, errFirstToken), errors.Is(cause, errIdle):
		f.Message = "The provider did not answer in time."
		return &setback{scope: ofProvider, failure: f}
	case errors.Is(cause, ErrStopping):
		return &setback{scope: ofRequest, failure: ours(http.StatusServiceUnavailable, "server_error", codeStopping, "The gateway is stopping. Try again.")}
	}
	return nil
}

// gone reports whether the caller is, or takes nothing any more: not where it is the gateway that ends the call.
func (c *call) gone() bool {
	if errors.Is(context.Cause(c.ctx), errUnread) {
		return true
	}
	cause := context.Cause(c.r.Context())
	return cause != nil && !errors.Is(cause, ErrStopping) && !c.upload.interrupted()
}

// cancelled ends a call whose caller went away. What was used is booked.
func (c *call) cancelled() {
	status := statusClientClosed
	if c.answer.hasBegun() {
		status = http.StatusOK
	}
	c.attempts.note(c.seen.status(), codeCancelled)
	c.settle(usage.Cancelled, status, codeCancelled)
}

// giveUp answers with the last setback.
func (c *call) giveUp(s *setback) {
	outcome, status := usage.UpstreamError, s.failure.HTTPStatus()
	if s.failure.header != nil && (s.scope == ofRequest || c.knowsNot(&s.failure.Error)) || c.upload != nil && c.upload.failed() != nil {
		outcome = usage.ClientError
	}
	if c.answer.hasBegun() {
		status = http.StatusOK
	}
	c.seen.begin() // what failed attempts may have used is between us and the vendors
	c.settle(outcome, status, s.failure.reason())
	c.fail(&s.failure)
}

// fail ends the answer with a failure. Where there is no way to say it the connection is cut: half a body must not pass
// for a whole one.
func (c *call) fail(f *failure) {
	if c.upload != nil {
		c.upload.stop()
	}
	if !c.answer.fail(f, c.name) {
		panic(http.ErrAbortHandler)
	}
}

// name puts into the header who answered, at which attempt.
func (c *call) name(h http.Header) {
	if c.attempts.target == nil {
		return
	}
	if w := c.answer.way; w != nil {
		w.name(h)
	}
	h["X-Aihigress-Attempts"] = []string{strconv.Itoa(c.attempts.count)}
}
