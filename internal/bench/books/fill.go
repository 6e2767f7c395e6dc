package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

const (
	users       = 200
	keysOfUser  = 3
	models      = 40
	providers   = 8
	chunk       = 2000
	writers     = 2
	rareEvery   = 1_000_000 // one request in so many has the rare tag
	commonTeams = 20
)

// A world is who calls, and what.
type world struct {
	begin     time.Time
	length    time.Duration
	random    *rand.Rand
	users     []id.User
	keys      []id.Key // keysOfUser of each user
	accounts  []id.Account
	providers []id.Provider
	models    []string
}

// newWorld is the same each time, so that a database of an earlier run can be asked again.
func newWorld(days int) *world {
	w := &world{random: rand.New(rand.NewPCG(1, 2))}
	w.length = time.Duration(days) * 24 * time.Hour
	w.begin = time.Now().UTC().Truncate(time.Minute).Add(-w.length)
	uuid := func() (u [16]byte) {
		for i := range u {
			u[i] = byte(w.random.UintN(256))
		}
		return u
	}
	for range users {
		w.users = append(w.users, id.User{UUID: uuid()})
		w.accounts = append(w.accounts, id.Account{UUID: uuid()})
		for range keysOfUser {
			w.keys = append(w.keys, id.Key{UUID: uuid()})
		}
	}
	for i := range models {
		w.models = append(w.models, fmt.Sprintf("vendor-%d/model-%02d", i%providers, i))
	}
	for range providers {
		w.providers = append(w.providers, id.Provider{UUID: uuid()})
	}
	return w
}

// fill writes what is missing of the rows, oldest first.
func (w *world) fill(ctx context.Context, pool *pgxpool.Pool, reports *usage.Reports, rows int) error {
	var there int
	var newest *time.Time
	if err := pool.QueryRow(ctx, "SELECT count(*), max(started_at) FROM requests").Scan(&there, &newest); err != nil {
		return err
	}
	begin, told := time.Now(), time.Now()
	if there == rows && time.Since(*newest) < 6*time.Hour {
		return w.tidy(ctx, pool, reports, begin)
	}
	if there > 0 {
		fmt.Fprintf(os.Stderr, "%d requests from before go\n", there)
		if _, err := pool.Exec(ctx, "TRUNCATE requests, usage_buckets, usage_sums, usage_folds"); err != nil {
			return err
		}
	}
	var work errgroup.Group
	work.SetLimit(writers)
	for from := 0; from < rows; from += chunk {
		events := make([]usage.Event, 0, chunk)
		for i := from; i < min(from+chunk, rows); i++ {
			events = append(events, w.event(i, w.begin.Add(time.Duration(float64(w.length)*float64(i)/float64(rows)))))
		}
		work.Go(func() error { return reports.Backfill(ctx, events) })
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "%d requests after %s\n", from, time.Since(begin).Round(time.Second))
		}
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return w.tidy(ctx, pool, reports, begin)
}

// tidy does what the jobs do, and what autovacuum does after a while.
func (w *world) tidy(ctx context.Context, pool *pgxpool.Pool, reports *usage.Reports, begin time.Time) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"counts are folded", func() error {
			if err := reports.Fold(ctx); err != nil {
				return err
			}
			// Days of minutes were booked just before, and reports would read them all again as not quite folded.
			_, err := pool.Exec(ctx, "UPDATE usage_folds SET folded_at = folded_at + interval '10 minutes'")
			return err
		}},
		{"old counts are dropped", func() error { return reports.DropExpired(ctx, 1000*24*time.Hour) }},
		{"tables are analysed", func() error {
			_, err := pool.Exec(ctx, "VACUUM (ANALYZE) requests, usage_buckets, usage_sums")
			return err
		}},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s after %s\n", step.name, time.Since(begin).Round(time.Second))
	}
	return nil
}

// skewed picks one of n, the first ones far more often.
func (w *world) skewed(n int) int {
	f := w.random.Float64()
	return int(f * f * f * float64(n))
}

// event is one request. A key uses few models, as keys do.
func (w *world) event(i int, at time.Time) usage.Event {
	user := w.skewed(users)
	key := user*keysOfUser + w.skewed(keysOfUser)
	model := (key*7 + w.skewed(4)) % models
	provider := w.providers[(model+w.skewed(2))%providers]
	duration := time.Duration((100 + w.random.ExpFloat64()*3000) * float64(time.Millisecond))
	output := int64(w.random.ExpFloat64() * 400)
	charge := money.Amount(output * 3000)
	e := usage.Event{
		ID: usage.NewID(at), StartedAt: at, NodeID: id.Node{UUID: w.users[0].UUID},
		UserID: w.users[user], KeyID: w.keys[key], AccountID: w.accounts[user],
		Model: w.models[model], ProviderID: &provider, ProviderSlug: fmt.Sprintf("vendor-%d", model%providers), UpstreamModel: w.models[model],
		Dialect: "openai", Endpoint: "chat", Streamed: w.random.IntN(3) > 0,
		HTTPStatus: 200, Outcome: usage.OK, Duration: duration, FirstToken: duration / 4,
		Usage:  llm.Usage{Input: int64(w.random.ExpFloat64() * 2000), CachedInput: int64(w.random.IntN(500)), Output: output},
		Charge: &charge, Cost: &charge, PriceVersion: "0123456789abcdef",
		Tags: map[string]string{"team": fmt.Sprintf("team-%d", w.skewed(commonTeams))},
	}
	e.RequestID = "req_" + e.ID.UUID.String()
	e.Attempts = []usage.Attempt{{ProviderID: provider, ProviderSlug: e.ProviderSlug, Status: 200, StartedAt: at, Duration: duration}}
	switch n := w.random.IntN(1000); {
	case n < 20:
		e.HTTPStatus, e.Outcome, e.ErrorCode = 502, usage.UpstreamError, "upstream_error"
	case n < 35:
		e.HTTPStatus, e.Outcome, e.ErrorCode = 400, usage.ClientError, "invalid_request"
	case n < 45:
		e.HTTPStatus, e.Outcome = 0, usage.Cancelled
	case n < 50:
		e.HTTPStatus, e.Outcome, e.ErrorCode, e.ProviderID, e.Attempts = 429, usage.Refused, "rate_limit_exceeded", nil, nil
	}
	if i%rareEvery == rareEvery/2 {
		e.Tags["case"] = "rare"
	}
	return e
}
