package credit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// TestMoneyIsKept lets nodes do what nodes do, in any order, with kills and outages in between, and holds after each step
// what the package promises.
func TestMoneyIsKept(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, b)
		t.Repeat(rapid.StateMachineActions(w))
		w.end(t)
	})
}

// A world is some nodes and accounts, and a model of what must be true of them.
type world struct {
	b        *bank
	users    []id.User
	accounts []id.Account
	nodes    []*node
	charged  map[id.Request]money.Amount // what must be booked in the end
	granted  map[id.Account]money.Amount
	budgets  []money.Amount              // a day's, of each user; 0 is none
	booked   []Charge                    // that can be refunded
	refunded map[id.Request]money.Amount // what was given back
	lots     map[id.Account][]*modelLot  // in the order in which they expire
}

type node struct {
	id      id.Node
	leases  *Leases // nil while the node is down
	budgets *Budgets
	holds   []*inFlight
	spool   []Charge // not booked yet
	// over is by how much requests cost more than they held, since the node last reserved something: only those were in
	// flight.
	over map[id.Account]money.Amount
}

type inFlight struct {
	account id.Account
	id      id.Request
	hold    *Hold
	spend   *Hold // of the budget; nil where there is none
	open    bool  // not released
}

func (r *inFlight) settle(cost money.Amount) {
	r.hold.Settle(cost)
	if r.spend != nil {
		r.spend.Settle(cost)
	}
}

func (r *inFlight) release() {
	r.hold.Release()
	if r.spend != nil {
		r.spend.Release()
	}
}

func newWorld(t *rapid.T, b *bank) *world {
	w := &world{
		b: b, charged: make(map[id.Request]money.Amount), granted: make(map[id.Account]money.Amount),
		refunded: make(map[id.Request]money.Amount), lots: make(map[id.Account][]*modelLot),
	}
	for range rapid.IntRange(1, 2).Draw(t, "accounts") {
		user, account := b.open(0)
		w.users, w.accounts, w.budgets = append(w.users, user), append(w.accounts, account), append(w.budgets, 0)
		if rapid.Bool().Draw(t, "has a budget") {
			w.setBudget(t, len(w.users)-1, money.Amount(rapid.Int64Range(1, 300).Draw(t, "budget")))
		}
	}
	for range rapid.IntRange(2, 3).Draw(t, "nodes") {
		n := &node{id: id.New[id.Node](), over: make(map[id.Account]money.Amount)}
		w.nodes = append(w.nodes, n)
		w.start(t, n)
	}
	return w
}

func (w *world) setBudget(t *rapid.T, i int, amount money.Amount) {
	_, err := w.b.ledger.SetBudget(job(context.Background()), BudgetInput{UserID: w.users[i], Window: Day, Amount: &amount})
	if err != nil {
		t.Fatal(err)
	}
	w.budgets[i] = amount
}

// pot is the account of a user's budget, once a call has opened it.
func (w *world) pot(t *rapid.T, i int) (id.Account, bool) {
	var pot id.Account
	err := w.b.pool.QueryRow(context.Background(), `SELECT account_id FROM budget_spends WHERE owner_id = $1`, w.users[i]).Scan(&pot)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return pot, err == nil
}

// start starts a node: the cursor is marked, what the spool has is booked, then the leases are taken up.
func (w *world) start(t *rapid.T, n *node) {
	w.b.exec(`INSERT INTO spool_cursors (node_id) VALUES ($1) ON CONFLICT (node_id) DO UPDATE SET drained = false`, n.id)
	w.book(t, n, len(n.spool))
	n.leases = NewLeases(w.b.pool, n.id, slog.New(slog.DiscardHandler), w.b.clock.Now)
	n.budgets = NewBudgets(n.leases)
	if err := n.leases.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// up draws a node that runs.
func (w *world) up(t *rapid.T) *node {
	n := w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(t, "node")]
	if n.leases == nil {
		t.Skip("down")
	}
	return n
}

func (w *world) account(t *rapid.T) int {
	return rapid.IntRange(0, len(w.accounts)-1).Draw(t, "account")
}

func (n *node) request(t *rapid.T) *inFlight {
	if len(n.holds) == 0 {
		t.Skip("nothing in flight")
	}
	return n.holds[rapid.IntRange(0, len(n.holds)-1).Draw(t, "request")]
}

// Grant gives credit.
func (w *world) Grant(t *rapid.T) {
	i := w.account(t)
	amount := money.Amount(rapid.Int64Range(1, 200).Draw(t, "amount"))
	if _, _, err := w.b.ledger.Grant(job(context.Background()), GrantInput{UserID: w.users[i], Amount: amount}); err != nil {
		t.Fatal(err)
	}
	w.granted[w.accounts[i]] += amount
}

// Adjust takes credit away or gives some, and never takes what nodes may have spent.
func (w *world) Adjust(t *rapid.T) {
	i := w.account(t)
	amount := money.Amount(rapid.Int64Range(-100, 100).Filter(func(n int64) bool { return n != 0 }).Draw(t, "amount"))
	before := w.b.standing(w.accounts[i])
	_, _, err := w.b.ledger.Grant(job(context.Background()), GrantInput{UserID: w.users[i], Kind: KindAdjustment, Amount: amount, Reason: "put right"})
	if refused := amount < 0 && before.available() < -amount; refused != errors.Is(err, fault.Conflict) || !refused && err != nil {
		t.Fatalf("adjusted %d with %d available: %v", amount, before.available(), err)
	}
	if err == nil {
		w.granted[w.accounts[i]] += amount
		w.draw(w.accounts[i], max(-amount, 0))
	}
}

// Refund gives back some of what a booked request cost, or asks for more than that.
func (w *world) Refund(t *rapid.T) {
	if len(w.booked) == 0 {
		t.Skip("nothing booked")
	}
	c := w.booked[rapid.IntRange(0, len(w.booked)-1).Draw(t, "request")]
	amount := money.Amount(rapid.Int64Range(0, int64(c.Amount)+3).Draw(t, "amount"))
	in, wanted, before := RefundInput{RequestID: c.Request, Reason: "sorry"}, c.Amount, w.refunded[c.Request]
	if amount > 0 {
		in.Amount, wanted = &amount, amount
	}
	entry, _, err := w.b.ledger.Refund(job(context.Background()), in)
	switch {
	case wanted > c.Amount:
		if !errors.Is(err, fault.Invalid) {
			t.Fatalf("%d refunded of %d: %v", wanted, c.Amount, err)
		}
	case before != 0 && before != wanted:
		if !errors.Is(err, fault.Conflict) {
			t.Fatalf("refunded %d and then %d: %v", before, wanted, err)
		}
	case err != nil || entry.Amount != wanted || *entry.RequestID != c.Request:
		t.Fatalf("%d of %d: %+v, %v", wanted, c.Amount, entry, err)
	default:
		w.refunded[c.Request] = wanted
	}
}

// RaiseBudget lets a user spend more.
func (w *world) RaiseBudget(t *rapid.T) {
	i := w.account(t)
	if w.budgets[i] == 0 {
		t.Skip("no budget")
	}
	w.setBudget(t, i, w.budgets[i]+money.Amount(rapid.Int64Range(0, 100).Draw(t, "more")))
}

// Reserve starts a request. It is refused only where neither the lease nor the account has enough.
func (w *world) Reserve(t *rapid.T) {
	n, i := w.up(t), w.account(t)
	account := w.accounts[i]
	amount := money.Amount(rapid.Int64Range(0, 40).Draw(t, "hold"))
	before, free := w.b.standing(account), n.free(account)
	hold, err := n.leases.Reserve(context.Background(), account, amount)
	after := w.b.standing(account)
	if after.Leased > before.Leased && after.Leased > after.Balance {
		t.Fatalf("%d leased of a balance of %d", after.Leased, after.Balance)
	}
	if err != nil {
		if e, ok := fault.As(err); !ok || e.Code != CodeInsufficient || !errors.Is(err, fault.Exhausted) {
			t.Fatalf("refused for another reason: %v", err)
		}
		if need := amount - free; need <= before.available() {
			t.Fatalf("refused %d with %d free and %d available", amount, free, before.available())
		}
		return
	}
	r := &inFlight{account: account, id: id.New[id.Request](), hold: hold, open: true}
	if w.budgets[i] > 0 {
		if r.spend = w.reserveBudget(t, n, i, amount); r.spend == nil {
			hold.Release()
			return
		}
	}
	if amount > 0 {
		n.over[account] = 0
	}
	n.holds = append(n.holds, r)
}

// reserveBudget is Reserve of a budget; nil where it is refused.
func (w *world) reserveBudget(t *rapid.T, n *node, i int, amount money.Amount) *Hold {
	before, free := standing{Balance: w.budgets[i]}, money.Amount(0)
	pot, open := w.pot(t, i)
	if open {
		before, free = w.b.standing(pot), n.free(pot)
	}
	spend, err := n.budgets.Reserve(context.Background(), Owner{ID: w.users[i].UUID}, Day, time.Now(), amount)
	if err == nil {
		if pot, open = w.pot(t, i); !open {
			t.Fatal("no account of the budget")
		}
		if after := w.b.standing(pot); after.Leased > before.Leased && after.Leased > after.Balance {
			t.Fatalf("%d leased of %d left of the budget", after.Leased, after.Balance)
		}
		return spend
	}
	if e, ok := fault.As(err); !ok || e.Code != CodeInsufficient || !errors.Is(err, fault.Exhausted) {
		t.Fatalf("the budget refused for another reason: %v", err)
	}
	if need := amount - free; need <= before.available() {
		t.Fatalf("the budget refused %d with %d free and %d available", amount, free, before.available())
	}
	return nil
}

// Settle ends a request, released or not, at a cost that may be more than it held.
func (w *world) Settle(t *rapid.T) {
	n := w.up(t)
	r := n.request(t)
	cost := money.Amount(rapid.Int64Range(0, 60).Draw(t, "cost"))
	n.spend(w, r, cost)
	r.settle(cost)
	r.settle(cost)
	r.release()
	n.remove(r)
}

// BookBeforeSettle is a booker that is faster than the request that hands it the event.
func (w *world) BookBeforeSettle(t *rapid.T) {
	n := w.up(t)
	r := n.request(t)
	cost := money.Amount(rapid.Int64Range(1, 60).Draw(t, "cost"))
	n.spend(w, r, cost)
	w.book(t, n, len(n.spool))
	if rapid.Bool().Draw(t, "renewed in between") {
		w.renew(t, n)
	}
	r.settle(cost)
	n.remove(r)
}

// Release ends a request without a charge; its hold may still be settled.
func (w *world) Release(t *rapid.T) {
	n := w.up(t)
	r := n.request(t)
	r.release()
	r.release()
	r.open = false
	if rapid.Bool().Draw(t, "for good") {
		n.remove(r)
	}
}

// Book books the beginning of a node's spool. It may be that the commit's answer is lost and the batch is offered again.
func (w *world) Book(t *rapid.T) {
	n := w.up(t)
	if len(n.spool) == 0 {
		t.Skip("nothing to book")
	}
	w.book(t, n, rapid.IntRange(1, len(n.spool)).Draw(t, "batch"))
}

func (w *world) book(t *rapid.T, n *node, count int) {
	charges := n.spool[:count]
	n.spool = n.spool[count:]
	times := rapid.IntRange(1, 2).Draw(t, "times")
	var budgets map[id.Account]money.Amount // of the first time
	for i := range times {
		err := db.InTx(context.Background(), w.b.pool, func(tx pgx.Tx) error {
			took, err := w.b.ledger.BookTx(job(context.Background()), tx, n.id, charges)
			if i == 0 {
				budgets = took
			} else if len(took) > 0 {
				t.Fatalf("budgets were charged twice: %v", took)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range charges {
		if c.Amount > 0 {
			w.booked = append(w.booked, c)
			w.draw(c.Account, c.Amount)
			w.b.logged(w.users[slices.Index(w.accounts, c.Account)], c.Request)
		}
	}
	if n.leases == nil {
		return
	}
	for _, c := range charges {
		n.leases.Booked(c.Account, c.Amount)
	}
	for pot, amount := range budgets {
		n.leases.Booked(pot, amount)
	}
}

// Rollback offers a batch in a transaction that fails.
func (w *world) Rollback(t *rapid.T) {
	n := w.up(t)
	failure := errors.New("the connection is gone")
	err := db.InTx(context.Background(), w.b.pool, func(tx pgx.Tx) error {
		if _, err := w.b.ledger.BookTx(job(context.Background()), tx, n.id, n.spool); err != nil {
			return err
		}
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
}

// Crash kills a node. What was in flight is charged when it starts again, up to what it held, or not at all.
func (w *world) Crash(t *rapid.T) {
	n := w.up(t)
	for _, r := range n.holds {
		if r.open && rapid.Bool().Draw(t, "truncated") {
			cost := money.Amount(rapid.Int64Range(0, int64(r.hold.Amount())).Draw(t, "cost"))
			n.spend(w, r, cost)
		}
	}
	n.leases, n.holds = nil, nil
	if rapid.Bool().Draw(t, "at once") {
		w.start(t, n)
	}
}

// CrashBehindCommit kills a node between the commit of a batch and the memory's hearing of it.
func (w *world) CrashBehindCommit(t *rapid.T) {
	n := w.up(t)
	n.leases, n.holds = nil, nil
	w.book(t, n, len(n.spool))
	w.start(t, n)
}

// Restart starts a node that is down.
func (w *world) Restart(t *rapid.T) {
	n := w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(t, "node")]
	if n.leases != nil {
		t.Skip("up")
	}
	w.start(t, n)
}

// Stop stops a node cleanly.
func (w *world) Stop(t *rapid.T) {
	w.stop(t, w.up(t))
}

func (w *world) stop(t *rapid.T, n *node) {
	for _, r := range n.holds {
		r.release()
	}
	n.holds = nil
	w.book(t, n, len(n.spool))
	w.b.exec(`UPDATE spool_cursors SET drained = true WHERE node_id = $1`, n.id)
	if rapid.Bool().Draw(t, "gives back") {
		if err := n.leases.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, account := range w.all(t) {
			if left := w.b.row(account, n.id); left != 0 {
				t.Fatalf("%d of a closed node's lease are left", left)
			}
		}
	}
	n.leases = nil
}

// Renew is a node's round of upkeep.
func (w *world) Renew(t *rapid.T) {
	w.renew(t, w.up(t))
}

func (w *world) renew(t *rapid.T, n *node) {
	if err := n.leases.renew(context.Background(), false); err != nil {
		t.Fatal(err)
	}
	for _, account := range w.all(t) {
		// With nothing under way, memory has all that the row has: what it has not would be lost to everybody.
		if e := n.leases.leases[account]; e != nil && e.amount != w.b.row(account, n.id) {
			t.Fatalf("memory has %d, the row %d", e.amount, w.b.row(account, n.id))
		}
	}
}

// Fetch is the background's share.
func (w *world) Fetch(t *rapid.T) {
	if err := w.up(t).leases.fetchLow(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Expire lets time pass.
func (w *world) Expire(t *rapid.T) {
	w.b.clock.advance(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
	w.b.exec(`UPDATE credit_leases SET expires_at = expires_at - interval '1 hour'`)
}

// JumpBack sets the nodes' clocks back.
func (w *world) JumpBack(t *rapid.T) {
	w.b.clock.advance(-time.Duration(rapid.IntRange(1, 7200).Draw(t, "seconds")) * time.Second)
}

// Sweep returns what stopped nodes have left.
func (w *world) Sweep(t *rapid.T) {
	if _, err := w.b.ledger.sweep(job(context.Background()), 0); err != nil {
		t.Fatal(err)
	}
}

// CloseBooks is the job that compares balances with their entries since it last did.
func (w *world) CloseBooks(t *rapid.T) {
	found, err := w.b.ledger.Verify(job(context.Background()))
	if err != nil || len(found) > 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, account := range w.accounts {
		s := w.b.standing(account)
		if chain := w.b.chain(t, account); len(chain) > 0 && chain[len(chain)-1] != s.Balance || len(chain) == 0 && s.Balance != 0 {
			t.Fatalf("a balance of %d is closed with %v", s.Balance, chain)
		}
	}
}

// Check is what holds at all times.
func (w *world) Check(t *rapid.T) {
	w.b.clock.advance(time.Second) // a refusal is remembered for less
	for i, account := range w.accounts {
		if s := w.b.standing(account); s.Balance != s.Entries {
			t.Fatalf("balance %d, entries %d", s.Balance, s.Entries)
		}
		w.bounded(t, account, account)
		w.checkLots(t, i)
		if pot, open := w.pot(t, i); open {
			w.bounded(t, pot, account)
		}
	}
}

// bounded holds an account, or that of a budget, to the bound: requests of an account are in flight on both.
func (w *world) bounded(t *rapid.T, account, requestsOf id.Account) {
	s := w.b.standing(account)
	var over money.Amount
	for _, n := range w.nodes {
		over += n.over[requestsOf]
		if n.leases == nil {
			continue
		}
		if e := n.leases.leases[account]; e != nil && e.amount > s.Leases[n.id] {
			t.Fatalf("a node counts on %d and has leased %d", e.amount, s.Leases[n.id])
		}
		if free := n.free(account); free < -n.over[requestsOf] {
			t.Fatalf("%d free, over by %d", free, n.over[requestsOf])
		}
	}
	if s.Balance < -over {
		t.Fatalf("balance %d, requests in flight were over by %d", s.Balance, over)
	}
}

// all is the accounts, with those of budgets.
func (w *world) all(t *rapid.T) []id.Account {
	all := slices.Clone(w.accounts)
	for i := range w.users {
		if pot, open := w.pot(t, i); open {
			all = append(all, pot)
		}
	}
	return all
}

// end lets everything come to rest: then everything that was charged is booked once, and everything else is available.
func (w *world) end(t *rapid.T) {
	for _, n := range w.nodes {
		if n.leases == nil {
			w.start(t, n)
		}
		w.stop(t, n)
	}
	w.b.exec(`UPDATE credit_leases SET expires_at = expires_at - interval '1 hour'`)
	w.Sweep(t)
	expired := w.endLots(t)
	w.CloseBooks(t)
	var charged money.Amount
	for request, amount := range w.charged {
		var count int
		var booked money.Amount
		err := w.b.pool.QueryRow(context.Background(), `
			SELECT count(*), coalesce(-sum(amount), 0)::bigint FROM credit_entries WHERE request_id = $1 AND kind = 'charge'`, request).Scan(&count, &booked)
		if err != nil {
			t.Fatal(err)
		}
		if booked != amount || amount > 0 && count != 1 {
			t.Fatalf("request that cost %d is booked %d times with %d", amount, count, booked)
		}
		charged += amount
	}
	for i, account := range w.accounts {
		pot, open := w.pot(t, i)
		if !open {
			continue
		}
		var spent money.Amount
		for _, c := range w.booked {
			if c.Account == account {
				spent += c.Amount
			}
		}
		if s := w.b.standing(pot); w.budgets[i]-s.Balance != spent || s.Leased != 0 {
			t.Fatalf("%d of a budget of %d are left, %d leased, after %d was spent", s.Balance, w.budgets[i], s.Leased, spent)
		}
	}
	var granted, balance money.Amount
	for _, account := range w.accounts {
		s := w.b.standing(account)
		if s.Leased != 0 {
			t.Fatalf("%d leaked in leases", s.Leased)
		}
		granted += w.granted[account]
		balance += s.Balance
	}
	var refunded money.Amount
	for _, amount := range w.refunded {
		refunded += amount
	}
	if balance != granted+refunded-charged-expired {
		t.Fatalf("balances %d, granted %d, refunded %d, charged %d, expired %d", balance, granted, refunded, charged, expired)
	}
}

// spend writes a request's charge to the spool.
func (n *node) spend(w *world, r *inFlight, cost money.Amount) {
	held := r.hold.Amount()
	if !r.open {
		held = 0
	}
	n.over[r.account] += max(cost-held, 0)
	user := w.users[slices.Index(w.accounts, r.account)]
	n.spool = append(n.spool, Charge{Account: r.account, User: user, Request: r.id, Amount: cost, Reason: "model", At: time.Now()})
	w.charged[r.id] = cost
}

func (n *node) remove(r *inFlight) {
	for i, other := range n.holds {
		if other == r {
			n.holds = append(n.holds[:i], n.holds[i+1:]...)
			return
		}
	}
}

func (n *node) free(account id.Account) money.Amount {
	if e := n.leases.leases[account]; e != nil {
		return e.free()
	}
	return 0
}
