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
		case e := <-l.ends:
			l.tell(ctx, e)
		case <-beat.C:
			l.beat(ctx)
		}
	}
}

// tell sends an end, and what else waits, in one pipeline.
func (l *Limiter) tell(ctx context.Context, first end) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	batch := append(make([]end, 0, maxBatch), first)
	for len(batch) < maxBatch {
		select {
		case e := <-l.ends:
			batch = append(batch, e)
			continue
		default:
		}
		break
	}
	pipe := l.redis.Pipeline()
	for _, e := range batch {
		l.forget(e.slot)
		finish.Eval(ctx, pipe, keysOf(e.key), e.slot, e.spare)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		l.log.Debug("ends of calls not told to Redis", "calls", len(batch), "error", err)
	}
}

// flush tells what still waits when the node stops.
func (l *Limiter) flush(ctx context.Context) {
	for {
		select {
		case e := <-l.ends:
			l.tell(ctx, e)
		default:
			return
		}
	}
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
