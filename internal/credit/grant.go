package credit

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

const (
	// MaxGrant is the most that one grant or adjustment moves: a million credits. A slip of the finger stays far from
	// what a balance can hold.
	MaxGrant = 1_000_000 * money.Credit
	// MaxBalance is the most that an account may be given, a billion credits: sums over several stay below what 64 bits hold.
	MaxBalance = 1_000_000_000 * money.Credit
	// maxReason and maxKey are in characters.
	maxReason = 500
	maxKey    = 200
)

// A GrantInput asks for credit to be given.
type GrantInput struct {
	UserID id.User
	Kind   Kind         // KindGrant, which "" stands for, or KindAdjustment
	Amount money.Amount // not zero, at most MaxGrant; negative only for an adjustment
	Reason string       // required for an adjustment
	// IdempotencyKey makes a repeated grant one: the same key with the same content is answered with the first entry, with
	// other content it is a Conflict. Keys are of one account. Without a key each grant is a new one.
	IdempotencyKey string
	ExpiresAt      *time.Time // of a grant; kept in microseconds; nil is never
}

func (in *GrantInput) validate() error {
	if in.Kind == "" {
		in.Kind = KindGrant
	}
	if in.ExpiresAt != nil {
		in.ExpiresAt = new(in.ExpiresAt.Truncate(time.Microsecond))
	}
	switch {
	case in.Kind != KindGrant && in.Kind != KindAdjustment:
		return fault.Field("kind", "kind must be grant or adjustment")
	case in.Amount == 0:
		return fault.Field("amount", "amount must not be zero")
	case in.Amount < 0 && in.Kind != KindAdjustment:
		return fault.Field("amount", "amount must be positive: only an adjustment takes credit away")
	case in.Amount > MaxGrant || in.Amount < -MaxGrant:
		return fault.Field("amount", "amount must be at most %s credits", MaxGrant)
	case in.Kind == KindAdjustment && in.Reason == "":
		return fault.Field("reason", "an adjustment needs a reason")
	case utf8.RuneCountInString(in.Reason) > maxReason:
		return fault.Field("reason", "reason must have at most %d characters", maxReason)
	case in.ExpiresAt != nil && in.Kind != KindGrant:
		return fault.Field("expiresAt", "only a grant expires")
	case utf8.RuneCountInString(in.IdempotencyKey) > maxKey:
		return fault.Field("idempotencyKey", "idempotencyKey must have at most %d characters", maxKey)
	}
	return nil
}

// Grant adds to, or as an adjustment takes from, an account, and returns the entry and the account after it. An
// adjustment takes at most what is available: what nodes have leased may be spent already.
func (l *Ledger) Grant(ctx context.Context, in GrantInput) (Entry, Account, error) {
	if _, err := authz.Require(ctx, authz.CreditGrant); err != nil {
		return Entry{}, Account{}, err
	}
	var entry Entry
	var account Account
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		entry, account, err = l.GrantTx(ctx, tx, in)
		return err
	})
	if err != nil {
		return Entry{}, Account{}, err
	}
	return entry, account, nil
}

// GrantTx is Grant in the caller's transaction.
func (l *Ledger) GrantTx(ctx context.Context, tx pgx.Tx, in GrantInput) (Entry, Account, error) {
	g, err := authz.Require(ctx, authz.CreditGrant)
	if err != nil {
		return Entry{}, Account{}, err
	}
	if err := in.validate(); err != nil {
		return Entry{}, Account{}, err
	}
	locked, err := l.q.LockCreditAccountOfUser(ctx, tx, in.UserID)
	if err != nil {
		return Entry{}, Account{}, fmt.Errorf("lock credit account: %w", db.Classify(err))
	}
	key := "grant:" + in.IdempotencyKey
	if in.IdempotencyKey == "" {
		key = "once:" + id.New[id.Entry]().String()
	}
	entry, err := l.repeated(ctx, tx, locked.ID, key, in)
	if errors.Is(err, fault.NotFound) {
		entry, err = l.insertGrant(ctx, tx, g, locked, key, in)
	}
	if err != nil {
		return Entry{}, Account{}, err
	}
	account, err := l.account(ctx, tx, in.UserID)
	return entry, account, err
}

// repeated is the entry that the key already has, a Conflict where its content is another, NotFound where there is none.
func (l *Ledger) repeated(ctx context.Context, tx pgx.Tx, account id.Account, key string, in GrantInput) (Entry, error) {
	row, err := l.q.GetCreditEntryByKey(ctx, tx, db.GetCreditEntryByKeyParams{AccountID: account, IdempotencyKey: key})
	if err != nil {
		return Entry{}, fmt.Errorf("look for an earlier grant: %w", db.Classify(err))
	}
	entry := fromRow(row)
	end, err := l.endOf(ctx, tx, entry.ID)
	if err != nil {
		return Entry{}, err
	}
	sameEnd := end == in.ExpiresAt || end != nil && in.ExpiresAt != nil && end.Equal(*in.ExpiresAt)
	if entry.Kind != in.Kind || entry.Amount != in.Amount || entry.Reason != in.Reason || !sameEnd {
		err := fault.New(fault.Conflict, "this idempotency key has been used for another grant")
		err.Path = []string{"idempotencyKey"}
		return Entry{}, err
	}
	return entry, nil
}

func (l *Ledger) insertGrant(ctx context.Context, tx pgx.Tx, g authz.Grant, locked db.CreditAccount, key string, in GrantInput) (Entry, error) {
	if in.Amount < 0 {
		now, err := l.account(ctx, tx, in.UserID)
		if err != nil {
			return Entry{}, err
		}
		if now.Available() < -in.Amount {
			err := fault.New(fault.Conflict, "only %s credits are available: the rest is spent or reserved by running requests", max(now.Available(), 0))
			err.Path = []string{"amount"}
			return Entry{}, err
		}
	}
	if at := in.ExpiresAt; at != nil && (!at.After(time.Now()) || at.After(time.Now().AddDate(0, 0, MaxValidDays))) {
		return Entry{}, fault.Field("expiresAt", "credit expires in the future, within %d days, or never", MaxValidDays)
	}
	entry, err := l.give(ctx, tx, locked, db.InsertCreditEntryParams{
		Kind: string(in.Kind), Amount: in.Amount, Reason: in.Reason, IdempotencyKey: key, ActorID: actorOf(g),
	}, endsAt(in.ExpiresAt))
	if err != nil {
		return Entry{}, err
	}
	err = l.audit.Record(ctx, tx, "credit."+string(in.Kind), locked.ID.String(), map[string]any{
		"entry": entry.ID, "user": in.UserID, "amount": in.Amount, "reason": in.Reason, "expiresAt": in.ExpiresAt,
	})
	return entry, err
}

// fits refuses what would make a balance more than it can be.
func fits(balance, amount money.Amount) error {
	if amount > 0 && balance.Add(amount) > MaxBalance {
		err := fault.New(fault.Conflict, "an account holds at most %s credits", MaxBalance)
		err.Path = []string{"amount"}
		return err
	}
	return nil
}

// actorOf is the user who acts; nil for the gateway itself.
func actorOf(g authz.Grant) *id.User {
	if g.UserID.IsZero() {
		return nil
	}
	return &g.UserID
}

// insert adds an entry and moves the balance with it. The caller holds the account's lock.
func (l *Ledger) insert(ctx context.Context, tx pgx.Tx, row db.InsertCreditEntryParams) (Entry, error) {
	row.ID = id.New[id.Entry]()
	inserted, err := l.q.InsertCreditEntry(ctx, tx, row)
	if err != nil {
		return Entry{}, fmt.Errorf("insert %s entry: %w", row.Kind, db.Classify(err))
	}
	if err := l.q.AddToBalance(ctx, tx, db.AddToBalanceParams{ID: row.AccountID, Amount: int64(row.Amount)}); err != nil {
		return Entry{}, fmt.Errorf("move balance: %w", db.Classify(err))
	}
	return fromRow(inserted), nil
}
