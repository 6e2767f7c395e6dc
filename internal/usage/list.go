package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/page"
)

// A RequestFilter cuts the request log. Zero fields do not cut.
type RequestFilter struct {
	UserID     *id.User
	KeyID      *id.Key
	ProviderID *id.Provider // the one that answered last
	Model      string       // as the caller named it
	Outcomes   []Outcome    // any of them
	StatusMin  int          // HTTP status, both ends included
	StatusMax  int
	From       time.Time
	To         time.Time // excluded
	RequestID  string
	Streamed   *bool
	Tags       map[string]string // all of them
}

// An Order is that of the request log.
type Order int

// The orders. Both are walks of an index.
const (
	NewestFirst Order = iota
	OldestFirst
)

func (f RequestFilter) stored(owner *id.User) db.RequestFilter {
	stored := db.RequestFilter{
		Owner: owner, UserID: f.UserID, KeyID: f.KeyID, ProviderID: f.ProviderID, Model: f.Model, StatusMin: f.StatusMin,
		StatusMax: f.StatusMax, From: f.From, To: f.To, RequestID: f.RequestID, Streamed: f.Streamed, Tags: f.Tags,
	}
	for _, o := range f.Outcomes {
		stored.Outcomes = append(stored.Outcomes, string(o))
	}
	return stored
}

// matches says of one request what stored says to Postgres.
func (f RequestFilter) matches(r *Request) bool {
	for key, value := range f.Tags {
		if got, ok := r.Tags[key]; !ok || got != value {
			return false
		}
	}
	return (f.UserID == nil || r.UserID == *f.UserID) &&
		(f.KeyID == nil || r.KeyID == *f.KeyID) &&
		(f.ProviderID == nil || r.ProviderID != nil && *r.ProviderID == *f.ProviderID) &&
		(f.Model == "" || r.Model == f.Model) &&
		(len(f.Outcomes) == 0 || slices.Contains(f.Outcomes, r.Outcome)) &&
		(f.StatusMin == 0 || r.HTTPStatus >= f.StatusMin) &&
		(f.StatusMax == 0 || r.HTTPStatus <= f.StatusMax) &&
		(f.From.IsZero() || !r.StartedAt.Before(f.From)) &&
		(f.To.IsZero() || r.StartedAt.Before(f.To)) &&
		(f.RequestID == "" || r.RequestID == f.RequestID) &&
		(f.Streamed == nil || r.Streamed == *f.Streamed)
}

// Requests lists the booked requests that the reader may see. A filter that very few of very many pass is not searched for to the
// end: the page has fewer rows then, tells up to when it was searched, and the next one goes on there.
func (r *Reports) Requests(ctx context.Context, f RequestFilter, order Order, args page.Args) (page.Page[Request], error) {
	grant, err := authz.Require(ctx, authz.RequestRead)
	if err != nil {
		return page.Page[Request]{}, err
	}
	if err := f.validate(); err != nil {
		return page.Page[Request]{}, err
	}
	size, err := args.Size()
	if err != nil {
		return page.Page[Request]{}, err
	}
	var after *db.RequestKey
	var key db.RequestKey
	if ok, err := page.Decode(args.After, &key); err != nil {
		return page.Page[Request]{}, err
	} else if ok {
		after = &key
	}
	stored := f.stored(grant.Filter())
	s := search{Reports: r, filter: stored, after: after, oldestFirst: order == OldestFirst, rows: size + 1}
	rows, ended, err := s.run(ctx)
	if err != nil {
		return page.Page[Request]{}, fmt.Errorf("list requests: %w", err)
	}
	total, counted, err := s.count(ctx, page.CountLimit+1)
	if err != nil {
		return page.Page[Request]{}, fmt.Errorf("count requests: %w", err)
	}
	requests := make([]Request, len(rows))
	for i, row := range rows {
		if requests[i], err = fromRow(row); err != nil {
			return page.Page[Request]{}, err
		}
	}
	hideCosts(ctx, requests)
	p := page.New(requests, size, func(r Request) string { return page.Encode(db.RequestKey{StartedAt: r.StartedAt, ID: r.ID}) })
	if counted {
		p.Total = page.Counted(total)
	}
	if ended != nil {
		p.Unfinished(ended.StartedAt, page.Encode(ended))
	}
	return p, nil
}

// idSlack is how far a request's start may be from the time in its identifier. NewID makes them the same, to the
// millisecond; the rest is for identifiers made otherwise.
const idSlack = 2 * time.Second

// Request finds a booked request, or a failure of kind NotFound where there is none that the reader may see.
func (r *Reports) Request(ctx context.Context, request id.Request) (Request, error) {
	grant, err := authz.Require(ctx, authz.RequestRead)
	if err != nil {
		return Request{}, err
	}
	at := timeOf(request)
	params := db.GetRequestParams{ID: request, FromTime: at.Add(-idSlack), ToTime: at.Add(idSlack)}
	if owner := grant.Filter(); owner != nil {
		params.Owner = &owner.UUID
	}
	row, err := r.q.GetRequest(ctx, r.pool, params)
	if err != nil {
		return Request{}, fmt.Errorf("find request: %w", db.Classify(err))
	}
	found, err := fromRow(row)
	if err != nil {
		return Request{}, err
	}
	one := []Request{found}
	hideCosts(ctx, one)
	return one[0], nil
}

// Logged tells of requests as they are booked, cut to what the reader may see, until ctx ends; then the channel is closed.
// A reader who is too slow misses some.
func (r *Reports) Logged(ctx context.Context, f RequestFilter) (<-chan Request, error) {
	grant, err := authz.Require(ctx, authz.RequestRead)
	if err != nil {
		return nil, err
	}
	if err := f.validate(); err != nil {
		return nil, err
	}
	owner := grant.Filter()
	batches := event.Subscribe[LoggedBatch](ctx, r.bus, TopicLogged)
	out := make(chan Request, loggedChunk)
	go func() {
		defer close(out)
		for batch := range batches {
			requests := slices.Clone(batch.Requests) // shared with other readers
			hideCosts(ctx, requests)
			for i := range requests {
				if owner != nil && requests[i].UserID != *owner || !f.matches(&requests[i]) {
					continue
				}
				select {
				case out <- requests[i]:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

// hideCosts takes away what vendors charge from readers who may not know it.
func hideCosts(ctx context.Context, requests []Request) {
	if _, err := authz.Require(ctx, authz.CostRead); err == nil {
		return
	}
	for i := range requests {
		requests[i].Cost = nil
	}
}

func fromRow(row db.Request) (Request, error) {
	r := Request{
		ID: row.ID, RequestID: row.RequestID, StartedAt: row.StartedAt.UTC(), NodeID: row.NodeID, UserID: row.UserID,
		KeyID: row.ApiKeyID, Model: row.Model, ProviderID: row.ProviderID, UpstreamModel: row.UpstreamModel,
		Dialect: row.Dialect, Endpoint: row.Endpoint, Streamed: row.Streamed, HTTPStatus: int(row.HttpStatus),
		Outcome: Outcome(row.Outcome), ErrorCode: row.ErrorCode,
		Duration: time.Duration(row.DurationUs) * time.Microsecond,
		Usage: llm.Usage{
			Input: row.InputTokens, CachedInput: row.CachedInputTokens, CacheWrite5m: row.CacheWriteTokens,
			Output: row.OutputTokens, Reasoning: row.ReasoningTokens,
			ImageInput: row.ImageInputTokens, ImageOutput: row.ImageOutputTokens, ToolUses: row.ToolUses, Estimated: row.Estimated,
		},
		Unpriced: row.Unpriced, Charge: row.Charge, Cost: row.Cost,
	}
	if err := readRareUsage(&r.Usage, row.RareUsage); err != nil {
		return Request{}, fmt.Errorf("%s: %w", row.ID, err)
	}
	if row.PriceVersion != nil {
		r.PriceVersion = *row.PriceVersion
	}
	if row.FirstTokenUs != nil {
		r.FirstToken = time.Duration(*row.FirstTokenUs) * time.Microsecond
	}
	if err := json.Unmarshal(row.Attempts, &r.Attempts); err != nil {
		return Request{}, fmt.Errorf("read attempts of %s: %w", row.ID, err)
	}
	if row.Plan != nil {
		if err := json.Unmarshal(row.Plan, &r.Plan); err != nil {
			return Request{}, fmt.Errorf("read plan of %s: %w", row.ID, err)
		}
	}
	if err := json.Unmarshal(row.Tags, &r.Tags); err != nil {
		return Request{}, fmt.Errorf("read tags of %s: %w", row.ID, err)
	}
	return r, nil
}

// validate is a failure of kind Invalid where the filter holds what cannot be.
func (f RequestFilter) validate() error {
	for _, o := range f.Outcomes {
		if !slices.Contains(Outcomes(), o) {
			return fault.Field("outcome", "there is no outcome %q", string(o))
		}
	}
	texts := []string{f.Model, f.RequestID}
	for key, value := range f.Tags {
		texts = append(texts, key, value)
	}
	for _, text := range texts {
		if clean([]byte(text)) != text {
			return fault.New(fault.Invalid, "a filter is not valid text")
		}
	}
	return nil
}
