package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/internal/secret"
)

// Channel is what the triggers on configuration tables notify.
const Channel = "configuration"

const (
	coalesce           = 50 * time.Millisecond // one mutation of an admin is often several statements and transactions
	defaultReloadEvery = 10 * time.Second      // bounds how stale a node can be where a notification got lost
	loadTimeout        = 15 * time.Second
	minBackoff         = 50 * time.Millisecond
	maxBackoff         = time.Second
)

// A Store keeps the newest Snapshot of this node. It is safe for concurrent use.
type Store struct {
	pool      *pgxpool.Pool
	listenURL string
	keyring   *secret.Keyring
	log       *slog.Logger

	reloadEvery time.Duration // how long the configuration goes unread where nothing is announced

	current atomic.Pointer[Snapshot]

	mu      sync.Mutex // guards what follows, and makes loads take turns
	changed chan struct{}
	kept    map[string]bool // versions of prices that are written down
	failing bool            // the last load failed: say so once
}

// NewStore makes a store with an empty snapshot of revision 0. It reads with pool and listens on a connection of its own to listenURL,
// which must reach Postgres directly: a pooler in transaction mode loses LISTEN. An empty listenURL takes the pool's.
func NewStore(pool *pgxpool.Pool, listenURL string, keyring *secret.Keyring, log *slog.Logger) *Store {
	s := &Store{pool: pool, listenURL: listenURL, keyring: keyring, log: log, reloadEvery: defaultReloadEvery, changed: make(chan struct{})}
	s.current.Store(New(Contents{}))
	return s
}

// Current is the newest snapshot. It is never nil; one of revision 0 is empty.
func (s *Store) Current() *Snapshot { return s.current.Load() }

// Wait returns the first snapshot of at least that revision.
func (s *Store) Wait(ctx context.Context, revision int64) (*Snapshot, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if now := s.Current(); now.Revision >= revision {
			return now, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Load reads the configuration now. Where that fails the snapshot stays as it was.
func (s *Store) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	next, err := load(ctx, s.pool, s.keyring)
	if err != nil {
		if !s.failing && !errors.Is(err, context.Canceled) {
			s.failing = true
			s.log.Warn("configuration stays as it was", "error", err, "since", s.Current().LoadedAt)
		}
		return err
	}
	if s.failing {
		s.failing = false
		s.log.Info("configuration is read again")
	}
	if err := s.keepPrices(ctx, next); err != nil {
		s.log.Warn("prices are in force that are not written down", "error", err)
	}
	before := s.Current()
	next.Revision = before.Revision + 1
	report(s.log, before.Problems, next.Problems)
	s.current.Store(next)
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// Run follows the database until ctx ends: it loads what a notification announces, everything after each reconnect, and
// everything every 10 seconds besides. While Postgres is away the last snapshot stays.
func (s *Store) Run(ctx context.Context) error {
	config := s.pool.Config().ConnConfig
	if s.listenURL != "" {
		direct, err := pgx.ParseConfig(s.listenURL)
		if err != nil {
			return errors.New("the URL to listen at is not a Postgres connection string") // pgx's own text may hold the password
		}
		config = direct
	}
	config.ConnectTimeout = 5 * time.Second
	config.RuntimeParams["application_name"] = "aihigress configuration"
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(backoff*2, maxBackoff) {
		listened, err := s.listen(ctx, config)
		if listened {
			backoff = minBackoff
		}
		if backoff == minBackoff && ctx.Err() == nil { // once an outage
			s.log.Warn("configuration's listener has no connection", "error", err)
		}
		if time.Since(s.Current().LoadedAt) >= s.reloadEvery {
			_ = s.Load(ctx) // logged there; the listener may be away while the pool is not
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
	}
	return nil
}

// listen follows notifications on one connection until it breaks. listened says that it got as far as a load.
func (s *Store) listen(ctx context.Context, config *pgx.ConnConfig) (listened bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+Channel); err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	for {
		// Here the connection listens and what came before is not known: everything is read.
		wait := s.reloadEvery
		if err := s.Load(ctx); err != nil {
			wait = maxBackoff
		} else {
			listened = true
		}
		announced, err := await(ctx, conn, wait)
		if err != nil {
			return listened, err
		}
		if !announced {
			if err := ping(ctx, conn); err != nil { // a connection can be dead without saying so
				return listened, err
			}
			continue
		}
		for until := time.Now().Add(coalesce); time.Until(until) > 0; {
			if _, err := await(ctx, conn, time.Until(until)); err != nil {
				return listened, err
			}
		}
	}
}

func ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return conn.Ping(ctx)
}

// await waits that long for a notification. Not getting one is no error.
func await(ctx context.Context, conn *pgx.Conn, wait time.Duration) (announced bool, err error) {
	timed, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, err = conn.WaitForNotification(timed)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() == nil && (pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)):
		return false, nil
	}
	return false, fmt.Errorf("wait for notification: %w", err)
}
