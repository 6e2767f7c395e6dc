package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// Who is refused for want of memory hears when there is some: by how fast it came free so far, and never of what is too large
// for an empty gateway.
func TestRetryAfterOfMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const mib = 1 << 20
		b := proxy.NewBudget(100 * mib)
		for b.Take(mib) {
			continue
		}
		says := func(what string, n int64, want time.Duration) {
			t.Helper()
			if got := b.Wait(n); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		says("nothing is known", mib, 5*time.Second)
		says("too large for good", 90*mib, 0)
		time.Sleep(10 * time.Second)
		b.Give(20 * mib) // two in a second
		for n := range 20 {
			if !b.Take(mib) {
				t.Fatalf("of what was given back %d MiB are there", n)
			}
		}
		says("one of two in a second", mib, time.Second)
		says("the eighth that is left for the small ones, and fifteen more", 15*mib+mib/2, 14*time.Second)
		time.Sleep(500 * time.Millisecond)
		says("half a second says little", mib, time.Second)
		time.Sleep(time.Hour)
		says("that was long ago", mib, 5*time.Second)
	})
}

// A refused call tells it to its caller.
func TestRefusedForMemoryHasRetryAfter(t *testing.T) {
	t.Parallel()
	asked, done := make(chan struct{}), make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) { close(asked); <-done; answer(completion)(w, r) }}},
		func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBodies = 1 << 20 })
	large := strings.Replace(chat, `"m"`, `"m","user":"`+strings.Repeat("x", 600<<10)+`"`, 1)
	first := make(chan answered)
	go func() { first <- w.post("/chat/completions", large) }()
	<-asked
	if a := w.post("/chat/completions", large); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "5" {
		t.Errorf("%d, Retry-After %q: %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
	}
	close(done)
	if a := <-first; a.StatusCode != http.StatusOK {
		t.Errorf("the other call: %d %s", a.StatusCode, a.body)
	}
}
