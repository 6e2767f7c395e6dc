// Package limit holds subjects to their limits over all nodes: gateway keys, users, roles, models, providers and tags to
// what an admin sets of requests, tokens and calls at once, and vendor keys to what their accounts allow.
//
// What a limit leaves is kept in Redis, and a node leases shares of it, of which it lets calls through by itself: a call
// asks nobody while the node's lease lasts. Leases are renewed in the background ahead of need. They grow with the pace of
// use and shrink as a limit is used up, until each call leases what it takes; what lies idle goes back after a moment, and
// at once where another node asks for more than Redis has. So one node can use all that the others do not need.
//
// A rate is a bucket that holds the whole amount and fills again over its window. Over any time t no more than
//
//	amount × (1 + t/window)
//
// is let through, over all nodes: what is leased is taken out of the bucket before it is used. What a node that died had
// leased counts as used. Calls at once are slots, of which there are never more than the amount; a dead node's are free
// Lifetime after it was last heard of. What is added to these bounds:
//
//   - tokens are estimated first: what calls under way use beyond their estimate is owed, and taken off later;
//   - while Redis is away, a limit with the policy Share lets each node through its part: the amount divided by the nodes that
//     were last seen, and at least one. With Closed nothing passes but what is leased;
//   - a Redis that lost its memory has forgotten what was used: one amount more.
package limit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	// Lifetime is how long a lease lasts unless it is renewed: a killed node's calls still count as running for so long.
	Lifetime = 15 * time.Second

	redisTimeout = 50 * time.Millisecond  // for one decision, and for one batch of questions
	recallWait   = 30 * time.Millisecond  // for other nodes to give back what they do not use
	vainFor      = 250 * time.Millisecond // after they did not, nobody waits for them
	warnEvery    = 10 * time.Second
	dryFor       = 250 * time.Millisecond // at most, before Redis is asked again for what was not there
	shortDry     = 20 * time.Millisecond  // at least
	maxBatch     = 256                    // questions in one pipeline
	maxCells     = 1 << 17                // limits that a node knows; beyond it what nobody uses is forgotten, and its lease lost
	usual        = 8                      // limits of one call; more cost an allocation
)

// Code is the code of every refusal here.
const Code = "rate_limit_exceeded"

// What is what a limit counts.
type What uint8

// What can be limited. Tokens are estimated when taken, and corrected by Finish.
const (
	Requests What = iota + 1
	Tokens        // in and out
	Calls         // at the same time
	InputTokens
	OutputTokens
)

// A Use is what a call takes of limits on tokens.
type Use struct{ Input, Output, Tokens int64 }

// of is what it takes of one kind of limit.
func (u Use) of(what What) int64 {
	switch what {
	case Tokens:
		return max(u.Tokens, 0)
	case InputTokens:
		return max(u.Input, 0)
	case OutputTokens:
		return max(u.Output, 0)
	case Requests, Calls:
	}
	return 1
}

// Away is what a limit does while Redis is away.
type Away uint8

// The policies.
const (
	Share  Away = iota // each node lets through its part
	Closed             // nothing passes but what the node has leased
)

// A Limit is one of a subject's limits.
type Limit struct {
	What   What
	Amount int64         // zero is no limit
	Window time.Duration // of a rate
	Away   Away
}

// String is the limit as a refusal names it.
func (l Limit) String() string {
	what, window := "request", l.Window.String()
	switch l.What {
	case Tokens:
		what = "token"
	case InputTokens:
		what = "input token"
	case OutputTokens:
		what = "output token"
	case Calls:
		what = "call"
	case Requests:
	}
	if l.Amount != 1 {
		what += "s"
	}
	if l.What == Calls {
		return fmt.Sprintf("%d %s at the same time", l.Amount, what)
	}
	switch l.Window {
	case time.Second:
		window = "second"
	case time.Minute:
		window = "minute"
	case 24 * time.Hour:
		window = "day"
	}
	return fmt.Sprintf("%d %s per %s", l.Amount, what, window)
}

// A Subject is who or what is limited. Of tells kinds of subjects apart; each has an ID or a Name.
type Subject struct {
	Of   string
	ID   uuid.UUID
	Name string
}

// name is the subject as Redis knows it.
func (s Subject) name() string {
	if s.ID == uuid.Nil {
		return s.Of + ":" + s.Name
	}
	return s.Of + ":" + s.ID.String() + s.Name
}

// A Claim is what a call wants of one subject, within its limits. Of one kind and window a subject has one limit.
type Claim struct {
	Subject Subject
	Says    string // the subject as a refusal names it: "This key is"
	Limits  []Limit
}

// A Refusal says which limit a call met. It is an error.
type Refusal struct {
	Subject Subject
	Says    string // of the claim
	Limit   Limit
	Wait    time.Duration // until there may be room; zero where nobody knows: a slot is free when a call ends
	Shut    bool          // Redis is away, and the limit closed for that
	Stands  Window        // of a rate: what is left of it
}

func (r *Refusal) Error() string { return "limited to " + r.Limit.String() }

// Fault is what the caller of a refused call is told, with the time to wait.
func (r *Refusal) Fault() *fault.Error {
	text := "%s limited to %s."
	if r.Shut {
		text += " That cannot be counted at the moment, and so nothing passes."
	}
	return fault.New(fault.Limited, text, r.Says, r.Limit).WithCode(Code).After(max(r.Wait, time.Second))
}

// A State is where a call stands after a decision, for the headers of its answer: at the limit of requests, and of tokens of
// any kind, of which least is left; where one refused the call, at that one. A Window whose Limit is zero is not limited.
type State struct{ Requests, Tokens Window }

// A Window is the state of one rate.
type Window struct {
	Limit     int64
	Remaining int64
	Reset     time.Duration // until all of Limit is there again
}

// A Limiter decides for one node. It is safe for concurrent use.
type Limiter struct {
	redis redis.UniversalClient // nil: this is the only node
	log   *slog.Logger
	clock func() time.Time
	node  string        // of this process: names its leases
	wait  time.Duration // for one decision

	recallWait time.Duration
	redisClock func() int64 // ms; nil is Redis's own

	nodes  atomic.Int64  // seen alive, this one included
	warned atomic.Int64  // Unix nanoseconds at which it was last logged that Redis is away
	wake   chan struct{} // tells Run that there is something to ask

	mu    sync.Mutex
	down  bool // Redis is not asked by calls, until Run has reached it
	cells map[Subject][]*cell
	byKey map[string]*cell
	made  int64  // cells, ever
	next  *round // of questions that wait
}

// New makes a limiter. Run must run for Redis to be asked. clock is time.Now but in tests; Redis's own clock is used where
// Redis decides. Without a client the limiter is the only node.
func New(client redis.UniversalClient, log *slog.Logger, clock func() time.Time) *Limiter {
	l := &Limiter{
		redis: client, log: log, clock: clock, node: id.New[id.Node]().String(), wait: redisTimeout, recallWait: recallWait,
		wake: make(chan struct{}, 1), cells: map[Subject][]*cell{}, byKey: map[string]*cell{}, next: newRound(),
	}
	l.nodes.Store(1)
	return l
}

// Patience sets how long a call waits for Redis, instead of 50 ms, before Run runs.
func (l *Limiter) Patience(wait time.Duration) *Limiter {
	l.wait = wait
	return l
}

// Admit lets a call through all limits of all claims, or takes nothing and refuses it as Limited with the time to wait. It waits
// for Redis at most 50 ms, and only where the node has nothing leased. use is an estimate; Finish corrects it. A nil Lease
// is one of a call without limits, and may be finished like any other.
func (l *Limiter) Admit(ctx context.Context, use Use, claims []Claim) (*Lease, State, error) {
	var state State
	lease, refusal, err := l.take(ctx, use, claims, &state)
	switch {
	case err != nil:
		return nil, State{}, fmt.Errorf("ask for limits: %w", err)
	case refusal != nil:
		return nil, state, refusal.Fault()
	}
	return lease, state, nil
}

// Take is Admit for a call that no headers are told of: it fails with a *Refusal.
func (l *Limiter) Take(ctx context.Context, use Use, claims ...Claim) (*Lease, error) {
	lease, refusal, err := l.take(ctx, use, claims, nil)
	if refusal != nil {
		return nil, refusal
	}
	return lease, err
}

// Room is the share of the scarcest limit of a claim that is left, from 0 to 1, as far as this node knows.
func (l *Limiter) Room(claim Claim) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, room := l.clock(), 1.0
	for _, c := range l.cells[claim.Subject] {
		for i := range claim.Limits {
			if limit := &claim.Limits[i]; limit.Amount > 0 && c.is(limit) {
				room = min(room, max(c.left(now)/float64(limit.Amount), 0))
			}
		}
	}
	return room
}

// A hold is what a call took of one limit.
type hold struct {
	cell *cell
	n    int64
}

// A Lease is what an admitted call holds until it ends.
type Lease struct {
	limiter *Limiter
	holds   []hold
	few     [usual]hold // room for most calls
	ended   bool        // guarded by the limiter's lock
}

// Finish ends the call: its slots are free, and its tokens are corrected to what it used. It waits for nobody. Of the ways to
// end a call only the first counts.
func (e *Lease) Finish(used Use) {
	e.end(func(h hold) int64 {
		if h.cell.what == Requests {
			return 0
		}
		return used.of(h.cell.what) - h.n
	})
}

// Keep ends the call where nobody knows what it used: the estimate stands.
func (e *Lease) Keep() { e.end(func(hold) int64 { return 0 }) }

// Return ends a call that was refused after all, by another limit or for another reason: nothing of it is counted.
func (e *Lease) Return() { e.end(func(h hold) int64 { return -h.n }) }

// end gives the slots back and corrects what was taken of rates.
func (e *Lease) end(correction func(hold) int64) {
	if e == nil {
		return
	}
	l := e.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.ended {
		return
	}
	e.ended = true
	for _, h := range e.holds {
		c := h.cell
		c.open--
		if c.what == Calls {
			c.running--
			c.have++
		} else if n := correction(h); n != 0 {
			c.took(n, l.clock())
		}
	}
}
