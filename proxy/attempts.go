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
	"aihigress/internal/limit"
	"aihigress/internal/llm"
	"aihigress/internal/overload"
	"aihigress/internal/routing"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
)

// A scope is what a failure says about: who else would fail the same way.
type scope int

const (
	ofRequest  scope = iota // it would fail everywhere: nothing else is tried, unless the model has it otherwise
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

// An attempt is one call of a target on its way.
type attempt struct {
	target   *routing.Target
	live     watch
	held     held
	way      *way
	started  time.Time
	ctx      context.Context
	cancel   context.CancelCauseFunc
	sending  *upstream.Sending
	response *http.Response
	err      error

	*rival // of one that runs beside another, else nil

	before *attempt // that was made before it
}

// progress is how far the attempts of a call have come. The masks have a bit for each target of the plan.
type progress struct {
	current *attempt // the one that is gone on with; nil where none was made
	beside  *attempt // that runs and is the next one; nil where none does
	lost    []loser
	count   int
	repeats int // of these, on a target that could not be connected to
	log     []usage.Attempt

	roomless uint32 // passed over, since their keys had no room
	insist   bool   // they were tried once more

	out  uint32 // tried, bound to fail like one that was, or with a key that has no room
	last uint32 // better not: their provider failed

	wait    time.Duration  // the shortest until a target that was passed over has room; zero where none was
	refusal *limit.Refusal // of that target's provider; nil where its key had none
	line    queueing

	first attempt  // room for the one that most calls make
	made  *attempt // last
}

// exhausted reports whether every target is ruled out.
func (a *progress) exhausted(plan []routing.Target) bool { return a.out == 1<<len(plan)-1 }

// The masks have room for the longest plan.
const _ = uint32(1) << (routing.MaxTargets - 1)

// target is the one that is tried, or was last; nil where none was.
func (a *progress) target() *routing.Target {
	if a.current == nil {
		return nil
	}
	return a.current.target
}

// next is an attempt on the first target that is not ruled out, has a slot free and whose key has room, one of a provider
// that has not failed before others, and with force, one that is out of use where there is no other, not even one to wait
// for; nil is none. The board and the gate watch it from here on.
func (a *progress) next(plan []routing.Target, keys rooms, board *health.Board, gate *overload.Gate, force bool) *attempt {
	a.line.full = 0
	defer a.line.drop()
	for _, pass := range [...]struct {
		out   uint32
		force bool
	}{{a.last, false}, {0, false}, {0, true}} {
		if pass.force && !force {
			break
		}
		for i := range plan {
			if (a.out|pass.out)&(1<<i) != 0 || pass.force && a.line.full != 0 {
				continue
			}
			attempt, inUse := board.Begin(plan[i].Health(), pass.force)
			if !inUse {
				continue
			}
			slot, free := a.line.slot(gate, plan[i].Health())
			live := watch{attempt, slot}
			if !free {
				live.End(health.Result{Class: health.Cancelled})
				a.line.full |= 1 << i
				continue
			}
			a.out |= 1 << i
			if held, ok := a.enter(keys, &plan[i]); ok {
				return a.room(&plan[i], live, held)
			}
			a.roomless |= 1 << i
			live.End(health.Result{Class: health.Cancelled})
		}
	}
	return nil
}

// room makes an attempt that has not begun.
func (a *progress) room(t *routing.Target, live watch, room held) *attempt {
	made := &a.first
	if a.first.target != nil {
		made = new(attempt)
	}
	*made = attempt{target: t, live: live, held: room, before: a.made}
	a.made = made
	return made
}

// abandon ends what a panic has left without an end.
func (a *progress) abandon() {
	for made := a.made; made != nil; made = made.before {
		made.end(health.Cancelled, 0, 0)
	}
}

// begin counts an attempt, which goes the way from here on. Most calls make one, which has the call's own context then: it is
// replaced should another attempt follow, and one that may get a rival has its own.
func (c *call) begin(made *attempt, w *way) {
	made.way, made.started = w, time.Now()
	if made.ctx, made.cancel = c.ctx, c.cancel; c.attempts.count > 0 || c.hedges {
		made.ctx, made.cancel = context.WithCancelCause(c.ctx)
	}
	c.attempts.count++
}

// renew gives the call another context where an attempt that is over had its own.
func (c *call) renew(over *attempt) {
	if over.ctx == c.ctx {
		c.ctx, c.cancel = context.WithCancelCause(c.r.Context())
		c.answer.cancels(c.cancel)
	}
}

// end tells the board and the gate how the attempt ended. Only the first word counts.
func (a *attempt) end(class health.Class, retryAfter time.Duration, tokens int64) {
	a.live.End(health.Result{Class: class, RetryAfter: retryAfter, Tokens: tokens})
	if class == health.Cancelled {
		a.leave(limit.Use{}) // unless the call was settled
	}
}

// rule draws the conclusions from a failure of the present target.
func (a *progress) rule(plan []routing.Target, s scope) {
	failed := a.current.target
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
		case ofRequest: // another model may take it, here as well, but rather at another provider
			if t.Route.UpstreamID == failed.Route.UpstreamID {
				a.out |= 1 << i
			}
			a.last |= 1 << i
		}
	}
}

// note writes down how the present attempt ended.
func (a *progress) note(status int, code string) {
	a.log = append(a.log, a.current.entry(status, code))
}

// entry is an attempt as it is logged.
func (a *attempt) entry(status int, code string) usage.Attempt {
	p := a.target.Route.Provider
	entry := usage.Attempt{ProviderID: p.ID, ProviderSlug: p.Slug, Status: status, Error: code,
		StartedAt: a.started, Duration: time.Since(a.started)}
	if a.target.Key != nil {
		entry.KeyID = a.target.Key.ID
	}
	return entry
}

// attempt tries the targets of the plan until one answers, the commit point has passed, or nothing is left.
func (c *call) attempt() {
	var last *setback
	var unfit error    // why a target was not asked
	var final *setback // after which nobody else is asked
	for c.attempts.count < c.p.o.MaxAttempts || c.attempts.beside != nil {
		a, err := c.choose(last)
		if a == nil && err == nil {
			break
		}
		if err != nil {
			unfit = err
			continue
		}
		s := c.try(a)
		if s == nil {
			return
		}
		c.answer.attemptOver()
		c.renew(a)
		c.attempts.note(s.status, s.failure.reason())
		last = s
		if final == nil && (s.scope == ofRequest && !c.asksOthers(s) || c.upload != nil && !c.upload.repeats()) {
			final = s
		}
		if final != nil && c.attempts.beside == nil { // what is on its way already may answer all the same
			last = final
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
	case c.attempts.line.over != nil:
		c.crowded()
	default:
		c.busy()
	}
}

// choose begins the next attempt, or takes the one that runs already. It is nil where nothing is left to try; the error says
// that a target cannot take the call, and others may.
func (c *call) choose(last *setback) (*attempt, error) {
	if a := c.attempts.beside; a != nil {
		c.attempts.beside = nil
		return a, nil
	}
	a := c.attempts.next(c.plan, c.rooms(), c.p.o.Health, c.p.o.Gate, true)
	for a == nil && c.queue() {
		a = c.attempts.next(c.plan, c.rooms(), c.p.o.Health, c.p.o.Gate, true)
	}
	if a == nil && c.attempts.insists() {
		a = c.attempts.next(c.plan, c.rooms(), c.p.o.Health, c.p.o.Gate, true)
	}
	switch {
	case a == nil:
		if a = c.again(last); a == nil {
			return nil, nil
		}
	case !c.mayRetry(a.target, c.p.o.Health.Now()):
		a.end(health.Cancelled, 0, 0)
		return c.choose(last) // no deeper than the plan is long
	}
	w, err := c.wayTo(a.target)
	if err != nil {
		a.end(health.Cancelled, 0, 0)
		return nil, err
	}
	c.begin(a, w)
	return a, nil
}

// asksOthers reports whether others are to be asked although a vendor refused the request itself.
func (c *call) asksOthers(s *setback) bool {
	return c.model != nil && c.model.FailoverRefused && s.failure.header != nil
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
func (c *call) try(a *attempt) (s *setback) {
	a = c.send(a)
	c.attempts.current = a
	defer func() {
		if s != nil {
			a.end(s.class(), s.retryAfter, 0)
		}
		a.end(health.Cancelled, 0, 0) // what was neither booked nor found fault with: its caller is gone
		a.cancel(nil)
	}()
	c.seen.begin()
	w, ctx, cancel, response := a.way, a.ctx, a.cancel, a.response
	if a.err != nil {
		return c.unreached(ctx, a.err)
	}
	if response != nil {
		defer response.Body.Close()
	}
	if a.rival != nil && a.panicked != nil {
		panic(a.panicked)
	}
	c.p.o.Keys.Learn(a.target.Key, a.target.Route.UpstreamID, w.dialect.Name(), response.Header)
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
	kind := r.Header.Get("Content-Type")
	if kind != "text/event-stream" && kind != "application/json" { // mostly it is one of these, with nothing to it
		var err error
		if kind, _, err = mime.ParseMediaType(kind); err != nil {
			return asked
		}
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
	if c.answer != nil && c.answer.unread() {
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

var onlyAttempt = []string{"1"}

// name puts into the header who answered, at which attempt.
func (c *call) name(h http.Header) {
	if c.attempts.current == nil {
		return
	}
	if w := c.answer.way; w != nil {
		w.name(h)
	}
	h["X-Aihigress-Attempts"] = onlyAttempt
	if c.attempts.count != 1 {
		h["X-Aihigress-Attempts"] = []string{strconv.Itoa(c.attempts.count)}
	}
}
