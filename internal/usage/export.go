package usage

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
)

// EachRequest calls each with every booked request that the reader may see, oldest first, as they come from Postgres, until it
// fails. It has no limit but the caller's, keeps nothing, and holds a connection meanwhile.
func (r *Reports) EachRequest(ctx context.Context, f RequestFilter, each func(Request) error) error {
	grant, err := authz.Require(ctx, authz.RequestRead)
	if err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return err
	}
	one := make([]Request, 1)
	err = db.Streaming(ctx, r.pool, func(tx pgx.Tx) error {
		return r.q.EachRequest(ctx, tx, f.stored(grant.Filter()), func(row db.Request) (err error) {
			if one[0], err = fromRow(row); err != nil {
				return err
			}
			hideCosts(ctx, one)
			return each(one[0])
		})
	})
	if err != nil {
		return fmt.Errorf("read requests: %w", err)
	}
	return nil
}
