package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A Range is the times from From to To, To excluded. It may be empty.
type Range struct{ From, To time.Time }

// A UsageCut says which rows of counts answer a question: each step serves the part of the time that is its own.
type UsageCut struct {
	Days, Hours, Quarters, Minutes []Range
	// Dimension, a name of the code's, is that of the rows of usage_sums which serve all but minutes; "" takes them from usage_buckets, which has no
	// quarters.
	Dimension string

	Owner, UserID, KeyID, ProviderID *uuid.UUID // nil does not cut
	Model                            *string
	// Among cuts to what one of these has, in each of the grouped columns. It may let more through than these together.
	Among []UsageGroup
	By    UsageBy
}

// UsageBy is the columns that counts are grouped by.
type UsageBy struct{ User, Key, Provider, Model bool }

// A UsageGroup is one group; what it is not grouped by is zero.
type UsageGroup struct {
	UserID, KeyID, ProviderID uuid.UUID
	Model                     string
}

// A UsageRow is a row of counts.
type UsageRow struct {
	UsageGroup
	StartedAt                                                 time.Time
	Requests, Errors, Refused, Input, CachedInput, CacheWrite int64
	Output, Reasoning, Unpriced, Charge, Cost                 int64
	DurationHistogram, FirstTokenHistogram                    []int64
}

// source is a query of the rows, of the given columns.
func (c UsageCut) source(f *filter, columns string) string {
	var cut strings.Builder
	where := func(column string, value *uuid.UUID) {
		if value != nil {
			cut.WriteString(" AND " + column + " = " + f.param(*value))
		}
	}
	where("user_id", c.Owner)
	where("user_id", c.UserID)
	where("api_key_id", c.KeyID)
	where("provider_id", c.ProviderID)
	if c.Model != nil {
		cut.WriteString(" AND model = " + f.param(*c.Model))
	}
	if c.Among != nil {
		among := func(grouped bool, column string, value func(UsageGroup) any) {
			if grouped {
				values := make([]any, len(c.Among))
				for i, g := range c.Among {
					values[i] = value(g)
				}
				cut.WriteString(" AND " + column + " = ANY(" + f.param(values) + ")")
			}
		}
		among(c.By.User, "user_id", func(g UsageGroup) any { return g.UserID })
		among(c.By.Key, "api_key_id", func(g UsageGroup) any { return g.KeyID })
		among(c.By.Provider, "provider_id", func(g UsageGroup) any { return g.ProviderID })
		among(c.By.Model, "model", func(g UsageGroup) any { return g.Model })
	}
	var parts []string
	part := func(seconds int, ranges []Range, sums bool) {
		table, dimension := "usage_buckets", ""
		if sums && c.Dimension != "" {
			table, dimension = "usage_sums", " AND dimension = '"+c.Dimension+"'"
		}
		for _, r := range ranges {
			if r.From.Before(r.To) {
				parts = append(parts, fmt.Sprintf("SELECT %s FROM %s WHERE step_seconds = %d%s AND started_at >= %s AND started_at < %s%s",
					columns, table, seconds, dimension, f.param(r.From), f.param(r.To), cut.String()))
			}
		}
	}
	part(86400, c.Days, true)
	part(3600, c.Hours, true)
	part(900, c.Quarters, true)
	part(60, c.Minutes, false)
	if parts == nil {
		return "SELECT " + columns + " FROM usage_sums WHERE false"
	}
	return strings.Join(parts, " UNION ALL ")
}

// RankUsage is the groups with most requests, at most limit.
func (q *Queries) RankUsage(ctx context.Context, db DBTX, c UsageCut, limit int) ([]UsageGroup, error) {
	var f filter
	column := func(grouped bool, name, none string) string {
		if grouped {
			return name
		}
		return none + " AS " + name
	}
	const noID = "'00000000-0000-0000-0000-000000000000'::uuid"
	columns := strings.Join([]string{
		column(c.By.User, "user_id", noID), column(c.By.Key, "api_key_id", noID), column(c.By.Provider, "provider_id", noID),
		column(c.By.Model, "model", "''"), "requests",
	}, ", ")
	sql := "SELECT user_id, api_key_id, provider_id, model FROM (" + c.source(&f, columns) + ") AS counts" +
		" GROUP BY user_id, api_key_id, provider_id, model ORDER BY sum(requests) DESC, user_id, api_key_id, provider_id, model LIMIT " + f.param(limit)
	rows, err := db.Query(ctx, sql, f.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (g UsageGroup, err error) {
		err = row.Scan(&g.UserID, &g.KeyID, &g.ProviderID, &g.Model)
		return g, err
	})
}

// EachUsage calls do with one row of counts after the other, in no order. The row is good until do returns.
func (q *Queries) EachUsage(ctx context.Context, db DBTX, c UsageCut, do func(*UsageRow) error) error {
	var f filter
	sql := c.source(&f, `user_id, api_key_id, provider_id, model, started_at, requests, errors, refused, input_tokens,
		cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, unpriced, charge, cost, duration_histogram,
		first_token_histogram`)
	rows, err := db.Query(ctx, sql, f.args...)
	if err != nil {
		return err
	}
	var r UsageRow
	_, err = pgx.ForEachRow(rows, []any{
		&r.UserID, &r.KeyID, &r.ProviderID, &r.Model, &r.StartedAt, &r.Requests, &r.Errors, &r.Refused, &r.Input,
		&r.CachedInput, &r.CacheWrite, &r.Output, &r.Reasoning, &r.Unpriced, &r.Charge, &r.Cost, &r.DurationHistogram,
		&r.FirstTokenHistogram,
	}, func() error { return do(&r) })
	return err
}
