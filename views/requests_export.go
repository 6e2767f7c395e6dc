package views

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/money"
	"aihigress/internal/usage"
)

var requestHead = []string{
	"id", "request_id", "started_at", "user_id", "api_key_id", "model", "provider_id", "upstream_model", "dialect", "endpoint", "streamed",
	"http_status", "outcome", "error_code", "attempts", "duration_ms", "first_token_ms", "input_tokens", "cached_input_tokens",
	"cache_write_tokens", "output_tokens", "reasoning_tokens", "estimated", "unpriced", "charge", "tags",
}

// requestsExport is the request log as it is filtered, oldest first.
func (c *console) requestsExport(w http.ResponseWriter, r *http.Request) error {
	head := requestHead
	if admin(r) {
		head = append(head[:len(head):len(head)], "cost")
	}
	name := "requests-" + time.Now().UTC().Format(time.DateOnly) + ".csv"
	return c.export(w, r, name, head, func(ctx context.Context, put func(cells ...string) error) error {
		return c.Reports.EachRequest(ctx, readRequestFilter(r).filter(), func(req usage.Request) error {
			cells, err := requestCells(req)
			if err != nil {
				return err
			}
			if admin(r) {
				cells = append(cells, amountCell(req.Cost))
			}
			return put(cells...)
		})
	})
}

func requestCells(req usage.Request) ([]string, error) {
	provider, tags := "", ""
	if req.ProviderID != nil {
		provider = req.ProviderID.String()
	}
	if len(req.Tags) > 0 {
		text, err := json.Marshal(req.Tags)
		if err != nil {
			return nil, err
		}
		tags = string(text)
	}
	first := ""
	if req.FirstToken > 0 {
		first = inMillis(req.FirstToken)
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	u := req.Usage
	return []string{
		req.ID.String(), req.RequestID, exportedAt(req.StartedAt), req.UserID.String(), req.KeyID.String(), req.Model, provider,
		req.UpstreamModel, req.Dialect, req.Endpoint, strconv.FormatBool(req.Streamed), strconv.Itoa(req.HTTPStatus), string(req.Outcome),
		req.ErrorCode, strconv.Itoa(len(req.Attempts)), inMillis(req.Duration), first, count(u.Input), count(u.CachedInput),
		count(u.CacheWrite()), count(u.Output), count(u.Reasoning), strconv.FormatBool(u.Estimated), strconv.FormatBool(req.Unpriced),
		amountCell(req.Charge), tags,
	}, nil
}

// inMillis is a duration in milliseconds, to the microsecond.
func inMillis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

// amountCell is an amount in credits to the last place; nothing where it is not known.
func amountCell(a *money.Amount) string {
	if a == nil {
		return ""
	}
	return a.String()
}
