package views_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

// logged stores a request of the owner's new key, as the booker does.
func (s *site) logged(t *testing.T, owner id.User, change func(*usage.Request)) usage.Request {
	t.Helper()
	ctx := authz.With(t.Context(), authz.Job("test"))
	key, _, err := s.keys.Create(ctx, apikey.CreateInput{Name: "production", UserID: owner})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	charge := money.Amount(12_340_000)
	req := usage.Request{
		ID: usage.NewID(at), RequestID: "req-visible", StartedAt: at, NodeID: id.New[id.Node](), UserID: owner, KeyID: key.ID,
		Model: "large", Dialect: "openai", Endpoint: "/v1/chat/completions", Streamed: true, HTTPStatus: 200, Outcome: usage.OK,
		Duration: 3210 * time.Millisecond, FirstToken: 412 * time.Millisecond, Charge: &charge,
		Usage: llm.Usage{Input: 1200, Output: 345},
	}
	if change != nil {
		change(&req)
	}
	_, err = s.pool.Exec(ctx, `INSERT INTO requests (id, started_at, request_id, node_id, user_id, api_key_id, model, dialect, endpoint,
		streamed, http_status, outcome, error_code, attempts, duration_us, first_token_us, input_tokens, output_tokens, charge, plan,
		cache_write_tokens, rare_usage)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, nullif(jsonb_build_object('cache_write_1h', $22::bigint), '{"cache_write_1h": 0}'))`,
		req.ID, req.StartedAt, req.RequestID, req.NodeID, req.UserID, req.KeyID, req.Model, req.Dialect, req.Endpoint,
		req.Streamed, req.HTTPStatus, string(req.Outcome), req.ErrorCode,
		`[{"provider":"broken","status":503,"error":"upstream_error","started_at":"2026-03-14T09:26:53Z","duration_ns":400000000}]`,
		req.Duration.Microseconds(), req.FirstToken.Microseconds(), req.Usage.Input, req.Usage.Output, int64(*req.Charge), req.Plan,
		req.Usage.CacheWrite(), req.Usage.CacheWrite1h)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestRequestLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	admin.get("/requests").is(200).shows("No requests yet", `hx-sse:connect="/requests/live?"`)

	mine := s.logged(t, s.admin.ID, nil)
	failed := s.logged(t, s.member.ID, func(r *usage.Request) {
		r.RequestID, r.Model, r.Outcome, r.HTTPStatus, r.ErrorCode = "req-failed", "small", usage.UpstreamError, 502, "upstream_unreachable"
		r.Plan = &usage.Plan{Strategy: "balanced", More: 3, Targets: []usage.Planned{
			{ProviderSlug: "broken", UpstreamModel: "small-2", Score: ptr(0.12345)}, {ProviderSlug: "other", UpstreamModel: "tiny", Out: "vision+context"},
		}}
	})

	admin.get("/requests").is(200).shows("large", "small", "Upstream error", "production", "3.21 s", "0.01234", "1,200 → 345")
	admin.get("/requests?model=small").is(200).shows("small", `value="small"`).hides(mine.ID.String())
	admin.get("/requests?outcome=OK").is(200).shows(mine.ID.String(), `value="OK" selected`).hides(failed.ID.String())
	admin.get("/requests?requestId=req-failed").is(200).shows(failed.ID.String()).hides(mine.ID.String())
	admin.get("/requests?key=" + mine.KeyID.String()).is(200).shows(mine.ID.String()).hides(failed.ID.String())
	admin.get("/requests?user=" + s.member.ID.String()).is(200).hides(mine.ID.String())
	admin.get("/requests?key=nonsense").is(200).shows("Nothing found").hides(mine.ID.String(), failed.ID.String())

	member.get("/requests").is(200).shows(failed.ID.String()).hides(mine.ID.String())
	member.get("/requests/" + mine.ID.String()).is(404)
	member.get("/requests/"+failed.ID.String()).is(200).shows("req-failed", "upstream_unreachable", "502", "Attempts", "broken", "503", "400 ms", `class="lane-bad"`,
		"Plan: Balanced", "0.1235", "tiny", "vision+context", "and 3 more", "/simulator?caller=openai&amp;key="+failed.KeyID.String()+"&amp;model=small&amp;promptTokens=1200&amp;strategy=balanced&amp;streaming=on")
	admin.get("/requests/"+mine.ID.String()).is(200).shows("/simulator?caller=openai&amp;key=").hides("Plan: ", "Service tier", "Pictures made")
}

// TestRequestShowsWhatItWasChargedBy: all that a charge can be computed again from is on the request's page.
func TestRequestShowsWhatItWasChargedBy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, req := s.signIn(t, adminEmail), s.logged(t, s.admin.ID, nil)
	for _, sql := range []string{
		`INSERT INTO price_versions (id, rate, markup) VALUES ('v1', '{"input":"1","output":"2","rare":{"second":"0.5","windows":[{"from":"16:30","to":"00:30","times":"0.25","days":["fri"]}]}}', 0)`,
		`UPDATE requests SET price_version = 'v1', unpriced = true, cache_write_tokens = 1234, attempts = '[{"provider":"slow","started_at":"2026-03-14T09:26:53Z","unpriced":true}]',
			rare_usage = '{"cache_write_1h":234,"audio_input":41,"audio_output":42,"images":43,"seconds":44,"characters":45,"tier":"flex"}'`,
	} {
		if _, err := s.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	page := admin.get("/requests/" + req.ID.String()).is(200)
	page.shows("16:30-00:30 times=0.25 days=fri", "0.01234, in part unpriced", "Unpriced")
	for name, value := range map[string]string{
		"Cache write tokens": "1,000", "Cache write tokens for an hour": "234", "Sound input tokens": "41", "Sound output tokens": "42",
		"Pictures made": "43", "Seconds of sound": "44", "Characters read out": "45", "Service tier": "flex",
	} {
		page.find(`<dt>` + name + `</dt><dd[^>]*>(` + value + `)</dd>`)
	}
}

// events reads the data of an event stream's messages until the reader stops asking.
func (b *browser) events(path string) (next func() string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html, text/event-stream")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || !strings.HasPrefix(got, "text/event-stream") {
		b.t.Fatalf("%s = %d, %s", path, resp.StatusCode, got)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return func() string {
		b.t.Helper()
		var data []string
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				data = append(data, text)
			} else if lines.Text() == "" && len(data) > 0 {
				return strings.Join(data, "\n")
			}
		}
		b.t.Fatalf("%s ended: %v", path, lines.Err())
		return ""
	}
}

// A request that is booked arrives on the page of whoever may see it, and on no other.
func TestRequestsArriveLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	member, filtered := s.signIn(t, memberEmail).events("/requests/live"), s.signIn(t, adminEmail).events("/requests/live?model=small")
	hidden, shown := s.logged(t, s.admin.ID, nil), s.logged(t, s.member.ID, func(r *usage.Request) { r.Model = "small" })
	s.bus.Publish(t.Context(), usage.TopicLogged, usage.LoggedBatch{Requests: []usage.Request{hidden, shown}})
	for _, next := range []func() string{member, filtered} {
		row := next()
		if !strings.HasPrefix(row, `<tr role="row"`) || !strings.Contains(row, shown.ID.String()) || !strings.Contains(row, "production") {
			t.Errorf("the event is %s", row)
		}
		if strings.Contains(row, hidden.ID.String()) {
			t.Errorf("the event shows another's request: %s", row)
		}
	}
}
