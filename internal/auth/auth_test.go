package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/account"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/internal/secret"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	email    = "admin@example.com"
	password = "correct horse battery"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// state is what a node's snapshot says, as tests want it.
type state struct {
	mu      sync.Mutex
	revoked map[id.Session]bool
	roles   map[id.User]authz.Role
}

func (s *state) SessionRevoked(session id.Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked[session]
}

func (s *state) UserActive(user id.User) (authz.Role, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	role, ok := s.roles[user]
	return role, ok
}

type ledger struct{}

func (ledger) OpenTx(context.Context, pgx.Tx, id.User) (id.Account, error) {
	return id.New[id.Account](), nil
}

type fixture struct {
	*Auth
	t     *testing.T
	pool  *pgxpool.Pool
	clock *clock
	state *state
	logs  *bytes.Buffer
	users *account.Users
	audit *audit.Log
	job   context.Context
	anon  context.Context
	admin account.User
}

func open(t *testing.T) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := &fixture{
		t: t, pool: pool, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}, logs: &bytes.Buffer{},
		state: &state{revoked: map[id.Session]bool{}, roles: map[id.User]authz.Role{}},
		audit: audit.New(pool),
		job:   authz.With(t.Context(), authz.Job("test")),
		anon:  authz.With(t.Context(), authz.Actor{Kind: authz.Anonymous}),
	}
	f.users = account.New(pool, f.audit, ledger{})
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	f.Auth = New(Options{
		Pool: pool, Users: f.users, Audit: f.audit, Keyring: keyring, Clock: f.clock.Now,
		State: func() State { return f.state }, Log: slog.New(slog.NewTextHandler(f.logs, nil)),
	})
	f.admin = f.user(email, authz.Admin)
	return f
}

func (f *fixture) user(address string, role authz.Role) account.User {
	f.t.Helper()
	u, err := f.users.Create(f.job, account.CreateInput{Email: address, Role: role, Password: password})
	if err != nil {
		f.t.Fatal(err)
	}
	f.state.mu.Lock()
	f.state.roles[u.ID] = role
	f.state.mu.Unlock()
	return u
}

func (f *fixture) signIn(address string) Tokens {
	f.t.Helper()
	tokens, err := f.SignIn(f.anon, SignInInput{Email: address, Password: password, UserAgent: "test/1.0", IP: "192.0.2.1"})
	if err != nil {
		f.t.Fatal(err)
	}
	return tokens
}

// as is the context of a session's own requests.
func (f *fixture) as(tokens Tokens) context.Context {
	f.t.Helper()
	actor, err := f.VerifyAccess(f.t.Context(), tokens.Access)
	if err != nil {
		f.t.Fatal(err)
	}
	return authz.With(f.t.Context(), actor)
}

func (f *fixture) disable(u account.User) {
	f.t.Helper()
	yes := true
	if _, err := f.users.Update(f.job, u.ID, account.UpdateInput{Disabled: &yes}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) actions(target id.Session) []string {
	f.t.Helper()
	p, err := f.audit.List(f.job, audit.Filter{Target: target.String(), OldestFirst: true}, page.Args{})
	if err != nil {
		f.t.Fatal(err)
	}
	var actions []string
	for _, e := range p.Items {
		actions = append(actions, e.ActorName+" "+e.Action)
	}
	return actions
}

func TestSignInStartsASession(t *testing.T) {
	t.Parallel()
	f := open(t)
	tokens, err := f.SignIn(f.anon, SignInInput{
		Email: " ADMIN@example.com", Password: password, IP: "::ffff:192.0.2.1",
		UserAgent: "Agent\r\n\x00" + strings.Repeat("x", 1000) + "\xff",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.admin, tokens.User); diff != "" {
		t.Error(diff)
	}
	if want := f.clock.Now().Add(AccessLifetime); !tokens.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", tokens.ExpiresAt, want)
	}
	sessions, err := f.Sessions(f.as(tokens), f.admin.ID)
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock.Now()
	want := []Session{{
		ID: tokens.Session, UserID: f.admin.ID, UserAgent: "Agent" + strings.Repeat("x", maxUserAgent-8), IP: "192.0.2.1",
		Current: true, CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(IdleTimeout),
	}}
	if diff := cmp.Diff(want, sessions); diff != "" {
		t.Error(diff)
	}
	one, err := f.Session(f.as(tokens), tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[0], one); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"admin@example.com session.create"}, f.actions(tokens.Session)); diff != "" {
		t.Error(diff)
	}
	var leaks int
	err = f.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM refresh_tokens r WHERE r::text LIKE '%' || $1 || '%')
		+ (SELECT count(*) FROM audit_events a WHERE a::text LIKE '%' || $1 || '%')`, tokens.Refresh[4:]).Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("the refresh token stands in %d rows, %v", leaks, err)
	}
}

func TestSignInRefusesAllInTheSameWay(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.disable(f.user("disabled@example.com", authz.Member))
	var first *fault.Error
	for name, in := range map[string]SignInInput{
		"wrong password": {Email: email, Password: "wrong password"},
		"unknown":        {Email: "nobody@example.com", Password: password},
		"disabled":       {Email: "disabled@example.com", Password: password},
		"empty":          {},
	} {
		_, err := f.SignIn(f.anon, in)
		known, ok := fault.As(err)
		if !ok || known.Kind != fault.Unauthenticated {
			t.Fatalf("%s: %v", name, err)
		}
		if first == nil {
			first = known
		}
		if known.Message != first.Message || known.Code != first.Code {
			t.Errorf("%s is told apart: %v", name, known)
		}
	}
	if logged := f.logs.String(); strings.Count(logged, "sign-in refused") != 4 || strings.Contains(logged, "example.com") || strings.Contains(logged, "password\"") {
		t.Errorf("logged: %s", logged)
	}
	if sessions, err := f.Sessions(f.job, f.admin.ID); err != nil || len(sessions) != 0 {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
}

func TestSignInIsThrottled(t *testing.T) {
	t.Parallel()
	f := open(t)
	wrong := SignInInput{Email: email, Password: "wrong password", IP: "192.0.2.1"}
	for i := range 10 {
		if i%3 == 0 {
			f.signIn(email) // does not count, and does not reset what does
		}
		if _, err := f.SignIn(f.anon, wrong); !errors.Is(err, fault.Unauthenticated) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	right := SignInInput{Email: strings.ToUpper(email), Password: password, IP: "198.51.100.1"}
	_, err := f.SignIn(f.anon, right)
	known, ok := fault.As(err)
	if !ok || known.Kind != fault.Limited || known.Retry <= 0 || known.Retry > 30*time.Second {
		t.Fatalf("after ten failures: %v", err)
	}
	f.clock.advance(known.Retry)
	if _, err := f.SignIn(f.anon, right); err != nil {
		t.Errorf("after the time it was told: %v", err)
	}
}

func TestOneSessionTooManyEndsTheLeastUsed(t *testing.T) {
	t.Parallel()
	f := open(t)
	oldest := f.signIn(email)
	f.clock.advance(time.Second)
	second := f.signIn(email)
	_, err := f.pool.Exec(t.Context(), `INSERT INTO sessions (id, user_id, created_at, last_seen_at, expires_at)
		SELECT gen_random_uuid(), $1, $2, $2, $3 FROM generate_series(1, $4)`,
		f.admin.ID, f.clock.Now().Add(time.Second), f.clock.Now().Add(Lifetime), MaxSessions-2)
	if err != nil {
		t.Fatal(err)
	}
	f.clock.advance(2 * time.Second)
	newest := f.signIn(email)
	for name, c := range map[string]struct {
		session id.Session
		lives   bool
	}{"oldest": {oldest.Session, false}, "second": {second.Session, true}, "newest": {newest.Session, true}} {
		if _, err := f.SessionActor(t.Context(), c.session); (err == nil) != c.lives {
			t.Errorf("%s: %v", name, err)
		}
	}
	if sessions, err := f.Sessions(f.job, f.admin.ID); err != nil || len(sessions) != MaxSessions {
		t.Errorf("%d sessions, %v", len(sessions), err)
	}
}

func TestNothingWithoutAnActor(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"SignIn":         func() error { _, err := f.SignIn(ctx, SignInInput{Email: email, Password: password}); return err },
		"Refresh":        func() error { _, err := f.Refresh(ctx, "hgr_"); return err },
		"SignOut":        func() error { return f.SignOut(ctx) },
		"Revoke":         func() error { return f.Revoke(ctx, id.New[id.Session]()) },
		"Session":        func() error { _, err := f.Session(ctx, id.New[id.Session]()); return err },
		"Sessions":       func() error { _, err := f.Sessions(ctx, f.admin.ID); return err },
		"ChangePassword": func() error { return f.ChangePassword(ctx, password, "another password") },
		"Sweep":          func() error { _, err := f.Sweep(ctx); return err },
		"SessionActor":   func() error { _, err := f.SessionActor(ctx, id.Session{}); return err },
		"VerifyAccess":   func() error { _, err := f.VerifyAccess(ctx, ""); return err },
	} {
		if err := call(); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
