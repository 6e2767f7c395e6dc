package quota

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	Subject   Subject
	SubjectID uuid.UUID
	Dimension Dimension
	Query     string // part of what people call the subject, in any case

	OldestFirst bool
}

// Get is one limit. Only admins may know.
func (l *Limits) Get(ctx context.Context, limit id.Limit) (Limit, error) {
	if _, err := authz.Require(ctx, authz.LimitRead); err != nil {
		return Limit{}, err
	}
	row, err := l.q.GetLimit(ctx, l.pool, limit)
	if err != nil {
		return Limit{}, fmt.Errorf("get limit: %w", db.Classify(err))
	}
	return labelled(row), nil
}

// List is a page of the limits, by the time at which they were made. Only admins may know.
func (l *Limits) List(ctx context.Context, f Filter, args page.Args) (page.Page[Limit], error) {
	var none page.Page[Limit]
	if _, err := authz.Require(ctx, authz.LimitRead); err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var key db.LimitKey
	after := &key
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.LimitFilter{Subject: string(f.Subject), SubjectID: f.SubjectID, Dimension: string(f.Dimension), Query: f.Query}
	rows, err := l.q.ListLimits(ctx, l.pool, filter, after, f.OldestFirst, size+1)
	if err != nil {
		return none, fmt.Errorf("list limits: %w", db.Classify(err))
	}
	n, err := l.q.CountLimits(ctx, l.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count limits: %w", db.Classify(err))
	}
	limits := make([]Limit, len(rows))
	for i, row := range rows {
		limits[i] = labelled(row)
	}
	p := page.New(limits, size, func(l Limit) string { return page.Encode(db.LimitKey{ID: l.ID}) })
	p.Total = page.Counted(n)
	return p, nil
}

func labelled(row db.LabelledLimit) Limit {
	l := FromRow(row.Limit)
	l.Label = row.Label
	return l
}
