package credit

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

func TestGrant(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	admin := id.New[id.User]()
	b.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, 'admin@example.com', 'admin', '')`, admin)
	ctx := as(t.Context(), authz.Admin, admin)

	in := GrantInput{UserID: user, Amount: 5 * money.Credit, Reason: "welcome", IdempotencyKey: "one"}
	first, after, err := b.ledger.Grant(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if first.Kind != KindGrant || first.Amount != in.Amount || first.AccountID != account || first.Reason != "welcome" || *first.ActorID != admin {
		t.Errorf("entry %+v", first)
	}
	if after.Balance != in.Amount || after.Available() != in.Amount || after.ID != account || after.UserID != user {
		t.Errorf("account %+v", after)
	}

	again, after, err := b.ledger.Grant(ctx, in)
	if err != nil || !cmp.Equal(again, first) || after.Balance != in.Amount {
		t.Errorf("repeated: %+v, %+v, %v", again, after, err)
	}
	for name, change := range map[string]func(*GrantInput){
		"amount": func(in *GrantInput) { in.Amount++ },
		"reason": func(in *GrantInput) { in.Reason = "another" },
		"kind":   func(in *GrantInput) { in.Kind = KindAdjustment },
	} {
		other := in
		change(&other)
		if _, _, err := b.ledger.Grant(ctx, other); !errors.Is(err, fault.Conflict) {
			t.Errorf("same key, other %s: %v", name, err)
		}
	}
	other, _ := b.open(0)
	in.UserID = other
	if entry, _, err := b.ledger.Grant(ctx, in); err != nil || entry.ID == first.ID {
		t.Errorf("same key on another account: %+v, %v", entry, err)
	}
	in.UserID, in.IdempotencyKey = user, ""
	for range 2 {
		if _, _, err := b.ledger.Grant(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.standing(account); s.Balance != 15*money.Credit || s.Entries != s.Balance {
		t.Errorf("without a key each is new: %+v", s)
	}

	events, err := audit.New(b.pool).List(ctx, audit.Filter{Action: "credit.grant", Target: account.String()}, page.Args{})
	if err != nil || len(events.Items) != 3 {
		t.Fatalf("%d audit events, want 3: %v", len(events.Items), err)
	}
	if e := events.Items[2]; *e.ActorID != admin || !strings.Contains(string(e.Details), first.ID.String()) {
		t.Errorf("audit event %+v", e)
	}
}

func TestGrantRefuses(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(10)
	for name, tt := range map[string]struct {
		in   GrantInput
		kind fault.Kind
		path string
	}{
		"nothing":                {GrantInput{}, fault.Invalid, "amount"},
		"negative":               {GrantInput{Amount: -1}, fault.Invalid, "amount"},
		"too much":               {GrantInput{Amount: MaxGrant + 1}, fault.Invalid, "amount"},
		"far too little":         {GrantInput{Kind: KindAdjustment, Amount: -MaxGrant - 1, Reason: "r"}, fault.Invalid, "amount"},
		"a charge":               {GrantInput{Kind: KindCharge, Amount: 1}, fault.Invalid, "kind"},
		"adjustment, no reason":  {GrantInput{Kind: KindAdjustment, Amount: -1}, fault.Invalid, "reason"},
		"long reason":            {GrantInput{Amount: 1, Reason: strings.Repeat("é", maxReason+1)}, fault.Invalid, "reason"},
		"long key":               {GrantInput{Amount: 1, IdempotencyKey: strings.Repeat("k", maxKey+1)}, fault.Invalid, "idempotencyKey"},
		"more than is available": {GrantInput{Kind: KindAdjustment, Amount: -11, Reason: "r"}, fault.Conflict, "amount"},
	} {
		tt.in.UserID = user
		_, _, err := b.ledger.Grant(job(t.Context()), tt.in)
		e, ok := fault.As(err)
		if !ok || e.Kind != tt.kind || !cmp.Equal(e.Path, []string{tt.path}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := b.ledger.Grant(job(t.Context()), GrantInput{UserID: id.New[id.User](), Amount: 1}); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody's account: %v", err)
	}
	if s := b.standing(account); s.Balance != 10 || s.Entries != 10 {
		t.Errorf("refusals left a mark: %+v", s)
	}
	// What a node has leased may be spent already.
	b.exec(`INSERT INTO credit_leases (account_id, node_id, amount, expires_at) VALUES ($1, $2, 4, now())`, account, id.New[id.Node]())
	for amount, ok := range map[money.Amount]bool{-7: false, -6: true} {
		_, after, err := b.ledger.Grant(job(t.Context()), GrantInput{UserID: user, Kind: KindAdjustment, Amount: amount, Reason: "r"})
		if ok && (err != nil || after.Available() != 0 || after.Balance != 4) || !ok && !errors.Is(err, fault.Conflict) {
			t.Errorf("adjustment %d: %+v, %v", amount, after, err)
		}
	}
}

// TestGrantsAtOnce: one key in many hands gives once.
func TestGrantsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := make(map[id.Entry]bool)
	for range 16 {
		wg.Go(func() {
			entry, _, err := b.ledger.Grant(job(t.Context()), GrantInput{UserID: user, Amount: 7, IdempotencyKey: "same"})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			ids[entry.ID] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	if s := b.standing(account); s.Balance != 7 || s.Entries != 7 || len(ids) != 1 {
		t.Errorf("%+v, %d entries", s, len(ids))
	}
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(10)
	other, _ := b.open(10)
	paid := charge(account, 1)
	b.book(id.New[id.Node](), paid)
	b.logged(user, paid.Request)
	calls := map[string]func(context.Context) error{
		"OpenTx": func(ctx context.Context) error {
			return db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
				_, err := b.ledger.OpenTx(ctx, tx, user)
				return err
			})
		},
		"Account": func(ctx context.Context) error { _, err := b.ledger.Account(ctx, user); return err },
		"Entries": func(ctx context.Context) error { _, err := b.ledger.Entries(ctx, account, page.Args{}); return err },
		"Grant": func(ctx context.Context) error {
			_, _, err := b.ledger.Grant(ctx, GrantInput{UserID: user, Amount: 1})
			return err
		},
		"Refund": func(ctx context.Context) error {
			_, _, err := b.ledger.Refund(ctx, RefundInput{RequestID: paid.Request, Reason: "r"})
			return err
		},
		"SetBudget": func(ctx context.Context) error {
			_, err := b.ledger.SetBudget(ctx, BudgetInput{UserID: user, Window: Day, Amount: new(money.Amount(5))})
			return err
		},
		"Spends": func(ctx context.Context) error {
			_, err := b.ledger.Spends(ctx, Account{ID: account, UserID: user, Budgets: []Budget{{5, Day}}})
			return err
		},
		"TellMismatches": func(ctx context.Context) error { _, err := b.ledger.TellMismatches(ctx, nil); return err },
		"WarnExpiries":   func(ctx context.Context) error { _, err := b.ledger.WarnExpiries(ctx, nil); return err },
		"AlertBudgets":   func(ctx context.Context) error { _, err := b.ledger.AlertBudgets(ctx, nil); return err },
		"SetRechargeRule": func(ctx context.Context) error {
			_, err := b.ledger.SetRechargeRule(ctx, RuleInput{UserID: user, Target: 2, DailyCap: 1})
			return err
		},
		"Recharge":       func(ctx context.Context) error { _, err := b.ledger.Recharge(ctx, &letters{}); return err },
		"ResumeRecharge": func(ctx context.Context) error { _, err := b.ledger.ResumeRecharge(ctx, user); return err },
		"Lots": func(ctx context.Context) error {
			_, err := b.ledger.Lots(ctx, Account{ID: account, UserID: user})
			return err
		},
		"Expire":      func(ctx context.Context) error { _, err := b.ledger.Expire(ctx); return err },
		"SignUp":      func(ctx context.Context) error { _, err := b.ledger.SignUp(ctx); return err },
		"SetSignUp":   func(ctx context.Context) error { _, err := b.ledger.SetSignUp(ctx, SignUpInput{}); return err },
		"SweepLeases": func(ctx context.Context) error { _, err := b.ledger.SweepLeases(ctx); return err },
		"Verify":      func(ctx context.Context) error { _, err := b.ledger.Verify(ctx); return err },
		"BookTx": func(ctx context.Context) error {
			return db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
				_, err := b.ledger.BookTx(ctx, tx, id.New[id.Node](), []Charge{charge(account, 1)})
				return err
			})
		},
	}
	allowed := map[string]map[string]bool{
		"admin": {"Account": true, "Entries": true, "Grant": true, "Refund": true, "SetBudget": true, "Spends": true, "SetRechargeRule": true,
			"ResumeRecharge": true, "Lots": true, "SignUp": true, "SetSignUp": true},
		"member": {"Account": true, "Entries": true, "Spends": true, "Lots": true},
	}
	for name, call := range calls {
		if err := call(t.Context()); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s without an actor: %v", name, err)
		}
		if err := call(as(t.Context(), authz.Member, other)); err == nil {
			t.Errorf("%s by another member was allowed", name)
		}
		err := call(as(t.Context(), authz.Member, user))
		if allowed["member"][name] != (err == nil) {
			t.Errorf("%s by the member: %v", name, err)
		}
		if name == "OpenTx" {
			continue // the user has one already
		}
		err = call(as(t.Context(), authz.Admin, user))
		if allowed["admin"][name] != (err == nil) {
			t.Errorf("%s by an admin: %v", name, err)
		}
		if err := call(job(t.Context())); err != nil {
			t.Errorf("%s by the gateway: %v", name, err)
		}
	}
	for _, call := range []string{"Account", "Entries"} {
		if err := calls[call](as(t.Context(), authz.Member, other)); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s of another: %v, want not found", call, err)
		}
	}
}

func TestEntriesArePaged(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(0)
	for i := range 7 {
		b.grant(user, money.Amount(i+1))
	}
	// Several of one moment must neither be lost nor shown twice.
	b.exec(`UPDATE credit_entries SET created_at = date_trunc('day', created_at) WHERE amount BETWEEN 2 AND 5`)
	ctx := as(t.Context(), authz.Member, user)
	var got []money.Amount
	args := page.Args{First: 3}
	for {
		p, err := b.ledger.Entries(ctx, account, args)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total == nil || *p.Total != 7 {
			t.Fatalf("total %v, want 7", p.Total)
		}
		for _, e := range p.Items {
			got = append(got, e.Amount)
		}
		if !p.HasNext {
			break
		}
		args.After = p.End()
	}
	if diff := cmp.Diff([]money.Amount{7, 6, 1, 5, 4, 3, 2}, got); diff != "" {
		t.Errorf("newest first: %s", diff)
	}
	for _, bad := range []page.Args{{First: 101}, {After: "?"}} {
		if _, err := b.ledger.Entries(ctx, account, bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := b.ledger.Entries(ctx, id.New[id.Account](), page.Args{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such account: %v", err)
	}
}

func TestBook(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	user, account := b.open(100)
	_, other := b.open(100)
	node, elsewhere := id.New[id.Node](), id.New[id.Node]()
	for _, n := range []id.Node{node, elsewhere} {
		b.exec(`INSERT INTO credit_leases (account_id, node_id, amount, expires_at) VALUES ($1, $2, 20, now())`, account, n)
	}
	one, two, free := charge(account, 5), charge(account, 6), charge(account, 0)
	three := charge(other, 7)
	one.At = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	b.book(node, one, two, three, one, free) // one is twice in the batch
	b.book(node, two, charge(account, 1))    // and two is offered again

	s := b.standing(account)
	if s.Balance != 88 || s.Entries != 88 || s.Leases[node] != 8 || s.Leases[elsewhere] != 20 {
		t.Errorf("%+v", s)
	}
	if s := b.standing(other); s.Balance != 93 || s.Leased != 0 {
		t.Errorf("an account without a lease: %+v", s)
	}
	entries, err := b.ledger.Entries(job(t.Context()), account, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(entries.Items); n != 4 {
		t.Fatalf("%d entries, want a grant and three charges, and none for zero", n)
	}
	oldest := entries.Items[3]
	if oldest.Kind != KindCharge || oldest.Amount != -5 || *oldest.RequestID != one.Request || oldest.Reason != "model" || !oldest.CreatedAt.Equal(one.At) || oldest.ActorID != nil {
		t.Errorf("charge %+v", oldest)
	}

	b.book(node, charge(account, 30)) // beyond the lease: the account's debt
	if s := b.standing(account); s.Balance != 58 || s.Leases[node] != 0 {
		t.Errorf("beyond the lease: %+v", s)
	}
	err = db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error {
		_, err := b.ledger.BookTx(job(t.Context()), tx, node, []Charge{charge(account, 1), charge(account, -1)})
		return err
	})
	if err == nil {
		t.Error("a negative charge was booked")
	}
	if a, err := b.ledger.Account(as(t.Context(), authz.Member, user), user); err != nil || a.Reserved != 20 || a.Available() != 38 {
		t.Errorf("account %+v, %v", a, err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.open(100)
	_, account := b.open(50)
	if got, err := b.ledger.Verify(job(t.Context())); err != nil || len(got) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	b.exec(`UPDATE credit_accounts SET balance = balance + 1 WHERE id = $1`, account)
	got, err := b.ledger.Verify(job(t.Context()))
	if diff := cmp.Diff([]Mismatch{{Account: account, Balance: 51, Entries: 50}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
