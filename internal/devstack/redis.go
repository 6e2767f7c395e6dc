package devstack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const redisSocket = "redis.sock"

// RedisOptions says which Redis to run.
type RedisOptions struct {
	// Dir belongs to this Redis alone; made when missing. Nothing in it lasts.
	Dir string
	// Log gets Redis's own lines at debug level.
	Log *slog.Logger
}

// Redis is a running private Redis. Its content ends with it: whatever must last
// belongs into Postgres.
type Redis struct {
	url   string
	kind  string
	stop  func(context.Context) error
	ended <-chan struct{} // closed when Redis has ended, whoever ended it
}

// StartRedis starts a redis-server (or valkey-server) where one is on PATH, else
// an in-process stand-in, and returns once it answers. ctx bounds the start
// only. The caller must Stop it. The error wraps ErrInUse when another process
// uses the folder.
func StartRedis(ctx context.Context, opts RedisOptions) (*Redis, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return startRedisServer(ctx, path, opts)
		}
	}
	return startMiniredis()
}

// URL returns the address in the form that redis.ParseURL of go-redis takes.
func (r *Redis) URL() string { return r.url }

// Kind says what runs, for people: the path of the server or "in-process".
func (r *Redis) Kind() string { return r.kind }

// Done is closed when Redis has ended, whoever ended it.
func (r *Redis) Done() <-chan struct{} { return r.ended }

// Stop ends Redis and leaves no process. When ctx ends before that, the process
// is killed and Stop returns an error.
func (r *Redis) Stop(ctx context.Context) error { return r.stop(ctx) }

func startRedisServer(ctx context.Context, server string, opts RedisOptions) (_ *Redis, err error) {
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := MakeDir(dir); err != nil {
		return nil, err
	}
	// A Redis that is still ending would remove the socket of the next one.
	claim, err := claimDir(ctx, dir, func() { evictRedis(ctx, dir, opts.Log) })
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			claim.release()
		}
	}()
	sockets, err := socketDir(dir, account{})
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(sockets, redisSocket)
	// Left behind by a killed Redis, it would look like one that starts slowly.
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	// No context of the caller's: Stop ends it.
	cmd := exec.CommandContext(context.Background(), server,
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no", "--maxmemory", "256mb")
	cmd.Dir = dir
	cmd.Env = serverEnv()
	cmd.ExtraFiles = []*os.File{claim.tenant}
	child, err := startChild("redis", cmd, syscall.SIGTERM, opts.Log)
	if err != nil {
		return nil, err
	}
	if err := awaitSocket(ctx, socket, child); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), firmTimeout)
		defer cancel()
		return nil, errors.Join(err, child.stop(stopCtx, syscall.SIGTERM, syscall.SIGKILL))
	}
	return &Redis{
		url:  (&url.URL{Scheme: "unix", Path: socket}).String(),
		kind: server, ended: child.done,
		stop: func(ctx context.Context) error {
			defer claim.release()
			err := child.stop(ctx, syscall.SIGTERM, syscall.SIGKILL)
			removeSocketDir(sockets, dir)
			return err
		},
	}, nil
}

// evictRedis asks the Redis that a killed process left in dir to end.
func evictRedis(ctx context.Context, dir string, log *slog.Logger) {
	log.Info("waiting for the previous Redis of this folder to end")
	sockets, err := socketDir(dir, account{})
	if err != nil {
		return // the start itself will fail by it and say so
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", filepath.Join(sockets, redisSocket))
	if err != nil {
		return // it is about to end
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "SHUTDOWN NOSAVE\r\n")
}

// awaitSocket waits until the server accepts connections.
func awaitSocket(ctx context.Context, socket string, c *child) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			return c.failure()
		case <-ctx.Done():
			return fmt.Errorf("wait for redis: %w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// startMiniredis runs Redis's stand-in within this process, on a loopback port
// with a password, since other users reach that too.
func startMiniredis() (*Redis, error) {
	server := miniredis.NewMiniRedis()
	password := rand.Text()
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start in-process redis: %w", err)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		expire(server, quit)
	}()
	return &Redis{
		url:  (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: server.Addr()}).String(),
		kind: "in-process", ended: done,
		stop: func(context.Context) error {
			close(quit)
			<-done
			server.Close()
			return nil
		},
	}, nil
}

// expire moves the stand-in's clock, which does not run by itself: without it
// no key would ever expire.
func expire(server *miniredis.Miniredis, quit <-chan struct{}) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-quit:
			return
		case now := <-tick.C:
			server.FastForward(now.Sub(last))
			last = now
		}
	}
}
