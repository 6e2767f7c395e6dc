package overload

import (
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
)

// Limit is limit, for its test.
type Limit struct{ limit }

// NewLimit is a limit without a sign of overload.
func NewLimit(top int) *Limit { return &Limit{limit{top: float64(top)}} }

// At is at.
func (l *Limit) At(now time.Time) int { return l.at(now) }

// End is end.
func (l *Limit) End(class health.Class, began, now time.Time, inFlight int) {
	l.end(class, began, now, inFlight)
}

// First is first.
func (l *Limit) First(began, now time.Time, inFlight int) { l.first(began, now, inFlight) }

// A Waiter is a call that waits, without a goroutine that does.
type Waiter struct {
	g *Gate
	w *waiter
}

// Enqueue is the first part of Wait.
func (g *Gate) Enqueue(key id.Key, targets []health.Target) (*Waiter, Slot, error) {
	w := &waiter{key: key, granted: make(chan struct{})}
	slot, err := g.enqueue(w, targets)
	return &Waiter{g, w}, slot, err
}

// Granted reports whether the call has a slot.
func (w *Waiter) Granted() (Slot, bool) {
	select {
	case <-w.w.granted:
		return w.w.slot, true
	default:
		return Slot{}, false
	}
}

// Look is what a call that waits does now and then.
func (w *Waiter) Look() { w.g.look(w.w) }

// Leave is the last part of Wait.
func (w *Waiter) Leave(gone error) (Slot, error) { return w.g.leave(w.w, gone) }

// Target is the target of the slot.
func (s *Slot) Target() health.Target { return s.target.of }
