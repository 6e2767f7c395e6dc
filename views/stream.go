package views

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/sse"
)

const (
	// streamLife is how long one event stream lives. The browser then opens the next, which asks again who is there.
	streamLife = 10 * time.Minute
	// pingEvery keeps proxies from taking a quiet stream for a dead one.
	pingEvery = 15 * time.Second
)

// isStream reports whether the request is for an event stream rather than a page.
func isStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// stream sends what draw makes of each item as an event, until the browser goes, the items end, or the stream is old.
func stream[T any](w http.ResponseWriter, r *http.Request, items <-chan T, draw func(T) templ.Component) error {
	sse.SetHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	out := sse.NewWriter(w)
	if err := out.Comment("open"); err != nil {
		return err
	}
	ping, end := time.NewTicker(pingEvery), time.NewTimer(streamLife)
	defer ping.Stop()
	defer end.Stop()
	var buf bytes.Buffer
	for {
		if err := out.Flush(); err != nil {
			return nil // the browser has gone, which is how streams end
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-end.C:
			return nil
		case <-ping.C:
			if out.Comment("ping") != nil {
				return nil
			}
		case item, ok := <-items:
			if !ok {
				return nil
			}
			buf.Reset()
			if err := draw(item).Render(r.Context(), &buf); err != nil {
				return nil // half an event was not sent: the stream ends between two
			}
			if out.WriteEvent("", buf.Bytes()) != nil {
				return nil
			}
		}
	}
}
