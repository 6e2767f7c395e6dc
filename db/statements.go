package db

import (
	"context"
	"strings"
	"time"

	"aihigress/internal/id"
)

// StatementQuery asks for sums over a range of time, one row a group.
type StatementQuery struct {
	From, To time.Time // To is excluded

	ByUser, ByKey, ByProvider, ByModel, ByDay bool
	// ByTag groups by the value of a tag, and ByUpstreamModel by the vendor's name of a model. Counts are not kept by these,
	// so that either one reads the request log.
	ByTag           string
	ByUpstreamModel bool

	Owner      *id.User // whose use the reader may see
	UserID     *id.User
	KeyID      *id.Key
	ProviderID *id.Provider
	Model      string

	// Dimension, a name of the code's, is that of the rows of usage_sums which serve days and hours; "" takes them from usage_buckets.
	Dimension string

	// Hours whose minutes changed since ChangedSince, and that began at Oldest or later, are read from their minutes, and
	// their days from hours, as are those from DaysEnd on: nothing is missing that has not been folded yet.
	ChangedSince, Oldest, DaysEnd time.Time
}

// A StatementRow is the sums of one group. What is not grouped by is zero. The fields are in the order of the columns.
type StatementRow struct {
	Day           time.Time
	UserID        id.User
	KeyID         id.Key
	ProviderID    id.Provider
	Model         string
	Tag           string
	UpstreamModel string

	Requests, Errors, Refused, Unpriced               int64
	Input, CachedInput, CacheWrite, Output, Reasoning int64
	Charge, Cost                                      int64
}

// statementCounts are the sums of usage_buckets, in StatementRow's order.
var statementCounts = []string{
	"requests", "errors", "refused", "unpriced", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens",
	"reasoning_tokens", "charge", "cost",
}

func (s StatementQuery) fromLog() bool { return s.ByTag != "" || s.ByUpstreamModel }

// sql is the query. Its rows come by day, the largest charge first.
func (s StatementQuery) sql() (string, []any) {
	var f filter
	var b strings.Builder
	if s.fromLog() {
		b.WriteString(s.log(&f))
	} else {
		b.WriteString(s.buckets(&f))
	}
	groups := s.groups(&f)
	b.WriteString(" SELECT ")
	var by []string
	for _, g := range groups {
		b.WriteString(g.value() + " AS " + g.name + ", ")
		if g.expression != "" {
			by = append(by, g.expression)
		}
	}
	for i, count := range statementCounts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("sum(" + count + ")::bigint")
	}
	b.WriteString(" FROM source")
	if len(by) > 0 {
		b.WriteString(" GROUP BY " + strings.Join(by, ", "))
	}
	b.WriteString(" HAVING count(*) > 0 ORDER BY day, sum(charge) DESC, sum(requests) DESC, user_id, api_key_id, provider_id, model, tag, upstream_model")
	return b.String(), f.args
}

type statementGroup struct{ name, expression, none string }

func (g statementGroup) value() string {
	if g.expression == "" {
		return g.none
	}
	return g.expression
}

// groups are what rows are told apart by, in StatementRow's order.
func (s StatementQuery) groups(f *filter) []statementGroup {
	const noUUID = "'00000000-0000-0000-0000-000000000000'::uuid"
	when := func(on bool, expression string) string {
		if on {
			return expression
		}
		return ""
	}
	tag := ""
	if s.ByTag != "" {
		tag = "coalesce(source.tags ->> " + f.param(s.ByTag) + "::text, '')"
	}
	return []statementGroup{
		{"day", when(s.ByDay, "date_trunc('day', source.started_at, 'UTC')"), "'epoch'::timestamptz"},
		{"user_id", when(s.ByUser, "source.user_id"), noUUID},
		{"api_key_id", when(s.ByKey, "source.api_key_id"), noUUID},
		{"provider_id", when(s.ByProvider, "source.provider_id"), noUUID},
		{"model", when(s.ByModel, "source.model"), "''::text"},
		{"tag", tag, "''::text"},
		{"upstream_model", when(s.ByUpstreamModel, "source.upstream_model"), "''::text"},
	}
}

// cut adds what the rows are cut to.
func (s StatementQuery) cut(f *filter) string {
	if s.Owner != nil {
		f.where("user_id = ?", *s.Owner)
	}
	if s.UserID != nil {
		f.where("user_id = ?", *s.UserID)
	}
	if s.KeyID != nil {
		f.where("api_key_id = ?", *s.KeyID)
	}
	if s.ProviderID != nil {
		f.where("provider_id = ?", *s.ProviderID)
	}
	if s.Model != "" {
		f.where("model = ?", s.Model)
	}
	if len(f.conditions) == 0 {
		return ""
	}
	return " AND " + strings.Join(f.conditions, " AND ")
}

// log has the requests of the range as they were booked.
func (s StatementQuery) log(f *filter) string {
	return `WITH source AS (
	SELECT started_at, user_id, api_key_id, coalesce(provider_id, '00000000-0000-0000-0000-000000000000') AS provider_id, model, tags,
		upstream_model, 1 AS requests, (outcome IN ('CLIENT_ERROR', 'UPSTREAM_ERROR', 'TRUNCATED'))::integer AS errors,
		(outcome = 'REFUSED')::integer AS refused, unpriced::integer AS unpriced, input_tokens, cached_input_tokens,
		cache_write_tokens, output_tokens, reasoning_tokens, coalesce(charge, 0) AS charge, coalesce(cost, 0) AS cost
	FROM requests
	WHERE started_at >= ` + f.param(s.From) + ` AND started_at < ` + f.param(s.To) + s.cut(f) + `
)`
}

// buckets has the counts of the range: days that are folded and where nothing has changed since, else hours, else minutes. The
// OFFSETs keep the planner from joining all hours and all minutes with the few that are asked for.
func (s StatementQuery) buckets(f *filter) string {
	from, to, daysEnd := f.param(s.From)+"::timestamptz", f.param(s.To)+"::timestamptz", f.param(s.DaysEnd)+"::timestamptz"
	cut := s.cut(f)
	columns := "started_at, user_id, api_key_id, provider_id, model, " + strings.Join(statementCounts, ", ")
	folded := "usage_buckets WHERE"
	if s.Dimension != "" {
		folded = "usage_sums WHERE dimension = '" + s.Dimension + "' AND"
	}
	return `WITH changed AS MATERIALIZED (
	SELECT DISTINCT date_trunc('hour', started_at, 'UTC') AS hour
	FROM usage_buckets
	WHERE step_seconds = 60 AND updated_at >= ` + f.param(s.ChangedSince) + ` AND started_at >= ` + f.param(s.Oldest) + `
		AND started_at >= ` + from + ` AND started_at < ` + to + `
), days AS MATERIALIZED (
	SELECT date_trunc('day', hour, 'UTC') AS day
	FROM changed
	UNION
	SELECT generate_series(greatest(` + from + `, ` + daysEnd + `), ` + to + ` - interval '1 day', interval '1 day')
), source AS (
	SELECT ` + columns + `
	FROM ` + folded + ` step_seconds = 86400 AND started_at >= ` + from + ` AND started_at < least(` + to + `, ` + daysEnd + `)
		AND started_at NOT IN (SELECT day FROM days)` + cut + `
	UNION ALL
	SELECT ` + columns + `
	FROM days
	CROSS JOIN LATERAL (
		SELECT ` + columns + `
		FROM ` + folded + ` step_seconds = 3600 AND started_at >= day AND started_at < day + interval '1 day'` + cut + `
		OFFSET 0
	) AS hours
	WHERE started_at NOT IN (SELECT hour FROM changed)
	UNION ALL
	SELECT ` + columns + `
	FROM changed
	CROSS JOIN LATERAL (
		SELECT ` + columns + `
		FROM usage_buckets
		WHERE step_seconds = 60 AND started_at >= hour AND started_at < hour + interval '1 hour'` + cut + `
		OFFSET 0
	) AS minutes
)`
}

// EachStatementRow calls each with every group's sums as they come from Postgres, by day, the largest charge first, until it
// fails. There is one row where nothing is grouped by, and none where nothing was used.
func (q *Queries) EachStatementRow(ctx context.Context, db DBTX, s StatementQuery, each func(StatementRow) error) error {
	sql, args := s.sql()
	return eachRow(ctx, db, sql, args, each)
}
