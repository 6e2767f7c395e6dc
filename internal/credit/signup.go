package credit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

// A SignUp is what every new account is given.
type SignUp struct {
	Amount    money.Amount
	ValidDays *int32 // nil is without end
	UpdatedAt time.Time
}

// A SignUpInput sets what every new account is given.
type SignUpInput struct {
	Amount    *money.Amount // above zero, at most MaxGrant; nil is nothing
	ValidDays *int32        // above 0, at most MaxValidDays; nil is without end
}

func (in SignUpInput) validate() error {
	switch {
	case in.Amount == nil && in.ValidDays != nil:
		return fault.Field("amount", "what is good for some days needs an amount")
	case in.Amount == nil:
		return nil
	case *in.Amount <= 0 || *in.Amount > MaxGrant:
		return fault.Field("amount", "what new accounts are given is above 0 and at most %s credits, or nothing", MaxGrant)
	}
	return validDays(in.ValidDays)
}

// SignUp is what new accounts are given; nil is nothing.
func (l *Ledger) SignUp(ctx context.Context) (*SignUp, error) {
	if _, err := authz.Require(ctx, authz.CreditGrant); err != nil {
		return nil, err
	}
	return l.signUp(ctx, l.pool)
}

func (l *Ledger) signUp(ctx context.Context, tx db.DBTX) (*SignUp, error) {
	row, err := l.q.GetSignUpCredit(ctx, tx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read sign-up credit: %w", db.Classify(err))
	}
	return &SignUp{Amount: row.Amount, ValidDays: row.ValidDays, UpdatedAt: row.UpdatedAt}, nil
}

// SetSignUp sets what accounts are given that are opened from now on. Those that are there get nothing by it.
func (l *Ledger) SetSignUp(ctx context.Context, in SignUpInput) (*SignUp, error) {
	if _, err := authz.Require(ctx, authz.CreditGrant); err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	var set *SignUp
	err := db.InTx(ctx, l.pool, func(tx pgx.Tx) (err error) {
		if in.Amount == nil {
			err = l.q.EndSignUpCredit(ctx, tx)
		} else {
			_, err = l.q.SetSignUpCredit(ctx, tx, db.SetSignUpCreditParams{Amount: *in.Amount, ValidDays: in.ValidDays})
		}
		if err != nil {
			return fmt.Errorf("set sign-up credit: %w", db.Classify(err))
		}
		if set, err = l.signUp(ctx, tx); err != nil {
			return err
		}
		return l.audit.Record(ctx, tx, "credit.sign_up", "", map[string]any{"amount": in.Amount, "validDays": in.ValidDays})
	})
	if err != nil {
		return nil, err
	}
	return set, nil
}

// welcome gives a new account what new accounts are given. The entry's key lets an account have it once.
func (l *Ledger) welcome(ctx context.Context, tx pgx.Tx, user id.User, account id.Account) error {
	given, err := l.signUp(ctx, tx)
	if err != nil || given == nil {
		return err
	}
	entry, err := l.give(ctx, tx, db.CreditAccount{ID: account}, db.InsertCreditEntryParams{
		Kind: string(KindGrant), Amount: given.Amount, Reason: ReasonSignUp, IdempotencyKey: "sign-up",
	}, endsAfter(given.ValidDays))
	if err != nil {
		return err
	}
	return l.audit.Record(ctx, tx, "credit.grant", account.String(), map[string]any{
		"entry": entry.ID, "user": user, "amount": given.Amount, "reason": entry.Reason, "validDays": given.ValidDays,
	})
}
