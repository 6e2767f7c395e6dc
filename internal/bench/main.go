// Command bench measures what the gateway costs beside a bare reverse proxy to the same upstream.
//
//	go run ./internal/bench [-rounds 5] [-time 1s] [-pair-time 400ms] [-only REGEXP] [-profile DIR]
//
// It starts a mock vendor, an httputil.ReverseProxy and the gateway as `aihigress serve` with a real Postgres and Redis and
// everything on: authentication, limits, credit holds, spool, metrics. Each is a process of its own. Every round gives each
// target the same load for the same time, in turns, so that what else the machine does falls on both. In the same rounds each
// of the sixteen pairs of dialects has its turns, with the simulator as the upstream, and is held against the pass-through of the
// same caller's dialect. Then it counts, without a network, what one event of a translated stream costs. The Markdown
// tables on standard output hold ratios; absolute times on a shared machine mean little.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
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
	// The mock, the proxy and the gateway without its bookkeeping are this program again, so that each is a process whose CPU can
	// be read.
	if len(args) == 2 && args[0] == "mock" {
		return serve(ctx, args[1], newMock())
	}
	if len(args) == 2 && args[0] == "ungoverned" {
		return ungoverned(ctx, args[1])
	}
	if len(args) == 3 && args[0] == "proxy" {
		proxy, err := newProxy(args[2])
		if err != nil {
			return err
		}
		return serve(ctx, args[1], proxy)
	}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	var o options
	set.IntVar(&o.rounds, "rounds", 5, "how often each target gets its turn")
	set.DurationVar(&o.turn, "time", time.Second, "how long a turn is, of the bare proxy and of the gateway beside it")
	set.DurationVar(&o.pairTurn, "pair-time", 400*time.Millisecond, "how long a turn of a pair of dialects is")
	set.Func("only", "measure only the loads whose names match", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	events := set.Bool("events", false, "measure only what events of streams cost, without a gateway")
	set.StringVar(&o.profile, "profile", "", "folder to put profiles of the gateway under each load in, of CPU and of allocations, instead of measuring")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *events {
		return reportEvents(ctx, os.Stdout)
	}
	return measure(ctx, o)
}

type options struct {
	rounds         int
	turn, pairTurn time.Duration
	only           *regexp.Regexp // nil is all
	profile        string
}

// chosen are the loads to be measured.
func (o options) chosen(loads []load) []load {
	if o.only == nil {
		return loads
	}
	return slices.DeleteFunc(slices.Clone(loads), func(l load) bool { return !o.only.MatchString(l.name) })
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
