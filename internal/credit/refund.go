package credit

import (
	"context"
	"encoding/binary"
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

// A RefundInput asks for what a request was charged to be given back.
type RefundInput struct {
	RequestID id.Request
	Amount    *money.Amount // above zero, at most the charge; nil is all of it
	Reason    string        // required
}

// requestSlack is how far a request's start may be from the time in its identifier.
const requestSlack = 2 * time.Second

// Refund gives back what a logged request was charged, or a part of it, and returns the entry and the account after it. The
// charge stays as it is. A request is refunded once: the same refund again is answered with the first entry, and another
// one is a Conflict.
func (l *Ledger) Refund(ctx context.Context, in RefundInput) (Entry, Account, error) {
	g, err := authz.Require(ctx, authz.CreditGrant)
	if err != nil {
		return Entry{}, Account{}, err
	}
	if err := in.validate(); err != nil {
		return Entry{}, Account{}, err
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(in.RequestID.UUID[:8]) >> 16))
	user, err := l.q.GetRequestUser(ctx, l.pool, db.GetRequestUserParams{
		ID: in.RequestID, FromTime: at.Add(-requestSlack), ToTime: at.Add(requestSlack),
	})
	if err != nil {
		return Entry{}, Account{}, fmt.Errorf("find the request: %w", db.Classify(err))
	}
	var entry Entry
	var account Account
	err = db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		if entry, err = l.refund(ctx, tx, g, user, in); err != nil {
			return err
		}
		account, err = l.account(ctx, tx, user)
		return err
	})
	if err != nil {
		return Entry{}, Account{}, err
	}
	return entry, account, nil
}

func (in RefundInput) validate() error {
	switch {
	case in.Amount != nil && *in.Amount <= 0:
		return fault.Field("amount", "amount must be positive")
	case in.Reason == "":
		return fault.Field("reason", "a refund needs a reason")
	case utf8.RuneCountInString(in.Reason) > maxReason:
		return fault.Field("reason", "reason must have at most %d characters", maxReason)
	}
	return nil
}

// refund books the refund behind the account's lock.
func (l *Ledger) refund(ctx context.Context, tx pgx.Tx, g authz.Grant, user id.User, in RefundInput) (Entry, error) {
	locked, err := l.q.LockCreditAccountOfUser(ctx, tx, user)
	if err != nil {
		return Entry{}, fmt.Errorf("lock credit account: %w", db.Classify(err))
	}
	charge, err := l.q.GetCreditEntryByKey(ctx, tx, db.GetCreditEntryByKeyParams{
		AccountID: locked.ID, IdempotencyKey: "charge:" + in.RequestID.UUID.String(),
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, fault.New(fault.Conflict, "nothing has been charged for this request")
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read the charge: %w", db.Classify(err))
	}
	amount := -charge.Amount
	if in.Amount != nil {
		amount = *in.Amount
	}
	if amount > -charge.Amount {
		return Entry{}, fault.Field("amount", "amount must be at most %s credits, which the request was charged", -charge.Amount)
	}
	key := "refund:" + in.RequestID.UUID.String()
	before, err := l.q.GetCreditEntryByKey(ctx, tx, db.GetCreditEntryByKeyParams{AccountID: locked.ID, IdempotencyKey: key})
	switch {
	case err == nil && before.Amount == amount && before.Reason == in.Reason:
		return fromRow(before), nil
	case err == nil:
		return Entry{}, fault.New(fault.Conflict, "this request has been refunded already, with %s credits", before.Amount)
	case !errors.Is(err, pgx.ErrNoRows):
		return Entry{}, fmt.Errorf("look for an earlier refund: %w", db.Classify(err))
	}
	if err := fits(locked.Balance, amount); err != nil {
		return Entry{}, err
	}
	entry, err := l.insert(ctx, tx, db.InsertCreditEntryParams{
		AccountID: locked.ID, Kind: string(KindRefund), Amount: amount, Reason: in.Reason,
		IdempotencyKey: key, RequestID: &in.RequestID, ActorID: actorOf(g),
	})
	if err != nil {
		return Entry{}, err
	}
	return entry, l.audit.Record(ctx, tx, "credit.refund", locked.ID.String(), map[string]any{
		"entry": entry.ID, "user": user, "request": in.RequestID, "amount": amount, "charged": -charge.Amount, "reason": in.Reason,
	})
}
