package sse

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrBadName refuses an event name that would break the framing.
var ErrBadName = errors.New("sse: event name contains a line break")

// Writer writes events to one HTTP response. Nothing reaches the client for certain before Flush. It is not safe for
// concurrent use: whoever writes pings writes events too, which is also what keeps pings between events.
type Writer struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
}

// NewWriter returns a writer to w. It does not touch the header: see SetHeader.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w: w, rc: http.NewResponseController(w)}
}

// SetHeader fills in what an event stream needs: its content type, and that nobody on the way caches, buffers or
// transforms it.
func SetHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // understood by nginx and most of its relatives
}

// WriteRaw writes bytes as they are: whole events as a Reader returned them.
func (w *Writer) WriteRaw(raw []byte) error {
	if _, err := w.w.Write(raw); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// WriteEvent writes one event. Data may have line breaks of any kind: each line gets its own field, as the standard
// demands. An empty name is left out.
func (w *Writer) WriteEvent(name string, data []byte) error {
	if strings.ContainsAny(name, "\r\n") {
		return ErrBadName
	}
	b := w.buf[:0]
	if name != "" {
		b = append(b, "event: "...)
		b = append(b, name...)
		b = append(b, '\n')
	}
	b = appendLines(b, "data: ", data)
	b = append(b, '\n')
	w.buf = b
	return w.WriteRaw(b)
}

// Comment writes a comment block, which clients drop: a keep-alive.
func (w *Writer) Comment(text string) error {
	b := appendLines(w.buf[:0], ": ", []byte(text))
	b = append(b, '\n')
	w.buf = b
	return w.WriteRaw(b)
}

// Flush sends what was written. It is http.ErrNotSupported where a middleware hides the flusher.
func (w *Writer) Flush() error {
	if err := w.rc.Flush(); err != nil {
		return fmt.Errorf("flush events: %w", err)
	}
	return nil
}

// appendLines appends every line of text behind prefix.
func appendLines(b []byte, prefix string, text []byte) []byte {
	for {
		line, rest := text, []byte(nil)
		i := indexLineEnd(text)
		if i >= 0 {
			line, rest = text[:i], text[i+1:]
			if text[i] == '\r' {
				rest = bytes.TrimPrefix(rest, []byte("\n"))
			}
		}
		b = append(b, prefix...)
		b = append(b, line...)
		b = append(b, '\n')
		if i < 0 {
			return b
		}
		text = rest
	}
}
