package snapshot

import (
	"context"
	"encoding/json"
	"fmt"

	"aihigress/db"
	"aihigress/internal/pricing"
)

// priced names the prices of a route, and remembers them.
func (s *Snapshot) priced(r *Route) {
	if r.Upstream == nil {
		return
	}
	v := pricing.Version{Rate: r.Upstream.Rate, Markup: r.Markup}
	if r.PriceVersion = v.ID(); r.PriceVersion != "" {
		s.prices[r.PriceVersion] = v
	}
}

// keepPrices writes down the prices of a snapshot that this process has not written down yet. Where that fails it is tried
// again with the next load, and requests are billed all the same.
func (s *Store) keepPrices(ctx context.Context, next *Snapshot) error {
	type row struct {
		ID string `json:"id"`
		pricing.Version
	}
	var rows []row
	for version, v := range next.prices {
		if !s.kept[version] {
			rows = append(rows, row{version, v})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	raw, err := json.Marshal(rows)
	if err == nil {
		err = db.New().InsertPriceVersions(ctx, s.pool, raw)
	}
	if err != nil {
		return fmt.Errorf("write down %d prices: %w", len(rows), err)
	}
	s.kept = make(map[string]bool, len(next.prices))
	for version := range next.prices {
		s.kept[version] = true
	}
	return nil
}
