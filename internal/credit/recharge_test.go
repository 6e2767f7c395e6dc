package credit

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/audit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

func (b *bank) rule(user id.User, threshold, target, dailyCap money.Amount) {
	b.t.Helper()
	in := RuleInput{UserID: user, Threshold: threshold, Target: target, DailyCap: dailyCap, Enabled: true}
	if _, err := b.ledger.SetRechargeRule(job(b.t.Context()), in); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) recharge() int {
	b.t.Helper()
	n, err := b.ledger.Recharge(job(b.t.Context()), &letters{})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestRecharge(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	node := id.New[id.Node]()
	user, account := b.open(100)
	_, without := b.open(0)
	b.rule(user, 50, 120, 150)

	steps := []struct {
		name   string
		charge money.Amount
		want   money.Amount // balance after the job
	}{
		{"above the threshold", 10, 90},
		{"at the threshold", 40, 50},
		{"below", 1, 120},
		{"below again, the cap has 79 left", 80, 119},
		{"the cap is used up", 100, 19},
	}
	for _, step := range steps {
		b.book(node, charge(account, step.charge))
		b.recharge()
		if got := b.standing(account); got.Balance != step.want || got.Entries != step.want {
			t.Fatalf("%s: %+v, want %d", step.name, got, step.want)
		}
	}
	b.exec(`UPDATE credit_entries SET created_at = created_at - interval '1 day', idempotency_key = idempotency_key || ':yesterday' WHERE kind = 'recharge'`)
	if n := b.recharge(); n != 1 || b.standing(account).Balance != 120 {
		t.Errorf("the next day: %d refilled, %+v", n, b.standing(account))
	}
	if s := b.standing(without); s.Balance != 0 {
		t.Errorf("an account without a rule was refilled: %+v", s)
	}
	events, err := audit.New(b.pool).List(job(t.Context()), audit.Filter{Action: "credit.recharge", Target: account.String()}, page.Args{})
	if err != nil || len(events.Items) != 3 {
		t.Errorf("%d audit events, want 3: %v", len(events.Items), err)
	}
}

// TestRechargesAtOnce: jobs that overlap, on two nodes or since one was given up too early, refill once.
func TestRechargesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	var accounts []id.Account
	for range dueBatch + 5 {
		user, account := b.open(1)
		b.rule(user, 10, 100, 1000)
		accounts = append(accounts, account)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var refilled int
	for range 4 {
		wg.Go(func() {
			n := b.recharge()
			mu.Lock()
			refilled += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if refilled != len(accounts) {
		t.Errorf("%d refilled, want %d", refilled, len(accounts))
	}
	for _, account := range accounts {
		if s := b.standing(account); s.Balance != 100 || s.Entries != 100 {
			t.Errorf("%+v", s)
		}
	}
}

func TestRechargeOfADebt(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.book(id.New[id.Node](), charge(account, 500))
	b.rule(user, 0, 10, 100)
	if n := b.recharge() + b.recharge(); n != 1 || b.standing(account).Balance != -400 {
		t.Errorf("%d times, %+v; want the cap, once", n, b.standing(account))
	}
}

func TestSetRechargeRule(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.rule(user, 10, 20, 30)
	off := RuleInput{UserID: user, Threshold: 11, Target: 21, DailyCap: 31}
	got, err := b.ledger.SetRechargeRule(job(t.Context()), off)
	if err != nil {
		t.Fatal(err)
	}
	got.Recharge.UpdatedAt = time.Time{}
	if diff := cmp.Diff(&Rule{Threshold: 11, Target: 21, DailyCap: 31}, got.Recharge); diff != "" {
		t.Error(diff)
	}
	if n := b.recharge(); n != 0 || b.standing(account).Balance != 0 {
		t.Error("a rule that is switched off refilled")
	}
	for name, in := range map[string]RuleInput{
		"threshold": {Threshold: -1, Target: 1, DailyCap: 1},
		"target":    {Threshold: 5, Target: 5, DailyCap: 1},
		"dailyCap":  {Threshold: 5, Target: 6, DailyCap: 0},
	} {
		in.UserID = user
		_, err := b.ledger.SetRechargeRule(job(t.Context()), in)
		if e, ok := fault.As(err); !ok || e.Kind != fault.Invalid || e.Path[0] != name {
			t.Errorf("%s: %v", name, err)
		}
		in = RuleInput{UserID: user, Threshold: MaxGrant + 1, Target: MaxGrant + 2, DailyCap: MaxGrant + 1}
		if _, err := b.ledger.SetRechargeRule(job(t.Context()), in); !errors.Is(err, fault.Invalid) {
			t.Errorf("too much: %v", err)
		}
	}
	if _, err := b.ledger.SetRechargeRule(job(t.Context()), RuleInput{UserID: id.New[id.User](), Target: 1, DailyCap: 1}); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody's account: %v", err)
	}
}
