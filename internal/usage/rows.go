package usage

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/money"
)

var requestColumns = []string{
	"id", "started_at", "request_id", "node_id", "user_id", "api_key_id", "model", "provider_id", "upstream_model", "dialect", "endpoint",
	"streamed", "http_status", "outcome", "error_code", "attempts", "duration_us", "first_token_us", "input_tokens",
	"cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "estimated", "unpriced", "charge", "cost", "tags",
	"image_input_tokens", "image_output_tokens", "tool_uses", "plan", "price_version", "rare_usage",
}

// insertRequests inserts the rows of requests and tells which were not there yet, each once.
func insertRequests(ctx context.Context, tx pgx.Tx, q *db.Queries, events []*Event) (fresh []*Event, err error) {
	return db.InsertNew(ctx, tx, events, requestRows, func(e *Event) uuid.UUID { return e.ID.UUID }, func() ([]uuid.UUID, error) {
		which := db.WhichRequestsParams{FromTime: events[0].StartedAt, ToTime: events[0].StartedAt}
		for _, e := range events {
			which.StartedAt, which.Ids = append(which.StartedAt, e.StartedAt), append(which.Ids, e.ID.UUID)
			if e.StartedAt.Before(which.FromTime) {
				which.FromTime = e.StartedAt
			}
			if e.StartedAt.After(which.ToTime) {
				which.ToTime = e.StartedAt
			}
		}
		return q.WhichRequests(ctx, tx, which)
	})
}

// requestRows are the rows of requests.
func requestRows(events []*Event) *db.Rows {
	size := 0
	for _, e := range events {
		size += usualRow
		if e.Plan != nil {
			size += usualPlan
		}
	}
	rows := db.NewRows("requests", requestColumns, size)
	for _, e := range events {
		requestRow(rows, e)
	}
	return rows
}

// usualRow is what a usual request without a plan takes in a copy, in bytes.
const usualRow = 768

func requestRow(rows *db.Rows, e *Event) {
	rows.Row()
	rows.UUID(e.ID.UUID)
	rows.Time(e.StartedAt)
	rows.Text(e.RequestID)
	rows.UUID(e.NodeID.UUID)
	rows.UUID(e.UserID.UUID)
	rows.UUID(e.KeyID.UUID)
	rows.Text(e.Model)
	if e.ProviderID != nil {
		rows.UUID(e.ProviderID.UUID)
	} else {
		rows.Null()
	}
	rows.Text(e.UpstreamModel)
	rows.Text(e.Dialect)
	rows.Text(e.Endpoint)
	rows.Bool(e.Streamed)
	rows.Integer(int32(e.HTTPStatus))
	rows.Text(string(e.Outcome))
	rows.Text(e.ErrorCode)
	rows.JSON(func(b []byte) []byte { return appendAttemptsJSON(b, e.Attempts) })
	rows.Bigint(e.Duration.Microseconds())
	if e.FirstToken > 0 {
		rows.Bigint(e.FirstToken.Microseconds())
	} else {
		rows.Null()
	}
	u := &e.Usage
	for _, tokens := range [...]int64{u.Input, u.CachedInput, u.CacheWrite(), u.Output, u.Reasoning} {
		rows.Bigint(tokens)
	}
	rows.Bool(u.Estimated)
	rows.Bool(e.Unpriced)
	for _, a := range [...]*money.Amount{e.Charge, e.Cost} {
		if a != nil {
			rows.Bigint(int64(*a))
		} else {
			rows.Null()
		}
	}
	rows.JSON(func(b []byte) []byte { return appendTagsJSON(b, e.Tags) })
	for _, n := range [...]int64{u.ImageInput, u.ImageOutput, u.ToolUses} {
		rows.Bigint(n)
	}
	if e.Plan != nil {
		rows.JSON(func(b []byte) []byte { return appendPlanJSON(b, e.Plan) })
	} else {
		rows.Null()
	}
	if e.PriceVersion != "" {
		rows.Text(e.PriceVersion)
	} else {
		rows.Null()
	}
	if hasRareUsage(u) {
		rows.JSON(func(b []byte) []byte { return appendRareUsageJSON(b, u) })
	} else {
		rows.Null()
	}
}
