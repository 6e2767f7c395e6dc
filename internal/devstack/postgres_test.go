package devstack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	err = conn.QueryRow(t.Context(), sql).Scan(&text)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func TestPostgresKeepsData(t *testing.T) {
	t.Parallel()
	// A folder of a test is 0700 to root and so closed to the account that
	// Postgres runs as: this is also the test of reach.
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, dir, true)
	pid := p.child.cmd.Process.Pid
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d, %v: the terminal's Ctrl-C would reach Postgres", group, err)
	}
	for range 2 { // the second time it is there
		if err := p.EnsureDatabase(t.Context(), "my app"); err != nil {
			t.Fatal(err)
		}
	}
	dsn := p.URL("my app")
	query(t, dsn, "CREATE TABLE mark AS SELECT 'kept' AS word")
	stop(t, p)
	awaitEnd(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after an orderly stop: %v", err)
	}

	p = start(t, dir, true)
	if p.URL("my app") != dsn {
		t.Errorf("address changed from %s to %s", dsn, p.URL("my app"))
	}
	if got := query(t, dsn, "SELECT word FROM mark"); got != "kept" {
		t.Errorf("the second start finds %q", got)
	}
}

func TestPostgresSettings(t *testing.T) {
	// Not parallel: variables of the environment that would change how Postgres
	// runs, were they passed on.
	for _, name := range []string{"PGPORT", "PGDATA", "PGUSER", "PGHOST"} {
		t.Setenv(name, "9")
	}
	for _, durable := range []bool{true, false} {
		p := start(t, filepath.Join(t.TempDir(), "state"), durable)
		want := map[string]string{
			"fsync": "on", "full_page_writes": "on", "listen_addresses": "",
			"server_encoding": "UTF8", "TimeZone": "UTC", "port": "5432",
		}
		if !durable {
			want["fsync"], want["full_page_writes"] = "off", "off"
		}
		for name, value := range want {
			if got := query(t, p.URL("postgres"), "SHOW "+name); got != value {
				t.Errorf("durable %t: %s is %q, want %q", durable, name, got, value)
			}
		}
		stop(t, p)
	}
}

func TestPostgresLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	p := start(t, dir, false)
	if got := query(t, p.URL("postgres"), "SELECT 'here'"); got != "here" {
		t.Errorf("got %q", got)
	}
	stop(t, p)
	if _, err := os.Stat(p.sockets); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the socket is left: %v", err)
	}
}

func TestPostgresInUse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, dir, false)
	_, err := StartPostgres(t.Context(), PostgresOptions{Binaries: binaries(t), Dir: dir, Log: quiet})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second start in the same folder: %v", err)
	}
	if got := query(t, p.URL("postgres"), "SELECT 'here'"); got != "here" {
		t.Errorf("the first one is disturbed: %q", got)
	}
}

func TestPostgresOfKilledParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent, report := startHelper(t, dir)
	query(t, report.PostgresURL, "CREATE TABLE mark AS SELECT 'kept' AS word")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// At once, while the old one still ends.
	p := start(t, filepath.Join(dir, "postgres"), true)
	if got := query(t, p.URL("postgres"), "SELECT word FROM mark"); got != "kept" {
		t.Errorf("after the kill: %q", got)
	}
	r, err := StartRedis(t.Context(), RedisOptions{Dir: filepath.Join(dir, "redis"), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, r)
}

func TestKilledParentLeavesNoProcess(t *testing.T) {
	t.Parallel()
	needLinux(t)
	dir := t.TempDir()
	parent, report := startHelper(t, dir)
	conn, err := pgx.Connect(t.Context(), report.PostgresURL) // a session is no reason to stay
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, filepath.Join(dir, "postgres"))
	awaitEnd(t, filepath.Join(dir, "redis"))
}

// Only where the kernel does not end the children of a killed process is one
// left to be evicted.
func TestEvictPostgres(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, dir, false)
	evictPostgres(filepath.Join(dir, "data"), quiet)
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	stop(t, p)
}

func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, dir, true)
	query(t, p.URL("postgres"), "CREATE TABLE mark AS SELECT 'kept' AS word")
	p.child.signal(syscall.SIGKILL)
	<-p.Done()
	stop(t, p)
	p = start(t, dir, true)
	if got := query(t, p.URL("postgres"), "SELECT word FROM mark"); got != "kept" {
		t.Errorf("after the kill: %q", got)
	}
}

func TestHalfMadeClusterIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	// What a kill during initdb leaves.
	half := filepath.Join(dir, "data.new")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, false)
	if got := query(t, p.URL("postgres"), "SELECT 'here'"); got != "here" {
		t.Errorf("got %q", got)
	}
}

func TestClusterOfOtherVersion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Binaries: binaries(t), Dir: dir, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "made by Postgres 9") {
		t.Errorf("a cluster of Postgres 9: %v", err)
	}
}

func TestStartFailureSaysWhy(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	p := start(t, dir, false)
	stop(t, p)
	conf := filepath.Join(dir, "data", "postgresql.conf")
	if err := os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Binaries: binaries(t), Dir: dir, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("a broken configuration: %v", err)
	}
	awaitEnd(t, dir) // and the folder is free again
}

func TestCopyCluster(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	p := start(t, from, false)
	query(t, p.URL("postgres"), "CREATE TABLE mark AS SELECT 'copied' AS word")
	stop(t, p)
	if err := CopyCluster(from, to); err != nil {
		t.Fatal(err)
	}
	if err := CopyCluster(from, to); !errors.Is(err, os.ErrExist) {
		t.Errorf("copy over a cluster: %v", err)
	}
	p = start(t, to, false)
	if got := query(t, p.URL("postgres"), "SELECT word FROM mark"); got != "copied" {
		t.Errorf("the copy has %q", got)
	}
}
