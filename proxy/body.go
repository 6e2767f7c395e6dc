package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"aihigress/internal/fault"
)

// bodySizes are the buffers that are kept for the next request, close to one another: with many calls at once, they are most of
// the memory in use. A larger body has a buffer of its own, left to the garbage collector.
var bodySizes = [...]int64{16 << 10, 32 << 10, 64 << 10, 96 << 10, 128 << 10, 160 << 10, 192 << 10, 256 << 10, 384 << 10, 512 << 10, 768 << 10, 1 << 20}

var bodyPools [len(bodySizes)]sync.Pool

// A body is a whole request body in memory, since an attempt that fails is made again with the same bytes.
type body struct {
	bytes  []byte
	pooled *[]byte // what bytes goes back as; nil where its size is not kept
	pool   int
	budget *budget
	held   int64 // of the budget
}

// A budget bounds the bytes of all request bodies in memory at one time.
type budget struct {
	used, freed atomic.Int64 // what is taken, and what was given back so far
	limit       int64

	mu   sync.Mutex
	at   time.Time // of a refusal, when this much had been given back:
	then int64
	rate float64 // bytes that came free in a second, before it; 0 is unknown
}

// How long those are told to wait for whom there is no room: unknownWait where nobody knows.
const (
	shortestWait, longestWait = time.Second, time.Minute
	unknownWait               = 5 * time.Second
)

// take takes n bytes, where there is room.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.room(n) {
		return true
	}
	b.used.Add(-n)
	return false
}

// room is how much may be taken in all with n bytes. What is large leaves an eighth for what is small: a few who send much
// must not keep all others out.
func (b *budget) room(n int64) int64 {
	if n > bodySizes[len(bodySizes)-1] {
		return b.limit - b.limit/8
	}
	return b.limit
}

// give gives back what was taken.
func (b *budget) give(n int64) {
	b.used.Add(-n)
	b.freed.Add(n)
}

// full is the refusal of what there is no room for, in so many words. It says after which time there is some, but not of
// what never fits.
func (b *budget) full(n int64, message string) error {
	return fault.New(fault.Limited, "%s", message).WithCode(codeOverloaded).After(b.wait(n))
}

// wait is about how long it takes for n bytes to come free, by how fast others did between refusals; 0 is for ever.
func (b *budget) wait(n int64) time.Duration {
	const tooLong = time.Minute // ago for a rate to be gone by
	if n > b.room(n) {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now, freed := time.Now(), b.freed.Load(); now.Sub(b.at) >= time.Second {
		b.rate = 0
		if passed := now.Sub(b.at); passed < tooLong {
			b.rate = float64(freed-b.then) / passed.Seconds()
		}
		b.at, b.then = now, freed
	}
	if b.rate == 0 {
		return unknownWait
	}
	lacking := max(float64(b.used.Load()+n-b.room(n)), 0)
	return time.Duration(min(max(lacking/b.rate, shortestWait.Seconds()), longestWait.Seconds()) * float64(time.Second))
}

// readBody reads the request's body, in the time that a caller may be silent for each read and by the end of the call for all of
// them: a caller may not send a byte now and then for ever. The call frees it.
func (c *call) readBody() (*body, error) {
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, errCompressed
	}
	limit := c.p.o.MaxBody
	if c.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b := &body{budget: &c.p.bodies}
	// One byte more than announced leaves room for the read that finds the end.
	if err := b.grow(max(c.r.ContentLength, 0) + 1); err != nil {
		return nil, err
	}
	control := http.NewResponseController(c.w)
	first := !c.total.Before(c.event.StartedAt.Add(c.p.o.Read)) // the deadline that serve has set is right for the first read
	for ; ; first = false {
		if !first {
			_ = control.SetReadDeadline(sooner(time.Now().Add(c.p.o.Read), c.total)) // a server that knows no deadlines does without
		}
		if len(b.bytes) == cap(b.bytes) {
			if err := b.grow(min(2*int64(cap(b.bytes)), limit+1)); err != nil {
				b.free(true)
				return nil, err
			}
		}
		n, err := c.r.Body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case int64(len(b.bytes)) > limit:
			b.free(true)
			return nil, tooLarge(limit)
		case errors.Is(err, io.EOF):
			// From here on the server reads only to notice that the caller goes, and may wait for ever. After a failure the
			// deadline stays: the server reads what is left of a body before it sends the answer.
			_ = control.SetReadDeadline(time.Time{})
			return b, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			b.free(true)
			return nil, errSlow
		case err != nil:
			b.free(true)
			return nil, fmt.Errorf("read request body: %w", fault.Wrap(err, fault.Invalid, "The request body could not be read to its end."))
		}
	}
}

// grow gives the body a buffer of at least size bytes, with what was read so far.
func (b *body) grow(size int64) error {
	if !b.budget.take(size - b.held) {
		return b.budget.full(size-b.held, tooManyLarge)
	}
	b.held = size
	old, oldPooled, oldPool := b.bytes, b.pooled, b.pool
	b.bytes, b.pooled, b.pool = newBuffer(size)
	b.bytes = append(b.bytes, old...)
	freeBuffer(oldPooled, oldPool)
	return nil
}

// free gives the memory back: to the pool where nothing points into the body any more, else to the garbage collector.
func (b *body) free(unused bool) {
	if unused {
		freeBuffer(b.pooled, b.pool)
	}
	b.budget.give(b.held)
	*b = body{budget: b.budget}
}

func newBuffer(size int64) (buf []byte, pooled *[]byte, pool int) {
	for i, fits := range bodySizes {
		if size > fits {
			continue
		}
		pooled, ok := bodyPools[i].Get().(*[]byte)
		if !ok {
			fresh := make([]byte, 0, fits)
			pooled = &fresh
		}
		return (*pooled)[:0], pooled, i
	}
	return make([]byte, 0, size), nil, 0
}

func freeBuffer(pooled *[]byte, pool int) {
	if pooled != nil {
		bodyPools[pool].Put(pooled)
	}
}

func tooLarge(limit int64) error {
	return fault.New(fault.Invalid, "The request body is larger than the limit of %d bytes.", limit).WithCode(codeTooLarge)
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
