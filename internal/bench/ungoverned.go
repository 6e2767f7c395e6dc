package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
	"aihigress/proxy"
)

// ungoverned is the gateway's data plane with everything off that its bookkeeping takes: no limits, no credit, no spool, no
// booking, no counters. It knows the same keys, models and providers as the gateway beside it, by its database.
func ungoverned(ctx context.Context, addr string) (err error) {
	debug.SetGCPercent(400) // as the gateway sets it under such a load
	quiet := slog.New(slog.DiscardHandler)
	master, err := secret.ParseMasterKey(os.Getenv("AIHIGRESS_MASTER_KEY"))
	if err != nil {
		return err
	}
	keyring, err := secret.NewKeyring(master)
	if err != nil {
		return err
	}
	pool, err := db.Open(ctx, os.Getenv("DATABASE_URL"), 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	config := snapshot.NewStore(pool, os.Getenv("DATABASE_URL"), keyring, quiet)
	if err := config.Load(ctx); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	following, stop := context.WithCancel(ctx)
	followed := make(chan error, 1)
	go func() { followed <- config.Run(following) }()
	defer func() { stop(); err = errors.Join(err, <-followed) }()
	handler := proxy.New(proxy.Options{
		Config: config, Limits: noLimits{}, Credit: noCredit{}, Meter: noMeter{}, Upstream: upstream.New(upstream.Options{}), Log: quiet,
	})
	mux := http.NewServeMux()
	mux.Handle("/v1/", handler)
	return serve(ctx, addr, web.Wrap(mux, web.Options{Log: quiet}))
}

type noLimits struct{}

func (noLimits) Admit(context.Context, limit.Use, []limit.Claim) (*limit.Lease, limit.State, error) {
	return nil, limit.State{}, nil
}

func (noLimits) Take(context.Context, limit.Use, ...limit.Claim) (*limit.Lease, error) {
	return nil, nil
}

type noCredit struct{}

func (noCredit) Reserve(context.Context, id.Account, money.Amount) (proxy.Hold, error) {
	return noHold{}, nil
}

type noHold struct{}

func (noHold) Settle(money.Amount) {}
func (noHold) Release()            {}

type noMeter struct{}

func (noMeter) Admitted(context.Context, *usage.Event) error { return nil }
func (noMeter) Finished(context.Context, *usage.Event) error { return nil }
