package graph

import (
	"context"

	"aihigress/graph/model"
	"aihigress/internal/page"
)

// A Resolver answers the fields of the schema out of the domain.
type Resolver struct {
	domain Options
}

// window is the page that first and after ask for.
func window(first *int, after *string) page.Args {
	args := page.Args{}
	if first != nil {
		args.First = *first
		if *first == 0 {
			args.First = -1 // zero rows are not a page; in page.Args zero is the default size
		}
	}
	if after != nil {
		args.After = *after
	}
	return args
}

// connect shows a page of a list, whose rows may be asked for what they refer to.
func connect[T any](ctx context.Context, p page.Page[T], args page.Args, err error) (*model.Connection[T], error) {
	if err != nil {
		return nil, err
	}
	for _, row := range p.Items {
		loadersOf(ctx).expect(row)
	}
	return &model.Connection[T]{Page: p, HasPrevious: args.After != ""}, nil
}

// orZero is what a pointer leads to, or the zero value.
func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// unless is the value of a call that succeeded; nil of one that failed.
func unless[T any](err error, v T) *T {
	if err != nil {
		return nil
	}
	return &v
}
