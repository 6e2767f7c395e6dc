package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/simulator"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// The simulator misbehaves in every way it knows; what the caller sees and what is booked must fit.
func TestAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	const question = `"messages":[{"role":"user","content":"Tell me something."}]`
	tests := []struct {
		knobs   string
		outcome usage.Outcome
		status  int
		stream  bool
		output  int64 // 0 is any
		guessed bool
	}{
		{"tokens=20", usage.OK, 200, true, 20, false},
		{"tokens=20", usage.OK, 200, false, 20, false},
		{"tokens=20&split=1&crlf=on", usage.OK, 200, true, 20, false},
		{"tokens=20&comments=3", usage.OK, 200, true, 20, false},
		{"tokens=20&reasoning=10&thinking=on", usage.OK, 200, true, 30, false},
		{"tokens=20&usage=last", usage.OK, 200, true, 20, false},
		{"tokens=20&usage=off", usage.OK, 200, true, 0, true},
		{"tokens=20&usage=off", usage.OK, 200, false, 0, true},
		{"tokens=20&pad=150000", usage.OK, 200, false, 20, false},
		{"tokens=20&cut=5", usage.Truncated, 200, true, 0, true},
		{"tokens=20&cut=5", usage.UpstreamError, 502, false, 0, false},
		{"tokens=20&stream_error=4", usage.Truncated, 200, true, 0, true},
		{"tokens=20&malformed=2", usage.Truncated, 200, true, 0, true},
		{"tokens=20&malformed=1", usage.UpstreamError, 502, false, 0, false},
		{"error=503&retry_after=2", usage.UpstreamError, 503, true, 0, false},
		{"error=400", usage.ClientError, 400, false, 0, false},
		{"error=429&error_code=insufficient_quota", usage.UpstreamError, 503, false, 0, false},
		{"error=drop", usage.UpstreamError, 502, true, 0, false},
	}
	for _, tt := range tests {
		name := "whole "
		if tt.stream {
			name = "stream "
		}
		t.Run(name+tt.knobs, func(t *testing.T) {
			t.Parallel()
			w := simulated(t)
			body := `{"model":"v0/sim-chat?` + tt.knobs + `",` + question + `}`
			if tt.stream {
				body = strings.Replace(body, "{", `{"stream":true,`, 1)
			}
			a := w.post("/chat/completions", body)
			e := w.only()
			if a.StatusCode != tt.status || e.Outcome != tt.outcome || e.Usage.Estimated != tt.guessed {
				t.Errorf("%d %.300s, %+v", a.StatusCode, a.body, e)
			}
			if tt.output > 0 && e.Usage.Output != tt.output {
				t.Errorf("%d output tokens, want %d", e.Usage.Output, tt.output)
			}
			if tt.guessed && (e.Usage.Output == 0 || e.Usage.Output > 60) {
				t.Errorf("guessed %d output tokens", e.Usage.Output)
			}
			if finished := strings.Contains(a.body, "[DONE]"); tt.stream && finished != (tt.outcome == usage.OK) {
				t.Errorf("[DONE] is %v: %.300s", finished, a.body)
			}
			if retry := a.Header.Get("Retry-After"); strings.Contains(tt.knobs, "retry_after") != (retry == "2") {
				t.Errorf("Retry-After %q", retry)
			}
			if w.credit.stillHeld() != 0 {
				t.Error("the hold is still open")
			}
		})
	}
}

func simulated(t *testing.T) *world {
	t.Helper()
	sim := simulator.New(simulator.Options{Seed: 1})
	return newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) { sim.ServeHTTP(w, r) }}}, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Providers[0].AcceptAnyModel = true
	})
}
