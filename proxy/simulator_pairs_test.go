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

// The simulator misbehaves in every dialect; what a caller of every other sees and what is booked must fit.
func TestPairsAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	sim := simulator.New(simulator.Options{Seed: 1})
	faults := []struct {
		knobs         string
		stream, whole usage.Outcome // "" is not to be tried
		output        int64         // 0 is any
	}{
		{"tokens=20", usage.OK, usage.OK, 20},
		{"tokens=20&split=1&crlf=on", usage.OK, "", 20},
		{"tokens=20&comments=3", usage.OK, "", 20},
		{"tokens=20&reasoning=10&thinking=on", usage.OK, usage.OK, 30},
		{"tokens=20&cut=5", usage.Truncated, usage.UpstreamError, 0},
		{"tokens=20&stream_error=4", usage.Truncated, "", 0},
		{"tokens=20&malformed=1", "", usage.UpstreamError, 0},
		{"error=503&retry_after=2", usage.UpstreamError, usage.UpstreamError, 0},
		{"error=400", usage.ClientError, usage.ClientError, 0},
		{"error=drop", usage.UpstreamError, usage.UpstreamError, 0},
	}
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		for _, f := range faults {
			want := f.whole
			if stream {
				want = f.stream
			}
			if want == "" {
				continue
			}
			w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) { sim.ServeHTTP(w, r) }}}, speaking(target.name), func(_ *proxy.Options, c *snapshot.Contents) {
				c.Models[0].Routes[0].UpstreamID = "sim-chat?" + f.knobs
			})
			a := w.says(caller, stream, "")
			e := w.only()
			if e.Outcome != want || f.output > 0 && (e.Usage.Output != f.output || e.Usage.Estimated) || w.credit.stillHeld() != 0 {
				t.Errorf("%s: %d %.300s, %+v", f.knobs, a.StatusCode, a.body, e)
			}
			r := caller.reads(t, stream && strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream"), a.body)
			if (want == usage.OK) != (r.err == "") || r.ended != (stream && want == usage.OK) || want == usage.OK && r.text == "" {
				t.Errorf("%s: %+v %.3000s", f.knobs, r, a.body)
			}
			if retry := a.Header.Get("Retry-After"); strings.Contains(f.knobs, "retry_after") != (retry == "2") {
				t.Errorf("%s: Retry-After %q", f.knobs, retry)
			}
		}
	})
}
