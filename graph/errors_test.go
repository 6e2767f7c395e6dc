package graph

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/graph/model"
	"aihigress/internal/fault"
	"aihigress/internal/reqid"
)

func TestErrorsByKind(t *testing.T) {
	t.Parallel()
	ctx := reqid.With(context.Background(), "the-request")
	for kind, c := range map[fault.Kind]struct {
		user model.UserErrorCode // "" where it is no business of the sender
		code string
	}{
		fault.Invalid:         {model.UserErrorCodeInvalid, "BAD_USER_INPUT"},
		fault.Conflict:        {model.UserErrorCodeConflict, "CONFLICT"},
		fault.NotFound:        {model.UserErrorCodeNotFound, "NOT_FOUND"},
		fault.Exhausted:       {model.UserErrorCodeExhausted, "EXHAUSTED"},
		fault.Unauthenticated: {"", "UNAUTHENTICATED"},
		fault.Denied:          {"", "FORBIDDEN"},
		fault.Limited:         {"", "RATE_LIMITED"},
		fault.Upstream:        {"", "UPSTREAM"},
	} {
		failure := fault.Wrap(errors.New("the cause"), kind, "to be shown").After(1500 * time.Millisecond)
		failure.Path = []string{"a", "0"}
		err := fmt.Errorf("do it: %w", failure)
		shown := present(ctx, err)
		if diff := cmp.Diff(map[string]any{"code": c.code, "retryAfter": 1.5}, shown.Extensions); diff != "" || shown.Message != "to be shown" {
			t.Errorf("kind %v: %s: %s", kind, shown.Message, diff)
		}
		list, failed := refusals(err)
		var want []model.UserError
		if c.user != "" {
			want = []model.UserError{{Code: c.user, Message: "to be shown", Path: []string{"a", "0"}}}
		}
		if diff := cmp.Diff(want, list); diff != "" || (failed != nil) != (c.user == "") {
			t.Errorf("kind %v as a mutation's: %v %s", kind, failed, diff)
		}
	}
	shown := present(ctx, errors.New("pq: relation secrets"))
	if diff := cmp.Diff(map[string]any{"code": codeInternal, "requestId": "the-request"}, shown.Extensions); diff != "" || shown.Message != "internal error" {
		t.Errorf("an internal error: %s: %s", shown.Message, diff)
	}
	if _, failed := refusals(errors.New("x")); failed == nil {
		t.Error("an internal error is no user error")
	}
}
