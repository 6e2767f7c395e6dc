package proxy_test

import (
	"net/http"
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

func TestPace(t *testing.T) {
	t.Parallel()
	p, key := proxy.NewPace(), &snapshot.ProviderKey{ID: id.New[id.ProviderKey](), MaxQPS: 4}
	now := time.Now()
	for range 10 { // in each second four, however many are asked for
		passed := 0
		for range 20 {
			if p.Take(key, now) == 0 {
				passed++
			}
		}
		if passed != 4 {
			t.Fatalf("%d calls in a burst, want 4", passed)
		}
		if wait := p.Take(key, now); wait != 250*time.Millisecond {
			t.Fatalf("wait %s, want a quarter of a second", wait)
		}
		now = now.Add(time.Second)
	}
	if wait := p.Take(&snapshot.ProviderKey{ID: key.ID}, now); wait != 0 {
		t.Errorf("a key without a limit waits %s", wait)
	}
}

// A key that has no room is passed over as if it had failed, and a call that no key has room for is refused with the time
// to wait, before any vendor is asked.
func TestKeysCallsPerSecond(t *testing.T) {
	t.Parallel()
	ok := answer(`{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	w := newWorld(t, []vendor{{handler: ok}, {handler: ok}}, func(_ *proxy.Options, c *snapshot.Contents) {
		for _, p := range c.Providers {
			p.Keys[0].MaxQPS = 1
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
