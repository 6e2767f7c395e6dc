package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

// fixture is a database with a user, and a store that follows it.
type fixture struct {
	*testing.T
	pool    *pgxpool.Pool
	store   *snapshot.Store
	keyring *secret.Keyring
	user    id.User
	log     *syncBuffer
}

func newFixture(t *testing.T, url string) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, pool: pool, keyring: keyring, user: id.New[id.User](), log: &syncBuffer{}}
	f.store = snapshot.NewStore(pool, "", keyring, slog.New(slog.NewTextHandler(f.log, nil)))
	f.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, 'member@example.com', 'member', '')`, f.user)
	return f
}

// run follows the database until the test ends.
func (f *fixture) run() {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error, 1)
	go func() { done <- f.store.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.Error(err)
		}
	})
	if _, err := f.store.Wait(f.Context(), 1); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.pool.Exec(f.Context(), sql, args...); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) provider(slug string) id.Provider {
	f.Helper()
	provider := id.New[id.Provider]()
	f.exec(`INSERT INTO providers (id, slug, name, dialect, base_url, visibility) VALUES ($1, $2, 'P', 'openai', 'https://api.example.com/v1/', 'public')`, provider, slug)
	return provider
}

// within fails unless the condition holds in a snapshot that is current before the time is over.
func (f *fixture) within(limit time.Duration, condition func(*snapshot.Snapshot) bool) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), limit)
	defer cancel()
	for s := f.store.Current(); !condition(s); {
		var err error
		if s, err = f.store.Wait(ctx, s.Revision+1); err != nil {
			f.Fatalf("not visible within %s: %v", limit, err)
		}
	}
}

func hasSlug(slug string) func(*snapshot.Snapshot) bool {
	return func(s *snapshot.Snapshot) bool {
		_, ok := s.ProviderBySlug(slug)
		return ok
	}
}

func TestCommittedChangeIsVisibleWithinASecond(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	f.run()
	provider := f.provider("fresh")
	f.within(time.Second, hasSlug("fresh"))

	f.exec(`UPDATE providers SET enabled = false WHERE id = $1`, provider)
	f.within(time.Second, func(s *snapshot.Snapshot) bool { return !hasSlug("fresh")(s) })

	session := id.New[id.Session]()
	f.exec(`INSERT INTO sessions (id, user_id, expires_at) VALUES ($1, $2, now() + '1 day')`, session, f.user)
	f.exec(`UPDATE sessions SET revoked_at = now() WHERE id = $1`, session)
	f.within(time.Second, func(s *snapshot.Snapshot) bool { return s.SessionRevoked(session) })

	f.exec(`UPDATE users SET disabled_at = now() WHERE id = $1`, f.user)
	f.within(time.Second, func(s *snapshot.Snapshot) bool {
		_, ok := s.UserActive(f.user)
		return !ok
	})
}

func TestKilledListenerComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	f.run()
	var killed int
	err := f.pool.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE application_name = 'aihigress configuration' AND datname = current_database()`).Scan(&killed)
	if err != nil || killed != 1 {
		t.Fatalf("%d listeners killed, want 1: %v", killed, err)
	}
	f.provider("while-deaf")
	f.within(5*time.Second, hasSlug("while-deaf"))
	f.provider("after")
	f.within(time.Second, hasSlug("after"))
}

func TestChangeThatNobodyAnnouncedIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	f.exec(`ALTER TABLE providers DISABLE TRIGGER providers_configuration`)
	f.store.ReloadEvery(100 * time.Millisecond)
	f.run()
	f.provider("quiet")
	f.within(5*time.Second, hasSlug("quiet"))
}

func TestSnapshotOutlivesPostgres(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	f := newFixture(t, cluster.URL())
	f.provider("before")
	f.run()
	f.within(time.Second, hasSlug("before"))
	cluster.Stop()
	if err := f.store.Load(t.Context()); err == nil {
		t.Error("Load succeeded without Postgres")
	}
	if !hasSlug("before")(f.store.Current()) {
		t.Error("the snapshot is gone with Postgres")
	}
	cluster.Start()
	f.pool.Reset()
	f.provider("again")
	f.within(10*time.Second, hasSlug("again"))
}

// What happens on every request, probe and sign-in must not make every node read everything.
func TestDailyBusinessDoesNotNotify(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	provider := f.provider("p")
	account, session := id.New[id.Account](), id.New[id.Session]()
	f.exec(`INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)`, account, f.user)

	conn, err := pgx.ConnectConfig(t.Context(), f.pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "LISTEN "+snapshot.Channel); err != nil {
		t.Fatal(err)
	}
	f.exec(`INSERT INTO sessions (id, user_id, expires_at) VALUES ($1, $2, now() + '1 day')`, session, f.user)
	f.exec(`UPDATE sessions SET last_seen_at = now() WHERE id = $1`, session)
	f.exec(`UPDATE users SET password_hash = 'another' WHERE id = $1`, f.user)
	f.exec(`INSERT INTO requests (id, started_at, request_id, node_id, user_id, api_key_id, model, dialect, endpoint, streamed, http_status, outcome, duration_us)
		VALUES ($1, now(), 'r', $2, $3, $4, 'm', 'openai', '/v1/chat/completions', false, 200, 'OK', 1)`,
		id.New[id.Request](), id.New[id.Node](), f.user, id.New[id.Key]())
	f.exec(`INSERT INTO credit_entries (id, account_id, kind, amount, idempotency_key) VALUES ($1, $2, 'charge', -1, 'k')`, id.New[id.Entry](), account)
	f.exec(`UPDATE credit_accounts SET balance = balance - 1 WHERE id = $1`, account)
	f.exec(`INSERT INTO provider_health (provider_id, state, checked_at, changed_at) VALUES ($1, 'healthy', now(), now())`, provider)
	f.exec(`NOTIFY ` + snapshot.Channel + `, 'end of the day'`)

	n, err := conn.WaitForNotification(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n.Payload != "end of the day" {
		t.Errorf("a change of %s was announced", n.Payload)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	provider, account, key := f.provider("vendor"), id.New[id.Account](), id.New[id.Key]()
	hash := sha256.Sum256([]byte("secret"))
	f.exec(`UPDATE providers SET headers = '{"x-team": "blue"}', paths = '{"generate": "/x"}', streaming = 'only', kind = 'vertex', owner_id = $2, weight = 3 WHERE id = $1`, provider, f.user)
	f.exec(`INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)`, account, f.user)
	f.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash, models, provider_ids, ip_ranges, tokens_per_minute, concurrency)
		VALUES ($1, $2, 'k', '…cret', $3, '{smart}', $4, '{192.0.2.1,2001:db8::/32}', 1000, 2)`, key, f.user, hash[:], []id.Provider{provider})
	good, lost := id.New[id.ProviderKey](), id.New[id.ProviderKey]()
	for _, k := range []id.ProviderKey{good, lost} { // both sealed for the first one's row
		sealed := f.keyring.Seal(secret.NewText("vendor secret"), "provider_keys/"+good.String())
		f.exec(`INSERT INTO provider_keys (id, provider_id, hint, secret_key_id, secret_sealed, max_qps) VALUES ($1, $2, '', $3, $4, 5)`, k, provider, f.keyring.ID(), sealed)
	}
	f.exec(`INSERT INTO provider_models (id, provider_id, upstream_id, alias, source, input_price, context_tokens, capabilities, capabilities_source)
		VALUES ($1, $2, 'gpt', 'fast', 'manual', 2500000, 128000, '{tools,reasoning,structured_output}', 'manual')`, id.New[id.ProviderModel](), provider)
	model := id.New[id.Model]()
	f.exec(`INSERT INTO models (id, name, strategy, unsupported) VALUES ($1, 'smart', 'priority', 'reject')`, model)
	f.exec(`INSERT INTO routes (id, model_id, provider_id, upstream_id, weight, priority) VALUES ($1, $2, $3, 'gpt', 9, 4)`, id.New[id.Route](), model, provider)
	for _, revoked := range []string{"1 minute", "1 hour"} {
		f.exec(`INSERT INTO sessions (id, user_id, expires_at, revoked_at) VALUES ($1, $2, now(), now() - $3::text::interval)`, id.New[id.Session](), f.user, revoked)
	}

	for range 2 {
		if err := f.store.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s := f.store.Current()
	if s.Revision != 2 || time.Since(s.LoadedAt) > time.Minute {
		t.Errorf("revision %d at %s", s.Revision, s.LoadedAt)
	}
	k, ok := s.KeyByHash(hash)
	if !ok {
		t.Fatal("the key is not there")
	}
	want := &snapshot.Key{
		ID: key, Hash: hash, UserID: f.user, AccountID: account, Role: authz.Member, Name: "k", Hint: "…cret",
		Scopes: []string{"inference"}, Models: map[string]struct{}{"smart": {}}, Providers: map[id.Provider]struct{}{provider: {}},
		IPRanges: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")},
		Limits:   snapshot.Limits{TokensPerMinute: 1000, Concurrency: 2},
	}
	if diff := cmp.Diff(want, k, cmpopts.IgnoreUnexported(snapshot.Key{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("key (-want +got):\n%s", diff)
	}
	routes, m, err := s.Resolve(k, "smart")
	if err != nil || len(routes) != 1 || m.Strategy != "priority" || m.Unsupported != "reject" {
		t.Fatalf("%+v %+v: %v", routes, m, err)
	}
	r := routes[0]
	if r.Weight != 9 || r.Priority != 4 || *r.Upstream.Rate.Input != 2_500_000 || r.Upstream.Rate.Output != nil || r.Upstream.Context != 128000 || r.Upstream.Lacks.String() != "vision+audio" {
		t.Errorf("route %+v, upstream %+v", r, r.Upstream)
	}
	p := r.Provider
	if p.BaseURL.String() != "https://api.example.com/v1" || p.Headers.Get("X-Team") != "blue" || p.OwnerID != f.user || p.Weight != 3 {
		t.Errorf("provider %+v", p)
	}
	if p.Kind != "vertex" || p.Streaming != "only" || p.Paths["generate"] != "/x" {
		t.Errorf("provider's ways %+v", p)
	}
	if len(p.Keys) != 1 || p.Keys[0].ID != good || p.Keys[0].Secret.Reveal() != "vendor secret" || p.Keys[0].Limits.MaxQPS != 5 {
		t.Errorf("provider's keys %+v", p.Keys)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], lost.String()) {
		t.Errorf("problems %q", s.Problems)
	}
	if n := strings.Count(f.log.String(), lost.String()); n != 1 {
		t.Errorf("the problem was logged %d times in two loads", n)
	}
	if n := s.Revoked(); n != 1 {
		t.Errorf("%d revoked sessions, want the one of the last minutes", n)
	}
}

func TestLoadLeavesOutWhoMayNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	disabled := id.New[id.User]()
	f.exec(`INSERT INTO users (id, email, role, password_hash, disabled_at) VALUES ($1, 'gone@example.com', 'admin', '', now())`, disabled)
	keys := map[string]id.Key{}
	for name, row := range map[string][]any{
		"good":     {f.user, nil, nil, "{}"},
		"revoked":  {f.user, time.Now(), nil, "{}"},
		"expired":  {f.user, nil, time.Now().Add(-time.Second), "{}"},
		"disabled": {disabled, nil, nil, "{}"},
		"garbled":  {f.user, nil, nil, "{10.0.0.0/99}"},
	} {
		keys[name] = id.New[id.Key]()
		hash := sha256.Sum256([]byte(name))
		f.exec(`INSERT INTO api_keys (id, name, hint, secret_hash, user_id, revoked_at, expires_at, ip_ranges) VALUES ($1, 'k', '', $2, $3, $4, $5, $6::text::text[])`,
			append([]any{keys[name], hash[:]}, row...)...)
	}
	if err := f.store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, key := range keys {
		if _, ok := f.store.Current().KeyByID(key); ok != (name == "good") {
			t.Errorf("%s key: found is %v", name, ok)
		}
	}
}

// syncBuffer is a log that goroutines share.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A key that its vendor refuses leaves every node, and its provider is not called without one.
func TestDeadKeysAreLeftOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t))
	f.run()
	open, locked := f.provider("open"), f.provider("locked")
	key := id.New[id.ProviderKey]()
	sealed := f.keyring.Seal(secret.NewText("vendor secret"), "provider_keys/"+key.String())
	f.exec("INSERT INTO provider_keys (id, provider_id, hint, secret_key_id, secret_sealed) VALUES ($1, $2, '', $3, $4)", key, locked, f.keyring.ID(), sealed)
	keys := func(needs bool, n int, dead ...id.ProviderKey) func(*snapshot.Snapshot) bool {
		return func(s *snapshot.Snapshot) bool {
			p, ok := s.Provider(locked)
			return ok && p.NeedsKey == needs && len(p.Keys) == n && slices.Equal(p.Dead, dead)
		}
	}
	f.within(time.Second, keys(true, 1))
	f.exec("UPDATE provider_keys SET disabled_reason = 'refused', disabled_at = now(), check_at = now()")
	f.within(time.Second, keys(true, 0, key))
	f.exec("UPDATE provider_keys SET enabled = false, disabled_reason = '', disabled_at = NULL, check_at = NULL")
	f.within(time.Second, keys(true, 0))
	f.exec("UPDATE provider_keys SET enabled = true, secret_sealed = '\\x00'")
	f.within(time.Second, keys(true, 0, key))
	f.exec("DELETE FROM provider_keys")
	f.within(time.Second, keys(false, 0))
	if p, ok := f.store.Current().Provider(open); !ok || p.NeedsKey {
		t.Errorf("%+v", p)
	}
}
