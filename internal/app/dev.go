package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"aihigress/internal/config"
	"aihigress/internal/devstack"
	"aihigress/internal/simulator"
	"aihigress/migrations"
)

// A devStack is what `aihigress dev` runs beside the gateway: private stores and a fake vendor.
type devStack struct {
	postgres  *devstack.Postgres
	redis     *devstack.Redis
	simulator *runningSimulator
	binaries  devstack.Binaries
}

// dev runs everything on one machine, in one folder.
func (c Command) dev(ctx context.Context, args []string) error {
	var listen, dir string
	var asJSON bool
	err := c.flags("dev", "Runs the gateway with a private Postgres, a private Redis and a fake vendor, all in one folder.", args, func(f *flag.FlagSet) {
		f.StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on")
		f.StringVar(&dir, "data-dir", devstack.DefaultDataDir(), "folder for everything that is kept")
		f.BoolVar(&asJSON, "json", false, "print one line of JSON instead of the banner")
	})
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	// Logs would drown the banner, so only what is wrong is told; with --json nobody reads the terminal.
	level := slog.LevelWarn
	if asJSON {
		level = slog.LevelInfo
	}
	log := c.logger("text", level)

	if err := devstack.MakeDir(dir); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return listenError(listen, "--listen", err)
	}
	defer listener.Close()

	state, err := loadDevState(dir)
	if err != nil {
		return err
	}
	stack, err := c.startStack(ctx, dir, state, log)
	if err != nil {
		return err
	}
	defer stack.stop(log)
	settings, err := stack.settings(dir, listener.Addr().String(), state)
	if err != nil {
		return err
	}
	gateway, err := New(ctx, Options{Config: settings, Log: log, Version: c.Version.filled(), LoopbackUpstreams: true})
	if err != nil {
		return err
	}
	ready := func(ctx context.Context) error {
		if err := gateway.seed(ctx, dir, &state, stack.simulator.url); err != nil {
			return fmt.Errorf("first data: %w", err)
		}
		return stack.announce(c.Stdout, asJSON, listener.Addr().String(), dir, state)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel(nil)
	watch.Go(func() {
		select {
		case <-stack.postgres.Done():
			cancel(errors.New("the private Postgres ended"))
		case <-ctx.Done():
		}
	})
	err = gateway.Run(ctx, listener, ready)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// startStack starts the stores and the fake vendor, or nothing.
func (c Command) startStack(ctx context.Context, dir string, state devState, log *slog.Logger) (_ *devStack, err error) {
	s := &devStack{}
	defer func() {
		if err != nil {
			s.stop(log)
		}
	}()
	data := filepath.Join(dir, "postgres")
	major, err := devstack.ClusterMajor(data)
	if err != nil {
		return nil, err
	}
	s.binaries, err = devstack.FindPostgres(ctx, devstack.FindOptions{AllowDownload: true, Major: major, Log: log})
	if err != nil {
		return nil, err
	}
	s.postgres, err = devstack.StartPostgres(ctx, devstack.PostgresOptions{Binaries: s.binaries, Dir: data, Durable: true, Log: log})
	if err != nil {
		return nil, err
	}
	if err := s.postgres.EnsureDatabase(ctx, "aihigress"); err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, s.postgres.URL("aihigress")); err != nil {
		return nil, err
	}
	s.redis, err = devstack.StartRedis(ctx, devstack.RedisOptions{Dir: filepath.Join(dir, "redis"), Log: log})
	if err != nil {
		return nil, err
	}
	// The same port as last time where it is free, since providers are stored with it.
	if last, parseErr := url.Parse(state.Simulator); parseErr == nil && last.Host != "" {
		s.simulator, err = startSimulator(ctx, last.Host, simulator.Options{Log: log})
	}
	if s.simulator == nil {
		s.simulator, err = startSimulator(ctx, "127.0.0.1:0", simulator.Options{Log: log})
	}
	return s, err
}

// stop ends what was started, in the order in which things need one another.
func (s *devStack) stop(log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var errs []error
	if s.simulator != nil {
		errs = append(errs, s.simulator.stop())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Stop(ctx))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		log.Error("stop the private stores", "error", err)
	}
}

// settings are those of a production node, with the private stores in them.
func (s *devStack) settings(dir, addr string, state devState) (config.Config, error) {
	return config.Load([]string{
		"DATABASE_URL=" + s.postgres.URL("aihigress"),
		"REDIS_URL=" + s.redis.URL(),
		"AIHIGRESS_MASTER_KEY=" + state.MasterKey,
		"LISTEN=" + addr,
		"PUBLIC_URL=http://" + addr,
		"SPOOL_DIR=" + filepath.Join(dir, "spool"),
		"DRAIN_TIMEOUT=10s",
	})
}

// An announcement is the one line of `dev --json`; programs rely on its names.
type announcement struct {
	URL         string       `json:"url"`
	GraphQL     string       `json:"graphql"`
	Admin       announcedOne `json:"admin"`
	APIKey      string       `json:"api_key"`
	Model       string       `json:"model"`
	Simulator   string       `json:"simulator"`
	DatabaseURL string       `json:"database_url"`
}

type announcedOne struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (s *devStack) announce(w io.Writer, asJSON bool, addr, dir string, state devState) error {
	url := "http://" + addr
	if asJSON {
		return json.NewEncoder(w).Encode(announcement{
			URL: url, GraphQL: url + "/graphql", Admin: announcedOne{state.Email, state.Password}, APIKey: state.APIKey,
			Model: devModel, Simulator: s.simulator.url, DatabaseURL: s.postgres.URL("aihigress"),
		})
	}
	_, err := fmt.Fprintf(w, `
  AI Higress is ready.

  Console    %s
  sign in    %s  %s
  GraphQL    %s/graphql
  API key    %s

  Try it:

  curl %s/v1/chat/completions -H "Authorization: Bearer %s" -H "Content-Type: application/json" -d '{"model":"%s","messages":[{"role":"user","content":"Hello"}]}'

  Data       %s
  Postgres   %s from %s
  Redis      %s
  Simulator  %s (a fake vendor: answers are made up)

  Ctrl-C stops everything.

`, url, state.Email, state.Password, url, state.APIKey, url, state.APIKey, devModel, dir, s.binaries.Version, s.binaries.Source, s.redis.Kind(), s.simulator.url)
	return err
}

// listenError is one sentence about an address that cannot be listened on, and the setting that names it.
func listenError(addr, setting string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: another program does; choose another with %s", addr, setting)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("cannot listen on %s: not permitted", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}
