// Command books measures how long the request log and the dashboard take to answer over many booked requests.
//
//	go run ./internal/bench/books [-rows 10000000] [-days 30] [-dir DIR] [-rounds 20] [-only REGEXP]
//
// It fills a Postgres of its own with made-up requests, unless one of an earlier run with as many rows is in -dir, and then asks
// each question -rounds times, in an order that changes from round to round. The Markdown table on standard output holds the
// times that a reader waits for the whole answer of internal/usage. 10 million rows take some 9 GB of disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/devstack"
	"aihigress/internal/event"
	"aihigress/internal/usage"
	"aihigress/migrations"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "books:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	set := flag.NewFlagSet("books", flag.ContinueOnError)
	rows := set.Int("rows", 10_000_000, "how many requests there are")
	days := set.Int("days", 30, "over how many days, which end today")
	dir := set.String("dir", filepath.Join(os.TempDir(), "aihigress-books"), "folder of the Postgres that is filled, and kept")
	rounds := set.Int("rounds", 20, "how often each question is asked")
	only := set.String("only", "", "ask only the questions whose names match")
	if err := set.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *rows < 1 || *days < 1 || *rounds < 1 {
		return errors.New("-rows, -days and -rounds must be at least one")
	}
	pool, stop, err := open(ctx, *dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ctx = authz.With(ctx, authz.Job("bench"))
	reports := usage.NewReports(pool, event.New(nil, slog.New(slog.DiscardHandler)))
	w := newWorld(*days)
	if err := w.fill(ctx, pool, reports, *rows); err != nil {
		return err
	}
	questions, err := w.questions(ctx, pool, reports)
	if err != nil {
		return err
	}
	questions = slices.DeleteFunc(questions, func(q question) bool { return !chosen.MatchString(q.name) })
	return ask(ctx, pool, questions, *rounds)
}

// open starts the Postgres in dir and brings its tables up to date. What it does not survive is a power cut.
func open(ctx context.Context, dir string) (_ *pgxpool.Pool, stop func() error, err error) {
	quiet := slog.New(slog.DiscardHandler)
	binaries, err := devstack.FindPostgres(ctx, devstack.FindOptions{Log: quiet})
	if err != nil {
		return nil, nil, err
	}
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Binaries: binaries, Dir: dir, Log: quiet})
	if err != nil {
		return nil, nil, err
	}
	end := func() error { return postgres.Stop(context.WithoutCancel(ctx)) }
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	if err := postgres.EnsureDatabase(ctx, "books"); err != nil {
		return nil, nil, err
	}
	url := postgres.URL("books")
	if err := migrations.Up(ctx, url); err != nil {
		return nil, nil, err
	}
	pool, err := db.Open(ctx, url, 8)
	if err != nil {
		return nil, nil, err
	}
	return pool, func() error { pool.Close(); return end() }, nil
}

// A question is asked again and again.
type question struct {
	name string
	ask  func(context.Context) (rows int, err error)
}

func ask(ctx context.Context, pool *pgxpool.Pool, questions []question, rounds int) error {
	took := make([][]time.Duration, len(questions))
	found := make([]int, len(questions))
	for range rounds {
		for _, i := range rand.Perm(len(questions)) {
			begin := time.Now()
			rows, err := questions[i].ask(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", questions[i].name, err)
			}
			took[i], found[i] = append(took[i], time.Since(begin)), rows
		}
	}
	var requests, buckets int64
	var size string
	if err := pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM usage_buckets),
		pg_size_pretty(pg_database_size(current_database()))`).Scan(&requests, &buckets, &size); err != nil {
		return err
	}
	fmt.Printf("%d requests, %d rows of counts, %s. %s/%s, %d CPUs, %s.\n\n", requests, buckets, size, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	fmt.Println("| question | rows | p50 | p95 | worst |\n|---|---:|---:|---:|---:|")
	for i, q := range questions {
		slices.Sort(took[i])
		at := func(share float64) string {
			return fmt.Sprintf("%.1f ms", float64(took[i][int(share*float64(len(took[i])-1)+0.5)].Microseconds())/1000)
		}
		fmt.Printf("| %s | %d | %s | **%s** | %s |\n", q.name, found[i], at(0.5), at(0.95), at(1))
	}
	return nil
}
