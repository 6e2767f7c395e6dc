package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
)

const (
	pageSize = 50
	farPage  = 1000
)

// questions are those of the log with every kind of filter, its first page and, where there are as many rows, its thousandth;
// those of the dashboard and the usage page, and statements.
func (w *world) questions(ctx context.Context, pool *pgxpool.Pool, reports *usage.Reports) ([]question, error) {
	var now time.Time // as of the newest request, however long ago they were made up
	if err := pool.QueryRow(ctx, "SELECT max(started_at) FROM requests").Scan(&now); err != nil {
		return nil, err
	}
	busy, quiet := w.users[0], w.users[users-1]
	streamed := true
	elsewhere := w.otherModel(quiet)
	// any request's, to be found again
	var requestID string
	var request id.Request
	if err := pool.QueryRow(ctx, "SELECT request_id, id FROM requests WHERE started_at > $1 ORDER BY started_at LIMIT 1",
		w.begin.Add(w.length/2)).Scan(&requestID, &request); err != nil {
		return nil, err
	}
	filters := []struct {
		name   string
		filter usage.RequestFilter
	}{
		{"all", usage.RequestFilter{}},
		{"a busy user", usage.RequestFilter{UserID: &busy}},
		{"a quiet user", usage.RequestFilter{UserID: &quiet}},
		{"a key", usage.RequestFilter{KeyID: &w.keys[0]}},
		{"a provider", usage.RequestFilter{ProviderID: &w.providers[3]}},
		{"a model", usage.RequestFilter{Model: w.models[7]}},
		{"no such model", usage.RequestFilter{Model: "nobody-asked-for"}},
		{"errors", usage.RequestFilter{Outcomes: []usage.Outcome{usage.UpstreamError, usage.ClientError, usage.Truncated}}},
		{"truncated, of which there are none", usage.RequestFilter{Outcomes: []usage.Outcome{usage.Truncated}}},
		{"status 5xx", usage.RequestFilter{StatusMin: 500, StatusMax: 599}},
		{"status 418, of which there are none", usage.RequestFilter{StatusMin: 418, StatusMax: 418}},
		{"streamed", usage.RequestFilter{Streamed: &streamed}},
		{"a request id", usage.RequestFilter{RequestID: requestID}},
		{"a common tag", usage.RequestFilter{Tags: map[string]string{"team": "team-0"}}},
		{"a rare tag", usage.RequestFilter{Tags: map[string]string{"case": "rare"}}},
		{"no such tag", usage.RequestFilter{Tags: map[string]string{"team": "nobody"}}},
		{"a week, three weeks ago", usage.RequestFilter{From: now.AddDate(0, 0, -21), To: now.AddDate(0, 0, -14)}},
		{"a user's errors", usage.RequestFilter{UserID: &busy, Outcomes: []usage.Outcome{usage.UpstreamError}}},
		{"a quiet user's streamed errors of a model", usage.RequestFilter{UserID: &quiet, Outcomes: []usage.Outcome{usage.UpstreamError}, Streamed: &streamed}},
		{"a user's of a model that he never calls", usage.RequestFilter{UserID: &quiet, Model: elsewhere}},
		{"a key's with a rare tag", usage.RequestFilter{KeyID: &w.keys[0], Tags: map[string]string{"case": "rare"}}},
		{"a model's with status 418", usage.RequestFilter{Model: w.models[7], StatusMin: 418, StatusMax: 418}},
	}
	var questions []question
	list := func(name string, f usage.RequestFilter, order usage.Order, after string) {
		questions = append(questions, question{name, func(ctx context.Context) (int, error) {
			found, err := reports.Requests(ctx, f, order, page.Args{First: pageSize, After: after})
			return len(found.Items), err
		}})
	}
	for _, f := range filters {
		list("log: "+f.name, f.filter, usage.NewestFirst, "")
		after, err := farCursor(ctx, reports, f.filter)
		if err != nil {
			return nil, err
		}
		if after != "" {
			list(fmt.Sprintf("log: %s, page %d", f.name, farPage), f.filter, usage.NewestFirst, after)
		}
	}
	list("log: oldest first", usage.RequestFilter{}, usage.OldestFirst, "")
	questions = append(questions, question{"log: one request", func(ctx context.Context) (int, error) {
		_, err := reports.Request(ctx, request)
		return 1, err
	}})
	member := authz.Actor{Kind: authz.User, Role: authz.Member, UserID: busy}
	for _, r := range []struct {
		name         string
		length, step time.Duration
	}{{"an hour", time.Hour, time.Minute}, {"a day", 24 * time.Hour, 15 * time.Minute}, {"a week", 7 * 24 * time.Hour, time.Hour}, {"a month", 30 * 24 * time.Hour, 24 * time.Hour}} {
		for _, g := range []struct {
			name   string
			by     []usage.Dimension
			member bool
		}{
			{"", nil, false}, {" by model", []usage.Dimension{usage.ByModel}, false}, {" by key", []usage.Dimension{usage.ByKey}, false},
			{" by provider", []usage.Dimension{usage.ByProvider}, false}, {" of one user's own", nil, true},
		} {
			questions = append(questions, question{"figures of " + r.name + g.name, func(ctx context.Context) (int, error) {
				if g.member {
					ctx = authz.With(ctx, member)
				}
				set, err := reports.Metrics(ctx, usage.MetricsInput{From: now.Add(-r.length), To: now, Step: r.step, GroupBy: g.by})
				return len(set.Series), err
			}})
		}
	}
	month := statement.Period{From: now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -29), To: now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)}
	statements := statement.New(pool, 0)
	for _, g := range []struct {
		name   string
		by     []statement.Dimension
		filter usage.MetricFilter
	}{
		{"by user", []statement.Dimension{statement.ByUser}, usage.MetricFilter{}},
		{"by key", []statement.Dimension{statement.ByKey}, usage.MetricFilter{}},
		{"by day and provider", []statement.Dimension{statement.ByDay, statement.ByProvider}, usage.MetricFilter{}},
		{"by user and model", []statement.Dimension{statement.ByUser, statement.ByModel}, usage.MetricFilter{}},
		{"of a user by model", []statement.Dimension{statement.ByModel}, usage.MetricFilter{UserID: &busy}},
		{"of a key by model, of which no sums are kept", []statement.Dimension{statement.ByModel}, usage.MetricFilter{KeyID: &w.keys[0]}},
		{"by model and provider, of which no sums are kept", []statement.Dimension{statement.ByModel, statement.ByProvider}, usage.MetricFilter{}},
	} {
		questions = append(questions, question{"statement of a month " + g.name, func(ctx context.Context) (int, error) {
			found, err := statements.Statement(ctx, statement.Input{Period: month, GroupBy: g.by, Filter: g.filter})
			return len(found.Lines) + int(found.More), err
		}})
	}
	return questions, nil
}

// otherModel is one that a user's keys do not call.
func (w *world) otherModel(user id.User) string {
	called := map[int]bool{}
	for i, u := range w.users {
		if u != user {
			continue
		}
		for key := i * keysOfUser; key < (i+1)*keysOfUser; key++ {
			for n := range 4 {
				called[(key*7+n)%models] = true
			}
		}
	}
	for i, name := range w.models {
		if !called[i] {
			return name
		}
	}
	return ""
}

// farCursor is where page farPage begins: as a reader gets there, page by page, but with longer ones.
func farCursor(ctx context.Context, reports *usage.Reports, f usage.RequestFilter) (string, error) {
	after := ""
	for got := 0; got < (farPage-1)*pageSize; {
		found, err := reports.Requests(ctx, f, usage.NewestFirst, page.Args{First: page.MaxSize, After: after})
		if err != nil || !found.HasNext {
			return "", err
		}
		got += len(found.Items)
		after = found.Cursors[len(found.Cursors)-1]
	}
	return after, nil
}
