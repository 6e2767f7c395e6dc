package credit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
)

// A Ledger keeps accounts and their entries.
type Ledger struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	audit *audit.Log
}

// New returns the ledger of the database behind pool.
func New(pool *pgxpool.Pool, log *audit.Log) *Ledger {
	return &Ledger{pool: pool, q: db.New(), audit: log}
}

// OpenTx opens the account of a new user in the transaction that makes the user, with what new accounts are given.
func (l *Ledger) OpenTx(ctx context.Context, tx pgx.Tx, user id.User) (id.Account, error) {
	if _, err := authz.Require(ctx, authz.UserWrite); err != nil {
		return id.Account{}, err
	}
	account := id.New[id.Account]()
	if err := l.q.InsertCreditAccount(ctx, tx, db.InsertCreditAccountParams{ID: account, UserID: user}); err != nil {
		return id.Account{}, fmt.Errorf("open credit account: %w", db.Classify(err))
	}
	if err := l.welcome(ctx, tx, user, account); err != nil {
		return id.Account{}, fmt.Errorf("give sign-up credit: %w", err)
	}
	return account, nil
}

// Account is the user's account. Another's is not found, unless the actor may read all.
func (l *Ledger) Account(ctx context.Context, user id.User) (Account, error) {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return Account{}, err
	}
	if err := g.Owner(user); err != nil {
		return Account{}, err
	}
	return l.account(ctx, l.pool, user)
}

func (l *Ledger) account(ctx context.Context, tx db.DBTX, user id.User) (Account, error) {
	row, err := l.q.GetCreditAccount(ctx, tx, user)
	if err != nil {
		return Account{}, fmt.Errorf("read credit account: %w", db.Classify(err))
	}
	a := Account{
		ID:       row.CreditAccount.ID,
		UserID:   row.CreditAccount.UserID,
		Balance:  row.CreditAccount.Balance,
		Reserved: money.Amount(row.Reserved),
		Budgets:  budgetsOf(row.CreditAccount),
	}
	if a.Recharge, err = l.rule(ctx, tx, a.ID); err != nil {
		return Account{}, err
	}
	return a, nil
}

// entryKey is where an entry stands in the list.
type entryKey struct {
	At time.Time `json:"at"`
	ID id.Entry  `json:"id"`
}

// newest stands before every entry.
var newest = entryKey{At: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ID: id.Entry{UUID: uuid.Max}}

// Entries is a page of an account's entries, newest first.
func (l *Ledger) Entries(ctx context.Context, account id.Account, args page.Args) (page.Page[Entry], error) {
	var none page.Page[Entry]
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return none, err
	}
	owner, err := l.q.GetCreditAccountOwner(ctx, l.pool, account)
	if err != nil {
		return none, fmt.Errorf("read credit account: %w", db.Classify(err))
	}
	if err := g.Owner(owner); err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	before := newest
	if _, err := page.Decode(args.After, &before); err != nil {
		return none, err
	}
	rows, err := l.q.ListCreditEntries(ctx, l.pool, db.ListCreditEntriesParams{
		AccountID: account, BeforeAt: before.At, BeforeID: before.ID.UUID, RowLimit: int32(size + 1),
	})
	if err != nil {
		return none, fmt.Errorf("list credit entries: %w", db.Classify(err))
	}
	n, err := l.q.CountCreditEntries(ctx, l.pool, db.CountCreditEntriesParams{AccountID: account, RowLimit: page.CountLimit + 1})
	if err != nil {
		return none, fmt.Errorf("count credit entries: %w", db.Classify(err))
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		entries[i] = fromRow(row)
	}
	p := page.New(entries, size, func(e Entry) string { return page.Encode(entryKey{At: e.CreatedAt, ID: e.ID}) })
	p.Total = page.Counted(n)
	return p, nil
}

func fromRow(row db.CreditEntry) Entry {
	return Entry{
		ID:        row.ID,
		AccountID: row.AccountID,
		Kind:      Kind(row.Kind),
		Amount:    row.Amount,
		Reason:    row.Reason,
		RequestID: row.RequestID,
		ActorID:   row.ActorID,
		CreatedAt: row.CreatedAt,
	}
}

// BookTx books the charges of a node in the transaction that advances the node's spool cursor. A charge whose request has
// one already changes nothing. Balances fall by what is new, and the node's leases by the same, though not below zero: what
// a request cost beyond its lease is its account's debt.
//
// The accounts stay locked until the transaction ends, so it should end soon. After the commit the caller tells the node's
// Leases by Booked of each charge, and of what budgets were charged, which BookTx returns by the budgets' accounts.
func (l *Ledger) BookTx(ctx context.Context, tx pgx.Tx, node id.Node, charges []Charge) (budgets map[id.Account]money.Amount, err error) {
	if _, err := authz.Require(ctx, authz.CreditBook); err != nil {
		return nil, err
	}
	batch := db.BookChargesParams{NodeID: node, RowLimit: math.MaxInt32}
	var since time.Time
	for _, c := range charges {
		if c.Amount < 0 {
			return nil, fmt.Errorf("book charge of request %s: the amount %s is negative", c.Request, c.Amount)
		}
		if c.Amount == 0 {
			continue
		}
		entry := id.New[id.Entry]().UUID
		batch.Ids = append(batch.Ids, entry)
		for _, owner := range c.owners() {
			batch.OwnedIds, batch.OwnerIds = append(batch.OwnedIds, entry), append(batch.OwnerIds, owner)
		}
		batch.AccountIds = append(batch.AccountIds, c.Account.UUID)
		batch.RequestIds = append(batch.RequestIds, c.Request.UUID)
		batch.Amounts = append(batch.Amounts, int64(c.Amount))
		batch.Reasons = append(batch.Reasons, c.Reason)
		batch.CreatedAt = append(batch.CreatedAt, c.At)
		if since.IsZero() || c.At.Before(since) {
			since = c.At
		}
	}
	if len(batch.Ids) == 0 {
		return nil, nil
	}
	err = l.q.LockChargedAccounts(ctx, tx, db.LockChargedAccountsParams{
		Ids: batch.AccountIds, OwnerIds: batch.OwnerIds, Since: since,
	})
	if err != nil {
		return nil, fmt.Errorf("lock credit accounts: %w", db.Classify(err))
	}
	rows, err := l.q.BookCharges(ctx, tx, batch)
	if err != nil {
		return nil, fmt.Errorf("book charges: %w", db.Classify(err))
	}
	for _, row := range rows {
		if budgets == nil {
			budgets = make(map[id.Account]money.Amount, len(rows))
		}
		budgets[row.AccountID] = money.Amount(row.Charged)
	}
	return budgets, nil
}
