package e2e

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The folder of a node that was killed is looked at, booked without the node, and then empty.
func TestSpoolCommand(t *testing.T) {
	t.Parallel()
	s, dir := newStores(t), t.TempDir()
	n := startNode(t, s, dir)
	c := newTenant(t, firstAdmin(t, s, n), startVendor(t), terms{vendor: "sim-chat?ttft=10ms&tokens=8&tps=400"})
	l := newLoad(t, c.on(n), "spool")
	sending, stop := contextWithStop(t)
	l.start(sending, 8, 1<<20)
	l.reach(t, 50)
	code, status, stderr := finish(t, launch{env: s.env(dir)}, "spool", "status")
	if code != 0 || !regexp.MustCompile(`requests +[1-9]\d* let through, [1-9]\d* ended, \d+ open\nnot booked +\d+`).MatchString(status) {
		t.Errorf("status of a running node: exit %d, %q, %s", code, status, stderr)
	}
	if code, _, stderr := finish(t, launch{env: s.env(dir)}, "spool", "replay"); code != 1 || !strings.Contains(stderr, "in use") {
		t.Errorf("replay of a running node: exit %d, %s", code, stderr)
	}
	l.pause()
	n.kill()
	answered, _, _ := l.seen()

	if code, out, stderr := finish(t, launch{}, "spool", "verify", "--dir", dir); code != 0 || !strings.Contains(out, "damaged      0") {
		t.Errorf("verify: exit %d, %q, %s", code, out, stderr)
	}
	code, out, stderr := finish(t, launch{env: s.env(dir)}, "spool", "replay")
	if code != 0 || !strings.Contains(out, "requests booked") {
		t.Fatalf("replay: exit %d, %q, %s", code, out, stderr)
	}
	conn := connect(t, s.postgres)
	listed(t, conn, answered, 0)
	if code, out, stderr := finish(t, launch{env: s.env(dir)}, "spool", "status"); code != 0 || !strings.Contains(out, "not booked   0\n") {
		t.Errorf("status after it: exit %d, %q, %s", code, out, stderr)
	}
	if !scan[bool](t, conn, `SELECT drained FROM spool_cursors`) {
		t.Error("the node's leases are kept for it")
	}

	n = startNode(t, s, dir) // which goes on where the replay ended
	stop()
	l.resume(n.url)
	l.wait()
	if code := n.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	answered, broken, _ := l.seen()
	listed(t, conn, answered, 0)
	agree(t, conn, c, answered, broken)
	if code, _, stderr := finish(t, launch{env: s.env(t.TempDir())}, "spool", "replay", "--dir", t.TempDir()); code != 1 || !strings.Contains(stderr, "is not a spool") {
		t.Errorf("replay of an empty folder: exit %d, %s", code, stderr)
	}
}
