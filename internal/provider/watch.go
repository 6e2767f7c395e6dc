package provider

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aihigress/internal/health"
)

const (
	// maxWatched is how many places wait to be observed. While Postgres is away, further ones are not told of.
	maxWatched = 1024
	// observeTimeout bounds one observation, and retryObserve is after how long a failed one is tried again.
	observeTimeout = 10 * time.Second
	retryObserve   = 5 * time.Second
)

// An Observer takes in what live traffic found out: Providers.
type Observer interface {
	Observe(ctx context.Context, c health.Change) (again time.Time, err error)
}

// A Watch passes on what live traffic finds out, on whichever node. It never holds traffic up: of each place it keeps the
// last change only, until that is observed.
type Watch struct {
	observer  Observer
	subscribe func(context.Context) <-chan health.Change
	log       *slog.Logger

	mu      sync.Mutex
	waiting map[health.Place]*observation
	changed chan struct{}
}

// An observation is a change that waits to be observed.
type observation struct {
	change health.Change
	due    time.Time
}

// NewWatch makes a watch over what subscribe gives, as health.Share has it.
func NewWatch(observer Observer, subscribe func(context.Context) <-chan health.Change, log *slog.Logger) *Watch {
	return &Watch{
		observer: observer, subscribe: subscribe, log: log, waiting: map[health.Place]*observation{}, changed: make(chan struct{}, 1),
	}
}

// Run watches until ctx ends; then it returns nil. Its actor is that of ctx.
func (w *Watch) Run(ctx context.Context) error {
	changes := w.subscribe(ctx)
	var work errgroup.Group
	work.Go(func() error { w.observe(ctx); return nil })
	for c := range changes {
		w.note(c)
	}
	return work.Wait()
}

// note keeps a change in place of an older one.
func (w *Watch) note(c health.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[c.Place] == nil && len(w.waiting) >= maxWatched {
		return
	}
	w.waiting[c.Place] = &observation{change: c}
	select {
	case w.changed <- struct{}{}:
	default: // it knows
	}
}

// observe passes on what waits, one after the other.
func (w *Watch) observe(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, at := w.next()
		if next == nil {
			select {
			case <-w.changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(time.Until(at))
		select {
		case <-timer.C:
			w.pass(ctx, next)
		case <-w.changed:
		case <-ctx.Done():
			return
		}
	}
}

// next is what is due first, and when.
func (w *Watch) next() (first *observation, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.waiting {
		if first == nil || o.due.Before(first.due) {
			first = o
		}
	}
	if first == nil {
		return nil, time.Time{}
	}
	return first, first.due
}

// pass has a change observed, and forgets it unless it is to be observed again.
func (w *Watch) pass(ctx context.Context, o *observation) {
	place := o.change.Place
	limited, cancel := context.WithTimeout(ctx, observeTimeout)
	again, err := w.observer.Observe(limited, o.change)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		w.log.WarnContext(ctx, "what live traffic says of a provider is told later", "provider", place.Provider, "scope", place.Scope, "error", err)
		again = time.Now().Add(retryObserve)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[place] != o {
		return // there is a newer one
	}
	if again.IsZero() {
		delete(w.waiting, place)
		return
	}
	w.waiting[place] = &observation{change: o.change, due: again}
}
