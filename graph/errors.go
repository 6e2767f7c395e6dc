package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"aihigress/graph/model"
	"aihigress/internal/fault"
	"aihigress/internal/reqid"
	"aihigress/internal/web"
)

// A failure becomes an entry of userErrors where its sender can mend it, and a top-level error otherwise. These two tables
// are all that this door knows of kinds.
var (
	userCodes = map[fault.Kind]model.UserErrorCode{
		fault.Invalid:   model.UserErrorCodeInvalid,
		fault.Conflict:  model.UserErrorCodeConflict,
		fault.NotFound:  model.UserErrorCodeNotFound,
		fault.Exhausted: model.UserErrorCodeExhausted,
	}
	codes = map[fault.Kind]string{
		fault.Invalid:         "BAD_USER_INPUT", // of a query, or of an input that is malformed as such
		fault.Conflict:        "CONFLICT",
		fault.NotFound:        "NOT_FOUND",
		fault.Exhausted:       "EXHAUSTED",
		fault.Unauthenticated: "UNAUTHENTICATED",
		fault.Denied:          "FORBIDDEN",
		fault.Limited:         "RATE_LIMITED",
		fault.Upstream:        "UPSTREAM",
	}
)

const codeInternal = "INTERNAL"

// refusals divides the failure of a mutation: into what goes to its sender as data, and what fails the field.
func refusals(err error) ([]model.UserError, error) {
	if err == nil {
		return []model.UserError{}, nil
	}
	failure, ok := fault.As(err)
	if !ok {
		return nil, err
	}
	code, theirs := userCodes[failure.Kind]
	if !theirs {
		return nil, err
	}
	return []model.UserError{{Code: code, Message: failure.Message, Path: failure.Path}}, nil
}

// present makes the top-level error of a failure. What has no kind is logged and shown as a request id.
func present(ctx context.Context, err error) *gqlerror.Error {
	shown, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		shown = gqlerror.WrapPath(graphql.GetPath(ctx), err)
	}
	failure, known := fault.As(err)
	badNumber, isNumber := errors.AsType[*graphql.IntegerError](err)
	switch {
	case known:
		return explain(shown, failure.Message, codes[failure.Kind], retryAfter(failure))
	case isNumber:
		return explain(shown, badNumber.Message, codes[fault.Invalid], nil)
	case shown.Err == nil:
		return shown // the library's own words about the document
	}
	web.NoteError(ctx, err)
	return explain(shown, "internal error", codeInternal, map[string]any{"requestId": reqid.From(ctx)})
}

func explain(e *gqlerror.Error, message, code string, more map[string]any) *gqlerror.Error {
	extensions := map[string]any{"code": code}
	maps.Copy(extensions, more)
	return &gqlerror.Error{Message: message, Path: e.Path, Locations: e.Locations, Extensions: extensions}
}

// retryAfter tells in seconds how long to wait, where that is known.
func retryAfter(failure *fault.Error) map[string]any {
	if failure.Retry <= 0 {
		return nil
	}
	return map[string]any{"retryAfter": failure.Retry.Seconds()}
}

// survive makes a resolver's panic one request's internal error.
func survive(_ context.Context, p any) error {
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}
