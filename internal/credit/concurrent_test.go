package credit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// TestNodesAtOnce has nodes spend two small accounts at the same time, each with many requests, a booker and its upkeep.
// No request costs more than it held, so at no moment may more be leased than there is.
func TestNodesAtOnce(t *testing.T) {
	t.Parallel()
	const nodes, workers, requests = 3, 6, 120
	b := newBank(t)
	var users []id.User
	var accounts []id.Account
	for range 2 {
		user, account := b.open(2000)
		users, accounts = append(users, user), append(accounts, account)
	}
	ctx := job(t.Context())
	var running sync.WaitGroup
	stopWatching := watch(t, b, accounts)
	running.Go(func() {
		for range 20 {
			for _, user := range users {
				if _, _, err := b.ledger.Grant(ctx, GrantInput{UserID: user, Amount: 150}); err != nil {
					t.Error(err)
				}
			}
		}
	})
	var served, refused [nodes]int
	var spent [2]money.Amount
	var mu sync.Mutex
	for n := range nodes {
		node := id.New[id.Node]()
		l := b.leases(node)
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
					which := rand.N(2)
					cost, ok := serve(t, ctx, l, accounts[which], spool)
					mu.Lock()
					if ok {
						served[n]++
						spent[which] += cost
					} else {
						refused[n]++
					}
					mu.Unlock()
				}
			})
		}
		running.Go(func() { all.Wait(); close(workersDone) })
	}
	running.Wait()
	stopWatching()

	t.Logf("served %v, refused %v", served, refused)
	for i, account := range accounts {
		s := b.standing(account)
		if want := 5000 - spent[i]; s.Balance != want || s.Entries != want || s.Leased != 0 {
			t.Errorf("balance %d, entries %d, want %d; leased %d, want none", s.Balance, s.Entries, want, s.Leased)
		}
	}
	for n := range nodes {
		if served[n] == 0 {
			t.Errorf("node %d was starved", n)
		}
	}
}

// watch looks at the accounts again and again, until it is stopped.
func watch(t *testing.T, b *bank, accounts []id.Account) (stop func()) {
	quit := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			for _, account := range accounts {
				if s := b.standing(account); s.Leased > s.Balance || s.Balance != s.Entries {
					t.Errorf("balance %d, entries %d, leased %d", s.Balance, s.Entries, s.Leased)
				}
			}
			select {
			case <-quit:
				return
			default:
			}
		}
	})
	return func() { close(quit); watching.Wait() }
}

// serve is one request: ok says that it was let through.
func serve(t *testing.T, ctx context.Context, l *Leases, account id.Account, spool chan<- Charge) (cost money.Amount, ok bool) {
	hold, err := l.Reserve(ctx, account, money.Amount(rand.N(30)))
	if err != nil {
		if !errors.Is(err, fault.Exhausted) {
			t.Error(err)
		}
		return 0, false
	}
	if rand.N(5) == 0 {
		hold.Release()
		return 0, true
	}
	cost = money.Amount(rand.Int64N(int64(hold.Amount()) + 1))
	c := charge(account, cost)
	if rand.N(2) == 0 { // the booker may be first
		spool <- c
		hold.Settle(cost)
	} else {
		hold.Settle(cost)
		spool <- c
	}
	return cost, true
}

// bookAll is a booker, in batches of what is there.
func bookAll(t *testing.T, ctx context.Context, b *bank, l *Leases, node id.Node, spool <-chan Charge) {
	for first := range spool {
		batch := []Charge{first}
	fill:
		for len(batch) < 20 {
			select {
			case c, ok := <-spool:
				if !ok {
					break fill
				}
				batch = append(batch, c)
			default:
				break fill
			}
		}
		err := db.InTx(ctx, b.pool, func(tx pgx.Tx) error {
			_, err := b.ledger.BookTx(ctx, tx, node, batch)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		for _, c := range batch {
			l.Booked(c.Account, c.Amount)
		}
	}
}

// upkeepUntil does what Run does, at once again and again, and closes the leases in the end.
func upkeepUntil(t *testing.T, ctx context.Context, b *bank, l *Leases, done <-chan struct{}) {
	for {
		select {
		case <-done:
			// What is known of a row may be from before its last booking; a round evens it out.
			if err := l.renew(ctx, false); err != nil {
				t.Error(err)
			}
			if err := l.Close(ctx); err != nil {
				t.Error(err)
			}
			return
		default:
		}
		b.clock.advance(20 * time.Millisecond)
		if err := errors.Join(l.fetchLow(ctx), l.renew(ctx, false)); err != nil {
			t.Error(err)
		}
	}
}
