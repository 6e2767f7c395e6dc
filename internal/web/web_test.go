package web_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"aihigress/internal/reqid"
	"aihigress/internal/web"
)

func serve(t *testing.T, log *bytes.Buffer, proxies []netip.Prefix, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(web.Wrap(h, web.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Proxies: proxies}))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	s := serve(t, &bytes.Buffer{}, nil, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, reqid.From(r.Context()))
	})
	resp, body := get(t, s.URL, "X-Request-Id", "trace-1")
	if body != "trace-1" || resp.Header.Get("X-Request-Id") != "trace-1" {
		t.Errorf("a good id was not kept: %q, %q", body, resp.Header.Get("X-Request-Id"))
	}
	for _, bad := range []string{"", "with space", "<script>", strings.Repeat("x", 129)} {
		if _, body := get(t, s.URL, "X-Request-Id", bad); body == bad || !strings.HasPrefix(body, "req_") {
			t.Errorf("id %q became %q, want one of ours", bad, body)
		}
	}
}

func TestPanicCostsOneRequest(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := serve(t, &log, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			io.WriteString(w, "half")
			http.NewResponseController(w).Flush()
		}
		panic("canary")
	})
	resp, body := get(t, s.URL)
	if resp.StatusCode != 500 || strings.Contains(body, "canary") {
		t.Errorf("answered %d %q", resp.StatusCode, body)
	}
	late, err := http.Get(s.URL + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Body.Close()
	if _, err := io.ReadAll(late.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a half answer ended as if it were whole: %v", err)
	}
	s.Close()
	if got := strings.Count(log.String(), "panic: canary"); got != 2 {
		t.Errorf("%d panics in the log, want 2:\n%s", got, log.String())
	}
}

func TestOneLineARequest(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := serve(t, &log, nil, func(w http.ResponseWriter, r *http.Request) {
		web.Note(r.Context(), slog.String("model", "m1"))
		web.NoteError(r.Context(), errors.New("disk full"))
		w.WriteHeader(http.StatusBadGateway)
	})
	get(t, s.URL+"/x")
	s.Close()
	line := log.String()
	if strings.Count(line, "\n") != 1 || !strings.Contains(line, "model=m1") || !strings.Contains(line, "status=502") ||
		!strings.Contains(line, "level=ERROR") || !strings.Contains(line, `error="disk full"`) {
		t.Errorf("log: %s", line)
	}
}

// What a handler leaves running may note while the line is written, or after: nothing is read and written at once, which
// the race detector would tell.
func TestNotesWhileTheLineIsWritten(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var noting sync.WaitGroup
	s := serve(t, &log, nil, func(_ http.ResponseWriter, r *http.Request) {
		begun := make(chan struct{})
		noting.Go(func() {
			close(begun)
			for range 1000 {
				web.Note(r.Context(), slog.String("late", "note"))
				web.NoteError(r.Context(), errors.New("too late"))
			}
		})
		<-begun
	})
	for range 20 {
		get(t, s.URL)
	}
	noting.Wait()
	s.Close()
	if lines := strings.Count(log.String(), "msg=request"); lines != 20 {
		t.Errorf("%d lines of 20 requests", lines)
	}
}

// cutOff is a writer whose caller is gone.
type cutOff struct{ *httptest.ResponseRecorder }

var errCutOff = errors.New("cut off")

func (cutOff) FlushError() error { return errCutOff }

// A flush that fails is heard by whoever asked for it: the caller is gone.
func TestFlushFails(t *testing.T) {
	t.Parallel()
	var err error
	handler := web.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { err = http.NewResponseController(w).Flush() }),
		web.Options{Log: slog.New(slog.DiscardHandler)})
	handler.ServeHTTP(cutOff{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	if !errors.Is(err, errCutOff) {
		t.Errorf("%v", err)
	}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	show := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, web.ClientIP(r.Context()).String()) }
	behind := serve(t, &bytes.Buffer{}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}, show)
	bare := serve(t, &bytes.Buffer{}, nil, show)
	for _, c := range []struct{ url, forwarded, want string }{
		{bare.URL, "203.0.113.9", "127.0.0.1"},
		{behind.URL, "203.0.113.9", "203.0.113.9"},
		{behind.URL, "198.51.100.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"},
		{behind.URL, "198.51.100.1, nonsense, 10.1.1.1", "10.1.1.1"},
		{behind.URL, "", "127.0.0.1"},
	} {
		if _, got := get(t, c.url, "X-Forwarded-For", c.forwarded); got != c.want {
			t.Errorf("X-Forwarded-For %q: client %s, want %s", c.forwarded, got, c.want)
		}
	}
}
