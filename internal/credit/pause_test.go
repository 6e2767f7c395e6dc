package credit

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/notify"
	"aihigress/internal/page"
)

// spendAll leaves an account with a debt, whose rule is due then.
func (b *bank) spendAll(account id.Account) {
	b.book(id.New[id.Node](), charge(account, max(b.standing(account).Balance, 0)+1))
}

// paused is the pause of a user's rule.
func (b *bank) paused(user id.User) *Pause {
	b.t.Helper()
	a, err := b.ledger.Account(job(b.t.Context()), user)
	if err != nil {
		b.t.Fatal(err)
	}
	all, err := b.ledger.Accounts(job(b.t.Context()), []id.User{user})
	if err != nil || !cmp.Equal(all[0].Recharge, a.Recharge) {
		b.t.Fatalf("%+v, %+v, %v", all, a.Recharge, err)
	}
	return a.Recharge.Paused
}

// yesterday lets a day pass for what was recharged and for the rules.
func (b *bank) yesterday() {
	b.exec(`UPDATE credit_entries SET created_at = created_at - interval '1 day', idempotency_key = idempotency_key || ':before' WHERE kind = 'recharge'`)
	b.exec(`UPDATE recharge_rules SET updated_at = updated_at - interval '1 day'`)
}

// TestARechargeThatIsTooFastIsPaused at the seventh within an hour, and goes on when an admin says so.
func TestARechargeThatIsTooFastIsPaused(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	admin, _ := b.open(0)
	b.rule(user, 10, 100, 10_000)
	in := &letters{}
	due := func(want int) {
		t.Helper()
		b.spendAll(account)
		if n, err := b.ledger.Recharge(job(t.Context()), in); err != nil || n != want {
			t.Fatalf("%d refilled, want %d: %v", n, want, err)
		}
	}
	for range maxPerHour {
		due(1)
	}
	if b.paused(user) != nil || len(in.sent) != 0 {
		t.Fatalf("%+v, told %+v", b.paused(user), in.sent)
	}
	b.spendAll(account)
	if n, err := b.ledger.Recharge(job(t.Context()), &letters{fail: errors.New("full")}); err == nil || n != 0 || b.paused(user) != nil {
		t.Fatalf("what could not be told was done: %d, %v", n, err)
	}
	for range 3 {
		due(0)
	}
	p := b.paused(user)
	if p == nil || p.Reason != PausePace || time.Since(p.At) > time.Hour {
		t.Fatalf("%+v", p)
	}
	want := map[string]string{"account": account.String(), "user": user.String(), "reason": "pace"}
	if len(in.sent) != 1 || !in.sent[0].To.Admins || !cmp.Equal(in.sent[0].To.Users, []id.User{user}) || in.sent[0].Kind != KindPaused ||
		in.sent[0].Severity != notify.Warning || !cmp.Equal(in.sent[0].Details, want) {
		t.Errorf("told %+v", in.sent)
	}
	b.rule(user, 10, 100, 10_000) // a changed rule stays paused
	due(0)

	if _, err := b.ledger.ResumeRecharge(as(t.Context(), authz.Member, user), user); !errors.Is(err, fault.Denied) {
		t.Errorf("resumed by a member: %v", err)
	}
	for range 2 {
		got, err := b.ledger.ResumeRecharge(as(t.Context(), authz.Admin, admin), user)
		if err != nil || got.Recharge.Paused != nil {
			t.Fatalf("%+v, %v", got.Recharge, err)
		}
	}
	for range maxPerHour {
		due(1)
	}
	due(0)
	if b.paused(user) == nil || len(in.sent) != 2 {
		t.Errorf("not paused again: told %d", len(in.sent))
	}
	for action, n := range map[string]int{"credit.recharge_pause": 2, "credit.recharge_resume": 1} {
		events, err := audit.New(b.pool).List(job(t.Context()), audit.Filter{Action: action, Target: account.String()}, page.Args{})
		if err != nil || len(events.Items) != n {
			t.Errorf("%d events of %s, %v", len(events.Items), action, err)
		}
	}
	if _, err := b.ledger.ResumeRecharge(job(t.Context()), id.New[id.User]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody's rule: %v", err)
	}
	if _, err := b.ledger.ResumeRecharge(job(t.Context()), admin); err != nil {
		t.Errorf("no rule: %v", err)
	}
}

// TestRechargesOverDaysAreNotTooFast: what is spread out goes on.
func TestRechargesOverDaysAreNotTooFast(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.rule(user, 10, 100, 10_000)
	for range 3 {
		for range maxPerHour {
			b.spendAll(account)
			if n := b.recharge(); n != 1 {
				t.Fatalf("%d refilled: %+v", n, b.paused(user))
			}
		}
		b.yesterday()
	}
}

// TestARechargeAtItsCapIsPaused when it is due with its cap used up on the third day in a row, and not where there was a day
// between.
func TestARechargeAtItsCapIsPaused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		days []bool // on which the cap is used up
		want PauseReason
	}{
		"three in a row":     {[]bool{true, true, true}, PauseCap},
		"two":                {[]bool{true, true}, ""},
		"a day between":      {[]bool{true, true, false, true, true}, ""},
		"three after a rest": {[]bool{true, false, true, true, true}, PauseCap},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			user, account := b.open(0)
			b.rule(user, 10, 100, 150)
			for i, full := range c.days {
				if i > 0 {
					b.yesterday()
				}
				b.spendAll(account)
				b.recharge()
				if !full {
					continue
				}
				b.spendAll(account)
				b.recharge() // the rest of the cap
				b.spendAll(account)
				b.recharge()
			}
			reason := PauseReason("")
			if p := b.paused(user); p != nil {
				reason = p.Reason
			}
			if reason != c.want {
				t.Errorf("paused for %q, want %q", reason, c.want)
			}
			if s := b.standing(account); s.Balance != s.Entries || s.Balance > 100 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestARechargeAfterTheClockJumpedBack is not given twice: what was recharged at a later time still counts.
func TestARechargeAfterTheClockJumpedBack(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.rule(user, 10, 100, 150)
	var given money.Amount
	for _, hours := range []int{0, 2, 30, 0} {
		b.exec(`UPDATE credit_entries SET created_at = created_at + make_interval(hours => $1) WHERE kind = 'recharge'`, hours)
		before := b.standing(account).Balance
		b.recharge()
		given += b.standing(account).Balance - before
		b.spendAll(account)
	}
	if given > 150 {
		t.Errorf("%d were given in a day", given)
	}
}
