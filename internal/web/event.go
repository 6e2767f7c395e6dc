package web

import (
	"context"
	"log/slog"
	"sync"
)

// An event is the one log line of a request. Handlers add to it on the way; it is written when the request ends.
type event struct {
	mu    sync.Mutex
	attrs []slog.Attr
	err   error
}

// Note adds attributes to the request's log line. Bodies and secrets never belong there.
func Note(ctx context.Context, attrs ...slog.Attr) {
	if f := frameOf(ctx); f != nil {
		f.event.mu.Lock()
		f.event.attrs = append(f.event.attrs, attrs...)
		f.event.mu.Unlock()
	}
}

// NoteError gives the request's log line the error that was answered as an internal one. The line is then an error.
func NoteError(ctx context.Context, err error) {
	if f := frameOf(ctx); f != nil {
		f.event.mu.Lock()
		f.event.err = err
		f.event.mu.Unlock()
	}
}
