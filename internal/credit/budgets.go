package credit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// maxWindows is how many budgets a node has in mind; beyond it all are looked up again.
const maxWindows = 100_000

// Budgets hold requests to budgets on one node. What is left of a budget in a window is an account of its own, of which the
// node leases shares by the same Leases as of credit. So what holds for balances holds for budgets, over all nodes: more is
// spent in a window at most by what the requests in flight cost beyond their holds, added up.
//
// Postgres is asked at the first request of a window, and as Leases does after that. An amount that was lowered holds at
// once for what is not leased; nodes in use keep no more than their largest recent hold after 20 seconds.
type Budgets struct {
	leases *Leases

	mu      sync.RWMutex
	windows map[budgetKey]*budgetWindow
}

type budgetKey struct {
	Owner
	window Window
}

// An Owner has a budget: a key, a user, or a limit of spend.
type Owner struct {
	ID    uuid.UUID
	Limit uuid.UUID // of which the budget is; zero of a key or a user
}

// A budgetWindow is the newest window of a budget that this node knows of.
type budgetWindow struct {
	start   time.Time
	account id.Account
	refused atomic.Bool // and noted
}

// NewBudgets returns the budgets of the node whose leases these are.
func NewBudgets(leases *Leases) *Budgets {
	return &Budgets{leases: leases, windows: make(map[budgetKey]*budgetWindow)}
}

// Reserve holds an amount of a budget, in the window that a moment is in. A nil Hold is one of a budget
// that is no more. Failures are those of Leases.Reserve.
//
// No actor is asked for: the caller has verified the key whose budget this is.
func (b *Budgets) Reserve(ctx context.Context, owner Owner, window Window, at time.Time, amount money.Amount) (*Hold, error) {
	w, err := b.window(ctx, budgetKey{owner, window}, window.Start(at))
	if err != nil || w == nil {
		return nil, err
	}
	hold, err := b.leases.Reserve(ctx, w.account, amount)
	if errors.Is(err, fault.Exhausted) && !w.refused.Swap(true) {
		b.note(ctx, w)
	}
	return hold, err
}

// window finds the account of a window, or opens one. It is nil where the budget is no more.
func (b *Budgets) window(ctx context.Context, key budgetKey, start time.Time) (*budgetWindow, error) {
	b.mu.RLock()
	known := b.windows[key]
	b.mu.RUnlock()
	if known != nil && known.start.Equal(start) {
		return known, nil
	}
	account, err := b.open(ctx, key, start)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, waited(ctx, fmt.Errorf("open the window of a budget: %w", err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	known = b.windows[key]
	switch {
	case known != nil && known.account == account:
		return known, nil
	case known == nil && len(b.windows) >= maxWindows:
		clear(b.windows)
	}
	w := &budgetWindow{start: start, account: account}
	if known == nil || known.start.Before(start) { // a request of before midnight may be the last to come
		b.windows[key] = w
	}
	return w, nil
}

func (b *Budgets) open(ctx context.Context, key budgetKey, start time.Time) (id.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, reserveTimeout)
	defer cancel()
	l := b.leases
	params := db.GetBudgetSpendParams{OwnerID: key.ID, BudgetWindow: string(key.window), StartsAt: start}
	account, err := l.q.GetBudgetSpend(ctx, l.pool, params)
	if !errors.Is(err, pgx.ErrNoRows) {
		return account, err
	}
	err = l.q.OpenBudgetSpend(ctx, l.pool, db.OpenBudgetSpendParams{
		OwnerID: key.ID, BudgetWindow: string(key.window), StartsAt: start, AccountID: id.New[id.Account]().UUID, LimitID: key.limit(),
	})
	if err != nil {
		return id.Account{}, err
	}
	return l.q.GetBudgetSpend(ctx, l.pool, params)
}

// limit is nil of a key or a user.
func (o Owner) limit() *uuid.UUID {
	if o.Limit == uuid.Nil {
		return nil
	}
	return &o.Limit
}

// note writes down that a request was refused, once for each window and node, for the alert: what is left may be more than
// nothing, and less than any request needs. Failing that the alert comes when all is spent.
func (b *Budgets) note(ctx context.Context, w *budgetWindow) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askAgain)
	defer cancel()
	if err := b.leases.q.NoteBudgetRefusal(ctx, b.leases.pool, w.account); err != nil {
		b.leases.log.Warn("a budget that is used up could not be noted", "error", err)
	}
}
