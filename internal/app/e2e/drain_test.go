package e2e

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// TestDrainCutsNoStream stops the gateway while 50 streams are under way: each goes on to its end, and is booked.
func TestDrainCutsNoStream(t *testing.T) {
	t.Parallel()
	const streams = 50
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	vendor := startVendor(t)
	c := newTenant(t, firstAdmin(t, s, n), vendor, terms{vendor: "sim-chat?tokens=60&tps=20"}) // three seconds each
	l := newLoad(t, c, "drain")
	l.start(t.Context(), streams, streams)
	conn := connect(t, s.postgres)
	underWay(t, vendor, streams)
	begin := time.Now()
	n.signal(syscall.SIGTERM)
	eventually(t, patience(time.Second), "no new calls are taken", func() bool {
		resp, err := http.Get(n.url + "/readyz")
		if err != nil {
			return true
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusServiceUnavailable
	})
	l.wait()
	code := n.wait(stopTimeout)
	t.Logf("drained within %s", time.Since(begin).Round(time.Millisecond))
	if code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	l.whole(t)
	answered, _, _ := l.seen()
	if len(answered) != streams {
		t.Errorf("%d streams ended well, want %d", len(answered), streams)
	}
	// The spool was drained before the end: nobody is there any more to book what is missing.
	agree(t, conn, c, answered, nil)
	if n := scan[int](t, conn, `SELECT count(*) FROM spool_cursors WHERE drained`); n != 1 {
		t.Errorf("%d nodes left drained, want one", n)
	}
	if n := scan[int](t, conn, `SELECT count(*) FROM credit_leases WHERE amount > 0`); n != 0 {
		t.Errorf("%d leases of a node that has stopped hold credit", n)
	}
}

// underWay waits until the vendor serves so many requests at once.
func underWay(t *testing.T, vendor string, want int) {
	t.Helper()
	eventually(t, patience(10*time.Second), "the vendor is streaming", func() bool { return vendorStats(t, vendor).InFlight >= want })
}
