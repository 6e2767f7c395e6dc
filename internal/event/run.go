package event

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// channelPrefix stands before a topic in Redis. A message there is the sender's id and the JSON.
	channelPrefix = "aihigress:event:"
	selfLength    = 36 // of a UUID as text

	sendTimeout = 2 * time.Second
	sendBatch   = 64
)

// Run connects the bus to other nodes until ctx ends; then it returns nil. Redis may be away at any time: what is
// published meanwhile stays on this node, and when it is back all subscriptions are.
func (b *Bus) Run(ctx context.Context) error {
	pubsub := b.rdb.Subscribe(ctx)
	received := pubsub.Channel(redis.WithChannelSize(queueSize))
	var wg sync.WaitGroup
	wg.Go(func() { b.send(ctx) })
	wg.Go(func() { b.receive(received) })
	b.follow(ctx, pubsub)
	_ = pubsub.Close() // which closes received; the connection is given up either way
	wg.Wait()
	return nil
}

// follow keeps Redis told which topics this node listens to.
func (b *Bus) follow(ctx context.Context, pubsub *redis.PubSub) {
	subscribed := map[string]bool{}
	for {
		add, drop := b.differences(subscribed)
		// go-redis notes both even where they fail, and tells Redis when it has connected again.
		if len(add) > 0 {
			if err := pubsub.Subscribe(ctx, add...); err != nil && ctx.Err() == nil {
				b.complain("events of other nodes do not come in: Redis is away", "error", err)
			}
		}
		if len(drop) > 0 {
			_ = pubsub.Unsubscribe(ctx, drop...)
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			return
		}
	}
}

// differences brings subscribed up to date and is what changed in it.
func (b *Bus) differences(subscribed map[string]bool) (add, drop []string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for topic := range b.topics {
		if channel := channelPrefix + topic; !subscribed[channel] {
			subscribed[channel] = true
			add = append(add, channel)
		}
	}
	for channel := range subscribed {
		if _, ok := b.topics[channel[len(channelPrefix):]]; !ok {
			delete(subscribed, channel)
			drop = append(drop, channel)
		}
	}
	return add, drop
}

func (b *Bus) receive(received <-chan *redis.Message) {
	for m := range received {
		if len(m.Payload) < selfLength || m.Payload[:selfLength] == b.self {
			continue // our own, which local subscribers have had
		}
		b.deliver(m.Channel[len(channelPrefix):], nil, []byte(m.Payload[selfLength:]))
	}
}

// send passes messages on to Redis, as many at a time as there are.
func (b *Bus) send(ctx context.Context) {
	for {
		select {
		case m := <-b.out:
			if err := b.sendBatch(ctx, m); err != nil && ctx.Err() == nil {
				b.complain("events do not reach other nodes: Redis is away", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (b *Bus) sendBatch(ctx context.Context, first message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	pipe := b.rdb.Pipeline()
	publish := func(m message) { pipe.Publish(ctx, channelPrefix+m.topic, b.self+string(m.raw)) }
	publish(first)
	for pipe.Len() < sendBatch {
		select {
		case m := <-b.out:
			publish(m)
			continue
		default:
		}
		break
	}
	_, err := pipe.Exec(ctx)
	return err
}
