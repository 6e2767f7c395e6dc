// Package web is what stands before every door: the request's id, its one log line, its caller's address, and the
// promise that a panic costs one request and not the process.
package web

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/reqid"
)

// Options of Wrap.
type Options struct {
	Log     *slog.Logger
	Proxies []netip.Prefix // whose X-Forwarded-For is believed
}

// Wrap puts the request's frame around next.
func Wrap(next http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		requestID := r.Header.Get("X-Request-Id")
		if !reqid.Valid(requestID) {
			requestID = id.New[id.Request]().String()
		}
		f := &frame{Context: reqid.With(r.Context(), requestID), client: clientIP(r, o.Proxies), recorder: recorder{ResponseWriter: w}}
		e, rec := &f.event, &f.recorder
		r = r.WithContext(f)
		h := w.Header()
		h["X-Request-Id"] = []string{requestID}
		h["X-Content-Type-Options"] = noSniff
		defer func() {
			if p := recover(); p != nil {
				rec.panicked(e, p)
			}
			o.line(r, rec, e, time.Since(start))
			if rec.abort {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

var noSniff = []string{"nosniff"}

// line writes the request's one log line: errors as errors, health checks and assets only when debugging.
func (o Options) line(r *http.Request, rec *recorder, e *event, took time.Duration) {
	e.mu.Lock() // what a handler has left running may still note
	defer e.mu.Unlock()
	level := slog.LevelInfo
	switch {
	case e.err != nil:
		level = slog.LevelError
	case r.URL.Path == "/healthz", r.URL.Path == "/readyz", r.URL.Path == "/metrics", strings.HasPrefix(r.URL.Path, "/assets/"):
		level = slog.LevelDebug
	}
	if !o.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := append([]slog.Attr{
		slog.String("request_id", reqid.From(r.Context())),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", rec.Status()),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("duration", took),
	}, e.attrs...)
	if e.err != nil {
		attrs = append(attrs, slog.String("error", e.err.Error()))
	}
	o.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// A recorder knows what was answered. It passes on everything else that the server's writer can do.
type recorder struct {
	http.ResponseWriter
	status   int
	bytes    int64
	hijacked bool
	abort    bool
}

// Status is what was answered; 200 where the handler never said.
func (w *recorder) Status() int {
	switch {
	case w.hijacked:
		return http.StatusSwitchingProtocols
	case w.status == 0:
		return http.StatusOK
	}
	return w.status
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the server's writer.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError is what http.ResponseController asks for first.
func (w *recorder) FlushError() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// Flush and Hijack are asked for by type assertion in libraries that are older than http.ResponseController.
func (w *recorder) Flush() { _ = w.FlushError() }

// Hijack hands the connection over to a WebSocket.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = err == nil
	return conn, rw, err
}

// panicked answers 500 where nothing has been said yet; else the connection is cut, so that nobody takes half an
// answer for a whole one.
func (w *recorder) panicked(e *event, p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		w.abort = true
		return
	}
	e.mu.Lock()
	e.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	e.mu.Unlock()
	if w.status != 0 || w.hijacked {
		w.abort = true
		return
	}
	http.Error(w, "internal error, request "+w.Header().Get("X-Request-Id"), http.StatusInternalServerError)
}
