package credit

import (
	"context"
	"fmt"
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
