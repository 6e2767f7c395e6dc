package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A round is questions that go to Redis together.
type round struct {
	cells []*cell
	done  chan struct{} // closed once they are answered, or never will be
}

func newRound() *round { return &round{done: make(chan struct{})} }

// queue has a cell's question asked soon; the lock is held. A cell that is being asked for is not queued: who needs more
// looks again after the answer.
func (l *Limiter) queue(c *cell) {
	if c.queued || c.asking != nil || l.redis == nil {
		return
	}
	c.queued = true
	l.next.cells = append(l.next.cells, c)
	l.rouse()
}

func (l *Limiter) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// A question is what Redis is asked about a cell.
type question struct {
	cell      *cell
	used      int64
	arguments []any
}

// converse asks all questions that wait, and reports whether Redis answered.
func (l *Limiter) converse(ctx context.Context) {
	for {
		r, questions, at := l.begin()
		if len(questions) == 0 {
			return
		}
		answers, err := l.put(ctx, questions)
		l.end(r, questions, answers, at, err)
		if err != nil {
			return
		}
	}
}

// begin takes the round that waits.
func (l *Limiter) begin() (*round, []question, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, now := l.next, l.clock()
	l.next = newRound()
	if more := r.cells[min(len(r.cells), maxBatch):]; len(more) > 0 {
		// They have waited for this round, and look again when it is over.
		l.next.cells = append(l.next.cells, more...)
		r.cells = r.cells[:maxBatch]
		l.rouse()
	}
	at := int64(0)
	if l.redisClock != nil {
		at = l.redisClock()
	}
	questions := make([]question, len(r.cells))
	for i, c := range r.cells {
		if c.expired(now) {
			c.lapse()
		}
		c.queued, c.asking = false, r
		base := int64(0)
		if c.what == Calls {
			base = c.running
		}
		keep := base + max(c.have, 0)
		least, sum := int64(0), int64(0)
		if c.wanted.sum > 0 {
			least, sum = base+c.wanted.least, base+c.wanted.sum
		}
		goal := max(c.goal(), sum, keep)
		if c.quiet {
			goal = max(sum, keep)
		}
		questions[i] = question{c, c.used, []any{
			c.limit.Amount, c.window.Milliseconds(), c.field, Lifetime.Milliseconds(), c.used, c.told,
			base, keep, least, sum, goal, at, recalls,
		}}
		c.wanted, c.quiet = demand{}, false
	}
	return r, questions, now
}

var errAnswer = errors.New("the limit script answered in another form")

// put asks the questions in one round trip.
func (l *Limiter) put(ctx context.Context, questions []question) ([][]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	for again := false; ; again = true {
		pipe := l.redis.Pipeline()
		commands := make([]*redis.Cmd, len(questions))
		for i, q := range questions {
			if again {
				commands[i] = lease.Eval(ctx, pipe, []string{q.cell.key}, q.arguments...)
			} else {
				commands[i] = lease.EvalSha(ctx, pipe, []string{q.cell.key}, q.arguments...)
			}
		}
		_, err := pipe.Exec(ctx)
		if err != nil && !again && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			continue // a Redis that was started anew
		}
		if err != nil {
			return nil, fmt.Errorf("ask Redis for limits: %w", err)
		}
		answers := make([][]int64, len(questions))
		for i, command := range commands {
			if answers[i], err = command.Int64Slice(); err == nil && len(answers[i]) != 4 {
				err = errAnswer
			}
			if err != nil {
				return nil, fmt.Errorf("ask Redis for limits: %w", err)
			}
		}
		return answers, nil
	}
}

// end takes the answers in, and wakes those who wait for them.
func (l *Limiter) end(r *round, questions []question, answers [][]int64, at time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	for i, q := range questions {
		q.cell.asking = nil
		if err == nil {
			q.cell.learn(answers[i], q.used, q.sum(), at, now)
		}
	}
	close(r.done)
	if err != nil {
		l.down = true
		l.warn(now, err)
		return
	}
	l.answered()
}

// sum is the lease that would have helped all who waited.
func (q question) sum() int64 { return q.arguments[9].(int64) }

// learn takes in an answer to what was asked at a time.
func (c *cell) learn(answer []int64, used, sum int64, at, now time.Time) {
	c.lease, c.free, c.debt, c.others = answer[0], answer[1], float64(answer[2]), answer[3]
	c.answered, c.expires = now, at.Add(Lifetime)
	if c.what == Calls {
		c.have = c.lease - c.running
	} else {
		c.have = c.lease - (c.used - used)
		c.told = used
	}
	c.dry = time.Time{}
	if c.lease < sum || sum > 0 && c.free == 0 {
		// More is not there. A lump of what flows in is worth asking for.
		wait := dryFor
		if c.what != Calls {
			wait = min(max(c.until(max(c.have, 0)+1, now), shortDry), dryFor)
		}
		c.dry = now.Add(wait)
	}
}

// warn says that Redis is away, and not for every question that notices.
func (l *Limiter) warn(now time.Time, err error) {
	last := l.warned.Load()
	if now.UnixNano()-last >= int64(warnEvery) && l.warned.CompareAndSwap(last, now.UnixNano()) {
		l.log.Warn("Redis is away: limits are held to this node's share", "error", err)
	}
}

// answered notes that Redis is there; the lock is held.
func (l *Limiter) answered() {
	if l.down {
		l.down = false
		l.log.Info("Redis is back: limits hold over all nodes again")
	}
}
