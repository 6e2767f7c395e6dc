package credit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

func code(err error) string {
	if e, ok := fault.As(err); ok {
		return e.Code
	}
	return ""
}

// TestOnlyTheFirstAsks: once a lease is there, requests are served with the account locked away from everybody.
func TestOnlyTheFirstAsks(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1600)
	l := b.leases(id.New[id.Node]())
	b.reserve(l, account, 10).Release()

	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `SELECT 1 FROM credit_accounts FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	for range 9 {
		b.reserve(l, account, 10).Settle(10)
	}
	b.reserve(l, account, 0) // nothing is always there
}

// TestCrowdSharesOneQuestion: the first requests of an account come together, and are served together.
func TestCrowdSharesOneQuestion(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1_000_000)
	node := id.New[id.Node]()
	l := b.leases(node)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if _, err := l.Reserve(t.Context(), account, 100); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	e := l.leases[account]
	if e.held != 20_000 || e.holds != 200 || e.amount != b.row(account, node) {
		t.Errorf("held %d by %d, lease %d, row %d", e.held, e.holds, e.amount, b.row(account, node))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(10)
	l := b.leases(id.New[id.Node]())
	_, err := l.Reserve(t.Context(), account, 11)
	if !errors.Is(err, fault.Exhausted) || code(err) != CodeInsufficient {
		t.Fatalf("more than there is: %v", err)
	}
	b.reserve(l, account, 10) // what was refused was too much, not the account
	if _, err := l.Reserve(t.Context(), account, 1); code(err) != CodeInsufficient {
		t.Errorf("everything is held: %v", err)
	}
	b.grant(user, 5)
	b.clock.advance(askAgain)
	b.reserve(l, account, 5)
	if _, err := l.Reserve(t.Context(), id.New[id.Account](), 1); code(err) != CodeInsufficient {
		t.Errorf("no such account: %v", err)
	}
	b.reserve(l, account, -5) // nonsense is nothing
}

// TestRefusalIsRemembered: an empty account that goes on asking costs a statement per askAgain, not per request.
func TestRefusalIsRemembered(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	l := b.leases(id.New[id.Node]())
	if _, err := l.Reserve(t.Context(), account, 5); code(err) != CodeInsufficient {
		t.Fatal(err)
	}
	b.grant(user, 100)
	if _, err := l.Reserve(t.Context(), account, 5); code(err) != CodeInsufficient {
		t.Errorf("asked again at once: %v", err)
	}
	b.reserve(l, account, 4)
	b.clock.advance(askAgain)
	b.reserve(l, account, 5)
}

func TestNotBeforeRecovery(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(100)
	l := NewLeases(b.pool, id.New[id.Node](), slog.New(slog.DiscardHandler), b.clock.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Reserve(ctx, account, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := NewLeases(nil, id.New[id.Node](), slog.New(slog.DiscardHandler), time.Now)
		start := time.Now()
		_, err := l.Reserve(t.Context(), account, 1)
		if code(err) != CodeUnavailable || errors.Is(err, fault.Exhausted) || time.Since(start) != reserveTimeout {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if e, _ := fault.As(err); e == nil || e.Retry <= 0 {
			t.Errorf("no word of when to come again: %v", err)
		}
	})
}

// TestRun: a restarted node finds its lease, and the real goroutine tops it up without being asked.
func TestRun(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(16_000)
	node := id.New[id.Node]()
	b.reserve(b.leases(node), account, 100) // of a process that was killed then
	before := b.row(account, node)

	l := NewLeases(b.pool, node, slog.New(slog.DiscardHandler), b.clock.Now)
	if err := l.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Recover(t.Context()); err == nil {
		t.Error("recovered twice")
	}
	if got := l.leases[account].amount; got != before {
		t.Errorf("recovered %d, want %d", got, before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	// More than half of the lease: Run is woken, and fetches more until it can be seen here.
	b.reserve(l, account, 600)
	for deadline := time.Now().Add(20 * time.Second); b.row(account, node) == before; {
		if time.Now().After(deadline) {
			t.Fatal("no share was fetched")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := b.standing(account); s.Leased > s.Balance {
		t.Errorf("%+v", s)
	}
}

// TestIdleGoesBack: what a busy node does not need it keeps only in part, and an idle one gives all back.
func TestIdleGoesBack(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1000)
	one, two := id.New[id.Node](), id.New[id.Node]()
	first, second := b.leases(one), b.leases(two)
	b.reserve(first, account, 900).Release() // has 900 free now
	running := b.reserve(first, account, 5)
	if _, err := second.Reserve(t.Context(), account, 400); code(err) != CodeInsufficient {
		t.Fatalf("the other node has it: %v", err)
	}
	for range 2 { // the large hold is forgotten after two rounds
		if err := first.renew(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	b.clock.advance(2 * renewEvery)
	if err := first.renew(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	held := b.reserve(second, account, 400)
	if s := b.standing(account); s.Leases[one] < 5 || s.Leased > s.Balance {
		t.Errorf("%+v", s)
	}
	running.Release()
	held.Release()
	b.clock.advance(idleAfter)
	for _, l := range []*Leases{first, second} {
		if err := errors.Join(l.fetchLow(t.Context()), l.renew(t.Context(), false)); err != nil {
			t.Fatal(err)
		}
		if len(l.leases) != 0 {
			t.Errorf("%d unused leases are kept in mind", len(l.leases))
		}
	}
	if s := b.standing(account); s.Leased != 0 {
		t.Errorf("idle nodes keep %+v", s.Leases)
	}
}

// TestPaceDecides: a node that spends fast leases what two minutes cost.
func TestPaceDecides(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1_000_000)
	node := id.New[id.Node]()
	l := b.leases(node)
	for range 8 {
		for range 100 {
			b.reserve(l, account, 20).Settle(10)
			if err := l.fetchLow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.clock.advance(renewEvery)
		if err := l.renew(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if free := l.leases[account].free(); free < 6000 {
		t.Errorf("%d free at a pace of 1000 in ten seconds: that is not a minute", free)
	}
}

// TestLostAnswers: statements whose answer is lost cost nothing in the end, whether they were done or not.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1000)
	node := id.New[id.Node]()
	l := b.leases(node)
	b.reserve(l, account, 100)
	e := l.leases[account]

	// A share that was taken, but nobody heard.
	shares, err := l.ask(t.Context(), []request{e.request(50)})
	if err != nil || shares[account].taken < 50 {
		t.Fatalf("%+v, %v", shares[account], err)
	}
	e.answered(nil)
	if err := l.renew(t.Context(), false); err != nil || e.amount != b.row(account, node) {
		t.Errorf("lease %d, row %d, %v", e.amount, b.row(account, node), err)
	}

	// Credit that is to go back, and no answer: it is not counted on, until the row has been read again.
	b.clock.advance(idleAfter)
	row, amount := b.row(account, node), e.amount
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.renew(canceled, true); err == nil {
		t.Fatal("renewed in a canceled context")
	}
	if e.free() != 0 {
		t.Errorf("%d free while some may have gone back", e.free())
	}
	if err := l.renew(t.Context(), false); err != nil || e.amount != amount || b.row(account, node) != row {
		t.Errorf("lease %d, row %d, %v; want %d, %d", e.amount, b.row(account, node), err, amount, row)
	}

	// The lost statement comes after all: the lease has another version by now.
	late := e.beginRenewal(b.clock.Now(), true)
	late.version = late.version.Add(-time.Second)
	arg := db.RenewLeasesParams{NodeID: node, Lifetime: interval(lifetime), RowLimit: 1, AccountIds: uuids(account)}
	arg.Returned, arg.Versions = []int64{int64(late.returned)}, []time.Time{late.version}
	rows, err := l.q.RenewLeases(t.Context(), b.pool, arg)
	if err != nil || rows[0].Lowered || b.row(account, node) != row {
		t.Errorf("%+v, %v; row %d, want %d", rows, err, b.row(account, node), row)
	}
}

// TestSettleTwice and in any order: the hold ends once, the charge counts once.
func TestSettleTwice(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1000)
	l := b.leases(id.New[id.Node]())
	for name, end := range map[string]func(*Hold){
		"settle":            func(h *Hold) { h.Settle(7) },
		"settle, settle":    func(h *Hold) { h.Settle(7); h.Settle(9) },
		"settle, release":   func(h *Hold) { h.Settle(7); h.Release() },
		"release, settle":   func(h *Hold) { h.Release(); h.Settle(7) },
		"release, settle x": func(h *Hold) { h.Release(); h.Settle(7); h.Settle(9); h.Release() },
		"at once": func(h *Hold) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { h.Settle(7) })
				wg.Go(h.Release)
			}
			wg.Wait()
		},
	} {
		hold := b.reserve(l, account, 10)
		e := l.leases[account]
		before := e.free()
		end(hold)
		if e.pending != 7 || e.held != 0 || e.holds != 0 || e.free() != before+10-7 || hold.Amount() != 10 {
			t.Errorf("%s: pending %d, held %d by %d", name, e.pending, e.held, e.holds)
		}
		e.pending = 0
	}
	hold := b.reserve(l, account, 10)
	hold.Settle(-5)
	if e := l.leases[account]; e.pending != 0 {
		t.Errorf("a negative charge counts as %d", e.pending)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1000)
	lease := func(amount money.Amount, expired time.Duration) id.Node {
		node := id.New[id.Node]()
		b.exec(`INSERT INTO credit_leases (account_id, node_id, amount, expires_at) VALUES ($1, $2, $3, now() - $4::interval)`, account, node, amount, interval(expired))
		return node
	}
	cursor := func(node id.Node, drained bool) {
		b.exec(`INSERT INTO spool_cursors (node_id, drained) VALUES ($1, $2)`, node, drained)
	}
	const grace = 20 * time.Millisecond // the cluster has been up for longer than that
	stopped, killed, unknown := lease(1, time.Minute), lease(2, time.Minute), lease(4, time.Minute)
	alive, justNow := lease(8, -time.Minute), lease(16, 0)
	empty, emptyAlive := lease(0, time.Minute), lease(0, -time.Minute)
	for node, drained := range map[id.Node]bool{stopped: true, killed: false, alive: true, justNow: true, empty: false, emptyAlive: false} {
		cursor(node, drained)
	}
	b.exec(`UPDATE credit_leases SET expires_at = now() + interval '1 minute' WHERE node_id = $1`, justNow)
	b.exec(`UPDATE credit_leases SET expires_at = now() - interval '1 millisecond' WHERE node_id = $1`, justNow)
	n, err := b.ledger.SweepLeases(job(t.Context()))
	if err != nil || n != 0 {
		t.Errorf("within the grace of a server that has just started: %d, %v", n, err)
	}
	if _, err := b.ledger.sweep(t.Context(), grace); err != nil {
		t.Fatal(err)
	}
	left := b.standing(account).Leases
	for name, tt := range map[string]struct {
		node id.Node
		want bool
	}{
		"stopped": {stopped, false}, "killed": {killed, true}, "without a cursor": {unknown, true},
		"alive": {alive, true}, "empty": {empty, false}, "empty and alive": {emptyAlive, true},
	} {
		if _, got := left[tt.node]; got != tt.want {
			t.Errorf("lease of a node that is %s is left: %t", name, got)
		}
	}
}

// TestPostgresAway: requests go on until the lease is used up, past its end; then the answer is that nobody can tell.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	b := bankAt(t, cluster.URL())
	_, account := b.open(1600)
	_, other := b.open(1600)
	node := id.New[id.Node]()
	l := b.leases(node)
	b.reserve(l, account, 10).Release()
	lease := b.row(account, node)

	cluster.Stop()
	b.clock.advance(10 * time.Minute)
	var spent []Charge
	for range lease / 10 {
		b.reserve(l, account, 10).Settle(10)
		spent = append(spent, charge(account, 10))
	}
	for name, a := range map[string]id.Account{"used up": account, "never used": other} {
		b.clock.advance(askAgain)
		if _, err := l.Reserve(t.Context(), a, 10); code(err) != CodeUnavailable {
			t.Errorf("a lease that is %s: %v", name, err)
		}
	}
	if err := l.fetchLow(t.Context()); err == nil {
		t.Error("a share was fetched from nowhere")
	}
	if err := l.renew(t.Context(), false); err == nil {
		t.Error("renewed nowhere")
	}

	cluster.Start()
	b.pool.Reset()
	if n, err := b.ledger.SweepLeases(job(t.Context())); err != nil || n != 0 {
		t.Errorf("swept %d after the outage, %v", n, err)
	}
	b.clock.advance(askAgain)
	b.reserve(l, account, 10)
	b.book(node, spent...)
	l.Booked(account, lease/10*10)
	if err := l.renew(t.Context(), false); err != nil || l.leases[account].amount != b.row(account, node) {
		t.Errorf("lease %d, row %d, %v", l.leases[account].amount, b.row(account, node), err)
	}
	if s := b.standing(account); s.Balance != 1600-lease/10*10 || s.Balance != s.Entries || s.Leased > s.Balance {
		t.Errorf("%+v", s)
	}
}

// TestBlackHole: a Postgres that does not even refuse holds a request up for two seconds, and those behind it not at all.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(100)
	l := b.leases(id.New[id.Node]())
	config := b.pool.Config()
	config.MaxConns = 1
	small, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	conn, err := small.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	l.pool = small // no connection to be had
	start := time.Now()
	if _, err := l.Reserve(t.Context(), account, 1); code(err) != CodeUnavailable || time.Since(start) > 2*reserveTimeout {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	start = time.Now()
	if _, err := l.Reserve(t.Context(), account, 1); code(err) != CodeUnavailable || time.Since(start) > reserveTimeout/2 {
		t.Errorf("the next, after %s: %v", time.Since(start), err)
	}
}

// TestClosed: a node that has given its leases back gets no more.
// TestLeasesWhenTheClockJumpsBack: what a node remembers for a moment it does not remember for as long as the jump was.
func TestLeasesWhenTheClockJumpsBack(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(10)
	node := id.New[id.Node]()
	l := b.leases(node)
	b.reserve(l, account, 5).Release()
	if _, err := l.Reserve(t.Context(), account, 50); !errors.Is(err, fault.Exhausted) {
		t.Fatal(err)
	}
	b.grant(user, 100)
	l.failed(errors.New("postgres is away"))
	if _, err := l.Reserve(t.Context(), account, 50); err == nil {
		t.Error("Postgres was asked though it had failed just now")
	}
	b.clock.advance(-time.Hour)
	b.reserve(l, account, 50).Release()
	for range 2 {
		if err := l.renew(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.clock.advance(idleAfter)
	}
	if left := b.row(account, node); left != 0 {
		t.Errorf("%d are leased half a minute after the last request", left)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(1000)
	node := id.New[id.Node]()
	l := b.leases(node)
	hold := b.reserve(l, account, 10)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := b.row(account, node); row != 10 {
		t.Errorf("%d left of a lease with a hold of 10", row)
	}
	if _, err := l.Reserve(t.Context(), account, 1); code(err) != CodeUnavailable {
		t.Errorf("reserved at a closed node: %v", err)
	}
	hold.Release()
}
