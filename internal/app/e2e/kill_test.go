package e2e

import (
	"syscall"
	"testing"
	"time"
)

// TestKillLosesNothing kills the gateway twice during a load of 2,000 streamed requests. Whatever a caller saw the end
// of stands in the log and in the ledger, once.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	const workers = 32
	total := scaled(2000)
	dir := newDir(t)
	d := startDev(t, dir)
	vendor := startVendor(t) // outlives the kills, as vendors do
	c := newTenant(t, d.admin(t), vendor, terms{vendor: "sim-chat?ttft=10ms&tokens=8&tps=400"})

	l := newLoad(t, c, "kill")
	l.start(t.Context(), workers, total)
	defer l.wait()
	for i := range 2 {
		l.reach(t, (i+1)*total/3)
		l.pause()
		d.kill()
		answered, _, _ := l.seen()
		begin := time.Now()
		d = startDev(t, dir)
		t.Logf("ready %s after kill %d", time.Since(begin).Round(time.Millisecond), i+1)
		listed(t, connect(t, d.DatabaseURL), answered, 3*time.Second)
		l.resume(d.URL)
	}
	l.wait()

	conn := connect(t, d.DatabaseURL)
	answered, broken, refused := l.seen()
	if len(refused) > 0 {
		t.Errorf("%d requests were refused: %v", len(refused), refused[:min(5, len(refused))])
	}
	if len(answered)+len(broken) != total || len(broken) > 2*workers {
		t.Errorf("%d answered, %d broken off, of %d with %d at a time and two kills", len(answered), len(broken), total, workers)
	}
	listed(t, conn, answered, time.Second)
	truncated := agree(t, conn, c, answered, broken)
	if truncated == 0 || truncated > len(broken) {
		t.Errorf("%d requests are logged as cut off, and %d were under way at the kills", truncated, len(broken))
	}
	t.Logf("%d answered, %d under way at the kills, %d of them logged as cut off", len(answered), len(broken), truncated)
	if code := d.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d after all that, want 0", code)
	}
}
