package proxy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// endless answers with a head, a word many times, and a tail.
type endless struct {
	s     *speaker
	words int
}

func (u endless) Do(context.Context, upstream.Call) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(u.s.head), &repeated{text: []byte(u.s.word), left: u.words}, strings.NewReader(u.s.tail))
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body), ContentLength: -1}, nil
}

type repeated struct {
	text []byte
	at   int
	left int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		copied := copy(p[n:], r.text[r.at:])
		n += copied
		if r.at += copied; r.at == len(r.text) {
			r.at, r.left = 0, r.left-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// sink weighs the heap when so many bytes have passed, and again at the end.
type sink struct {
	header        http.Header
	passed        int
	tail          []byte
	first, second uint64
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Flush()              {}
func (s *sink) Write(p []byte) (int, error) {
	before := s.passed
	s.passed += len(p)
	const early, late = 512 << 10, 4 << 20
	if before < early && s.passed >= early {
		s.first = heap()
	}
	if before < late && s.passed >= late {
		s.second = heap()
	}
	s.tail = append(s.tail[:0], p...)
	return len(p), nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A translated stream takes no more memory when it is long. It is not parallel, so that no other test is weighed. The
// Responses dialect is not among the callers: its last event repeats the answer, within dialect.MaxText.
func TestMemoryOfAStreamDoesNotGrow(t *testing.T) { //nolint:paralleltest // see above
	for _, caller := range []string{llm.OpenAI, llm.Anthropic, llm.Gemini} {
		for _, target := range speakers {
			if caller == target.name {
				continue
			}
			t.Run(caller+" from "+target.name, func(t *testing.T) { //nolint:paralleltest // see above
				s := speakerOf(caller)
				w := newWorld(t, []vendor{{handler: http.NotFound}}, speaking(target.name))
				w.o.Upstream = endless{target, 60_000}
				r := w.asking(s, true, "", "Authorization", "Bearer "+w.key)
				out := &sink{header: http.Header{}}
				in := httptest.NewRequest(http.MethodPost, r.URL.RequestURI(), r.Body)
				in.Header = r.Header
				proxy.New(w.o).ServeHTTP(out, in)
				if e := w.only(); e.Outcome != usage.OK {
					t.Fatalf("%+v %s", e, out.tail)
				}
				if out.second == 0 || bytes.Contains(out.tail, []byte(`"error"`)) {
					t.Fatalf("only %d bytes passed: %s", out.passed, out.tail)
				}
				if grown := int64(out.second) - int64(out.first); grown > 512<<10 {
					t.Errorf("grew by %d bytes over 3.5 MiB", grown)
				}
			})
		}
	}
}
