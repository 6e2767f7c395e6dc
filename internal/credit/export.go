package credit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
)

// EachEntry calls each with every entry of an account from a time until another, oldest first, as they come from Postgres,
// until it fails. Zero times are no bounds. It has no limit but the caller's, keeps nothing, and holds a connection meanwhile.
func (l *Ledger) EachEntry(ctx context.Context, account id.Account, from, to time.Time, each func(Entry) error) error {
	g, err := authz.Require(ctx, authz.CreditRead)
	if err != nil {
		return err
	}
	owner, err := l.q.GetCreditAccountOwner(ctx, l.pool, account)
	if err != nil {
		return fmt.Errorf("read credit account: %w", db.Classify(err))
	}
	if err := g.Owner(owner); err != nil {
		return err
	}
	err = db.Streaming(ctx, l.pool, func(tx pgx.Tx) error {
		return l.q.EachCreditEntry(ctx, tx, account, from, to, func(row db.CreditEntry) error { return each(fromRow(row)) })
	})
	if err != nil {
		return fmt.Errorf("read credit entries: %w", err)
	}
	return nil
}
