package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/sse"
	"aihigress/internal/upstream"
)

const (
	// hedgeKnown is how many first tokens of a target must have been seen, weighted by their age, for its p95 to be gone by.
	hedgeKnown = 10
	// hedgeSoonest is the least that a first attempt is waited for: what is faster than that needs no rival.
	hedgeSoonest = 20 * time.Millisecond
	// inexact makes up for percentiles that are good to 20 %: a target that always takes the same time must not be taken for
	// late.
	inexact = 1.2
	// hedgeOutput is how many tokens of a loser's answer are charged at most. It is ended with its rival's first token.
	hedgeOutput = 256
)

// codeHedgeLost is the code of an attempt that its rival was faster than.
const codeHedgeLost = "hedge_lost"

var errLost = errors.New("another attempt was faster")

// A rival is what an attempt has that runs beside another one. Nobody but its goroutine touches it until done is closed.
type rival struct {
	done     chan struct{}
	content  bool      // an answer has begun
	seen     llm.Usage // what the vendor said so far
	panicked error     // what is to end the call
}

// A loser is an attempt that another one was faster than.
type loser struct {
	*attempt
	entry int // of the log
}

// send makes the call, and where its model asks for it, another one beside it. It gives back the attempt that is to be gone
// on with: the faster one, or one that failed. In that case the other one still runs, and is the next attempt of the call.
func (c *call) send(a *attempt) *attempt {
	c.answer.attempt(c.patience(a), a.cancel, a.way)
	if a.rival != nil { // it ran beside the one that failed
		<-a.done
		return a
	}
	a.sending = &c.sending
	wait := c.hedgeAfter(a)
	if wait == 0 {
		a.response, a.err = c.p.o.Upstream.Do(a.ctx, c.outgoing(a)) //nolint:bodyclose // try does
		return a
	}
	a.race(c.p.o.Upstream, c.outgoing(a))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-a.done:
		return a
	case <-timer.C:
	}
	first, second := a, c.hedge(a)
	if second == nil {
		<-a.done
		return a
	}
	select {
	case <-first.done:
	case <-second.done:
		first, second = second, first
	}
	c.answer.attempt(c.patience(first), first.cancel, first.way)
	if first.content {
		c.lose(second)
	} else {
		c.attempts.beside = second
	}
	return first
}

// hedgeAfter is how long an attempt may stay without content before another one is sent: the target's 95th percentile of
// that. 0 is for ever.
func (c *call) hedgeAfter(a *attempt) time.Duration {
	if !c.hedges || !a.way.streams || !c.event.Streamed || c.upload != nil || c.facts.Previous != "" || c.conversation.alone {
		return 0 // also where nobody else has what the request goes on from
	}
	stats := c.p.o.Health.Look(a.target.Health(), c.p.o.Health.Now()).Stats
	if stats == nil || stats.FirstToken.Count < hedgeKnown {
		return 0
	}
	return max(time.Duration(inexact*stats.FirstToken.P95*float64(time.Second)), hedgeSoonest)
}

// hedge sends an attempt on the next target, which the budget of retries pays for, beside the one that is slow; nil where
// there is none.
func (c *call) hedge(slow *attempt) *attempt {
	if c.attempts.count >= c.p.o.MaxAttempts || c.attempts.exhausted(c.plan) || !c.p.retries.take(c.target, c.p.o.Health.Now()) {
		return nil
	}
	a := c.attempts.next(c.plan, c.rooms(), c.p.o.Health, c.p.o.Gate, false)
	if a == nil {
		return nil
	}
	w, err := c.wayTo(a.target)
	if err != nil || !w.streams {
		a.end(health.Cancelled, 0, 0)
		return nil
	}
	c.begin(a, w)
	a.sending = &c.hedged
	c.answer.attempt(c.p.o.FirstToken, func(cause error) {
		slow.cancel(cause)
		a.cancel(cause)
	}, slow.way)
	a.race(c.p.o.Upstream, c.outgoing(a))
	return a
}

// race makes the call beside another one, up to where the answer begins.
func (a *attempt) race(u Upstream, out upstream.Call) {
	a.rival = &rival{done: make(chan struct{})}
	go func() { // waited for by whoever goes on with the attempt, or by lost
		defer close(a.done)
		defer func() {
			if p := recover(); p != nil { // in this goroutine it would end the process
				a.panicked = fmt.Errorf("beside another attempt: %v\n%s", p, debug.Stack())
			}
		}()
		a.response, a.err = u.Do(a.ctx, out) //nolint:bodyclose // try does, or lost
		if a.err == nil && a.response.StatusCode == http.StatusOK && eventStream(a.response, true) {
			a.listen()
		}
	}()
}

// listen reads up to the first content, and leaves the response as if nothing had been read.
func (a *attempt) listen() {
	body := &replayed{ReadCloser: a.response.Body}
	events := sse.NewReader(io.TeeReader(a.response.Body, &body.read), 0)
	defer events.Close()
	a.response.Body = body
	watch := a.way.dialect.Watch(nil)
	for !a.content && body.read.Len() <= maxHeld {
		event, err := events.Next()
		if err != nil { // what is said then is judged by whoever goes on with it
			break
		}
		if event.Kind != sse.Message || len(bytes.TrimSpace(event.Data)) == 0 {
			continue
		}
		chunk, err := watch.Event(event.Data)
		if err != nil || chunk.Error != nil || chunk.Done {
			break
		}
		a.content = chunk.Content || chunk.Finish
	}
	a.seen, _ = watch.Usage()
}

// replayed is a body whose beginning is read again.
type replayed struct {
	read bytes.Buffer
	io.ReadCloser
}

// Read implements io.Reader.
func (r *replayed) Read(p []byte) (int, error) {
	if r.read.Len() > 0 {
		return r.read.Read(p)
	}
	return r.ReadCloser.Read(p)
}

// lose ends an attempt that another one was faster than.
func (c *call) lose(a *attempt) {
	a.cancel(errLost)
	a.live.Outpaced()
	c.attempts.log = append(c.attempts.log, a.entry(0, codeHedgeLost))
	c.attempts.lost = append(c.attempts.lost, loser{a, len(c.attempts.log) - 1})
}

// lost waits for the losers to be over, and is what their vendors charge together, and the account for it: they worked on the
// request all the same.
func (c *call) lost() (cost, charge money.Amount) {
	if c.attempts.beside != nil {
		c.lose(c.attempts.beside)
		c.attempts.beside = nil
	}
	for _, l := range c.attempts.lost {
		<-l.done
		entry := &c.attempts.log[l.entry]
		if l.response != nil {
			entry.Status = l.response.StatusCode
			l.response.Body.Close()
		}
		if l.panicked != nil {
			c.p.o.Log.Error("attempt panicked", "request_id", c.requestID, "error", l.panicked)
		}
		u := c.lostUsage(l.attempt)
		l.leave(used(u))
		var paid money.Amount
		var priced bool
		paid, entry.Charge, priced = rateOf(l.target.Route).Charge(u, markupOf(l.target.Route), c.event.StartedAt)
		entry.Unpriced = !priced
		cost, charge = cost+paid, charge+entry.Charge
	}
	c.attempts.lost = nil
	return cost, charge
}

// lostUsage is what a loser used: the prompt, as the vendor told or else by estimate, and what was heard of an answer.
// Nothing where the request did not go out or was refused.
func (c *call) lostUsage(a *attempt) llm.Usage {
	answered := a.response != nil && a.response.StatusCode == http.StatusOK
	if !answered && (a.response != nil || !a.sending.Sent()) {
		return llm.Usage{}
	}
	u := a.seen
	if u.TotalInput() == 0 {
		u = llm.Usage{Input: c.promptCount(), Output: u.Output, Estimated: true}
	}
	u.Output = min(u.Output, hedgeOutput)
	return u
}
