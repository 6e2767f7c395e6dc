package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	postgresUser  = "postgres"
	postgresPort  = "5432" // part of the socket's name, nothing else
	maintenanceDB = "postgres"
)

// PostgresOptions says which cluster to run.
type PostgresOptions struct {
	Binaries Binaries
	// Dir belongs to the cluster alone; made when missing.
	Dir string
	// Durable keeps what was committed through a power cut, at the price of a
	// disk flush a commit. Without it only a clean stop and kill -9 are survived.
	Durable bool
	// Log gets Postgres's own lines at debug level. Statements are not among them.
	Log *slog.Logger
}

// Postgres is a running private cluster.
type Postgres struct {
	opts    PostgresOptions
	sockets string
	claim   *claim
	child   *child
}

// StartPostgres starts the cluster in opts.Dir, makes it first where there is
// none, and returns once it accepts connections. ctx bounds the start only. The
// caller must Stop it.
//
// The error wraps ErrInUse when another process runs the cluster. A Postgres
// that a killed process left behind is waited for.
func StartPostgres(ctx context.Context, opts PostgresOptions) (_ *Postgres, err error) {
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := MakeDir(opts.Dir); err != nil {
		return nil, err
	}
	data := filepath.Join(opts.Dir, "data")
	acc, err := serverAccount(data)
	if err != nil {
		return nil, err
	}
	claim, err := claimDir(ctx, opts.Dir, func() { evictPostgres(data, opts.Log) })
	if err != nil {
		return nil, err
	}
	p := &Postgres{opts: opts, claim: claim}
	defer func() {
		if err != nil {
			claim.release()
		}
	}()

	if err := initCluster(ctx, opts, acc, claim); err != nil {
		return nil, err
	}
	if p.sockets, err = socketDir(opts.Dir, acc); err != nil {
		return nil, err
	}
	if err := p.launch(data, acc); err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firmTimeout)
		defer cancel()
		return nil, errors.Join(err, p.child.stop(stopCtx, syscall.SIGINT, syscall.SIGQUIT))
	}
	return p, nil
}

// URL returns the connection string of a database of the cluster.
func (p *Postgres) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(postgresUser),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {p.sockets}, "port": {postgresPort}}.Encode(),
	}
	return u.String()
}

// EnsureDatabase creates the database unless there is one of that name.
func (p *Postgres) EnsureDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.URL(maintenanceDB))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Done is closed when Postgres has ended, whoever ended it.
func (p *Postgres) Done() <-chan struct{} { return p.child.done }

// Stop ends the cluster in order: sessions are cut, everything is written out,
// and no process is left. When ctx ends before that, Postgres is made to quit
// at once, which the next start recovers from, and Stop returns an error.
func (p *Postgres) Stop(ctx context.Context) error {
	defer p.claim.release()
	err := p.child.stop(ctx, syscall.SIGINT, syscall.SIGQUIT)
	removeSocketDir(p.sockets, p.opts.Dir)
	return err
}

func (p *Postgres) launch(data string, acc account) error {
	// No context of the caller's: Stop ends it.
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.opts.Binaries.Dir, "postgres"))
	cmd.ExtraFiles = []*os.File{p.claim.tenant}
	dataPath, closeData, err := reach(cmd, acc, data)
	if err != nil {
		return err
	}
	defer closeData()
	socketPath, closeSockets, err := reach(cmd, acc, p.sockets)
	if err != nil {
		return err
	}
	defer closeSockets()
	cmd.Args = append(cmd.Args, "-D", dataPath, "-k", socketPath, "-p", postgresPort)
	for _, setting := range p.settings() {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Dir = "/" // ours may be closed to the account
	cmd.Env = serverEnv()
	cmd.SysProcAttr = acc.attr()
	p.child, err = startChild("postgres", cmd, syscall.SIGINT, p.opts.Log)
	return err
}

// settings are small, since the cluster shares a workstation with everything
// else, and keep statements, which may hold anything, out of the log.
func (p *Postgres) settings() []string {
	set := []string{
		"listen_addresses=",
		"unix_socket_permissions=0700",
		"max_connections=200",
		"shared_buffers=64MB",
		"max_wal_size=256MB",
		"jit=off",
		"timezone=UTC",
		"log_timezone=UTC",
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
	}
	if !p.opts.Durable {
		set = append(set, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0")
	}
	return set
}

// readyTimeout covers the recovery after a kill under load on a slow disk.
const readyTimeout = time.Minute

func (p *Postgres) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, p.URL(maintenanceDB))
		if err == nil {
			return conn.Close(ctx)
		}
		if refusal, ok := errors.AsType[*pgconn.PgError](err); ok && refusal.Code != pgerrcode.CannotConnectNow {
			return fmt.Errorf("connect to postgres: %w", err)
		}
		select {
		case <-p.child.done:
			return p.child.failure()
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres: %w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// evictPostgres asks the Postgres that a killed process left in data to end. It
// is called only while that one provably lives, since it holds the tenant's
// lock; so the process id in its file is its own.
func evictPostgres(data string, log *slog.Logger) {
	log.Info("waiting for the previous Postgres of this folder to end")
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return // it is about to end, or was never started
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGINT)
	}
}

// serverEnv is what Postgres gets of our environment: none of the PG* variables,
// which would change how it runs, and no secrets.
func serverEnv() []string {
	env := []string{"LC_ALL=" + serverLocale, "TZ=UTC"}
	for _, name := range []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH", "LOCALE_ARCHIVE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
