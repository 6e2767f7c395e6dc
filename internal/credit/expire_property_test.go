package credit

import (
	"bytes"
	"context"
	"slices"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A modelLot is what must be true of a lot: every charge is taken from it as it is booked.
type modelLot struct {
	entry  id.Entry
	amount money.Amount
	debt   money.Amount // paid by it
	drawn  money.Amount // by charges and adjustments
	out    money.Amount // taken back
	at     time.Time
}

func (m *modelLot) left() money.Amount { return m.amount - m.debt - m.drawn - m.out }

// draw takes an amount from the lots that expire first.
func (w *world) draw(account id.Account, amount money.Amount) {
	for _, lot := range w.lots[account] {
		n := min(lot.left(), amount)
		lot.drawn += n
		amount -= n
	}
}

// step is how far time passes; lots end between two steps, so that one is due a step before it is overdue.
const step = lotGrace + 5*time.Minute

// GrantExpiring gives credit for some steps.
func (w *world) GrantExpiring(t *rapid.T) {
	i := w.account(t)
	account := w.accounts[i]
	before := w.b.standing(account)
	amount := money.Amount(rapid.Int64Range(1, 200).Draw(t, "amount"))
	at := time.Now().Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "steps"))*step + step/2).Truncate(time.Microsecond)
	entry, _, err := w.b.ledger.Grant(job(context.Background()), GrantInput{UserID: w.users[i], Amount: amount, ExpiresAt: &at})
	if err != nil {
		t.Fatal(err)
	}
	w.granted[account] += amount
	w.lots[account] = append(w.lots[account], &modelLot{entry: entry.ID, amount: amount, debt: min(amount, max(-before.Balance, 0)), at: at})
	slices.SortFunc(w.lots[account], func(a, b *modelLot) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return bytes.Compare(a.entry.UUID[:], b.entry.UUID[:])
	})
}

// PassTime brings the end of all lots nearer, or moves it away: the clock jumped back.
func (w *world) PassTime(t *rapid.T) {
	passed := step
	if rapid.IntRange(0, 3).Draw(t, "back") == 0 {
		passed = -passed
	}
	w.pass(passed)
}

func (w *world) pass(d time.Duration) {
	ids := make([]id.Account, 0, len(w.accounts))
	for _, account := range w.accounts {
		ids = append(ids, account)
		for _, lot := range w.lots[account] {
			lot.at = lot.at.Add(-d)
		}
	}
	w.b.exec(`UPDATE credit_lots SET expires_at = expires_at - $1::interval WHERE account_id = ANY($2)`, interval(d), uuids(ids...))
}

// ExpireCredit is the job. It takes back what is due and not leased, and nothing when it comes again.
func (w *world) ExpireCredit(t *rapid.T) {
	before := make([]standing, len(w.accounts))
	for i, account := range w.accounts {
		before[i] = w.b.standing(account)
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		if _, err := w.b.ledger.Expire(job(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
	for i, account := range w.accounts {
		available, leased, total := max(before[i].available(), 0), before[i].Leased, money.Amount(0)
		for _, lot := range w.lots[account] {
			if lot.at.After(time.Now()) {
				continue
			}
			out := min(lot.left(), available-total)
			if lot.at.Add(lotGrace).After(time.Now()) { // may have been spent before its end
				out = min(out, max(lot.left()-leased, 0))
			}
			leased = max(leased-(lot.left()-out), 0)
			lot.out += out
			total += out
		}
		after := w.b.standing(account)
		if after.Balance != before[i].Balance-total {
			t.Fatalf("%d had to expire, and the balance went from %d to %d", total, before[i].Balance, after.Balance)
		}
		if total > 0 && after.available() < 0 {
			t.Fatalf("%d available after %d expired", after.available(), total)
		}
	}
}

// checkLots holds what is left of lots, and what was taken back of them, against the model.
func (w *world) checkLots(t *rapid.T, i int) {
	account := w.accounts[i]
	lots, err := w.b.ledger.Lots(job(context.Background()), Account{ID: account, UserID: w.users[i]})
	if err != nil {
		t.Fatal(err)
	}
	var left money.Amount
	for _, want := range w.lots[account] {
		left += want.left()
		var out money.Amount
		err := w.b.pool.QueryRow(context.Background(), `SELECT coalesce(-sum(amount), 0)::bigint FROM credit_entries
			WHERE account_id = $1 AND kind = 'expiry' AND idempotency_key LIKE 'expiry:' || $2::uuid || ':%'`, account, want.entry).Scan(&out)
		if err != nil {
			t.Fatal(err)
		}
		if out != want.out || out > want.amount-want.drawn {
			t.Fatalf("%d expired of %d, of which %d were spent; want %d", out, want.amount, want.drawn, want.out)
		}
		if want.left() == 0 {
			continue
		}
		if len(lots) == 0 || lots[0].Entry != want.entry || lots[0].Left != want.left() || lots[0].Expired != want.out {
			t.Fatalf("the first of %+v, want %+v", lots, *want)
		}
		lots = lots[1:]
	}
	if len(lots) > 0 {
		t.Fatalf("more lots: %+v", lots)
	}
	if balance := w.b.standing(account).Balance; left > max(balance, 0) {
		t.Fatalf("%d of a balance of %d expire", left, balance)
	}
}

// endLots lets all lots expire once nothing is leased, and returns what was taken back.
func (w *world) endLots(t *rapid.T) (out money.Amount) {
	w.pass(1000 * time.Hour)
	w.ExpireCredit(t)
	for i, account := range w.accounts {
		w.checkLots(t, i)
		for _, lot := range w.lots[account] {
			if lot.left() != 0 {
				t.Fatalf("%d of an expired lot are left", lot.left())
			}
			out += lot.out
		}
	}
	return out
}
