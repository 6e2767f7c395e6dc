package proxy_test

import (
	"net/http"
	"testing"

	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// A key that has no room is passed over as if it had failed, and a call that no key has room for is refused with the time
// to wait, before any vendor is asked.
func TestKeysCallsPerSecond(t *testing.T) {
	t.Parallel()
	ok := answer(`{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	w := newWorld(t, []vendor{{handler: ok}, {handler: ok}}, func(_ *proxy.Options, c *snapshot.Contents) {
		for _, p := range c.Providers {
			p.Keys[0].Limits.MaxQPS = 1
		}
	})
	for i, want := range []string{"v0", "v1"} {
		if a := w.post("/chat/completions", chat); a.StatusCode != http.StatusOK || a.Header.Get("X-Aihigress-Provider") != want || a.Header.Get("X-Aihigress-Attempts") != "1" {
			t.Fatalf("call %d: %d by %s at attempt %s, want %s at its first", i, a.StatusCode, a.Header.Get("X-Aihigress-Provider"), a.Header.Get("X-Aihigress-Attempts"), want)
		}
	}
	a := w.post("/chat/completions", chat)
	if e := readError(t, a); a.StatusCode != http.StatusTooManyRequests || e.Code != "upstream_busy" || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s, Retry-After %q", a.StatusCode, a.body, a.Header.Get("Retry-After"))
	}
	if e := w.meter.finished[2]; e.Outcome != usage.Refused || len(e.Attempts) != 0 || e.ProviderID != nil {
		t.Errorf("booked as %+v", e)
	}
	if n := w.credit.stillHeld(); n != 0 {
		t.Errorf("%d holds are left", n)
	}
}
