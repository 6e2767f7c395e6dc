package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/devstack/redistest"
)

// A dev is a running `aihigress dev --json` and the line it printed.
type dev struct {
	*process
	dir string

	URL         string
	GraphQL     string
	Admin       struct{ Email, Password string }
	APIKey      string `json:"api_key"`
	Model       string
	Simulator   string
	DatabaseURL string `json:"database_url"`
}

// startDev starts it in a folder, which belongs to the test, on a port of its own, and returns once it answers.
func startDev(t testing.TB, dir string, args ...string) *dev {
	t.Helper()
	d := &dev{dir: dir}
	d.process = run(t, launch{}, append([]string{"dev", "--json", "--listen", "127.0.0.1:0", "--data-dir", dir}, args...)...)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	line, ok := d.stdout.line(ctx, func(string) bool { return true })
	if !ok {
		t.Fatalf("dev does not get ready:\n%s", d.stderr.tail(40))
	}
	if err := json.Unmarshal([]byte(line), d); err != nil {
		t.Fatalf("dev printed %q: %v", line, err)
	}
	return d
}

// admin signs the admin in.
func (d *dev) admin(t testing.TB) *graph {
	t.Helper()
	return signIn(t, d.URL, d.Admin.Email, d.Admin.Password)
}

// newDir is a folder for a dev that is removed with the test.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory, "dev-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the data folder: %v", err)
		}
	})
	return filepath.Join(dir, "data")
}

// stores are what production nodes share.
type stores struct {
	postgres string // connection string of a migrated database
	redis    string
	master   string
}

// newStores gives the test a database of its own and a Redis of its own.
func newStores(t testing.TB) stores {
	t.Helper()
	return stores{postgres: pgtest.New(t), redis: redistest.Start(t).URL(), master: newMaster()}
}

func newMaster() string {
	key := make([]byte, 32)
	rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

// env is the environment of a node that keeps its spool in the folder.
func (s stores) env(spool string) []string {
	return []string{
		"DATABASE_URL=" + s.postgres, "REDIS_URL=" + s.redis, "AIHIGRESS_MASTER_KEY=" + s.master,
		"LISTEN=127.0.0.1:0", "SPOOL_DIR=" + spool,
	}
}

// A node is a running `aihigress serve`.
type node struct {
	*process
	url string
}

// startNode starts a node and returns once it is ready.
func startNode(t testing.TB, s stores, spool string, env ...string) *node {
	t.Helper()
	p := run(t, launch{env: append(s.env(spool), env...)}, "serve")
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	var ready struct{ Msg, Listen string }
	if _, ok := p.stderr.line(ctx, func(line string) bool {
		return json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready"
	}); !ok {
		t.Fatalf("the node does not get ready:\n%s", p.stderr.tail(40))
	}
	return &node{process: p, url: "http://" + ready.Listen}
}

// firstAdmin makes the admin of a new install and signs in with the password that is printed once.
func firstAdmin(t testing.TB, s stores, n *node) *graph {
	t.Helper()
	const email = "admin@example.com"
	return signIn(t, n.url, email, createAdmin(t, s, email))
}

// createAdmin runs `admin create` and returns the password, which is the last word that it says.
func createAdmin(t testing.TB, s stores, email string) string {
	t.Helper()
	code, stdout, stderr := finish(t, launch{env: s.env(t.TempDir())}, "admin", "create", "--email", email)
	words := strings.Fields(stdout)
	if code != 0 || len(words) == 0 {
		t.Fatalf("admin create: exit %d, %q, %s", code, stdout, stderr)
	}
	return words[len(words)-1]
}

// startVendor starts `aihigress simulator` and returns its base URL.
func startVendor(t testing.TB) string {
	t.Helper()
	p := run(t, launch{}, "simulator", "--listen", "127.0.0.1:0")
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	line, ok := p.stdout.line(ctx, func(line string) bool { return strings.HasPrefix(line, "simulator: ") })
	if !ok {
		t.Fatalf("the simulator does not start:\n%s", p.stderr.tail(40))
	}
	return strings.TrimPrefix(line, "simulator: ")
}

// connect opens a connection to the database, closed with the test.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to the database: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server may be gone
	return conn
}

// scan reads one row.
func scan[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// stats are the vendor's own counts.
type stats struct {
	InFlight int `json:"in_flight"`
	Models   map[string]struct{ Requests int }
}

func vendorStats(t testing.TB, vendor string) (s stats) {
	t.Helper()
	resp, err := http.Get(strings.TrimSuffix(vendor, "/v1") + "/sim/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
