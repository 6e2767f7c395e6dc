// Command bench measures what the gateway costs beside a bare reverse proxy to the same upstream.
//
//	go run ./internal/bench [-rounds 5] [-time 2s]
//
// It starts a mock vendor, an httputil.ReverseProxy and the gateway as `aihigress serve` with a real Postgres and Redis and
// everything on: authentication, limits, credit holds, spool, metrics. Each is a process of its own. Every round gives each
// target the same load for the same time, in turns, so that what else the machine does falls on both. The table on
// standard output holds ratios; absolute times on a shared machine mean little.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	// The mock and the proxy are this program again, so that each is a process whose CPU can be read.
	if len(args) == 2 && args[0] == "mock" {
		return serve(ctx, args[1], newMock())
	}
	if len(args) == 3 && args[0] == "proxy" {
		proxy, err := newProxy(args[2])
		if err != nil {
			return err
		}
		return serve(ctx, args[1], proxy)
	}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := set.Int("rounds", 5, "how often each target gets its turn")
	turn := set.Duration("time", 2*time.Second, "how long a turn is")
	profile := set.String("profile", "", "folder to put a CPU profile of the gateway under each load in, instead of measuring")
	if err := set.Parse(args); err != nil {
		return err
	}
	return measure(ctx, *rounds, *turn, *profile)
}

func serve(ctx context.Context, addr string, h http.Handler) error {
	s := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := s.Shutdown(shutdown)
	if errors.Is(err, context.DeadlineExceeded) {
		return s.Close()
	}
	return err
}
