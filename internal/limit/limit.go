// Package limit holds gateway keys to their rates: requests and tokens per minute, and calls at once, over all nodes.
//
// The counts live in Redis. A call of a key with limits costs one round trip, running one script that lets it pass all
// limits or takes nothing; a key without limits costs none. While Redis is away each node holds keys to its own share: the
// limit divided by the nodes that were last seen. What that loses is at most one minute's accuracy.
//
// Rates are token buckets that hold a minute's worth: a key may burst up to its limit, and over any longer time it gets the
// limit a minute. Calls at once are slots that expire, so that a node that is killed does not block a key for longer
// than SlotLifetime.
package limit

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	// SlotLifetime is how long a killed node's calls still count as running.
	SlotLifetime = 30 * time.Second

	beatEvery    = SlotLifetime / 3
	redisTimeout = 50 * time.Millisecond // for one decision
	warnEvery    = 10 * time.Second
	askAgain     = time.Second // after Redis failed, and no sooner
	maxUntold    = 8192        // ends of calls that wait to be told to Redis
	maxBatch     = 256         // keys of them in one pipeline
)

// Code is the code of every refusal here.
const Code = "rate_limit_exceeded"

// Limits are what a key may do at most. Zero is no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64
	Concurrency       int64
}

// none reports whether nothing is limited.
func (l Limits) none() bool { return l == Limits{} }

// A State is where a key stands after a decision, for the headers of the answer. A Window whose Limit is zero is not limited.
type State struct{ Requests, Tokens Window }

// A Window is the state of one rate.
type Window struct {
	Limit     int64
	Remaining int64
	Reset     time.Duration // until all of Limit is there again
}

// A Limiter decides for one node. It is safe for concurrent use.
type Limiter struct {
	redis redis.UniversalClient
	log   *slog.Logger
	clock func() time.Time
	node  string        // of this process: names its slots
	wait  time.Duration // for one decision of Redis

	slot   atomic.Int64
	nodes  atomic.Int64  // seen alive, this one included
	down   atomic.Int64  // Unix nanoseconds until which Redis is not asked
	warned atomic.Int64  // Unix nanoseconds at which that was last logged
	ended  chan struct{} // wakes Run: there is something to tell

	mu      sync.Mutex
	keys    map[id.Key]*local
	held    map[string]id.Key // slots of calls under way
	untold  map[id.Key]*ends
	telling map[id.Key]*ends // on their way
	told    chan struct{}    // closed once those are answered
	calls   int              // in untold
}

// Ends are those of a key's calls, on their way to Redis.
type ends struct {
	slots []string // to be freed
	spare int64    // tokens that were taken and not used; negative where more were used
}

// New makes a limiter. Run must run for what has ended to be given back. clock is time.Now but in tests; Redis's own clock
// is used where Redis decides.
func New(client redis.UniversalClient, log *slog.Logger, clock func() time.Time) *Limiter {
	l := &Limiter{
		redis: client, log: log, clock: clock, node: id.New[id.Node]().String(), wait: redisTimeout,
		ended: make(chan struct{}, 1), keys: map[id.Key]*local{}, held: map[string]id.Key{}, untold: map[id.Key]*ends{},
	}
	l.nodes.Store(1)
	return l
}

// Admit lets a call pass, or refuses it as Limited with the time to wait. tokens is the estimate of what the call will
// use; Finish corrects it. A nil Lease is one of a key without limits, and may be finished like any other.
func (l *Limiter) Admit(ctx context.Context, key id.Key, limits Limits, tokens int64) (*Lease, State, error) {
	if limits.none() {
		return nil, State{}, nil
	}
	tokens = max(tokens, 0)
	if limits.TokensPerMinute > 0 {
		tokens = min(tokens, limits.TokensPerMinute) // more than a minute's worth would wait forever
	}
	lease := &Lease{limiter: l, key: key, tokens: tokens}
	now := l.clock()
	if l.mayAsk(now) {
		decided, err := l.ask(ctx, key, limits, tokens, lease)
		if err == nil {
			l.answered()
			if decided.refused == nil {
				l.enter(key)
			}
			return lease.unless(decided.refused), decided.state, decided.refused.failure(limits)
		}
		if ctx.Err() != nil {
			return nil, State{}, fmt.Errorf("ask for the key's limits: %w", ctx.Err())
		}
		l.down.Store(now.Add(askAgain).UnixNano())
		l.warn(now, err)
	}
	lease.slot = ""
	decided := l.decide(key, limits.share(l.nodes.Load()), tokens, now)
	return lease.unless(decided.refused), decided.state, decided.refused.failure(limits)
}

// mayAsk reports whether this call asks Redis. While Redis is away one call a second does, and the others do not wait.
func (l *Limiter) mayAsk(now time.Time) bool {
	down := l.down.Load()
	return down == 0 || now.UnixNano() >= down && l.down.CompareAndSwap(down, now.Add(askAgain).UnixNano())
}

// warn says that Redis is away, and not for every call that notices.
func (l *Limiter) warn(now time.Time, err error) {
	last := l.warned.Load()
	if now.UnixNano()-last >= int64(warnEvery) && l.warned.CompareAndSwap(last, now.UnixNano()) {
		l.log.Warn("Redis is away: keys are held to this node's share of their limits", "error", err)
	}
}

// answered notes that Redis is there.
func (l *Limiter) answered() {
	if l.down.Load() != 0 && l.down.Swap(0) != 0 {
		l.log.Info("Redis is back: limits hold over all nodes again")
	}
}

// share is what one of n nodes may let through by itself: at least one of everything, or a small limit would be none.
func (l Limits) share(n int64) Limits {
	part := func(limit int64) int64 {
		if limit == 0 {
			return 0
		}
		return max(limit/max(n, 1), 1)
	}
	return Limits{part(l.RequestsPerMinute), part(l.TokensPerMinute), part(l.Concurrency)}
}

// A decision is the answer to one call.
type decision struct {
	state   State
	refused *refusal // nil where the call may pass
}

// A refusal says which limit a call met.
type refusal struct {
	which which
	wait  time.Duration // zero where nobody knows: a slot is free when a call ends
}

// which is a limit, numbered as the script numbers them.
type which int

const (
	requests which = iota + 1
	tokenRate
	concurrency
)

// failure is the refusal as the caller sees it, nil where there is none.
func (r *refusal) failure(l Limits) error {
	if r == nil {
		return nil
	}
	text, limit := "requests per minute", l.RequestsPerMinute
	switch r.which {
	case tokenRate:
		text, limit = "tokens per minute", l.TokensPerMinute
	case concurrency:
		text, limit = "calls at the same time", l.Concurrency
	}
	return fault.New(fault.Limited, "This key is limited to %d %s.", limit, text).WithCode(Code).After(max(r.wait, time.Second))
}

// A Lease is what an admitted call holds until it ends.
type Lease struct {
	limiter *Limiter
	key     id.Key
	slot    string // of Redis; "" where it holds none there
	tokens  int64
	once    sync.Once
}

func (e *Lease) unless(r *refusal) *Lease {
	if r != nil {
		return nil
	}
	return e
}

// Finish ends the call: its slot is free, and its tokens are corrected to what it used. It does not wait for Redis, which
// hears of it with the key's next call on this node, or as soon as Run gets to it. Only the first call counts.
func (e *Lease) Finish(_ context.Context, used int64) {
	if e == nil {
		return
	}
	e.once.Do(func() {
		spare := e.tokens - max(used, 0)
		e.limiter.leave(e.key, spare)
		if e.slot != "" {
			e.limiter.end(e.key, e.slot, spare)
		}
	})
}

func (l *Limiter) nextSlot() string {
	return l.node + "." + strconv.FormatInt(l.slot.Add(1), 36)
}
