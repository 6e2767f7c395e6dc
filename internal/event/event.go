// Package event carries messages between the parts of the product, on this node and on all others.
//
// It is best effort, for what is worth knowing now and nothing later: live figures, a request that was just logged. What
// must not be lost is a row in Postgres, and an event at most says that there is one.
//
// Subscribers on the publisher's node are served directly, so they go on while Redis is away. The others are reached by
// Redis publish/subscribe, and each node listens only to topics that somebody on it has subscribed to.
package event

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// Buffer is how many messages wait for a slow subscriber; one more pushes the oldest out.
	Buffer = 64
	// MaxMessage is how large a message to other nodes may be, in bytes of JSON.
	MaxMessage = 256 << 10

	queueSize    = 1024 // messages that wait for Redis; one more is lost
	complaintGap = 30 * time.Second
)

// A Bus carries messages. It is safe for concurrent use.
type Bus struct {
	rdb  redis.UniversalClient
	log  *slog.Logger
	self string // this bus, so that what comes back from Redis is not delivered twice

	out     chan message
	changed chan struct{} // there are other topics than before

	mu     sync.RWMutex
	topics map[string]map[sink]struct{}

	complained atomic.Int64 // when, in nanoseconds
}

type message struct {
	topic string
	raw   []byte
}

// A sink is a subscription of whatever type.
type sink interface {
	// put takes a message: payload where it comes from this node, else nil, and its JSON.
	put(payload any, raw []byte) error
}

// New makes a bus. Until Run runs, messages stay on this node.
func New(rdb redis.UniversalClient, log *slog.Logger) *Bus {
	return &Bus{
		rdb:     rdb,
		log:     log,
		self:    uuid.NewString(),
		out:     make(chan message, queueSize),
		changed: make(chan struct{}, 1),
		topics:  map[string]map[sink]struct{}{},
	}
}

// Publish gives a message to every subscriber of the topic, once. It never waits for anybody: subscribers that are too
// slow lose their oldest message, and while Redis is away other nodes get none.
//
// Subscribers share the payload with the publisher, so nobody changes it any more.
func (b *Bus) Publish(ctx context.Context, topic string, payload any) {
	raw, err := json.Marshal(payload)
	if err != nil {
		b.log.ErrorContext(ctx, "event cannot be written", "topic", topic, "error", err)
		return
	}
	b.deliver(topic, payload, raw)
	if len(raw) > MaxMessage {
		b.complain("event is too large for other nodes", "topic", topic, "bytes", len(raw))
		return
	}
	select {
	case b.out <- message{topic, raw}:
	default:
		b.complain("events for other nodes are lost: Redis is away or too slow", "topic", topic)
	}
}

func (b *Bus) deliver(topic string, payload any, raw []byte) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for s := range b.topics[topic] {
		if err := s.put(payload, raw); err != nil {
			b.complain("event cannot be read", "topic", topic, "error", err)
		}
	}
}

// complain warns, but not with every message of a flood.
func (b *Bus) complain(text string, attrs ...any) {
	now, last := time.Now().UnixNano(), b.complained.Load()
	if now-last >= int64(complaintGap) && b.complained.CompareAndSwap(last, now) {
		b.log.Warn(text, attrs...)
	}
}

// Subscribe is the messages of a topic from now on, from all nodes. The channel is closed when ctx ends. T is a concrete
// type that JSON can carry; a message that is no T is left out.
func Subscribe[T any](ctx context.Context, b *Bus, topic string) <-chan T {
	s := &subscription[T]{ch: make(chan T, Buffer)}
	b.add(topic, s)
	context.AfterFunc(ctx, func() {
		b.remove(topic, s)
		s.close()
	})
	return s.ch
}

type subscription[T any] struct {
	mu     sync.Mutex
	ch     chan T
	closed bool
}

func (s *subscription[T]) put(payload any, raw []byte) error {
	value, ok := payload.(T)
	if !ok {
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	select {
	case s.ch <- value:
		return nil
	default:
	}
	select {
	case <-s.ch: // the oldest makes room
	default: // the subscriber was quicker
	}
	s.ch <- value // does not wait: only put sends, and put holds the lock
	return nil
}

func (s *subscription[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	close(s.ch)
}

func (b *Bus) add(topic string, s sink) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic] == nil {
		b.topics[topic] = map[sink]struct{}{}
		b.tellChanged()
	}
	b.topics[topic][s] = struct{}{}
}

func (b *Bus) remove(topic string, s sink) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.topics[topic], s)
	if len(b.topics[topic]) == 0 {
		delete(b.topics, topic)
		b.tellChanged()
	}
}

func (b *Bus) tellChanged() {
	select {
	case b.changed <- struct{}{}:
	default: // told already
	}
}
