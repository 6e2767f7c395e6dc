package sse_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/sse"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		write func(*sse.Writer) error
		want  string
	}{
		{"data", func(w *sse.Writer) error { return w.WriteEvent("", []byte(`{"a":1}`)) }, "data: {\"a\":1}\n\n"},
		{"name", func(w *sse.Writer) error { return w.WriteEvent("error", []byte("x")) }, "event: error\ndata: x\n\n"},
		{"lines", func(w *sse.Writer) error { return w.WriteEvent("", []byte("a\nb\r\nc\rd\n")) },
			"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"empty data", func(w *sse.Writer) error { return w.WriteEvent("", nil) }, "data: \n\n"},
		{"raw", func(w *sse.Writer) error { return w.WriteRaw([]byte("data:1\r\n\r\n")) }, "data:1\r\n\r\n"},
		{"comment", func(w *sse.Writer) error { return w.Comment("ping") }, ": ping\n\n"},
		{"comment with a break", func(w *sse.Writer) error { return w.Comment("a\n\ndata: x") }, ": a\n: \n: data: x\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			w := sse.NewWriter(rec)
			if err := errors.Join(tt.write(w), w.Flush()); err != nil {
				t.Fatal(err)
			}
			if got := rec.Body.String(); got != tt.want {
				t.Errorf("wrote %q, want %q", got, tt.want)
			}
			if !rec.Flushed {
				t.Error("not flushed")
			}
		})
	}
}

func TestWriterRefusesANameThatBreaksTheFrame(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	if err := sse.NewWriter(rec).WriteEvent("a\ndata: forged", nil); !errors.Is(err, sse.ErrBadName) {
		t.Errorf("error %v, want ErrBadName", err)
	}
	if rec.Body.Len() != 0 {
		t.Errorf("wrote %q", rec.Body)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rec := httptest.NewRecorder()
	w := sse.NewWriter(rec)
	if err := errors.Join(w.WriteEvent("delta", []byte("one\ntwo")), w.Comment("ping"), w.WriteEvent("", []byte("three"))); err != nil {
		t.Fatal(err)
	}
	got, _, _ := readAll(strings.NewReader(rec.Body.String()), 0)
	if len(got) != 3 || got[0].Name != "delta" || got[0].Data != "one\ntwo" || got[1].Kind != sse.Comment || got[2].Data != "three" {
		t.Errorf("read back %+v", got)
	}
}

func TestFlushNeedsAFlusher(t *testing.T) {
	t.Parallel()
	w := sse.NewWriter(hidden{httptest.NewRecorder()})
	if err := w.Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("error %v, want http.ErrNotSupported", err)
	}
}

// hidden shows nothing of a response writer but its three methods.
type hidden struct{ http.ResponseWriter }

func TestSetHeader(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	sse.SetHeader(h)
	if got := h.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if !strings.Contains(h.Get("Cache-Control"), "no-transform") {
		t.Errorf("cache control %q lets a middlebox rewrite the stream", h.Get("Cache-Control"))
	}
}
