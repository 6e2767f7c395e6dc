package credit

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

// lot gives credit that expires.
func (b *bank) lot(user id.User, amount money.Amount, in time.Duration) {
	b.t.Helper()
	if _, _, err := b.ledger.Grant(job(b.t.Context()), GrantInput{UserID: user, Amount: amount, Reason: "trial", ExpiresAt: new(time.Now().Add(in))}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) expire() int {
	b.t.Helper()
	n, err := b.ledger.Expire(job(b.t.Context()))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// pass brings the end of all lots nearer.
func (b *bank) pass(d time.Duration) {
	b.exec(`UPDATE credit_lots SET expires_at = expires_at - $1::interval`, interval(d))
}

// left is what is left of an account's lots.
func (b *bank) left(user id.User, account id.Account) []money.Amount {
	b.t.Helper()
	lots, err := b.ledger.Lots(as(b.t.Context(), authz.Member, user), Account{ID: account, UserID: user})
	if err != nil {
		b.t.Fatal(err)
	}
	left := make([]money.Amount, len(lots))
	for i, lot := range lots {
		left[i] = lot.Left
	}
	return left
}

// TestWhatExpiresFirstIsSpentFirst: the oldest end first, and what does not expire last.
func TestWhatExpiresFirstIsSpentFirst(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	node := id.New[id.Node]()
	user, account := b.open(100)
	b.lot(user, 50, 2*time.Hour)
	b.lot(user, 30, time.Hour)
	for _, step := range []struct {
		charge money.Amount
		want   []money.Amount
	}{
		{0, []money.Amount{30, 50}}, {10, []money.Amount{20, 50}}, {30, []money.Amount{40}}, {45, []money.Amount{}},
	} {
		b.book(node, charge(account, step.charge))
		if got := b.left(user, account); !cmp.Equal(got, step.want) {
			t.Errorf("after %d more: %v left, want %v", step.charge, got, step.want)
		}
	}
	b.pass(3 * time.Hour)
	if n := b.expire(); n != 0 || b.standing(account).Balance != 95 {
		t.Errorf("%d entries, %+v: there was nothing left to expire", n, b.standing(account))
	}
}

// TestExpiry: what is left of a grant is taken back once, whatever clocks do, and what does not expire stays.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(100)
	b.lot(user, 50, 30*time.Minute)
	b.lot(user, 70, 90*time.Minute)
	b.book(id.New[id.Node](), charge(account, 20))
	if n := b.expire(); n != 0 || b.standing(account).Balance != 200 {
		t.Fatalf("before its end: %d, %+v", n, b.standing(account))
	}
	for _, step := range []struct {
		name    string
		pass    time.Duration
		balance money.Amount
	}{
		{"after the first", time.Hour, 170}, {"again", 0, 170}, {"the clock jumped back", -time.Hour, 170},
		{"and forward", time.Hour, 170}, {"after the second", time.Hour, 100}, {"back by a day", -24 * time.Hour, 100}, {"and forward", 48 * time.Hour, 100},
	} {
		b.pass(step.pass)
		b.expire()
		if s := b.standing(account); s.Balance != step.balance || s.Entries != step.balance {
			t.Errorf("%s: %+v, want %d", step.name, s, step.balance)
		}
	}
	entries, err := b.ledger.Entries(as(t.Context(), authz.Member, user), account, page.Args{First: 2})
	if err != nil || len(entries.Items) != 2 || entries.Items[0].Kind != KindExpiry || entries.Items[0].Amount != -70 || entries.Items[0].Reason != "trial" {
		t.Errorf("%+v, %v", entries.Items, err)
	}
	events, err := audit.New(b.pool).List(job(t.Context()), audit.Filter{Action: "credit.expiry", Target: account.String()}, page.Args{})
	if err != nil || len(events.Items) != 2 {
		t.Errorf("%d audit events, %v", len(events.Items), err)
	}
}

// TestWhatIsLeasedExpiresWhenItComesBack: a node that holds or has spent expired credit keeps it, and gives back the rest.
func TestWhatIsLeasedExpiresWhenItComesBack(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	node := id.New[id.Node]()
	leases := b.leases(node)
	user, account := b.open(0)
	b.lot(user, 1000, time.Hour)
	hold := b.reserve(leases, account, 400)
	leased := b.row(account, node)
	b.pass(time.Hour)
	b.expire()
	if s := b.standing(account); s.Balance != leased || s.available() != 0 {
		t.Fatalf("%+v, with %d leased", s, leased)
	}
	if hold, err := leases.Reserve(t.Context(), account, leased-400+1); !errors.Is(err, fault.Exhausted) {
		t.Errorf("what has expired was given out: %v, %v", hold, err)
	}
	hold.Settle(300)
	b.book(node, charge(account, 300))
	leases.Booked(account, 300)
	if n := b.expire(); n != 0 || b.standing(account).Balance != leased-300 {
		t.Errorf("what is leased was taken: %d entries, %+v", n, b.standing(account))
	}
	if err := leases.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.expire(); n != 1 || b.standing(account).Balance != 0 || b.standing(account).Entries != 0 {
		t.Errorf("%d entries, %+v, want nothing left", n, b.standing(account))
	}
	if n := b.expire(); n != 0 {
		t.Errorf("%d more", n)
	}
}

// TestWhatANodeAlwaysHasLeasedExpires: an account in use always has something leased, which must not keep its credit for
// ever. What is charged within the quarter of an hour is still taken from what has ended.
func TestWhatANodeAlwaysHasLeasedExpires(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	node := id.New[id.Node]()
	leases := b.leases(node)
	user, account := b.open(10_000)
	b.lot(user, 100, time.Hour)
	b.reserve(leases, account, 40).Settle(30)
	if leased := b.row(account, node); leased < 100 {
		t.Fatalf("%d leased", leased)
	}
	b.pass(time.Hour)
	if n := b.expire(); n != 0 {
		t.Errorf("%d entries of what may have been spent before", n)
	}
	b.book(node, charge(account, 30))
	leases.Booked(account, 30)
	if got := b.left(user, account); !cmp.Equal(got, []money.Amount{70}) {
		t.Errorf("%v left", got)
	}
	b.pass(lotGrace)
	if n := b.expire(); n != 1 || b.standing(account).Balance != 10_000 || b.row(account, node) < 70 {
		t.Errorf("%d entries, %+v", n, b.standing(account))
	}
}

// TestADebtIsPaidByWhatExpires: what was spent before a grant is not left of it.
func TestADebtIsPaidByWhatExpires(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.book(id.New[id.Node](), charge(account, 30))
	b.lot(user, 20, time.Hour)
	b.lot(user, 50, 2*time.Hour)
	if got := b.left(user, account); !cmp.Equal(got, []money.Amount{40}) {
		t.Errorf("%v left", got)
	}
	b.pass(3 * time.Hour)
	b.expire()
	if s := b.standing(account); s.Balance != 0 {
		t.Errorf("%+v", s)
	}
}

// TestExpiriesAtOnce: jobs that overlap, with charges and grants in between, take nothing twice and nothing below zero.
func TestExpiriesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	const lots, charges = 10, 20
	var users []id.User
	var accounts []id.Account
	for range 5 {
		user, account := b.open(0)
		for i := range lots {
			b.lot(user, 100, time.Duration(i)*time.Second+time.Minute)
		}
		users, accounts = append(users, user), append(accounts, account)
	}
	b.pass(time.Hour)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { b.expire() })
	}
	wg.Go(func() {
		for i := range charges {
			b.book(id.New[id.Node](), charge(accounts[i%len(accounts)], 1))
		}
	})
	wg.Go(func() {
		for _, user := range users {
			b.lot(user, 7, time.Hour)
		}
	})
	wg.Wait()
	b.expire()
	for i, account := range accounts {
		s := b.standing(account)
		var left money.Amount
		for _, n := range b.left(users[i], account) {
			left += n
		}
		// Four were charged: of what had expired while that was there, else of the new lot, else of nothing.
		if s.Balance != s.Entries || s.Balance < 7-charges/5 || s.Balance > 7 || left != max(s.Balance, 0) {
			t.Errorf("%+v, %d left of lots", s, left)
		}
	}
}

func TestGrantsThatExpire(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	ctx := job(t.Context())
	at := time.Now().Add(time.Hour)
	in := GrantInput{UserID: user, Amount: 5, Reason: "r", IdempotencyKey: "one", ExpiresAt: &at}
	first, _, err := b.ledger.Grant(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	refuses := func(name string, in GrantInput, kind fault.Kind, path string) {
		t.Helper()
		_, _, err := b.ledger.Grant(ctx, in)
		if e, ok := fault.As(err); !ok || e.Kind != kind || !cmp.Equal(e.Path, []string{path}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again, after, err := b.ledger.Grant(ctx, in); err != nil || again.ID != first.ID || after.Balance != 5 {
		t.Errorf("repeated: %+v, %+v, %v", again, after, err)
	}
	other := in
	other.ExpiresAt = new(at.Add(time.Second))
	refuses("another end", other, fault.Conflict, "idempotencyKey")
	other.ExpiresAt = nil
	refuses("no end", other, fault.Conflict, "idempotencyKey")
	for name, at := range map[string]time.Time{
		"now": time.Now(), "the past": time.Now().Add(-time.Hour), "no time": {}, "absurd": time.Now().AddDate(101, 0, 0),
		"more than absurd": time.Date(290_000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		refuses(name, GrantInput{UserID: user, Amount: 1, ExpiresAt: &at}, fault.Invalid, "expiresAt")
	}
	refuses("an adjustment", GrantInput{UserID: user, Kind: KindAdjustment, Amount: 1, Reason: "r", ExpiresAt: &at}, fault.Invalid, "expiresAt")
	b.exec(`UPDATE credit_lots SET expires_at = now() - interval '1 hour'`)
	expired := in
	expired.ExpiresAt = new(b.end(first.ID))
	if again, _, err := b.ledger.Grant(ctx, expired); err != nil || again.ID != first.ID {
		t.Errorf("repeated after its end: %v", err)
	}
	if s := b.standing(account); s.Balance != 5 {
		t.Errorf("%+v", s)
	}
}

// end is when a lot expires.
func (b *bank) end(entry id.Entry) (at time.Time) {
	b.t.Helper()
	if err := b.pool.QueryRow(b.t.Context(), `SELECT expires_at FROM credit_lots WHERE entry_id = $1`, entry).Scan(&at); err != nil {
		b.t.Fatal(err)
	}
	return at
}

// TestLotsHaveAnEnd: an account is not given more lots than are read at once.
func TestLotsHaveAnEnd(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	b.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key)
		SELECT gen_random_uuid(), $1, 'grant', 1, n::text FROM generate_series(1, $2::integer) AS n`, account, MaxLots-1)
	b.exec(`INSERT INTO credit_lots (entry_id, account_id, amount, left_over, expires_at)
		SELECT id, $1, 1, 1, now() + interval '1 hour' FROM credit_entries`, account)
	b.exec(`UPDATE credit_accounts SET balance = $2, expiring = $2 WHERE id = $1`, account, MaxLots-1)
	b.lot(user, 1, time.Hour)
	in := GrantInput{UserID: user, Amount: 1, ExpiresAt: new(time.Now().Add(time.Hour))}
	if _, _, err := b.ledger.Grant(job(t.Context()), in); !errors.Is(err, fault.Conflict) {
		t.Errorf("one too many: %v", err)
	}
	b.book(id.New[id.Node](), charge(account, 1))
	b.lot(user, 1, time.Hour)
	b.pass(2 * time.Hour)
	if n := b.expire(); n != MaxLots || b.standing(account).Balance != 0 {
		t.Errorf("%d entries, %+v", n, b.standing(account))
	}
}

func TestAnothersLotsAreNotFound(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	other, _ := b.open(0)
	if _, err := b.ledger.Lots(as(t.Context(), authz.Member, other), Account{ID: account, UserID: user}); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's: %v", err)
	}
}

// TestSpread takes from the first on, never more than there is, whatever the sum says.
func TestSpread(t *testing.T) {
	t.Parallel()
	for expiring, want := range map[money.Amount]string{60: "10 20 30", 55: "5 20 30", 35: "0 5 30", 30: "0 0 30", 1: "0 0 1", 0: "0 0 0", 61: "10 20 30", -1: "0 0 0", -money.MaxAmount: "0 0 0"} {
		lots := []Lot{{Left: 10}, {Left: 20}, {Left: 30}}
		spread(lots, expiring)
		if got := fmt.Sprintf("%d %d %d", lots[0].Left, lots[1].Left, lots[2].Left); got != want {
			t.Errorf("%d expiring: %s, want %s", expiring, got, want)
		}
	}
}

// TestRedeemedCreditExpires some days after it was redeemed, not after the codes were made.
func TestRedeemedCreditExpires(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	codes := NewCodes(b.ledger, freely{})
	for _, days := range []int32{0, -1, MaxValidDays + 1} {
		_, _, err := codes.Create(job(t.Context()), BatchInput{Label: "l", Amount: 1, Count: 1, ValidDays: &days})
		if e, ok := fault.As(err); !ok || e.Kind != fault.Invalid || !cmp.Equal(e.Path, []string{"validDays"}) {
			t.Errorf("%d days: %v", days, err)
		}
	}
	_, texts, err := codes.Create(job(t.Context()), BatchInput{Label: "spring", Amount: 5, Count: 1, ValidDays: new(int32(30))})
	if err != nil {
		t.Fatal(err)
	}
	entry, _, err := codes.Redeem(as(t.Context(), authz.Member, user), texts[0])
	if err != nil {
		t.Fatal(err)
	}
	if at := b.end(entry.ID); !at.Equal(entry.CreatedAt.AddDate(0, 0, 30)) {
		t.Errorf("redeemed at %s, expires at %s", entry.CreatedAt, at)
	}
	b.pass(30*24*time.Hour + time.Minute)
	if n := b.expire(); n != 1 || b.standing(account).Balance != 0 {
		t.Errorf("%d entries, %+v", n, b.standing(account))
	}
}
