// Package migrations brings a database to the schema that this build wants: our tables by goose, River's by rivermigrate.
//
// Files go forward only, and are safe beside the previous release.
package migrations

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed *.sql
var files embed.FS

// lockID is the advisory lock under which a schema changes ("aihigress" in a telephone's letters). Two nodes that start
// at once take turns.
const lockID = 244447377

// ErrBehind says that the database is older than this build.
var ErrBehind = errors.New("the database schema is older than this build: run `aihigress migrate up`")

// A Status is one migration and whether the database has it.
type Status struct {
	Source  string // file name, or River's line and version
	Applied bool
}

// Up brings the database to this build's schema. It is safe to call from several processes at once.
func Up(ctx context.Context, url string) error {
	return locked(ctx, url, func(pool *pgxpool.Pool, ours *goose.Provider) error {
		if _, err := ours.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		river, err := rivers(pool)
		if err != nil {
			return err
		}
		if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate job tables: %w", err)
		}
		return nil
	})
}

// List tells of each migration whether the database has it, oldest first, River's behind ours.
func List(ctx context.Context, url string) ([]Status, error) {
	var list []Status
	err := open(ctx, url, func(pool *pgxpool.Pool, ours *goose.Provider) error {
		states, err := ours.Status(ctx)
		if err != nil {
			return fmt.Errorf("read migrations: %w", err)
		}
		for _, s := range states {
			list = append(list, Status{Source: s.Source.Path, Applied: s.State == goose.StateApplied})
		}
		river, err := rivers(pool)
		if err != nil {
			return err
		}
		applied, err := river.ExistingVersions(ctx)
		if err != nil {
			return fmt.Errorf("read migrations of job tables: %w", err)
		}
		for i, m := range river.AllVersions() {
			list = append(list, Status{Source: fmt.Sprintf("river %d", m.Version), Applied: i < len(applied)})
		}
		return nil
	})
	return list, err
}

// Check is ErrBehind where the database lacks a migration of this build. A newer schema is fine: migrations are safe
// beside the previous release.
func Check(ctx context.Context, url string) error {
	list, err := List(ctx, url)
	if err != nil {
		return err
	}
	for _, s := range list {
		if !s.Applied {
			return ErrBehind
		}
	}
	return nil
}

// Hash names the schema of this build: tests keep a migrated folder under it.
func Hash() string {
	h := sha256.New()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		panic("migrations: " + err.Error()) // only for a malformed pattern
	}
	for _, name := range names {
		f, err := files.Open(name)
		if err != nil {
			panic("migrations: embedded file is gone: " + err.Error())
		}
		fmt.Fprintln(h, name)
		if _, err := io.Copy(h, f); err != nil {
			panic("migrations: embedded file does not read: " + err.Error())
		}
		f.Close()
	}
	if river, err := rivermigrate.New(riverpgxv5.New(nil), nil); err == nil {
		for _, m := range river.AllVersions() {
			fmt.Fprintln(h, "river", m.Version)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func rivers(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("job tables: %w", err)
	}
	return m, nil
}

// open connects once for goose and River alike.
func open(ctx context.Context, url string, do func(*pgxpool.Pool, *goose.Provider) error) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	sqlDB := stdlib.OpenDBFromPool(pool)
	defer sqlDB.Close()
	ours, err := provider(sqlDB)
	if err != nil {
		return err
	}
	return do(pool, ours)
}

// locked holds the advisory lock on a connection of its own while do runs.
func locked(ctx context.Context, url string, do func(*pgxpool.Pool, *goose.Provider) error) error {
	return open(ctx, url, func(pool *pgxpool.Pool, ours *goose.Provider) error {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		defer conn.Release()
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockID); err != nil {
			return fmt.Errorf("wait for another migration: %w", err)
		}
		defer func() {
			// If it fails the lock goes with the connection, which the pool's end closes.
			_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lockID)
		}()
		return do(pool, ours)
	})
}

func provider(sqlDB *sql.DB) (*goose.Provider, error) {
	p, err := goose.NewProvider(database.DialectPostgres, sqlDB, files, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// Describe is the list as `aihigress migrate status` prints it.
func Describe(list []Status) string {
	var b strings.Builder
	for _, s := range list {
		state := "pending"
		if s.Applied {
			state = "applied"
		}
		fmt.Fprintf(&b, "%-8s %s\n", state, s.Source)
	}
	return b.String()
}
