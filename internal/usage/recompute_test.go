package usage

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
)

// drawVersion is prices of every kind.
func drawVersion(t *rapid.T) pricing.Version {
	price := func(label string) *money.Price {
		return rapid.Ptr(rapid.Map(rapid.Int64Range(0, 100_000_000), func(n int64) money.Price { return money.Price(n) }), true).Draw(t, label)
	}
	each := func(label string) *money.Amount {
		return rapid.Ptr(rapid.Map(rapid.Int64Range(0, 1_000_000_000), func(n int64) money.Amount { return money.Amount(n) }), true).Draw(t, label)
	}
	factor := func(label string) pricing.Factor { return pricing.Factor(rapid.Int64Range(0, 30_000).Draw(t, label)) }
	rare := pricing.Rare{
		CacheWrite1h: price("1h"), Reasoning: price("reasoning"), AudioInput: price("audio in"), AudioOutput: price("audio out"), ImageInput: price("image in"),
		ImageOutput: price("image out"), Characters: price("characters"), Request: each("request"), Image: each("image"), Second: each("second"),
		Batch: new(factor("batch")), Flex: new(factor("flex")), Priority: new(factor("priority")),
		Windows: []pricing.Window{{From: pricing.Clock(rapid.IntRange(0, 700).Draw(t, "from")), To: pricing.Clock(rapid.IntRange(701, 1440).Draw(t, "to")), Times: factor("times")}},
		Tiers:   []pricing.Tier{{Above: rapid.Int64Range(1, llm.MaxTokens).Draw(t, "above"), Input: price("tier input"), CacheWrite1h: price("tier 1h")}},
	}
	rate := pricing.Rate{Input: new(money.Price(1)), CachedInput: price("cached"), CacheWrite: price("write"), Output: new(money.Price(2)), Rare: &rare}
	return pricing.Version{Rate: rate, Markup: pricing.MarkupOf(factor("provider"), factor("model"))}
}

// TestChargeCanBeRecomputed: a booked row and the version that it names are enough to get its charge again, whatever was used,
// and so they are after a replay of the spool.
func TestChargeCanBeRecomputed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	reports, admin := h.reports(), authz.With(t.Context(), authz.Job("test"))
	q := db.New()
	rapid.Check(t, func(t *rapid.T) {
		v, e := drawVersion(t), drawEvent(t)
		e.StartedAt = time.UnixMicro(rapid.Int64Range(1.7e15, 1.701e15).Draw(t, "began")).UTC()
		e.ID, e.UserID, e.KeyID, e.AccountID, e.Plan = NewID(e.StartedAt), h.user, h.key, h.account, nil
		cost, charge, priced := v.Charge(e.Usage, e.StartedAt)
		if e.Unpriced, e.PriceVersion = !priced, ""; priced {
			e.Charge, e.Cost, e.PriceVersion = &charge, &cost, v.ID()
		} else {
			e.Charge, e.Cost = nil, nil
		}
		for i := range e.Attempts {
			e.Attempts[i].Charge %= money.Credit
			e.Add(0, e.Attempts[i].Charge)
		}
		_, decoded, err := decodeRecord(appendRecord(nil, finishedRecord, &e))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.InTx(admin, h.pool, func(tx pgx.Tx) error {
			fresh, err := insertRequests(admin, tx, q, []*Event{&decoded})
			if len(fresh) != 1 {
				t.Fatalf("%d rows, %v", len(fresh), err)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		version, err := json.Marshal([]any{map[string]any{"id": v.ID(), "rate": v.Rate, "markup": v.Markup}})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.InsertPriceVersions(admin, h.pool, version); err != nil {
			t.Fatal(err)
		}

		p, err := reports.Requests(admin, RequestFilter{From: e.StartedAt, To: e.StartedAt.Add(time.Microsecond)}, NewestFirst, page.Args{First: 100})
		if err != nil {
			t.Fatal(err)
		}
		i := len(p.Items) - 1
		for i > 0 && p.Items[i].ID != e.ID {
			i--
		}
		row := p.Items[i]
		if diff := cmp.Diff(e.Usage, row.Usage); diff != "" {
			t.Fatal("usage (-want +got):\n", diff)
		}
		if diff := cmp.Diff(e.Attempts, row.Attempts, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal("attempts (-want +got):\n", diff)
		}
		if !priced {
			if row.Charge != nil || !row.Unpriced {
				t.Fatalf("unpriced, and yet %+v", row)
			}
			return
		}
		versions, err := reports.PriceVersions(admin, []string{row.PriceVersion})
		if err != nil {
			t.Fatal(err)
		}
		again, charged, ok := versions[row.PriceVersion].Charge(row.Usage, row.StartedAt)
		for _, a := range row.Attempts {
			charged += a.Charge
		}
		if !ok || again != *row.Cost || charged != *row.Charge {
			t.Fatalf("recomputed %d and %d, booked %d and %d", again, charged, *row.Cost, *row.Charge)
		}
	})
}
