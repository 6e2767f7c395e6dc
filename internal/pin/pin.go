// Package pin remembers where an answer is kept that a later request may go on from: OpenAI's Responses API keeps answers
// at the vendor's account that made them, and nowhere else.
//
// The notes live in Redis and are no more than a help: without one, whoever asks can still try the accounts in turn. So
// whatever goes wrong here is answered as "not known".
package pin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"aihigress/internal/id"
)

const (
	// Lifetime is how long a note lasts: as long as OpenAI keeps answers (30 days, by its documentation of store).
	Lifetime = 30 * 24 * time.Hour

	redisTimeout = 50 * time.Millisecond
	warnEvery    = 10 * time.Second
	prefix       = "pin:"
	maxID        = 512 // bytes of an answer's id; longer ones are nobody's
)

// A Pin says who asked for an answer and where it is kept.
type Pin struct {
	Account  id.Account // who asked
	Provider id.Provider
	Key      id.ProviderKey // of the provider; zero where it needs none
}

// size is that of a Pin's text: three UUIDs.
const size = 3 * 16

// Pins are the notes of a cluster. They are safe for concurrent use.
type Pins struct {
	redis  redis.UniversalClient
	log    *slog.Logger
	warned atomic.Int64 // Unix nanoseconds of the last warning
}

// New keeps notes in Redis.
func New(client redis.UniversalClient, log *slog.Logger) *Pins { return &Pins{redis: client, log: log} }

// Lookup finds where an answer is kept. It reports false where nobody knows, which includes that Redis does not answer.
func (p *Pins) Lookup(ctx context.Context, answer string) (Pin, bool) {
	if answer == "" || len(answer) > maxID {
		return Pin{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	text, err := p.redis.Get(ctx, key(answer)).Bytes()
	if err != nil {
		if !errors.Is(err, redis.Nil) {
			p.warn(err)
		}
		return Pin{}, false
	}
	if len(text) != size {
		return Pin{}, false
	}
	var pin Pin
	copy(pin.Account.UUID[:], text)
	copy(pin.Provider.UUID[:], text[16:])
	copy(pin.Key.UUID[:], text[32:])
	return pin, true
}

// Remember notes where an answer is kept. A note that cannot be made is not made.
func (p *Pins) Remember(ctx context.Context, answer string, pin Pin) {
	if answer == "" || len(answer) > maxID {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	text := make([]byte, 0, size)
	text = append(text, pin.Account.UUID[:]...)
	text = append(text, pin.Provider.UUID[:]...)
	text = append(text, pin.Key.UUID[:]...)
	if err := p.redis.Set(ctx, key(answer), text, Lifetime).Err(); err != nil {
		p.warn(err)
	}
}

func (p *Pins) warn(err error) {
	now, last := time.Now().UnixNano(), p.warned.Load()
	if now-last > int64(warnEvery) && p.warned.CompareAndSwap(last, now) {
		p.log.Warn("answers cannot be pinned to their providers: requests that go on from one may be asked elsewhere first", "error", err)
	}
}

// key is where the note of an answer lies. The id is a caller's text, so its hash stands for it.
func key(answer string) string {
	sum := sha256.Sum256([]byte(answer))
	return prefix + base64.RawURLEncoding.EncodeToString(sum[:])
}
