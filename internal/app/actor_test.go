package app

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/backlog"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/fault"
	"aihigress/internal/notify"
	"aihigress/internal/plan"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/statement"
	"aihigress/internal/usage"
)

// actorless are the methods that do not ask for an actor themselves: two find out who it is.
var actorless = map[string]bool{
	"Auth.VerifyAccess": true, // an access token
	"Auth.SessionActor": true, // what the cookie names
	"Inbox.Announce":    true, // what was sent by somebody who may
}

// TestNothingWithoutAnActor calls every method of the domain that takes a context, without an actor in it. Each must
// refuse before it does anything: the receivers are empty, so that one which does more than that panics.
func TestNothingWithoutAnActor(t *testing.T) {
	t.Parallel()
	called := 0
	for _, receiver := range []any{
		new(account.Users), new(apikey.Keys), new(audit.Log), new(auth.Auth), new(backlog.Backlog), new(catalog.Models), new(catalog.Book), new(catalog.Aliases), new(quota.Limits), new(credit.Ledger), new(credit.Codes),
		notify.New(notify.Options{}), new(provider.Providers), new(egress.Pools), new(usage.Reports), new(statement.Statements), new(plan.Planner),
	} {
		v := reflect.ValueOf(receiver)
		for i := range v.NumMethod() {
			method := v.Method(i)
			if method.Type().NumIn() == 0 || method.Type().In(0) != reflect.TypeFor[context.Context]() {
				continue
			}
			called++
			name := v.Type().Elem().Name() + "." + v.Type().Method(i).Name
			if err := refusal(t.Context(), method); !actorless[name] && !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("%s without an actor: %v", name, err)
			}
		}
	}
	if called < 50 {
		t.Errorf("only %d methods were found", called)
	}
}

// refusal calls a method with a context and the zero values of its other arguments, and returns its error.
func refusal(ctx context.Context, method reflect.Value) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("it went on, and panicked")
		}
	}()
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 1; i < method.Type().NumIn(); i++ {
		in = append(in, reflect.Zero(method.Type().In(i)))
	}
	call := method.Call
	if method.Type().IsVariadic() {
		call = method.CallSlice
	}
	out := call(in)
	err, _ = out[len(out)-1].Interface().(error)
	return err
}
