package graph

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// events streams one operation as graphql-sse in its distinct connections mode: each result is an event "next", and
// "complete" is the last.
// Source: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
func (h *Handler) events(w http.ResponseWriter, r *http.Request, op *graphql.OperationContext, errs gqlerror.List) {
	s := eventStream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", mediaStream+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	w.Header().Set("X-Accel-Buffering", "no") // for nginx
	w.WriteHeader(http.StatusOK)
	if errs != nil {
		raw, err := encode(&graphql.Response{Errors: errs})
		if err == nil && s.next(raw) {
			s.complete()
		}
		return
	}
	results := make(chan []byte) // gqlgen writes each result over the one before it: they are encoded where they come
	standing, done := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer close(done)
		defer close(results)
		h.run(ctx, op, sync.OnceFunc(func() { close(standing) }), func(response *graphql.Response) bool {
			raw, err := encode(response)
			if err != nil {
				return false
			}
			select {
			case results <- raw:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	defer func() { cancel(); <-done }()
	select {
	case <-standing: // the first byte tells the caller that nothing is missed from here on
	case <-ctx.Done():
	}
	h.forward(ctx, s, results)
}

// forward writes results as they come, and signs of life between them, until the operation ends, the caller goes, or may no
// longer be here.
func (h *Handler) forward(ctx context.Context, s eventStream, results <-chan []byte) {
	tick := time.NewTicker(h.keepAlive)
	defer tick.Stop()
	if !s.write([]byte(":\n\n")) {
		return
	}
	for {
		select {
		case raw, more := <-results:
			if !more {
				s.complete()
				return
			}
			if !s.next(raw) {
				return
			}
		case <-tick.C:
			if !h.valid(ctx) {
				s.complete()
				return
			}
			if !s.write([]byte(":\n\n")) {
				return
			}
		case <-ctx.Done(): // the caller is gone, or the server stops
			s.complete()
			return
		}
	}
}

// run executes an operation and gives each result to yield until that says false. It calls standing once a subscription
// hears of everything. A panic becomes the last result.
func (h *Handler) run(ctx context.Context, op *graphql.OperationContext, standing func(), yield func(*graphql.Response) bool) {
	defer func() {
		if p := recover(); p != nil {
			standing()
			yield(&graphql.Response{Errors: gqlerror.List{present(ctx, survive(ctx, p))}})
		}
	}()
	next, ctx := h.exec.DispatchOperation(ctx, op)
	standing()
	for response := next(ctx); response != nil; response = next(ctx) {
		if !yield(response) {
			return
		}
	}
}

// An eventStream writes events. Its methods report whether the caller is still there.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// next sends a result, which is JSON on one line.
func (s eventStream) next(raw []byte) bool {
	var b bytes.Buffer
	b.WriteString("event: next\ndata: ")
	b.Write(raw)
	b.WriteString("\n\n")
	return s.write(b.Bytes())
}

// complete has an empty data field, without which a browser's EventSource would not tell of the event.
func (s eventStream) complete() bool { return s.write([]byte("event: complete\ndata:\n\n")) }

func (s eventStream) write(raw []byte) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a writer without deadlines waits as long as it likes
	if _, err := s.w.Write(raw); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
