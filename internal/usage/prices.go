package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/pricing"
)

// A PriceVersion is prices that requests were billed by.
type PriceVersion struct {
	ID          string
	FirstSeenAt time.Time
	pricing.Version
}

// maxPriceVersions is how many versions PriceVersions gives at once.
const maxPriceVersions = 1000

// PriceVersions finds what versions stand for, at most 1000 of them: none for readers who may not know what vendors charge.
func (r *Reports) PriceVersions(ctx context.Context, versions []string) (map[string]PriceVersion, error) {
	if _, err := authz.Require(ctx, authz.RequestRead); err != nil {
		return nil, err
	}
	if _, err := authz.Require(ctx, authz.CostRead); err != nil {
		return nil, nil //nolint:nilerr // what is not theirs to see is not there
	}
	rows, err := r.q.PriceVersionsByIDs(ctx, r.pool, db.PriceVersionsByIDsParams{Ids: versions, RowLimit: maxPriceVersions})
	if err != nil {
		return nil, fmt.Errorf("read price versions: %w", db.Classify(err))
	}
	found := make(map[string]PriceVersion, len(rows))
	for _, row := range rows {
		v := PriceVersion{ID: row.ID, FirstSeenAt: row.FirstSeenAt, Version: pricing.Version{Markup: pricing.Markup(row.Markup)}}
		if err := json.Unmarshal(row.Rate, &v.Rate); err != nil {
			return nil, fmt.Errorf("read price version %s: %w", row.ID, err)
		}
		found[row.ID] = v
	}
	return found, nil
}
