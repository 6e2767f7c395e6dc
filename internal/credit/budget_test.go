package credit

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 9*3600)
	for _, tc := range []struct {
		at         time.Time
		window     Window
		start, end string
	}{
		{time.Date(2026, 3, 1, 5, 0, 0, 0, east), Day, "2026-02-28", "2026-03-01"},
		{time.Date(2026, 3, 1, 5, 0, 0, 0, east), Month, "2026-02-01", "2026-03-01"},
		{time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Month, "2026-12-01", "2027-01-01"},
		{time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Day, "2027-01-01", "2027-01-02"},
	} {
		if start, end := tc.window.Start(tc.at).Format(time.DateOnly), tc.window.End(tc.at).Format(time.DateOnly); start != tc.start || end != tc.end {
			t.Errorf("the %s of %s is from %s to %s", tc.window, tc.at, start, end)
		}
	}
}

func (b *bank) budget(user id.User, window Window, amount money.Amount) {
	b.t.Helper()
	in := BudgetInput{UserID: user, Window: window, Amount: &amount}
	if _, err := b.ledger.SetBudget(job(b.t.Context()), in); err != nil {
		b.t.Fatal(err)
	}
}

// key makes a key of a user with a budget.
func (b *bank) key(user id.User, window Window, amount money.Amount) id.Key {
	b.t.Helper()
	key := id.New[id.Key]()
	b.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash, budget, budget_window) VALUES ($1::uuid, $2, 'app', '', $1::text::bytea, $3, $4)`, key, user, amount, window)
	return key
}

// limit makes a limit of spend in a month, of all calls of a model.
func (b *bank) limit(amount money.Amount, eachUser bool) Owner {
	b.t.Helper()
	limit := id.New[id.Limit]()
	b.exec(`INSERT INTO limits (id, subject, subject_name, each_user, dimension, limit_window, amount) VALUES ($1, 'model', 'm', $2, 'spend', 'month', $3)`, limit, eachUser, amount)
	return Owner{ID: limit.UUID, Limit: limit.UUID}
}

// TestBudgetsOverNodes has three nodes spend a budget of a user, one of a key and one of a limit at the same time. No request costs more
// than it held, so that no more is spent than there is, and neither node starves.
func TestBudgetsOverNodes(t *testing.T) {
	t.Parallel()
	const nodes, workers, requests = 3, 4, 60
	b := newBank(t)
	user, account := b.open(1_000_000)
	b.budget(user, Month, 1500)
	key := b.key(user, Day, 1000)
	other := id.New[id.Key]() // has none of its own
	limit := b.limit(700, false)
	at := time.Now()
	ctx := job(t.Context())
	var running sync.WaitGroup
	var spent, spentByKey, spentOfLimit atomic.Int64
	for range nodes {
		node := id.New[id.Node]()
		l := b.leases(node)
		budgets := NewBudgets(l)
		spool := make(chan Charge, workers*requests)
		workersDone, bookerDone := make(chan struct{}), make(chan struct{})
		running.Go(func() {
			defer close(bookerDone)
			bookAll(t, ctx, b, l, node, spool)
		})
		running.Go(func() { upkeepUntil(t, ctx, b, l, bookerDone) })
		running.Go(func() {
			defer close(spool)
			<-workersDone
		})
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range requests {
					of := []id.Key{key, other}[rand.N(2)]
					amount := money.Amount(rand.N(20))
					var holds []*Hold
					cost := money.Amount(rand.Int64N(int64(amount) + 1))
					hold, err := l.Reserve(ctx, account, amount)
					if err == nil {
						holds = append(holds, hold)
						hold, err = budgets.Reserve(ctx, Owner{ID: user.UUID}, Month, at, amount)
					}
					var limited []uuid.UUID
					if err == nil {
						holds = append(holds, hold)
						owner, window := Owner{ID: key.UUID}, Day
						if of != key {
							owner, window, limited = limit, Month, []uuid.UUID{limit.ID}
						}
						if hold, err = budgets.Reserve(ctx, owner, window, at, amount); err == nil {
							holds = append(holds, hold)
						}
					}
					if err != nil {
						if !errors.Is(err, fault.Exhausted) {
							t.Error(err)
						}
						for _, h := range holds {
							h.Release()
						}
						continue
					}
					c := charge(account, cost)
					c.User, c.Key, c.Budgets, c.At = user, of, limited, at
					spool <- c
					for _, h := range holds {
						h.Settle(cost)
					}
					spent.Add(int64(cost))
					if of == key {
						spentByKey.Add(int64(cost))
					} else {
						spentOfLimit.Add(int64(cost))
					}
				}
			})
		}
		running.Go(func() { all.Wait(); close(workersDone) })
	}
	running.Wait()
	all, err := SpentOf(t.Context(), b.pool, user.UUID, key.UUID, limit.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := all[user.UUID][Month]; got != money.Amount(spent.Load()) || got > 1500 || got < 1400 {
		t.Errorf("%d of the user's budget of 1500 are spent, by %d", got, spent.Load())
	}
	if got := all[key.UUID][Day]; got != money.Amount(spentByKey.Load()) || got > 1000 {
		t.Errorf("%d of the key's budget of 1000 are spent, by %d", got, spentByKey.Load())
	}
	if got := all[limit.ID][Month]; got != money.Amount(spentOfLimit.Load()) || got > 700 || got < 600 {
		t.Errorf("%d of the limit's budget of 700 are spent, by %d", got, spentOfLimit.Load())
	}
	if s := b.standing(account); s.Balance != 1_000_000-money.Amount(spent.Load()) || s.Balance != s.Entries {
		t.Errorf("%+v", s)
	}
}

func TestBudgetWindowsFollowEachOther(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(1000)
	node := id.New[id.Node]()
	l := b.leases(node)
	budgets := NewBudgets(l)
	now := time.Now().UTC()
	if hold, err := budgets.Reserve(t.Context(), Owner{ID: user.UUID}, Day, now, 5); hold != nil || err != nil {
		t.Fatalf("a budget that is not there: %v, %v", hold, err)
	}
	b.budget(user, Day, 100)
	reserve := func(at time.Time, amount money.Amount) error {
		hold, err := budgets.Reserve(t.Context(), Owner{ID: user.UUID}, Day, at, amount)
		if err != nil {
			return err
		}
		c := charge(account, amount)
		c.User, c.At = user, at
		hold.Settle(amount)
		var took map[id.Account]money.Amount
		if took, err = bookOne(b, node, c); err != nil {
			return err
		}
		for pot, n := range took {
			l.Booked(pot, n)
		}
		return nil
	}
	yesterday := now.AddDate(0, 0, -1)
	for _, step := range []struct {
		at     time.Time
		amount money.Amount
		ok     bool
	}{{yesterday, 90, true}, {yesterday, 20, false}, {now, 95, true}, {yesterday, 10, true}, {yesterday, 1, false}, {now, 6, false}, {now, 5, true}, {now, 1, false}} {
		b.clock.advance(time.Second) // a refusal is remembered for less
		if err := reserve(step.at, step.amount); (err == nil) != step.ok || err != nil && code(err) != CodeInsufficient {
			t.Errorf("%d at %s: %v", step.amount, step.at, err)
		}
	}
	// More, and what was spent stays spent; less than was spent lets nothing pass, and begins with the next window.
	b.budget(user, Day, 150)
	b.clock.advance(time.Second)
	if err := reserve(now, 30); err != nil {
		t.Error(err)
	}
	b.budget(user, Day, 50)
	spends, err := b.ledger.Spends(job(t.Context()), Account{UserID: user, Budgets: []Budget{{50, Day}}})
	if want := []Spend{{Budget{50, Day}, 130, Day.End(now)}}; err != nil || !cmp.Equal(spends, want) {
		t.Errorf("%+v, %v", spends, err)
	}
	// What it has leased beyond goes back when leases are renewed.
	for range 3 {
		b.clock.advance(2 * renewEvery)
		if err := l.renew(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := reserve(now, 30); code(err) != CodeInsufficient {
		t.Errorf("after it was lowered: %v", err)
	}
	if err := reserve(now.AddDate(0, 0, 1), 50); err != nil {
		t.Errorf("tomorrow: %v", err)
	}
	if err := reserve(now.AddDate(0, 0, 1), 1); code(err) != CodeInsufficient {
		t.Errorf("tomorrow, more: %v", err)
	}
	if got, err := b.ledger.Verify(job(t.Context())); err != nil || len(got) != 0 {
		t.Errorf("what is left of budgets is taken for balances: %+v, %v", got, err)
	}
	b.exec(`UPDATE budget_spends SET starts_at = starts_at - interval '100 days'`)
	b.exec(`DELETE FROM credit_leases WHERE account_id IN (SELECT account_id FROM budget_spends) AND amount = 0`)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.exec(`DELETE FROM credit_leases`)
	if _, err := b.ledger.SweepLeases(job(t.Context())); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM credit_accounts WHERE user_id IS NULL`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d old windows are kept, %v", left, err)
	}
}

func bookOne(b *bank, node id.Node, c Charge) (took map[id.Account]money.Amount, err error) {
	err = pgx.BeginFunc(context.Background(), b.pool, func(tx pgx.Tx) error {
		took, err = b.ledger.BookTx(job(context.Background()), tx, node, []Charge{c})
		return err
	})
	return took, err
}

// letters is an inbox that keeps what is sent.
type letters struct {
	sent []notify.Message
	fail error
}

func (l *letters) SendTx(_ context.Context, _ pgx.Tx, m notify.Message) (notify.Sent, error) {
	if l.fail != nil {
		return notify.Sent{}, l.fail
	}
	l.sent = append(l.sent, m)
	return notify.Sent{Told: true}, nil
}
func (l *letters) Announce(context.Context, notify.Sent) {}

// Admins are told of the budgets of limits, which nobody owns; of those that each user has, and of a limit that is no more, nobody is.
func TestBudgetAlertsOfLimits(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	_, account := b.open(10_000)
	node := id.New[id.Node]()
	budgets := NewBudgets(b.leases(node))
	now := time.Now()
	spend := func(owner Owner) {
		t.Helper()
		hold, err := budgets.Reserve(t.Context(), owner, Month, now, 600)
		if err != nil {
			t.Fatal(err)
		}
		hold.Settle(600)
		c := charge(account, 600)
		c.Budgets, c.At = []uuid.UUID{owner.ID}, now
		if _, err := bookOne(b, node, c); err != nil {
			t.Fatal(err)
		}
	}
	limit := b.limit(1000, false)
	b.exec(`UPDATE limits SET subject_name = 'other'`)
	gone, each := b.limit(1000, false), b.limit(1000, true)
	each.ID = uuid.New()
	for _, owner := range []Owner{limit, gone, each} {
		spend(owner)
	}
	b.exec(`DELETE FROM limits WHERE id = $1`, gone.Limit)
	in := &letters{}
	for range 2 {
		if _, err := b.ledger.AlertBudgets(job(t.Context()), in); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.sent) != 1 {
		t.Fatalf("told %d times, want once: %+v", len(in.sent), in.sent)
	}
	m := in.sent[0]
	if !m.To.Admins || len(m.To.Users) != 0 || m.Subject != (id.Limit{UUID: limit.Limit}).String() || m.Details["of"] != "other" || m.Details["percent"] != "50" ||
		m.Title != "The model other's monthly budget is spent to 50 %" {
		t.Errorf("%+v", m)
	}
}

func TestBudgetAlerts(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(10_000)
	key := b.key(user, Month, 1000)
	node := id.New[id.Node]()
	l := b.leases(node)
	budgets := NewBudgets(l)
	now := time.Now()
	spend := func(amount money.Amount) error {
		hold, err := budgets.Reserve(t.Context(), Owner{ID: key.UUID}, Month, now, amount)
		if err != nil {
			return err
		}
		hold.Settle(amount)
		c := charge(account, amount)
		c.User, c.Key, c.At = user, key, now
		took, err := bookOne(b, node, c)
		for pot, n := range took {
			l.Booked(pot, n)
		}
		return err
	}
	var told []string
	alert := func() {
		t.Helper()
		in := &letters{}
		if _, err := b.ledger.AlertBudgets(job(t.Context()), in); err != nil {
			t.Fatal(err)
		}
		for _, m := range in.sent {
			if m.Kind != KindBudget || !slices.Equal(m.To.Users, []id.User{user}) || m.Subject != key.String() || m.Details["key"] != "app" || m.Details["window"] != "month" {
				t.Errorf("%+v", m)
			}
			told = append(told, m.Details["percent"]+" "+string(m.Severity))
		}
	}
	for _, amount := range []money.Amount{499, 1, 100, 199, 1, 100} {
		if err := spend(amount); err != nil {
			t.Fatal(err)
		}
		alert()
		alert()
	}
	if want := []string{"50 info", "80 warning"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	// What is left does not do for a request: that is the end of it, though it is not all spent.
	if err := spend(200); code(err) != CodeInsufficient {
		t.Fatal(err)
	}
	if _, err := b.ledger.AlertBudgets(job(t.Context()), &letters{fail: errors.New("the inbox is full")}); err == nil {
		t.Error("a lost alert is no failure")
	}
	alert()
	alert()
	if want := []string{"50 info", "80 warning", "100 error"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// A limit that each user has is changed while charges of several users are booked: both lock their accounts in one order, or
// they would wait for each other.
func TestChangeOfALimitDoesNotDeadlockWithCharges(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	l := b.limit(1000, true)
	const users = 2000
	accounts := make([]uuid.UUID, users)
	for i := range accounts {
		accounts[i] = uuid.New()
	}
	slices.SortFunc(accounts, func(a, b uuid.UUID) int { return bytes.Compare(b[:], a[:]) }) // a scan of all comes upon the last first
	b.exec(`INSERT INTO credit_accounts (id, balance) SELECT unnest($1::uuid[]), 1000`, accounts)
	b.exec(`INSERT INTO budget_spends (owner_id, budget_window, starts_at, account_id, amount, limit_id)
		SELECT gen_random_uuid(), 'month', date_trunc('month', now(), 'UTC'), unnest($1::uuid[]), 1000, $2`, accounts, l.Limit)
	b.exec(`ANALYZE credit_accounts, budget_spends`)
	slices.Reverse(accounts)
	booking, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = booking.Rollback(context.Background()) }()
	lock := func(account uuid.UUID) {
		t.Helper()
		if err := b.ledger.q.LockCreditAccounts(t.Context(), booking, []uuid.UUID{account}); err != nil {
			t.Fatal(err)
		}
	}
	lock(accounts[0])
	changed := make(chan error, 1)
	go func() {
		changed <- db.InTx(context.Background(), b.pool, func(tx pgx.Tx) error {
			return ChangeBudgetTx(job(context.Background()), tx, l.Limit, Budget{Amount: 2000, Window: Month})
		})
	}()
	for waiting := 0; waiting == 0; {
		if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	lock(accounts[users-1])
	if err := booking.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-changed; err != nil {
		t.Error(err)
	}
	var follow int
	if err := b.pool.QueryRow(t.Context(), `SELECT count(*) FROM credit_accounts a JOIN budget_spends s ON s.account_id = a.id WHERE a.balance = 2000`).Scan(&follow); err != nil || follow != users {
		t.Errorf("what is left follows of %d users, %v", follow, err)
	}
}
