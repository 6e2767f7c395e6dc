package e2e

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/devstack/redistest"
)

// outage is how long a store is away.
func outage() time.Duration {
	if long() {
		return time.Minute
	}
	return 8 * time.Second
}

// TestPostgresAway stops Postgres under load. Calls go on from leased credit, and when it is back everything is booked,
// once.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	s := stores{postgres: cluster.URL(), redis: redistest.Start(t).URL(), master: newMaster()}
	n := startNode(t, s, t.TempDir())
	g, vendor := firstAdmin(t, s, n), startVendor(t)
	c := newTenant(t, g, vendor, terms{
		vendor: "sim-chat?ttft=20ms&tokens=8&tps=200", limits: vars{"requestsPerMinute": 1_000_000, "concurrency": 1000},
	})
	cold := newTenant(t, g, vendor, terms{}) // nothing is leased of their credit
	l := newLoad(t, c, "away")
	sending, stop := contextWithStop(t)
	l.start(sending, 8, 1<<20)
	l.reach(t, 50)

	cluster.Stop()
	before := l.answers()
	goesOn(t, l, outage()/2)
	got := refuses(t, chatCall(t, cold, cold.model), refusal{http.StatusServiceUnavailable, "credit_unavailable", ""})
	if wait, err := strconv.Atoi(got.Response.Header.Get("Retry-After")); err != nil || wait < 1 {
		t.Errorf("Retry-After %q for an account whose credit cannot be asked for", got.Response.Header.Get("Retry-After"))
	}
	if status, body := c.answer(t, "/readyz"); status != http.StatusOK || !strings.Contains(body, `"postgres":"does not answer"`) {
		t.Errorf("/readyz answers %d %s while calls go on without Postgres", status, body)
	}
	goesOn(t, l, outage()/2)
	during := l.answers() - before
	cluster.Start()
	back := l.answers()
	l.reach(t, back+50)
	stop()
	l.wait()
	l.whole(t)
	if during == 0 {
		t.Error("no call was answered while Postgres was away")
	}

	answered, _, _ := l.seen()
	t.Logf("%d answered, %d of them while Postgres was away for %s", len(answered), during, outage())
	conn := connect(t, s.postgres)
	listed(t, conn, answered, 15*time.Second) // the connection pool has to notice that it is back
	agree(t, conn, c, answered, nil)
	eventually(t, patience(2*time.Second), "the account that nothing was leased of is served again", func() bool { return chatCall(t, cold, cold.model)() == nil })
}

// TestLongPostgresOutage has Postgres away for ten minutes at 500 requests a second (with AIHIGRESS_TEST_LONG=1; else for ten
// seconds at 100): memory stays flat, and two minutes after its return (else five seconds) the books have everything.
func TestLongPostgresOutage(t *testing.T) {
	t.Parallel()
	perSecond, lasts, catchUp := 100, 10*time.Second, 5*time.Second
	if long() {
		perSecond, lasts, catchUp = 500, 10*time.Minute, 2*time.Minute
	}
	cluster := pgtest.NewCluster(t)
	s := stores{postgres: cluster.URL(), redis: redistest.Start(t).URL(), master: newMaster()}
	n := startNode(t, s, t.TempDir())
	c := newTenant(t, firstAdmin(t, s, n), startVendor(t), terms{credit: "100000", vendor: "sim-chat?tokens=8"})
	l := newLoad(t, c, "long")
	l.every(time.Second / time.Duration(perSecond))
	sending, stop := contextWithStop(t)
	begin := time.Now()
	l.start(sending, 64, 1<<20)
	l.reach(t, 2*perSecond)

	before, from := l.answers(), time.Now()
	cluster.Stop()
	var settled, most int64
	for time.Since(from) < lasts {
		goesOn(t, l, lasts/10)
		if most = max(most, resident(n.cmd.Process.Pid)); settled == 0 {
			settled = most
		}
	}
	away, during := time.Since(from), l.answers()-before
	cluster.Start()
	back := time.Now()
	l.reach(t, l.answers()+perSecond)
	stop()
	l.wait()
	l.whole(t)
	answered, _, _ := l.seen()
	conn := connect(t, s.postgres)
	listed(t, conn, answered, catchUp)
	t.Logf("%.0f requests a second; %d answered while Postgres was away for %s; all booked %s after its return; memory %d MiB soon after it went, %d at most",
		float64(len(answered))/back.Sub(begin).Seconds(), during, away.Round(time.Second), time.Since(back).Round(100*time.Millisecond), settled>>20, most>>20)
	if float64(during) < 0.8*away.Seconds()*float64(perSecond) && long() {
		t.Errorf("%d answered in %s, which is not %d a second", during, away, perSecond)
	}
	if most > 2*settled+32<<20 {
		t.Errorf("memory grew from %d to %d MiB", settled>>20, most>>20)
	}
	agree(t, conn, c, answered, nil)
}

// TestKillWhilePostgresIsAway ends the node in the middle of the outage: what it had not booked is in its spool alone.
func TestKillWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	const workers = 8
	cluster := pgtest.NewCluster(t)
	s := stores{postgres: cluster.URL(), redis: redistest.Start(t).URL(), master: newMaster()}
	spool := t.TempDir()
	n := startNode(t, s, spool)
	c := newTenant(t, firstAdmin(t, s, n), startVendor(t), terms{vendor: "sim-chat?ttft=20ms&tokens=8&tps=200"})
	l := newLoad(t, c, "both")
	sending, stop := contextWithStop(t)
	l.start(sending, workers, 1<<20)
	l.reach(t, 50)
	cluster.Stop()
	l.reach(t, l.answers()+100)
	l.pause()
	n.kill()
	cluster.Start()
	n = startNode(t, s, spool)
	answered, _, _ := l.seen()
	conn := connect(t, s.postgres)
	listed(t, conn, answered, 3*time.Second)
	l.resume(n.url)
	l.reach(t, len(answered)+50)
	stop()
	l.wait()
	answered, broken, refused := l.seen()
	if len(refused) > 0 || len(broken) > workers {
		t.Errorf("%d broken off by the kill with %d at a time; refused: %v", len(broken), workers, refused)
	}
	listed(t, conn, answered, time.Second)
	if truncated := agree(t, conn, c, answered, broken); truncated > len(broken) {
		t.Errorf("%d are logged as cut off, %d were", truncated, len(broken))
	}
}

// TestRedisAway stops Redis under load. Nothing that counts is kept there.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := stores{postgres: pgtest.New(t), redis: redis.URL(), master: newMaster()}
	n := startNode(t, s, t.TempDir())
	c := newTenant(t, firstAdmin(t, s, n), startVendor(t), terms{
		vendor: "sim-chat?ttft=20ms&tokens=8&tps=200", limits: vars{"requestsPerMinute": 1_000_000, "tokensPerMinute": 1_000_000_000, "concurrency": 1000},
	})
	l := newLoad(t, c, "redis")
	sending, stop := contextWithStop(t)
	l.start(sending, 8, 1<<20)
	l.reach(t, 50)

	redis.Stop()
	before := l.answers()
	goesOn(t, l, outage()/2)
	during := l.answers() - before
	conn := connect(t, s.postgres)
	answered, _, _ := l.seen()
	listed(t, conn, answered, 2*time.Second)
	redis.Start()
	back := l.answers()
	l.reach(t, back+50)
	stop()
	l.wait()
	l.whole(t)
	answered, _, _ = l.seen()
	t.Logf("%d answered, %d of them while Redis was away for %s", len(answered), during, outage()/2)
	listed(t, conn, answered, 2*time.Second)
	agree(t, conn, c, answered, nil)
}

// goesOn watches a load for a while: in every second of it there must be answers, and nothing else.
func goesOn(t *testing.T, l *load, d time.Duration) {
	t.Helper()
	end := time.Now().Add(d)
	for time.Now().Before(end) {
		from, begin := l.answers(), time.Now()
		eventually(t, patience(3*time.Second), "calls go on", func() bool { return l.answers() > from && time.Since(begin) > time.Second })
		if _, broken, refused := l.seen(); len(broken)+len(refused) > 0 {
			t.Fatalf("during the outage: broken off %v, refused\n%s", broken, strings.Join(refused, "\n"))
		}
	}
}
