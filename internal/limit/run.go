package limit

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/id"
)

// Run tells Redis of the calls that ended and keeps the slots of those under way, until ctx ends. What Redis cannot be told
// is dropped: the slot expires and the estimate stands.
func (l *Limiter) Run(ctx context.Context) error {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	l.beat(ctx)
	for {
		select {
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx))
			l.leaveCluster(context.WithoutCancel(ctx))
			return nil
		case <-l.ended:
			l.flush(ctx)
		case <-beat.C:
			l.beat(ctx)
		}
	}
}

// end notes that a call has ended, for Redis to hear.
func (l *Limiter) end(key id.Key, slot string, spare int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, slot)
	if l.calls >= maxUntold {
		return // Redis is slow or away: the slot expires, and the estimate stands
	}
	e := l.untold[key]
	if e == nil {
		e = &ends{}
		l.untold[key] = e
	}
	e.slots = append(e.slots, slot)
	e.spare += spare
	l.calls++
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// take is what Redis has not heard of a key's calls, to be told with the next: a caller who waits for one answer before
// asking again must not be refused for what the last call held. What is on its way is waited for, lest it be overtaken.
func (l *Limiter) take(ctx context.Context, key id.Key) (ends, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.telling[key] != nil {
		told := l.told
		l.mu.Unlock()
		select {
		case <-told:
		case <-ctx.Done():
		}
		l.mu.Lock()
		if ctx.Err() != nil {
			return ends{}, ctx.Err()
		}
	}
	e := l.untold[key]
	if e == nil {
		return ends{}, nil
	}
	l.calls -= len(e.slots)
	delete(l.untold, key)
	return *e, nil
}

// flush tells Redis all ends that wait. What cannot be told is dropped.
func (l *Limiter) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for batch := l.next(); len(batch) > 0; batch = l.next() {
		pipe := l.redis.Pipeline()
		for key, e := range batch {
			finish.Eval(ctx, pipe, keysOf(key), e.arguments()...)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			l.log.Debug("ends of calls not told to Redis", "keys", len(batch), "error", err)
		}
	}
}

// next moves some of what is untold to what is being told. What was there has been told.
func (l *Limiter) next() map[id.Key]*ends {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told != nil {
		close(l.told)
		l.told = nil
	}
	l.telling = map[id.Key]*ends{}
	for key, e := range l.untold {
		if len(l.telling) == maxBatch {
			break
		}
		l.telling[key] = e
		l.calls -= len(e.slots)
		delete(l.untold, key)
	}
	if len(l.telling) > 0 {
		l.told = make(chan struct{})
	}
	return l.telling
}

// beat keeps this node and the slots of its calls alive, and counts the nodes. A slot that Redis no longer has is not made
// again: its call was given up.
func (l *Limiter) beat(ctx context.Context) {
	l.sweep(l.clock())
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	now, err := l.redis.Time(ctx).Result() // the scripts go by Redis's clock
	if err != nil {
		return // the next beat is soon enough: a slot lives for three
	}
	until := float64(now.Add(SlotLifetime).UnixMilli())
	pipe := l.redis.Pipeline()
	pipe.ZAdd(ctx, nodesKey, redis.Z{Score: until, Member: l.node})
	pipe.ZRemRangeByScore(ctx, nodesKey, "-inf", "("+strconv.FormatInt(now.UnixMilli(), 10))
	alive := pipe.ZCard(ctx, nodesKey)
	for slot, key := range l.slots() {
		pipe.ZAddXX(ctx, keysOf(key)[1], redis.Z{Score: until, Member: slot})
		pipe.PExpire(ctx, keysOf(key)[1], 2*SlotLifetime)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return
	}
	l.nodes.Store(max(alive.Val(), 1))
	l.answered()
}

// leaveCluster lets the other nodes know at once that their share has grown.
func (l *Limiter) leaveCluster(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := l.redis.ZRem(ctx, nodesKey, l.node).Err(); err != nil {
		l.log.Debug("node not taken off the list", "error", err)
	}
}

func (l *Limiter) slots() map[string]id.Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]id.Key, len(l.held))
	for slot, key := range l.held {
		all[slot] = key
	}
	return all
}

// remember has the beat keep a slot, and forget ends that.
func (l *Limiter) remember(slot string, key id.Key) {
	l.mu.Lock()
	l.held[slot] = key
	l.mu.Unlock()
}

func (l *Limiter) forget(slot string) {
	l.mu.Lock()
	delete(l.held, slot)
	l.mu.Unlock()
}
