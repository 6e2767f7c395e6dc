package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"aihigress/internal/devstack/pgtest"
	"aihigress/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func scan[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestNewIsMigratedAndPrivate(t *testing.T) {
	t.Parallel()
	one, two := pgtest.New(t), pgtest.New(t)
	if one == two {
		t.Fatalf("two databases have one address %s", one)
	}
	if err := migrations.Check(t.Context(), one); err != nil {
		t.Errorf("schema of a new database: %v", err)
	}
	if _, err := connect(t, one).Exec(t.Context(), "CREATE TABLE mark ()"); err != nil {
		t.Fatal(err)
	}
	if scan[bool](t, connect(t, two), "SELECT to_regclass('mark') IS NOT NULL") {
		t.Error("a table of one database shows in the other")
	}
}

func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.New(t))
	var name string
	t.Run("user", func(t *testing.T) {
		user := connect(t, pgtest.New(t))
		name = scan[string](t, user, "SELECT current_database()")
		if !scan[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name) {
			t.Fatalf("%s is not in the cluster", name)
		}
	})
	if scan[bool](t, conn, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name) {
		t.Errorf("%s outlived its test", name)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.Empty(t))
	if n := scan[int](t, conn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
		t.Errorf("an empty database has %d tables", n)
	}
}

func TestClusterOutage(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t)
	if err := migrations.Check(t.Context(), c.URL()); err != nil {
		t.Errorf("schema: %v", err)
	}
	before := connect(t, c.URL())
	if _, err := before.Exec(t.Context(), "CREATE TABLE mark ()"); err != nil {
		t.Fatal(err)
	}
	url := c.URL()

	c.Stop()
	if err := before.Ping(t.Context()); err == nil {
		t.Error("a connection survived the stop")
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		conn.Close(t.Context())
		t.Error("a stopped cluster takes connections")
	}

	c.Start()
	if c.URL() != url {
		t.Errorf("address changed from %s to %s", url, c.URL())
	}
	if !scan[bool](t, connect(t, url), "SELECT to_regclass('mark') IS NOT NULL") {
		t.Error("committed data did not survive")
	}
}
