package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/usage"
	"aihigress/migrations"
)

// spool looks at a spool's folder, or books what is in it.
func (c Command) spool(ctx context.Context, args []string) error {
	commands := map[string]struct {
		about string
		run   func(ctx context.Context, dir, url string) error
	}{
		"status": {"Says what is in a spool's folder and, with DATABASE_URL, what of it is not booked. The node may be running.", c.spoolStatus},
		"verify": {"Reads a spool's folder from end to end. Exit code 1 says that something in it is damaged.", c.spoolVerify},
		"replay": {"Books all that is in the folder of a node that does not run, what was put aside included. Needs DATABASE_URL.", c.spoolReplay},
	}
	if len(args) == 0 {
		return fmt.Errorf("aihigress spool: say status, verify or replay: %w", errUsage)
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("aihigress spool: say status, verify or replay: %w", errUsage)
	}
	environ := env.ToMap(c.Environ)
	dir := environ["SPOOL_DIR"]
	if dir == "" {
		dir = "spool"
	}
	err := c.flags("spool "+args[0], command.about, args[1:], func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", dir, "the folder; SPOOL_DIR where it is left out")
	})
	if err != nil {
		return err
	}
	return command.run(ctx, dir, environ["DATABASE_URL"])
}

func (c Command) spoolStatus(ctx context.Context, dir, url string) error {
	i, err := usage.Inspect(dir, usage.Position{})
	if err != nil {
		return err
	}
	booked := "unknown without DATABASE_URL"
	if url != "" {
		if i, booked, err = inspectWith(ctx, dir, url, i); err != nil {
			return err
		}
	}
	return printInspection(c.Stdout, i, booked)
}

// inspectWith is an inspection that knows what is booked.
func inspectWith(ctx context.Context, dir, url string, i usage.Inspection) (usage.Inspection, string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return i, "", errors.New("DATABASE_URL cannot be connected to")
	}
	defer conn.Close(ctx)
	at, known, err := usage.Booked(ctx, conn, i.Node)
	if err != nil {
		return i, "", err
	}
	if i, err = usage.Inspect(dir, at); err != nil {
		return i, "", err
	}
	text := fmt.Sprint(i.Unbooked)
	switch {
	case !known:
		text += ", since this database does not know the node"
	case !i.Oldest.IsZero():
		text += ", the oldest from " + i.Oldest.Format(time.RFC3339)
	}
	return i, text, nil
}

func printInspection(w io.Writer, i usage.Inspection, unbooked string) error {
	_, err := fmt.Fprintf(w, `node         %s
segments     %d, %d bytes
requests     %d let through, %d ended, %d open
not booked   %s
put aside    %d
damaged      %d
`, i.Node, i.Segments, i.Bytes, i.Admitted, i.Finished, i.Open, unbooked, i.Quarantined, i.Damaged)
	return err
}

func (c Command) spoolVerify(_ context.Context, dir, _ string) error {
	i, err := usage.Inspect(dir, usage.Position{})
	if err != nil {
		return err
	}
	if err := printInspection(c.Stdout, i, "not looked up"); err != nil {
		return err
	}
	if i.Damaged > 0 {
		return fmt.Errorf("%d places in the spool cannot be read; they are skipped, and all else is booked", i.Damaged)
	}
	return nil
}

// spoolReplay does what the node itself would at its next start, for one that has none.
func (c Command) spoolReplay(ctx context.Context, dir, url string) error {
	if url == "" {
		return fmt.Errorf("aihigress spool replay: DATABASE_URL is not set: %w", errUsage)
	}
	if _, err := usage.Inspect(dir, usage.Position{}); err != nil {
		return err // and no new spool is made where there is none
	}
	if err := migrations.Check(ctx, url); err != nil {
		return err
	}
	pool, err := db.Open(ctx, url, 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	log := c.logger("text", slog.LevelInfo)
	spool, err := usage.OpenSpool(dir, log)
	if err != nil {
		return err
	}
	defer spool.Close()
	requeued, err := spool.Requeue()
	if err != nil {
		return err
	}
	stats, err := drained(authz.With(ctx, authz.Job("spool replay")), pool, spool, log)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.Stdout, "%d requests booked, %d of them cut off by the node's end, %d tried again, %d put aside\n",
		stats.Booked, spool.Recovered(), requeued, stats.Quarantined); err != nil {
		return err
	}
	if stats.Quarantined > 0 {
		return errors.New("some requests are still refused; the log says why")
	}
	return nil
}

// drained books all of a spool and marks it so, which lets the sweep give its leases back.
func drained(ctx context.Context, pool *pgxpool.Pool, spool *usage.Spool, log *slog.Logger) (usage.BookerStats, error) {
	booker := usage.NewBooker(usage.BookerOptions{
		Pool: pool, Spool: spool, Ledger: credit.New(pool, audit.New(pool)),
		Leases: credit.NewLeases(pool, spool.Node(), log, time.Now), Bus: quiet{}, Log: log,
	})
	err := booker.Drain(ctx)
	return booker.Stats(), err
}

// quiet publishes nothing.
type quiet struct{}

// Publish implements usage.Publisher.
func (quiet) Publish(context.Context, string, any) {}
