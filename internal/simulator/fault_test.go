package simulator_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/simulator"

	"github.com/google/go-cmp/cmp"
)

const streamBody = `{"model":"MODEL","messages":[{"role":"user","content":"hi"}],"stream":true}`

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	text   string
	err    error // of reading the body
}

func post(t *testing.T, v *vendor, path, body string, header http.Header) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-test")
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text), err}
}

func chat(t *testing.T, v *vendor, model string, header http.Header) answer {
	t.Helper()
	return post(t, v, "/v1/chat/completions", strings.Replace(streamBody, "MODEL", model, 1), header)
}

func TestStreamFaults(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	whole := chat(t, v, "sim-chat?tokens=10", nil)
	if n := strings.Count(whole.text, "data: "); n != 13 || !strings.HasSuffix(whole.text, "data: [DONE]\n\n") || whole.err != nil {
		t.Fatalf("a healthy stream has %d events, %v:\n%s", n, whole.err, whole.text)
	}
	tests := []struct {
		knobs  string
		events int  // data lines
		done   bool // ends with [DONE]
		cut    bool // the connection broke off
	}{
		{"cut=0", 0, false, true},
		{"cut=5", 6, false, true},
		{"stream_error=4", 6, false, false},
		{"malformed=2", 13, true, false},
		{"split=3", 13, true, false},
		{"usage=last", 13, true, false},
	}
	for _, tt := range tests {
		got := chat(t, v, "sim-chat?tokens=10&"+tt.knobs, nil)
		events := strings.Count(got.text, "data: ")
		if events != tt.events || strings.HasSuffix(got.text, "[DONE]\n\n") != tt.done || (got.err != nil) != tt.cut {
			t.Errorf("%s: %d events, error %v:\n%s", tt.knobs, events, got.err, got.text)
		}
	}
	if got := chat(t, v, "sim-chat?tokens=10&malformed=2", nil); strings.Count(got.text, `"logprobs":null,"finish_reason":null}]}`) != 10 {
		t.Errorf("malformed=2 broke more or less than one frame:\n%s", got.text)
	}
	if got := chat(t, v, "sim-chat?tokens=10&stream_error=4", nil); !strings.Contains(got.text, `data: {"error":{"message":`) {
		t.Errorf("no error event:\n%s", got.text)
	}
	if got := chat(t, v, "sim-chat?usage=last", nil); !strings.Contains(got.text, `"finish_reason":"stop"}],"usage":{"prompt_tokens":`) {
		t.Errorf("no usage on the finish chunk:\n%s", got.text)
	}
	if got := chat(t, v, "sim-chat?thinking=on&reasoning=3", nil); strings.Count(got.text, `"reasoning_content":`) != 3 {
		t.Errorf("shown reasoning is missing:\n%s", got.text)
	}
}

func TestBodyFaults(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	ask := func(model string) answer {
		body := strings.Replace(streamBody, "MODEL", model, 1)
		return post(t, v, "/v1/chat/completions", strings.Replace(body, "true", "false", 1), nil)
	}
	if got := ask("sim-chat?cut=5"); got.err == nil || len(got.text) != 5 {
		t.Errorf("cut=5: %q, %v", got.text, got.err)
	}
	if got := ask("sim-chat?malformed=1"); got.err != nil || got.status != 200 || strings.HasSuffix(got.text, "}") {
		t.Errorf("malformed=1: %q, %v", got.text, got.err)
	}
	if got := ask("sim-chat?pad=150000"); got.err != nil || len(got.text) < 150000 || !strings.HasSuffix(got.text, "}}}") {
		t.Errorf("pad: %d bytes, %v", len(got.text), got.err)
	}
	if got := ask("sim-chat?usage=off"); strings.Contains(got.text, "usage") {
		t.Errorf("usage=off: %s", got.text)
	}
	if got := ask("sim-chat?error=drop"); got.err == nil || got.status != 0 {
		t.Errorf("error=drop answered %d %q", got.status, got.text)
	}
	if got := ask("sim-chat?error=502"); got.header.Get("Content-Type") != "text/html" || !strings.HasPrefix(got.text, "<html>") {
		t.Errorf("error=502: %q", got.text)
	}
	if got := ask("sim-chat?error=503&retry_after=2"); got.header.Get("Retry-After") != "2" || got.status != 503 {
		t.Errorf("retry_after: %d %v", got.status, got.header)
	}
	for name, body := range map[string]string{
		"no JSON":                       `{"model":`,
		"no model":                      `{"messages":[{"role":"user","content":"x"}]}`,
		"no messages":                   `{"model":"m"}`,
		"wrong type":                    `{"model":"m","messages":[{"role":"user","content":"x"}],"n":"two"}`,
		"bad role":                      `{"model":"m","messages":[{"role":"robot","content":"x"}]}`,
		"n of zero":                     `{"model":"m","messages":[{"role":"user","content":"x"}],"n":0}`,
		"stream_options without stream": `{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}`,
	} {
		if got := post(t, v, "/v1/chat/completions", body, nil); got.status != 400 || !strings.HasPrefix(got.text, `{"error":{"message":`) {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestErrorRateIsSeeded(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (pattern string) {
		v := start(t, simulator.Options{Seed: seed})
		for range 200 {
			if chat(t, v, "sim-chat?tokens=1&error=503&error_rate=0.3", nil).status == 503 {
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		return pattern
	}
	first := run(1)
	if n := strings.Count(first, "x"); n < 40 || n > 80 {
		t.Errorf("%d of 200 failed, want about 60", n)
	}
	if first != run(1) || first == run(2) {
		t.Error("which requests fail must depend on the seed and nothing else")
	}
}

func TestKeysAndHeaders(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for key, want := range map[string]int{"": 401, "Bearer sk-sim-invalid": 401, "Bearer anything": 200, "Basic Zm9v": 401, "Bearer sk-sim-429-b": 429, "Bearer sk-sim-999-b": 200} {
		if got := chat(t, v, "sim-chat", http.Header{"Authorization": {key}}); got.status != want {
			t.Errorf("key %q: %d, want %d", key, got.status, want)
		}
	}
	got := chat(t, v, "sim-chat?error=503", http.Header{"X-Sim-Error-Rate": {"0"}, "X-Sim-Tokens": {"3"}})
	if got.status != 200 || strings.Count(got.text, `"delta":{"content":`) != 3 {
		t.Errorf("headers win over the model name: %d\n%s", got.status, got.text)
	}
	if got := chat(t, v, "sim-chat", http.Header{"X-Sim-Tokens": {"many"}}); got.status != 400 {
		t.Errorf("a bad header value: %d", got.status)
	}
}

func TestRunTimeFault(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	if got := post(t, v, "/sim/fault", "error=503&retry_after=1", nil); got.status != 204 {
		t.Fatalf("set: %d %s", got.status, got.text)
	}
	if got := chat(t, v, "gpt-4o", nil); got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("under the fault: %d", got.status)
	}
	if got := chat(t, v, "sim-chat?error_rate=0", nil); got.status != 200 {
		t.Errorf("a request that says otherwise: %d", got.status)
	}
	if got := post(t, v, "/sim/fault", "error=9", nil); got.status != 400 {
		t.Errorf("nonsense: %d", got.status)
	}
	if err := v.SetFault(""); err != nil {
		t.Fatal(err)
	}
	if got := chat(t, v, "gpt-4o", nil); got.status != 200 {
		t.Errorf("after clearing: %d", got.status)
	}
}

func TestStatsAndHook(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 4)
	v := start(t, simulator.Options{OnRequest: func(r *http.Request, body []byte) { bodies <- r.URL.Path + " " + string(body) }})
	chat(t, v, "sim-chat?tokens=7", nil)
	chat(t, v, "sim-chat?error=500", nil)
	if got, want := <-bodies, "/v1/chat/completions "+strings.Replace(streamBody, "MODEL", "sim-chat?tokens=7", 1); got != want {
		t.Errorf("hook saw %q, want %q", got, want)
	}
	if err := v.Await(t.Context(), func(s simulator.Stats) bool { return s.InFlight == 0 }); err != nil {
		t.Fatal(err)
	}
	counts := simulator.Counts{Requests: 2, Completed: 1, Failed: 1, PromptTokens: 5, CompletionTokens: 7}
	want := simulator.Stats{Counts: counts, Models: map[string]simulator.Counts{"sim-chat": counts}}
	if diff := cmp.Diff(want, v.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	resp, err := v.get(t, "/sim/stats")
	if err != nil || !strings.Contains(resp, `"completion_tokens":7`) {
		t.Errorf("GET /sim/stats: %s, %v", resp, err)
	}
}

func (v *vendor) get(t *testing.T, path string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.url+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// TestClientGoesAway reads a few events of a stream that stalls, then leaves.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	body := strings.Replace(streamBody, "MODEL", "sim-chat?stall=3", 1)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer k")
	resp, err := http.DefaultTransport.(*http.Transport).Clone().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for events := 0; events < 4 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			events++
		}
	}
	leave()
	if err := v.Await(t.Context(), func(s simulator.Stats) bool { return s.Cancelled == 1 }); err != nil {
		t.Fatal(err)
	}
	if got := v.Stats(); got.CompletionTokens != 3 || got.InFlight != 0 {
		t.Errorf("stats %+v; want the three tokens that were sent", got)
	}
}

// TestPace runs on a fake clock: the handler is called without a network.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			knobs  string
			stream bool
			want   time.Duration
		}{
			{"", true, 0},
			{"latency=50ms&ttft=20ms&tps=100&tokens=11", true, 170 * time.Millisecond}, // the last of 11 tokens is due after 10 gaps
			{"latency=50ms&ttft=20ms&tps=100&tokens=10", false, 170 * time.Millisecond},
			{"latency=1s&error=503", true, time.Second},
		}
		s := simulator.New(simulator.Options{})
		for _, tt := range tests {
			body := strings.Replace(streamBody, "MODEL", "sim-chat?"+tt.knobs, 1)
			if !tt.stream {
				body = strings.Replace(body, "true", "false", 1)
			}
			req := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer k")
			began := time.Now()
			s.ServeHTTP(httptest.NewRecorder(), req)
			if got := time.Since(began); got != tt.want {
				t.Errorf("%s, stream %v: took %v, want %v", tt.knobs, tt.stream, got, tt.want)
			}
		}
	})
}

func TestCloseEndsStalls(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	ended := make(chan answer, 1)
	go func() { ended <- chat(t, v, "sim-chat?stall=1", nil) }()
	if err := v.Await(t.Context(), func(s simulator.Stats) bool { return s.InFlight == 1 }); err != nil {
		t.Fatal(err)
	}
	v.Close()
	if got := <-ended; got.err == nil {
		t.Errorf("a stalled stream ended as if it were complete: %q", got.text)
	}
}

func TestBenchModel(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	plain, again := chat(t, v, "sim-bench", nil), chat(t, v, "sim-bench", nil)
	if plain.text != again.text || strings.Count(plain.text, `"delta":{"content":`) != 16 || !strings.HasSuffix(plain.text, "[DONE]\n\n") {
		t.Errorf("streams differ or are incomplete:\n%s", plain.text)
	}
	asked := post(t, v, "/v1/chat/completions", `{"stream_options":{"include_usage":true},"model":"sim-bench","stream":true}`, nil)
	if !strings.Contains(asked.text, `"choices":[],"usage":{"prompt_tokens":16,"completion_tokens":16,`) {
		t.Errorf("no usage chunk:\n%s", asked.text)
	}
	whole := post(t, v, "/v1/chat/completions", `{"model":"sim-bench"}`, nil)
	if whole.header.Get("Content-Type") != "application/json" || !strings.Contains(whole.text, `"completion_tokens":16`) {
		t.Errorf("at once: %s", whole.text)
	}
}

func BenchmarkServer(b *testing.B) {
	s := simulator.New(simulator.Options{})
	for _, model := range []string{"sim-bench", "sim-chat?tokens=64"} {
		b.Run(model, func(b *testing.B) {
			b.ReportAllocs()
			body := strings.Replace(streamBody, "MODEL", model, 1)
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
				req.Header.Set("Authorization", "Bearer k")
				s.ServeHTTP(discard{http.Header{}}, req)
			}
		})
	}
}

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
func (d discard) Flush()                      {}
