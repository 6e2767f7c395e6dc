package views

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/sse"
	"aihigress/views/ui"
)

const (
	// streamLife is how long one event stream lives. The browser then opens the next, which asks again who is there.
	streamLife = 10 * time.Minute
	// maxStreams is how many event streams one person has open on a node: many tabs, and no more than that.
	maxStreams = 32
	// gatherFor is how long items are gathered into one event: a page that changes more often is not read any better.
	gatherFor = 250 * time.Millisecond
	// maxGathered is how many items one event has at most. Live lists keep no more rows, so older items are left out.
	maxGathered = 100
	// pingEvery keeps proxies from taking a quiet stream for a dead one, and is how long a stream may outlive a sign-in.
	pingEvery = 15 * time.Second
)

// signedInStream lets only people pass who are signed in, as signedIn does for pages. A stream cannot show a page, and a
// browser that is refused one asks again and again; so a stream whose only event is ui.SignedOut tells the page to go to
// sign in. Its address says that a request is for a stream: htmx accepts one in answer to whatever it asks for.
func (c *console) signedInStream(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if actor, ok := authz.From(r.Context()); ok && actor.Kind == authz.User {
			next.ServeHTTP(w, r)
			return
		}
		sse.SetHeader(w.Header())
		w.WriteHeader(http.StatusOK)
		_ = sse.NewWriter(w).WriteEvent(ui.SignedOut, nil) // the reader may have gone; there is nobody to tell
	})
}

// places counts what people have open on a node.
type places struct {
	each, all int // how many one person has at most, and all together; zero is no limit
	mu        sync.Mutex
	taken     int
	open      map[id.User]int
}

// enter takes one more place, which leave gives back; ok is false where there is none.
func (p *places) enter(user id.User) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.each > 0 && p.open[user] >= p.each || p.all > 0 && p.taken >= p.all {
		return nil, false
	}
	if p.open == nil {
		p.open = map[id.User]int{}
	}
	p.open[user]++
	p.taken++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.open[user]--; p.open[user] == 0 {
			delete(p.open, user)
		}
	}, true
}

// stream sends what draw makes of the items that came, oldest first, as one event after another, until the browser goes,
// the items end, the node drains, or the stream is old. follow opens the source of the items, which ends with the context
// it is given.
func stream[T any](c *console, w http.ResponseWriter, r *http.Request, follow func(context.Context) (<-chan T, error), draw func([]T) templ.Component) error {
	actor, _ := authz.From(r.Context())
	leave, ok := c.streams.enter(actor.UserID)
	if !ok {
		return fault.New(fault.Limited, "Too many pages of the console are open.")
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	items, err := follow(ctx)
	if err != nil {
		return err
	}
	sse.SetHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	out := sse.NewWriter(w)
	if out.Comment("open") != nil {
		return nil // the browser has gone, which is how streams end
	}
	ping, end := time.NewTicker(c.PingEvery), time.NewTimer(streamLife)
	defer ping.Stop()
	defer end.Stop()
	var (
		gathered []T
		send     <-chan time.Time // runs while something is gathered
		buf      bytes.Buffer
	)
	for {
		if send == nil && out.Flush() != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-end.C:
			return nil
		case <-c.Draining:
			return nil // the browser opens the next one, elsewhere
		case <-ping.C:
			switch now, err := c.actor(r); {
			case err != nil: // nobody can say, and the next ping asks again
			case now.Kind != authz.User:
				_ = out.WriteEvent(ui.SignedOut, nil)
				return nil
			case now.Role != actor.Role:
				return nil // the browser opens the next one, as what the reader is now
			}
			if out.Comment("ping") != nil {
				return nil
			}
		case item, ok := <-items:
			if !ok {
				return nil
			}
			if gathered = append(gathered, item); len(gathered) > maxGathered {
				gathered = slices.Delete(gathered, 0, 1)
			}
			if send == nil {
				send = time.After(gatherFor)
			}
			continue
		case <-send:
			buf.Reset()
			if err := draw(gathered).Render(r.Context(), &buf); err != nil {
				return nil // nothing of it was sent: the stream ends between two events
			}
			if out.WriteEvent("", buf.Bytes()) != nil {
				return nil
			}
			gathered, send = gathered[:0], nil
		}
	}
}
