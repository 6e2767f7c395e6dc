package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/sse"
)

// Why a call or an attempt was ended by the clock.
var (
	errTotal      = errors.New("the call took too long")
	errFirstToken = errors.New("no content in time")
	errIdle       = errors.New("the answer stalled")
	errUnread     = errors.New("the caller takes nothing")
)

// An answer is the way to the caller, and the clock of the call: one timer for all its limits, since a timer or a
// goroutine for each would cost every stream what only a stalled one needs.
//
// The header is held back until commit, so that everything before it can be tried elsewhere. The timer's function runs
// in a goroutine of its own; mu keeps its comments between events, and close waits for it.
type answer struct {
	w       http.ResponseWriter
	o       *Options
	dialect dialect.Dialect // the caller's
	array   *array          // of a stream that its caller wants as one JSON array; nil where events are wanted

	mu     sync.Mutex
	rc     *http.ResponseController
	timer  *time.Timer
	due    time.Time // when it fires: at what is due next, or sooner
	closed bool

	asked     bool // for an event stream
	stream    bool // it is one: comments are possible
	begun     bool // the header is out
	committed bool // the vendor's answer is on its way
	over      bool // and all written
	failed    error
	ended     error // why the call was cancelled

	cancelCall    context.CancelCauseFunc
	cancelAttempt context.CancelCauseFunc
	way           *way // of the running attempt

	total     time.Time // the call must be over
	early     time.Time // the header goes out without content; zero is never
	first     time.Time // the running attempt must have content; zero is no limit
	lastRead  time.Time
	lastWrite time.Time
	extended  time.Time // when the write deadline was set last
	crlf      bool      // the vendor's events, which pass as they are, have lines that end with CR and LF
}

// newAnswer starts the clock of a call. The caller closes it.
func newAnswer(c *call) *answer {
	stream, start := c.event.Streamed, c.event.StartedAt
	a := &answer{w: c.w, o: &c.p.o, dialect: c.endpoint.dialect, rc: http.NewResponseController(c.w), asked: stream, stream: stream,
		cancelCall: c.cancel, total: c.total, lastRead: start, lastWrite: start}
	if stream && c.wantsArray() {
		a.array = &array{}
	}
	if stream {
		a.early = start.Add(a.o.Early)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// No later than any limit of an attempt could be due: then it is seldom set again.
	a.due = sooner(a.next(), start.Add(min(a.o.Idle, a.o.FirstToken, a.o.FirstByte)))
	a.timer = time.AfterFunc(time.Until(a.due), a.tick)
	return a
}

// attempt starts the clock of an attempt that must have content within limit. The way names it in the header, should that
// have to go out before the commit point.
func (a *answer) attempt(limit time.Duration, cancel context.CancelCauseFunc, way *way) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.cancelAttempt, a.way = cancel, way
	a.stream = a.asked
	a.first, a.lastRead = now.Add(limit), now
	a.rearm(now)
}

// attemptOver stops the clock of an attempt that brought nothing.
func (a *answer) attemptOver() {
	a.mu.Lock()
	a.first, a.cancelAttempt = time.Time{}, nil
	a.mu.Unlock()
}

// body lets an answer begin that is no event stream: from here on it is held to the idle limit alone, and no comments go
// out. It reports false where a stream has already been promised.
func (a *answer) body() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun {
		return false
	}
	now := time.Now()
	a.stream, a.early = false, time.Time{}
	a.first, a.lastRead = time.Time{}, now
	a.rearm(now)
	return true
}

// read notes that bytes came from the vendor before the commit point. After it, write does.
func (a *answer) read() {
	a.mu.Lock()
	a.lastRead = time.Now()
	a.mu.Unlock()
}

// commit is the commit point: the vendor's status and header go out. It reports whether the header had gone out early,
// with fewer names in it.
func (a *answer) commit(status int, fill func(http.Header)) (early bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.committed, a.first, a.lastRead = true, time.Time{}, now
	defer a.rearm(now)
	if a.begun {
		return true
	}
	a.lastWrite = now
	a.begun = true
	a.extend(now)
	fill(a.w.Header())
	a.fit(a.w.Header())
	a.w.WriteHeader(status)
	return false
}

// fit corrects the header of a stream that goes out as an array.
func (a *answer) fit(h http.Header) {
	if a.array != nil && a.stream {
		h["Content-Type"] = []string{"application/json; charset=UTF-8"}
	}
}

// finish writes the last bytes of a stream that is whole. Over says that nothing else is waited for: then the server sends
// them together with what ends the response, and that is one write to the connection less.
func (a *answer) finish(p []byte, over bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = over
	err := a.send(time.Now(), p, !over && a.array == nil)
	if a.array != nil && a.stream && err == nil {
		err = a.raw(time.Now(), a.array.end(), !over)
	}
	return err
}

// write sends bytes to the caller, at once if flush is set. An error says that the caller is gone.
func (a *answer) write(p []byte, flush bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	a.lastRead = now
	return a.send(now, p, flush)
}

// send is write with the lock held. What a stream writes are whole events.
func (a *answer) send(now time.Time, p []byte, flush bool) error {
	if a.array != nil && a.stream {
		p = a.array.append(p)
	}
	return a.raw(now, p, flush)
}

// raw writes bytes as they are.
func (a *answer) raw(now time.Time, p []byte, flush bool) error {
	if a.failed != nil {
		return a.failed
	}
	a.extend(now)
	if len(p) > 0 {
		a.lastWrite = now
		if _, a.failed = a.w.Write(p); a.failed != nil {
			return a.failed
		}
	}
	if flush {
		if err := a.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			a.failed = err
		}
	}
	return a.failed
}

// extend gives the caller time to take what is written next. A server that knows no deadlines does without.
func (a *answer) extend(now time.Time) {
	if now.Sub(a.extended) > a.o.Write/4 {
		_ = a.rc.SetWriteDeadline(now.Add(a.o.Write))
		a.extended = now
	}
}

// fail ends the answer with a failure: as a response where nothing is out yet, with what fill adds to its header, else as
// the dialect's error event. Where half a body is out that is no stream, nothing can be said, and it reports false: the
// connection must be cut.
func (a *answer) fail(f *failure, fill func(http.Header)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !a.begun:
		a.begun, a.committed = true, true
		a.extend(time.Now())
		fill(a.w.Header())
		f.write(a.w, a.dialect)
	case a.stream:
		a.committed = true
		f.RequestID = a.w.Header().Get("X-Request-Id")
		_ = a.send(time.Now(), a.lines(a.dialect.AppendErrorEvent(nil, &f.Error)), true) // a caller who is gone needs no error
		if a.array != nil {
			_ = a.raw(time.Now(), a.array.end(), true)
		}
	default:
		return false
	}
	return true
}

// hasBegun reports whether the header is out.
func (a *answer) hasBegun() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
}

// close stops the clock. Nothing is written to the caller afterwards but what the server has yet to send. The deadline holds
// for that too; net/http lifts it behind the response.
func (a *answer) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.timer.Stop()
	if !a.extended.IsZero() && a.failed == nil && !a.over {
		_ = a.send(time.Now(), nil, true)
	}
}

// tick is the timer's function: it does what is due, and sets the timer for what is due next.
func (a *answer) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		if p := recover(); p != nil { // in this goroutine it would end the process
			a.end(fmt.Errorf("panic while waiting: %v", p))
		}
	}()
	if a.closed {
		return
	}
	now := time.Now()
	a.due = time.Time{}
	switch {
	case !now.Before(a.total):
		a.end(errTotal)
		return // nothing follows
	case !a.first.IsZero() && !now.Before(a.first):
		a.first = time.Time{}
		a.cancelAttempt(errFirstToken)
	case a.reading() && !now.Before(a.lastRead.Add(a.o.Idle)):
		a.cancelAttempt(errIdle)
		a.lastRead = now
	}
	if !a.begun && !a.early.IsZero() && !now.Before(a.early) {
		a.begin(now)
	}
	if a.begun && a.stream && !now.Before(a.lastWrite.Add(a.o.KeepAlive)) {
		if a.raw(now, a.keepAlive(), true) != nil {
			a.end(errUnread)
			return
		}
	}
	a.rearm(now)
}

// end cancels the call. The first cause stays, as it does in a context.
func (a *answer) end(cause error) {
	if a.ended == nil {
		a.ended = cause
	}
	a.cancelCall(cause)
}

// cancels has the call cancelled by another function from here on, also where it was meanwhile.
func (a *answer) cancels(cancel context.CancelCauseFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancelCall = cancel
	if a.ended != nil {
		cancel(a.ended)
	}
}

// unread reports whether the call was cancelled since its caller takes nothing.
func (a *answer) unread() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Is(a.ended, errUnread)
}

// begin sends the header of a stream before there is anything to stream.
func (a *answer) begin(now time.Time) {
	a.begun = true
	h := a.w.Header()
	sse.SetHeader(h)
	a.fit(h)
	if a.way != nil {
		a.way.name(h)
	}
	a.w.WriteHeader(http.StatusOK)
	if a.raw(now, a.keepAlive(), true) != nil {
		a.end(errUnread)
	}
}

// keepAlive is what clients of the stream pass over.
func (a *answer) keepAlive() []byte {
	if a.array != nil {
		return []byte("\n") // white space between the elements
	}
	return a.lines(a.dialect.KeepAlive())
}

// lines ends lines as the rest of the stream does. There are clients (Google's for Go) that look for the one kind of blank
// line in all they have got before they look for the other, and so take events of both kinds for one.
func (a *answer) lines(p []byte) []byte {
	if !a.crlf {
		return p
	}
	return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n"))
}

// endsLines tells how the lines of the stream end that passes.
func (a *answer) endsLines(crlf bool) {
	a.mu.Lock()
	a.crlf = crlf
	a.mu.Unlock()
}

// reading reports whether an answer is being read that is held to the idle limit.
func (a *answer) reading() bool {
	return a.cancelAttempt != nil && a.first.IsZero()
}

// next is when something is due.
func (a *answer) next() time.Time {
	at := a.total
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	sooner(a.first)
	if a.reading() {
		sooner(a.lastRead.Add(a.o.Idle))
	}
	if !a.begun {
		sooner(a.early)
	} else if a.stream {
		sooner(a.lastWrite.Add(a.o.KeepAlive))
	}
	return at
}

// rearm sets the timer for what is due next. One that fires sooner is left alone, and set anew by then: mostly the call is over.
func (a *answer) rearm(now time.Time) {
	if at := a.next(); !a.closed && (a.due.IsZero() || at.Before(a.due)) {
		a.due = at
		a.timer.Reset(max(at.Sub(now), 0))
	}
}
