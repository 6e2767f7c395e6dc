package egress_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/egress"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is what lies outside: a list, and which proxies work.
type world struct {
	mu     sync.Mutex
	list   string
	err    error
	dead   string // part of the addresses of proxies that do not work
	asked  []string
	trials []egress.Trial
	trying func() // what happens while a proxy is tried
	during func() // while the list is read
}

func (w *world) ReadList(_ context.Context, list secret.Text, _ []string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, list.Reveal())
	if w.during != nil {
		w.during()
	}
	return []byte(w.list), w.err
}

func (w *world) TryProxy(_ context.Context, t egress.Trial) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trials = append(w.trials, t)
	if w.trying != nil {
		w.trying()
	}
	if w.dead != "" && strings.Contains(t.Proxy.Reveal(), w.dead) {
		return time.Second, fault.Wrap(errors.New("with a secret"), fault.Upstream, "the proxy could not be reached")
	}
	return 20 * time.Millisecond, nil
}

type fixture struct {
	*testing.T
	*egress.Pools
	pool      *pgxpool.Pool
	store     *snapshot.Store
	providers *provider.Providers
	world     *world
	admin     context.Context
}

func open(t *testing.T) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	keyring, err := secret.NewKeyring(secret.NewMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	inserter, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, pool: pool, world: &world{}, store: snapshot.NewStore(pool, "", keyring, quiet)}
	f.Pools = egress.New(egress.Options{Pool: pool, Audit: audit.New(pool), Keyring: keyring, Inserter: inserter, Caller: f.world, Log: quiet})
	f.providers = provider.New(provider.Options{Pool: pool, Audit: audit.New(pool), Keyring: keyring, Inserter: inserter, Log: quiet})
	f.admin = authz.With(t.Context(), authz.Job("test"))
	return f
}

func texts(list ...string) []secret.Text {
	all := make([]secret.Text, len(list))
	for i, text := range list {
		all[i] = secret.NewText(text)
	}
	return all
}

func (f *fixture) make(in egress.CreateInput) egress.Pool {
	f.Helper()
	in.Name = fmt.Sprint("pool ", time.Now().UnixNano())
	made, err := f.Create(f.admin, in)
	if err != nil {
		f.Fatal(err)
	}
	return made
}

// proxies is the addresses of a pool's proxies.
func (f *fixture) proxies(pool id.EgressPool) (all []egress.Proxy, addresses string) {
	f.Helper()
	found, err := f.ProxiesOf(f.admin, []id.EgressPool{pool})
	if err != nil {
		f.Fatal(err)
	}
	list := []string{}
	for _, p := range found[pool] {
		list = append(list, strings.TrimPrefix(p.Address, "http://"))
	}
	slices.Sort(list)
	return found[pool], strings.Join(list, " ")
}

// loaded is a pool as the data plane has it, and the addresses of its proxies with their credentials.
func (f *fixture) loaded(pool id.EgressPool) (*snapshot.EgressPool, string) {
	f.Helper()
	if err := f.store.Load(f.Context()); err != nil {
		f.Fatal(err)
	}
	p, ok := f.store.Current().EgressPool(pool)
	if !ok {
		f.Fatal("the pool is not in the snapshot")
	}
	list := []string{}
	for _, proxy := range p.Proxies {
		list = append(list, proxy.URL.Reveal())
	}
	return p, strings.Join(list, " ")
}

// Whoever may not manage pools sees none, and the gateway itself reads them.
func TestAdminsAlone(t *testing.T) {
	t.Parallel()
	f := open(t)
	member := authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, UserID: id.New[id.User]()})
	pool := f.make(egress.CreateInput{})
	for name, do := range map[string]func(context.Context) error{
		"create": func(ctx context.Context) error {
			_, err := f.Create(ctx, egress.CreateInput{Name: "x"})
			return err
		},
		"get":       func(ctx context.Context) error { _, err := f.Get(ctx, pool.ID); return err },
		"list":      func(ctx context.Context) error { _, err := f.ByIDs(ctx, nil); return err },
		"proxies":   func(ctx context.Context) error { _, err := f.ProxiesOf(ctx, nil); return err },
		"update":    func(ctx context.Context) error { _, err := f.Update(ctx, pool.ID, egress.UpdateInput{}); return err },
		"check":     func(ctx context.Context) error { return f.RequestCheck(ctx, pool.ID) },
		"check now": func(ctx context.Context) error { _, err := f.Check(ctx, pool.ID); return err },
		"refresh":   func(ctx context.Context) error { _, err := f.Refresh(ctx, pool.ID); return err },
		"delete":    func(ctx context.Context) error { return f.Delete(ctx, pool.ID) },
	} {
		if err := do(member); fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is stored is sealed, bound to its row, and read by the data plane alone.
func TestCredentialsAreSealed(t *testing.T) {
	t.Parallel()
	f := open(t)
	pool := f.make(egress.CreateInput{
		Choice: egress.Sticky, AllowHosts: []string{"10.0.0.0/8", "p.internal"}, List: secret.NewText("https://l.example/very-secret-token"),
		Proxies: texts("http://user:very-secret-1@a.example:1", "socks5://user:very-secret-2@a.example:1", "a.example:1", "http://a.example:1"),
	})
	for _, table := range []string{"egress_pools", "egress_proxies", "audit_events", "river_job"} {
		var text string
		if err := f.pool.QueryRow(t.Context(), "SELECT coalesce(string_agg(t::text, ' '), '') FROM "+table+" t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		if text == "" || strings.Contains(text, "very-secret") || strings.Contains(text, fmt.Sprintf("%x", "very-secret")) {
			t.Errorf("%s is empty or holds a secret", table)
		}
	}
	p, urls := f.loaded(pool.ID)
	if urls != "http://user:very-secret-1@a.example:1 socks5://user:very-secret-2@a.example:1 http://a.example:1" || p.Choice != "sticky" || p.Allow != "10.0.0.0/8,p.internal" {
		t.Errorf("%+v %s", p, urls)
	}
	if text := fmt.Sprintf("%+v %v %#v", p, p.Proxies, p.Proxies[0]); strings.Contains(text, "very-secret") {
		t.Errorf("it prints a secret: %s", text)
	}
	// One row's bytes in another's place open nothing, and leave the proxy out.
	if _, err := f.pool.Exec(t.Context(), `UPDATE egress_proxies a SET url_sealed = b.url_sealed FROM egress_proxies b WHERE a.hint = '' AND b.hint <> ''`); err != nil {
		t.Fatal(err)
	}
	if p, _ := f.loaded(pool.ID); len(p.Proxies) != 2 || len(f.store.Current().Problems) != 1 {
		t.Errorf("%d proxies, problems %q", len(p.Proxies), f.store.Current().Problems)
	}
}

func TestListIsTakenOver(t *testing.T) {
	t.Parallel()
	f := open(t)
	pool := f.make(egress.CreateInput{List: secret.NewText("https://l.example/token"), Proxies: texts("m.example:1", "both.example:1")})
	refresh := func(list, want, wantError string) egress.Refresh {
		t.Helper()
		f.world.list = list
		done, err := f.Refresh(f.admin, pool.ID)
		if err != nil {
			t.Fatal(err)
		}
		now, err := f.Get(f.admin, pool.ID)
		if err != nil || now.ListError != done.Error || now.ListFetchedAt == nil || !strings.Contains(done.Error, wantError) || wantError == "" && done.Error != "" {
			t.Errorf("%q, stored %q, want %q: %v", done.Error, now.ListError, wantError, err)
		}
		if _, got := f.proxies(pool.ID); got != want {
			t.Errorf("proxies %s, want %s", got, want)
		}
		return done
	}
	refresh("a.example:1\nb.example:1\nboth.example:1\n", "a.example:1 b.example:1 both.example:1 m.example:1", "")
	before, _ := f.proxies(pool.ID)
	if done := refresh("# another order\nboth.example:1\nb.example:1\na.example:1", "a.example:1 b.example:1 both.example:1 m.example:1", ""); done.Added+done.Removed != 0 {
		t.Errorf("%+v", done)
	}
	refresh("b.example:1\nc.example:1\nnonsense\n", "b.example:1 both.example:1 c.example:1 m.example:1", "1 lines are no proxies")
	after, _ := f.proxies(pool.ID)
	at := func(list []egress.Proxy) id.EgressProxy {
		return list[slices.IndexFunc(list, func(p egress.Proxy) bool { return strings.Contains(p.Address, "b.example") })].ID
	}
	if at(before) != at(after) {
		t.Error("a proxy that stays is another one")
	}
	refresh("u:another-password@b.example:1", "b.example:1 both.example:1 m.example:1", "")
	refresh("<html>", "b.example:1 both.example:1 m.example:1", "no proxy in it")
	var full strings.Builder
	for i := range egress.MaxProxies - 1 {
		fmt.Fprintf(&full, "p%d.example:1\n", i)
	}
	if done := f.refreshed(pool.ID, full.String()); done.Added != egress.MaxProxies-2 || !strings.Contains(done.Error, "1 are left out") {
		t.Errorf("%+v", done)
	}
	f.world.err = fault.Wrap(errors.New("a secret"), fault.Upstream, "the list's server answered HTTP 500")
	if done := f.refreshed(pool.ID, ""); done.Error != "the list's server answered HTTP 500" {
		t.Errorf("%+v", done)
	}
	if all, _ := f.proxies(pool.ID); len(all) != egress.MaxProxies {
		t.Errorf("%d proxies are left after a failure", len(all))
	}
	if got := f.world.asked[0]; got != "https://l.example/token" {
		t.Errorf("asked %s", got)
	}

	// A list that was replaced while the old one was read is not overwritten by it.
	f.world.err = nil
	f.world.during = func() {
		if _, err := f.Update(f.admin, pool.ID, egress.UpdateInput{List: new(secret.NewText("https://other.example/"))}); err != nil {
			t.Error(err)
		}
	}
	if done := f.refreshed(pool.ID, "z.example:1"); done.Added != 0 {
		t.Errorf("%+v", done)
	}
	f.world.during = nil
	if _, err := f.Update(f.admin, pool.ID, egress.UpdateInput{List: new(secret.Text{})}); err != nil {
		t.Fatal(err)
	}
	if _, got := f.proxies(pool.ID); got != "both.example:1 m.example:1" {
		t.Errorf("without a list there are %s", got)
	}
}

func (f *fixture) refreshed(pool id.EgressPool, list string) egress.Refresh {
	f.Helper()
	f.world.list = list
	done, err := f.Refresh(f.admin, pool)
	if err != nil {
		f.Fatal(err)
	}
	return done
}

// Only that a proxy ceases to work, or works again, makes nodes read their configuration.
func TestChecksReachTheDataPlane(t *testing.T) {
	t.Parallel()
	f := open(t)
	pool := f.make(egress.CreateInput{Proxies: texts("a.example:1", "b.example:1"), AllowHosts: []string{"b.example"}})
	made, err := f.providers.Create(f.admin, provider.CreateInput{
		Slug: "v", Name: "v", Dialect: "openai", BaseURL: "https://v.example/v1",
		NetworkInput: provider.NetworkInput{EgressPoolID: new(&pool.ID), AllowHosts: &[]string{"v.example"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := f.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "LISTEN configuration"); err != nil {
		t.Fatal(err)
	}
	check := func(healthy int, notified bool, failing string) {
		t.Helper()
		if n, err := f.Check(f.admin, pool.ID); err != nil || n != healthy {
			t.Fatalf("%d work, want %d: %v", n, healthy, err)
		}
		if _, err := f.pool.Exec(t.Context(), "SELECT pg_notify('configuration', 'end')"); err != nil {
			t.Fatal(err)
		}
		heard := false
		for {
			n, err := conn.Conn().WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n.Payload == "end" {
				break
			}
			heard = true
		}
		if heard != notified {
			t.Errorf("nodes were told: %v, want %v", heard, notified)
		}
		p, _ := f.loaded(pool.ID)
		got := ""
		for _, proxy := range p.Proxies {
			if proxy.Failing {
				got += proxy.URL.Reveal()
			}
		}
		if got != failing {
			t.Errorf("failing: %s, want %s", got, failing)
		}
	}
	check(2, false, "")
	f.world.dead = "a.example"
	check(1, true, "http://a.example:1")
	check(1, false, "http://a.example:1")
	all, _ := f.proxies(pool.ID)
	if a := all[0]; a.State != provider.Unhealthy || a.Error != "the proxy could not be reached" || a.Latency != time.Second || !a.ChangedAt.Before(*a.CheckedAt) {
		t.Errorf("%+v", a)
	}
	f.world.dead = ""
	check(2, true, "")
	trial := f.world.trials[0]
	if len(trial.Targets) != 1 || trial.Targets[0].BaseURL.Host != "v.example" || !slices.Equal(trial.Targets[0].AllowHosts, []string{"v.example"}) || !slices.Equal(trial.AllowHosts, []string{"b.example"}) {
		t.Errorf("%+v", trial)
	}

	p, ok := f.store.Current().Provider(made.ID)
	if !ok || p.Egress == nil || p.Egress.ID != pool.ID || p.Allow != "v.example" {
		t.Errorf("the provider in the snapshot is %+v", p)
	}
	if err := f.Delete(f.admin, pool.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a pool in use: %v", err)
	}
	if err := f.providers.Delete(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(f.admin, pool.ID); err != nil {
		t.Errorf("a pool whose provider is gone: %v", err)
	}
	var left int
	if err := f.pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM egress_proxies) + (SELECT count(*) FROM egress_checks)").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left: %v", left, err)
	}
}

func TestPoolsRefuse(t *testing.T) {
	t.Parallel()
	f := open(t)
	many := make([]secret.Text, egress.MaxProxies+1)
	for i := range many {
		many[i] = secret.NewText(fmt.Sprintf("p%d.example:1", i))
	}
	for path, in := range map[string]egress.CreateInput{
		"name":       {Name: "a\nb"},
		"choice":     {Name: "x", Choice: "best"},
		"listUrl":    {Name: "x", List: secret.NewText("http://l.example/")},
		"allowHosts": {Name: "x", AllowHosts: []string{"0x7f.1"}},
		"proxies":    {Name: "x", Proxies: many},
		"proxies 0":  {Name: "x", Proxies: texts("secretpw")},
	} {
		_, err := f.Create(f.admin, in)
		if failure, ok := fault.As(err); !ok || failure.Kind != fault.Invalid || strings.Join(failure.Path, " ") != path || strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%s: %v", path, err)
		}
	}
	pool := f.make(egress.CreateInput{List: secret.NewText("http://l.example/"), ListPlain: true, Proxies: many[1:]})
	plain := false
	for path, in := range map[string]egress.UpdateInput{
		"listUrl":      {ListPlain: &plain},
		"addProxies":   {Add: many[:1]},
		"addProxies 1": {Add: texts("a.example:1", "http://u:secretpw@")},
	} {
		_, err := f.Update(f.admin, pool.ID, in)
		if failure, ok := fault.As(err); !ok || failure.Kind != fault.Invalid || strings.Join(failure.Path, " ") != path || strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n, err := f.CheckAll(f.admin); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := f.RefreshAll(f.admin); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestChangeDuringACheck holds that a pool which is changed while its proxies are tried is checked anew, and that the check
// that saw what is there now stays, whichever ends first.
func TestChangeDuringACheck(t *testing.T) {
	t.Parallel()
	f := open(t)
	pool := f.make(egress.CreateInput{Proxies: texts("a.example:1"), AllowDirect: true})
	if _, err := f.pool.Exec(t.Context(), "UPDATE river_job SET state = 'running', attempted_at = now()"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(f.admin, pool.ID, egress.UpdateInput{AllowHosts: &[]string{"a.example"}}); err != nil {
		t.Fatal(err)
	}
	var waiting int
	if err := f.pool.QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE kind = 'egress_check' AND state = 'available'").Scan(&waiting); err != nil || waiting != 1 {
		t.Errorf("%d checks wait, want one: %v", waiting, err)
	}

	f.world.dead = "a.example"
	f.world.trying = func() { // a later check, which is quicker
		_, err := f.pool.Exec(t.Context(), `INSERT INTO egress_checks (proxy_id, healthy, checked_at, changed_at)
			SELECT id, true, clock_timestamp(), clock_timestamp() FROM egress_proxies`)
		if err != nil {
			t.Error(err)
		}
	}
	if _, err := f.Check(f.admin, pool.ID); err != nil {
		t.Fatal(err)
	}
	if all, _ := f.proxies(pool.ID); all[0].State != provider.Healthy {
		t.Errorf("%+v; want what the later check saw", all)
	}
}
