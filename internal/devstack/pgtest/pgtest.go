// Package pgtest gives tests a real, migrated Postgres: one cluster a test
// package, one database a test.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestX(t *testing.T) {
//		t.Parallel()
//		dsn := pgtest.New(t)
//
// The cluster starts with the first test that asks for it, from a copy of a
// migrated one that is kept between runs, in memory where there is room. It
// survives nothing and flushes nothing.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout covers the first run after a change of the migrations, when
// other packages' tests wait for this one to prepare the cluster.
const startTimeout = 3 * time.Minute

// stopTimeout bounds stops and statements of the harness itself.
const stopTimeout = 30 * time.Second

// shared is the cluster of the test binary.
var shared struct {
	mu      sync.Mutex
	running bool // between the begin and the end of Run
	cluster *cluster
	err     error // why there is no cluster
}

// Main is the whole of a TestMain. It does not return.
func Main(m *testing.M) { os.Exit(With(m).Run()) }

// Runner is what goleak.VerifyTestMain takes.
type Runner interface{ Run() int }

// With returns m as a Runner that stops the package's cluster after the tests,
// for a TestMain that does more: goleak.VerifyTestMain(pgtest.With(m)).
func With(m *testing.M) Runner { return runner{m} }

type runner struct{ m *testing.M }

func (r runner) Run() int {
	shared.mu.Lock()
	shared.running = true
	shared.mu.Unlock()

	code := r.m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.running = false
	if shared.cluster == nil {
		return code
	}
	if err := shared.cluster.close(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// New returns the connection string of a new database with the current schema,
// dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	return newDatabase(t, " TEMPLATE "+templateDB+" STRATEGY file_copy")
}

// Empty is New without any schema, for tests of the migrations.
func Empty(t testing.TB) string {
	t.Helper()
	return newDatabase(t, " TEMPLATE template0")
}

var databases atomic.Int64

func newDatabase(t testing.TB, from string) string {
	t.Helper()
	c, err := sharedCluster()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := c.exec("CREATE DATABASE " + name + from); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return c.postgres.URL(name)
}

func sharedCluster() (*cluster, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.running {
		return nil, fmt.Errorf("the package needs: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = newCluster()
	}
	return shared.cluster, shared.err
}

// exec runs one statement on a connection of its own, since CREATE and DROP
// DATABASE take their time and tests run in parallel.
func (c *cluster) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.postgres.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
