package limit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// tickEvery is how often leases are looked after: use is told, what lies idle goes back, and the nodes are counted.
	tickEvery = time.Second
	// idleFor is how long a lease may lie unused.
	idleFor = 2 * time.Second
	// renewAt is what is left of a lease when it is renewed.
	renewAt = Lifetime * 2 / 3
)

// Run asks Redis what calls need, renews leases, gives back what is idle, and counts the nodes, until ctx ends; then all
// that no call holds goes back.
func (l *Limiter) Run(ctx context.Context) error {
	if l.redis == nil {
		<-ctx.Done()
		return nil
	}
	sub := l.redis.Subscribe(ctx, recalls)
	defer sub.Close()
	recalled := sub.Channel()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	l.beat(ctx)
	for {
		select {
		case <-ctx.Done():
			ctx := context.WithoutCancel(ctx)
			l.tend(true)
			l.converse(ctx)
			l.leaveCluster(ctx)
			return nil
		case <-l.wake:
			l.converse(ctx)
		case message, ok := <-recalled:
			if !ok {
				recalled = nil
				continue
			}
			l.recall(message.Payload)
			l.converse(ctx)
		case <-tick.C:
			l.beat(ctx)
			l.tend(false)
			l.converse(ctx)
		}
	}
}

// recall gives back what is idle of a limit that another node has more need of.
func (l *Limiter) recall(message string) {
	field, key, ok := strings.Cut(message, " ")
	if !ok || strings.HasPrefix(field, l.node+".") {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.byKey[key]; c != nil && c.have > 0 {
		c.giveBack(0)
		l.queue(c)
	}
}

// giveBack has the next question keep only some of what is idle.
func (c *cell) giveBack(keep int64) {
	c.have = min(c.have, keep)
	c.quiet = true
	c.peak = c.running
}

// tend looks after all cells once: it tells of their use, renews their leases, gives back what is idle, all of it where
// that is asked for, and forgets those of which nothing is left.
func (l *Limiter) tend(all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	for _, c := range l.byKey {
		if c.expired(now) {
			c.lapse()
		}
		idle := all || now.Sub(c.last) >= idleFor
		c.pace, c.burst = (c.pace+c.burst+1)/2, 0
		c.peak = max(c.running, c.peak-(c.peak+3)/4)
		c.alone.fill(c.limit.Amount, c.window, now)
		switch surplus := c.surplus(idle); {
		case surplus > 0:
			c.giveBack(c.have - surplus)
			c.peak = max(c.peak, c.running)
			l.queue(c)
		case c.used != c.told, c.lease > 0 && c.expires.Sub(now) < renewAt:
			c.quiet = true
			l.queue(c)
		case idle && c.open == 0 && c.lease == 0 && c.alone.debt == 0 && c.asking == nil && !c.queued:
			l.forget(c)
		}
	}
}

// surplus is how much of what is leased and not used is not needed soon.
func (c *cell) surplus(idle bool) int64 {
	switch {
	case c.have <= 0:
		return 0
	case idle:
		return c.have
	case c.what == Calls:
		return max(c.have+c.running-max(c.peak, 1), 0)
	}
	return max(c.have-4*max(c.pace, 1), 0)
}

// beat keeps this node on the list of those alive, and counts them.
func (l *Limiter) beat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	now, err := l.redis.Time(ctx).Result() // the leases go by Redis's clock
	if err != nil {
		return // the next beat is soon enough
	}
	pipe := l.redis.Pipeline()
	pipe.ZAdd(ctx, nodesKey, redis.Z{Score: float64(now.Add(Lifetime).UnixMilli()), Member: l.node})
	pipe.ZRemRangeByScore(ctx, nodesKey, "-inf", "("+strconv.FormatInt(now.UnixMilli(), 10))
	alive := pipe.ZCard(ctx, nodesKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return
	}
	l.nodes.Store(max(alive.Val(), 1))
	l.mu.Lock()
	l.answered()
	l.mu.Unlock()
}

// leaveCluster lets the other nodes know at once that their share has grown.
func (l *Limiter) leaveCluster(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := l.redis.ZRem(ctx, nodesKey, l.node).Err(); err != nil {
		l.log.Debug("node not taken off the list", "error", err)
	}
}
