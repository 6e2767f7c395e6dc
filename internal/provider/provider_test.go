package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/event"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
	"aihigress/internal/snapshot"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// vendor answers what it is told to, and remembers what it was asked.
type vendor struct {
	mu      sync.Mutex
	models  []string
	listErr error
	status  int
	err     error
	probed  []string
	verdict provider.Verdict
	target  provider.Target
	during  func() // what happens while it is asked
}

func (v *vendor) ListModels(_ context.Context, t provider.Target) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.target = t
	if v.during != nil {
		v.during()
	}
	return v.models, v.listErr
}

func (v *vendor) Probe(_ context.Context, t provider.Target, model string) (int, time.Duration, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.target = t
	v.probed = append(v.probed, model)
	if v.during != nil {
		v.during()
	}
	return v.status, time.Millisecond, v.err
}

func (v *vendor) CheckKey(_ context.Context, t provider.Target, model string) (provider.Verdict, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.target = t
	v.probed = append(v.probed, model)
	return v.verdict, v.err
}

// bus remembers what was published.
type bus struct {
	mu     sync.Mutex
	events []provider.Health
}

func (b *bus) Publish(_ context.Context, topic string, payload any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if topic == provider.TopicHealth {
		b.events = append(b.events, payload.(provider.Health))
	}
}

type fixture struct {
	*provider.Providers
	*testing.T
	pool          *pgxpool.Pool
	keyring       *secret.Keyring
	vendor        *vendor
	bus           *bus
	inbox         *notify.Inbox
	options       provider.Options
	late          atomic.Int64 // by how much the inbox's clock is ahead
	admin, member context.Context
}

// now is the inbox's clock.
func (f *fixture) now() time.Time { return time.Now().Add(time.Duration(f.late.Load())) }

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
	f := &fixture{T: t, pool: pool, keyring: keyring, vendor: &vendor{status: 200}, bus: &bus{}}
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nobody is there: one node needs no Redis
	t.Cleanup(func() { _ = rdb.Close() })
	f.inbox = notify.New(notify.Options{
		Pool: pool, Audit: audit.New(pool), Keyring: keyring, Inserter: inserter, Bus: event.New(rdb, quiet), Log: quiet, Now: f.now,
	})
	f.options = provider.Options{
		Pool: pool, Audit: audit.New(pool), Keyring: keyring, Inserter: inserter, Bus: f.bus, Caller: f.vendor, Notify: f.inbox, Log: quiet,
	}
	f.with(nil)
	f.admin, f.member = f.as(authz.Admin), f.as(authz.Member)
	return f
}

// with makes the providers of another price book; nil is the built-in one.
func (f *fixture) with(book *catalog.Book) {
	f.options.Book = book
	f.Providers = provider.New(f.options)
}

// as is somebody new of a role.
func (f *fixture) as(role authz.Role) context.Context {
	f.Helper()
	user := id.New[id.User]()
	f.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, $3, '')`, user, user.String()+"@example.com", role)
	return authz.With(f.Context(), authz.Actor{Kind: authz.User, Role: role, UserID: user})
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.pool.Exec(f.Context(), sql, args...); err != nil {
		f.Fatal(err)
	}
}

// strings is a query's one column.
func (f *fixture) strings(sql string, args ...any) (list []string) {
	f.Helper()
	rows, err := f.pool.Query(f.Context(), sql, args...)
	if err != nil {
		f.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			f.Fatal(err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil {
		f.Fatal(err)
	}
	return list
}

func (f *fixture) jobs() []string {
	f.Helper()
	return f.strings("SELECT kind FROM river_job WHERE state = 'available' ORDER BY kind")
}

func input() provider.CreateInput {
	return provider.CreateInput{Slug: "vendor", Name: "Vendor", Dialect: "openai", BaseURL: "https://api.example.com/v1/"}
}

func (f *fixture) create(in provider.CreateInput) provider.Provider {
	f.Helper()
	p, err := f.Create(f.admin, in)
	if err != nil {
		f.Fatal(err)
	}
	return p
}

func TestCreate(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := input()
	in.Headers = map[string]string{"x-team": "blue"}
	in.Keys = []provider.KeyInput{{Secret: secret.NewText(" vendor-secret-1234\n"), Label: "main"}}
	in.Models = []provider.ModelInput{{UpstreamID: "gpt", Alias: "fast"}}
	made := f.create(in)
	actor, _ := authz.From(f.admin)
	want := provider.Provider{
		ID: made.ID, OwnerID: &actor.UserID, Slug: "vendor", Name: "Vendor", Dialect: "openai", Kind: "direct", BaseURL: "https://api.example.com/v1",
		Visibility: provider.Private, Headers: map[string]string{"X-Team": "blue"}, Paths: map[string]string{}, Weight: 1, AskStreamUsage: true, Enabled: true,
		CreatedAt: made.CreatedAt, Health: provider.Health{ProviderID: made.ID, State: provider.Unknown},
		Network: provider.Network{AllowHosts: []string{}}, Factor: new(pricing.One),
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	keys, err := f.Keys(f.admin, made.ID)
	if err != nil || len(keys) != 1 || keys[0].Hint != "…1234" || keys[0].Label != "main" || keys[0].Weight != 1 {
		t.Errorf("keys %+v, %v", keys, err)
	}
	models, err := f.Models(f.admin, made.ID)
	if err != nil || len(models) != 1 || models[0].Alias != "fast" || models[0].Source != provider.Manual || models[0].PriceSource != provider.PriceUnknown {
		t.Errorf("models %+v, %v", models, err)
	}
	if got := f.jobs(); !slices.Equal(got, []string{"provider_discover", "provider_probe"}) {
		t.Errorf("enqueued %q", got)
	}
	for _, text := range f.strings("SELECT details::text FROM audit_events UNION ALL SELECT args::text FROM river_job UNION ALL SELECT secret_sealed::text FROM provider_keys") {
		if strings.Contains(text, "vendor-secret") || strings.Contains(text, "blue") {
			t.Errorf("a secret is stored in the open: %s", text)
		}
	}
}

func TestCreateFromPreset(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{{UpstreamID: "claude-haiku-4-5-20251001"}}})
	if made.Dialect != "anthropic" || made.BaseURL != "https://api.anthropic.com" || made.Name != "Anthropic" {
		t.Errorf("%+v", made)
	}
	models, err := f.Models(f.admin, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	known, _ := catalog.Known("anthropic", "claude-haiku-4-5-20251001")
	if m := models[0]; m.PriceSource != provider.PriceCatalog || !cmp.Equal(m.Rate, known.Rate) || m.ContextTokens != known.Context || m.MaxOutputTokens != known.MaxOutput {
		t.Errorf("%+v, the catalogue has %+v", m, known)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.create(input())
	for _, tc := range []struct {
		name   string
		change func(*provider.CreateInput)
		path   string
	}{
		{"slug with a slash", func(in *provider.CreateInput) { in.Slug = "a/b" }, "slug"},
		{"slug in capitals", func(in *provider.CreateInput) { in.Slug = "Vendor" }, "slug"},
		{"name that makes no slug", func(in *provider.CreateInput) { in.Slug, in.Name = "", "模型" }, "slug"},
		{"slug that begins with a hyphen", func(in *provider.CreateInput) { in.Slug = "-a" }, "slug"},
		{"long slug", func(in *provider.CreateInput) { in.Slug = strings.Repeat("a", 64) }, "slug"},
		{"no name", func(in *provider.CreateInput) { in.Name = "" }, "name"},
		{"unknown dialect", func(in *provider.CreateInput) { in.Dialect = "latin" }, "dialect"},
		{"unknown kind", func(in *provider.CreateInput) { in.Kind = "azure" }, "kind"},
		{"Claude Code in another dialect", func(in *provider.CreateInput) { in.Kind = provider.KindClaudeCLI }, "kind"},
		{"Vertex in a dialect that it has not", func(in *provider.CreateInput) { in.Kind, in.Dialect = provider.KindVertex, "responses" }, "kind"},
		{"Vertex without a project", func(in *provider.CreateInput) {
			in.Kind, in.BaseURL = provider.KindVertex, "https://aiplatform.googleapis.com"
		}, "baseUrl"},
		{"Vertex of nobody's project", func(in *provider.CreateInput) { in.PresetID, in.BaseURL, in.Dialect = "vertexai", "", "" }, "baseUrl"},
		{"unknown streaming", func(in *provider.CreateInput) { in.Streaming = "sometimes" }, "streaming"},
		{"path of no operation", func(in *provider.CreateInput) { in.Paths = map[string]string{"dance": "/x"} }, "paths"},
		{"path without a slash", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "x"} }, "paths"},
		{"empty path", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": ""} }, "paths"},
		{"path with a host", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "//example.com/x"} }, "paths"},
		{"address for a path", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "https://example.com/x"} }, "paths"},
		{"path with dots", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a/../../x"} }, "paths"},
		{"path with escaped dots", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a/%2e%2E/x"} }, "paths"},
		{"path with an escaped slash", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a/..%2fx"} }, "paths"},
		{"path with a query", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a?b"} }, "paths"},
		{"path with a bad escape", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a%zz"} }, "paths"},
		{"path with another placeholder", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/{key}"} }, "paths"},
		{"path with a line feed", func(in *provider.CreateInput) { in.Paths = map[string]string{"generate": "/a\nb"} }, "paths"},
		{"long path", func(in *provider.CreateInput) {
			in.Paths = map[string]string{"generate": "/" + strings.Repeat("a", 500)}
		}, "paths"},
		{"unknown visibility", func(in *provider.CreateInput) { in.Visibility = "secret" }, "visibility"},
		{"unknown preset", func(in *provider.CreateInput) { in.PresetID = "nobody" }, "presetId"},
		{"weight out of range", func(in *provider.CreateInput) { w := 1 << 32; in.Weight = &w }, "weight"},
		{"no scheme", func(in *provider.CreateInput) { in.BaseURL = "api.example.com" }, "baseUrl"},
		{"file", func(in *provider.CreateInput) { in.BaseURL = "file:///etc/passwd" }, "baseUrl"},
		{"no host", func(in *provider.CreateInput) { in.BaseURL = "https:///v1" }, "baseUrl"},
		{"only a port", func(in *provider.CreateInput) { in.BaseURL = "https://:443" }, "baseUrl"},
		{"opaque", func(in *provider.CreateInput) { in.BaseURL = "https:api.example.com" }, "baseUrl"},
		{"password", func(in *provider.CreateInput) { in.BaseURL = "https://user:pass@api.example.com" }, "baseUrl"},
		{"empty user", func(in *provider.CreateInput) { in.BaseURL = "https://@api.example.com" }, "baseUrl"},
		{"query", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com/?key=1" }, "baseUrl"},
		{"empty query", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com?" }, "baseUrl"},
		{"fragment", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com/#a" }, "baseUrl"},
		{"dots", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com/a/../b" }, "baseUrl"},
		{"port out of range", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com:70000" }, "baseUrl"},
		{"control sign", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com/\r\nX: y" }, "baseUrl"},
		{"long URL", func(in *provider.CreateInput) { in.BaseURL = "https://api.example.com/" + strings.Repeat("a", 500) }, "baseUrl"},
		{"authorization", func(in *provider.CreateInput) { in.Headers = map[string]string{"authorization": "Bearer x"} }, "headers"},
		{"host", func(in *provider.CreateInput) { in.Headers = map[string]string{"HOST": "intranet"} }, "headers"},
		{"hop by hop", func(in *provider.CreateInput) { in.Headers = map[string]string{"Transfer-Encoding": "chunked"} }, "headers"},
		{"not a header", func(in *provider.CreateInput) { in.Headers = map[string]string{"x y": "z"} }, "headers"},
		{"header with a line feed", func(in *provider.CreateInput) { in.Headers = map[string]string{"x": "a\nb"} }, "headers"},
		{"header twice", func(in *provider.CreateInput) { in.Headers = map[string]string{"x": "a", "X": "b"} }, "headers"},
		{"key with a space", func(in *provider.CreateInput) { in.Keys = []provider.KeyInput{{Secret: secret.NewText("a b")}} }, "keys.0.secret"},
		{"empty key", func(in *provider.CreateInput) { in.Keys = []provider.KeyInput{{}} }, "keys.0.secret"},
		{"model without an id", func(in *provider.CreateInput) { in.Models = []provider.ModelInput{{}} }, "models.0.upstreamId"},
		{"model twice", func(in *provider.CreateInput) {
			in.Models = []provider.ModelInput{{UpstreamID: "m"}, {UpstreamID: "m"}}
		}, "models.1.upstreamId"},
		{"negative context", func(in *provider.CreateInput) {
			in.Models = []provider.ModelInput{{UpstreamID: "m", ContextTokens: -1}}
		}, "models.0.contextTokens"},
	} {
		in := input()
		in.Slug = "another"
		tc.change(&in)
		_, err := f.Create(f.admin, in)
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Invalid || strings.Join(failure.Path, ".") != tc.path {
			t.Errorf("%s: %v (%+v)", tc.name, err, failure)
		}
	}
	if _, err := f.Create(f.admin, input()); !errors.Is(err, fault.Conflict) {
		t.Errorf("taken slug: %v", err)
	}
	if got := f.strings("SELECT slug FROM providers"); len(got) != 1 {
		t.Errorf("a refused provider is there: %q", got)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	f.exec("UPDATE river_job SET state = 'completed', finalized_at = now()")
	paths := map[string]string{"generate": "/run/{model}", "list_models": "/all"}
	slug, base, public, headers, w, off := "other", "http://10.0.0.1:8000", provider.Public, map[string]string{"x-a": "b"}, 0, false
	after, err := f.Update(f.admin, made.ID, provider.UpdateInput{
		Slug: &slug, BaseURL: &base, Visibility: &public, Headers: &headers, Weight: &w, AskStreamUsage: &off,
		Paths: &paths, Streaming: new(provider.StreamsNever),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := made
	want.Slug, want.BaseURL, want.Visibility, want.Headers, want.Weight, want.AskStreamUsage = slug, base, public, map[string]string{"X-A": "b"}, 0, false
	want.Paths, want.Streaming = paths, provider.StreamsNever
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := f.jobs(); len(got) != 2 {
		t.Errorf("a new address is not probed: %q", got)
	}
	if after, err = f.SetEnabled(f.admin, made.ID, false); err != nil || after.Enabled {
		t.Errorf("disabled: %+v, %v", after, err)
	}
	bad := "ftp://example.com"
	if _, err := f.Update(f.admin, made.ID, provider.UpdateInput{BaseURL: &bad}); !errors.Is(err, fault.Invalid) {
		t.Errorf("bad URL: %v", err)
	}
	if _, err := f.Update(f.admin, id.New[id.Provider](), provider.UpdateInput{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestMembersSeeWhatIsPublicWithoutItsAddress(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := input()
	in.Paths = map[string]string{"generate": "/inside"}
	in.Visibility, in.Headers, in.Keys = provider.Public, map[string]string{"x-team": "blue"}, []provider.KeyInput{{Secret: secret.NewText("k")}}
	public := f.create(in)
	in = input()
	in.Slug = "hidden"
	private := f.create(in)
	in.Slug = "own"
	own := f.create(in)
	member, _ := authz.From(f.member)
	f.exec("UPDATE providers SET owner_id = $2 WHERE id = $1", own.ID, member.UserID)

	got, err := f.Get(f.member, public.ID)
	if err != nil || got.BaseURL != "" || got.Headers != nil || got.Paths != nil || got.Slug != "vendor" {
		t.Errorf("public: %+v, %v", got, err)
	}
	if got, err := f.Get(f.member, own.ID); err != nil || got.BaseURL == "" {
		t.Errorf("own: %+v, %v", got, err)
	}
	if _, err := f.Get(f.member, private.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's private: %v", err)
	}
	if _, err := f.Models(f.member, private.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another's models: %v", err)
	}
	if _, err := f.Keys(f.member, public.ID); !errors.Is(err, fault.Denied) {
		t.Errorf("public provider's keys: %v", err)
	}
	p, err := f.List(f.member, provider.Filter{}, page.Args{})
	if err != nil || len(p.Items) != 2 || p.Items[0].Slug != "own" || p.Items[1].Slug != "vendor" || *p.Total != 2 {
		t.Errorf("list: %+v, %v", p, err)
	}
	if byID, err := f.ByIDs(f.member, []id.Provider{public.ID, private.ID}); err != nil || len(byID) != 1 {
		t.Errorf("by ids: %+v, %v", byID, err)
	}
	for name, err := range map[string]error{
		"create":   second(f.Create(f.member, input())),
		"update":   second(f.Update(f.member, own.ID, provider.UpdateInput{})),
		"delete":   f.Delete(f.member, own.ID),
		"key":      second(f.AddKey(f.member, own.ID, provider.KeyInput{})),
		"discover": second(f.Discover(f.member, own.ID)),
		"probe":    f.RequestProbe(f.member, own.ID),
	} {
		if !errors.Is(err, fault.Denied) {
			t.Errorf("member's %s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestListPages(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, slug := range []string{"c", "a", "b"} {
		in := input()
		in.Slug, in.Disabled = slug, slug == "b"
		f.create(in)
	}
	first, err := f.List(f.admin, provider.Filter{}, page.Args{First: 2})
	if err != nil || len(first.Items) != 2 || first.Items[0].Slug != "a" || !first.HasNext || *first.Total != 3 {
		t.Fatalf("%+v, %v", first, err)
	}
	next, err := f.List(f.admin, provider.Filter{}, page.Args{First: 2, After: first.End()})
	if err != nil || len(next.Items) != 1 || next.Items[0].Slug != "c" || next.HasNext {
		t.Errorf("%+v, %v", next, err)
	}
	on := true
	if p, err := f.List(f.admin, provider.Filter{Enabled: &on, Dialect: "openai", Query: "VEND"}, page.Args{}); err != nil || len(p.Items) != 2 {
		t.Errorf("filtered: %+v, %v", p, err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := input()
	in.Keys = []provider.KeyInput{{Secret: secret.NewText("k")}}
	made := f.create(in)
	models := catalog.New(f.pool, audit.New(f.pool))
	model, err := models.Create(f.admin, catalog.CreateInput{Name: "smart", Routes: []catalog.RouteInput{{ProviderID: made.ID, UpstreamID: "gpt"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(f.admin, made.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("deleted: %v", err)
	}
	if model, err = models.Get(f.admin, model.ID); err != nil || len(model.Routes) != 0 {
		t.Errorf("model still leads to it: %+v, %v", model, err)
	}
	if keys := f.strings("SELECT hint FROM provider_keys"); len(keys) != 0 {
		t.Errorf("keys stay: %q", keys)
	}
	if byID, err := f.ByIDs(f.admin, []id.Provider{made.ID}); err != nil || len(byID) != 1 || byID[0].DeletedAt == nil || byID[0].Name != "Vendor" {
		t.Errorf("what was logged cannot name it: %+v, %v", byID, err)
	}
	if again := f.create(input()); again.Slug != "vendor" {
		t.Errorf("%+v", again)
	}
	var details struct{ RoutesOf []id.Model }
	raw := f.strings("SELECT details::text FROM audit_events WHERE action = 'provider.delete'")
	if err := json.Unmarshal([]byte(raw[0]), &details); err != nil || !slices.Equal(details.RoutesOf, []id.Model{model.ID}) {
		t.Errorf("audit: %s, %v", raw, err)
	}
}

// The data plane opens by the same rule what is sealed here.
func TestSnapshotOpensTheKeys(t *testing.T) {
	t.Parallel()
	f := open(t)
	in := input()
	in.Keys = []provider.KeyInput{{Secret: secret.NewText("vendor-secret")}}
	made := f.create(in)
	store := snapshot.NewStore(f.pool, "", f.keyring, slog.New(slog.DiscardHandler))
	if err := store.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, ok := store.Current().Provider(made.ID)
	if !ok || len(p.Keys) != 1 || p.Keys[0].Secret.Reveal() != "vendor-secret" {
		t.Errorf("%+v, problems %q", p, store.Current().Problems)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	key, err := f.AddKey(f.admin, made.ID, provider.KeyInput{Secret: secret.NewText("first-secret-aaaa"), Limits: provider.KeyLimits{MaxQPS: 7}})
	if err != nil || key.Limits.MaxQPS != 7 || key.Hint != "…aaaa" {
		t.Fatalf("%+v, %v", key, err)
	}
	rotated, err := f.RotateKey(f.admin, key.ID, secret.NewText("second-secret-bbbb"))
	if err != nil || rotated.ID != key.ID || rotated.Hint != "…bbbb" || rotated.Limits.MaxQPS != 7 {
		t.Fatalf("%+v, %v", rotated, err)
	}
	if _, err := f.Probe(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.vendor.target.Secret.Reveal(); got != "second-secret-bbbb" {
		t.Errorf("the vendor was called with %q", got)
	}
	if _, err := f.RotateKey(f.admin, key.ID, secret.NewText("new\nline")); !errors.Is(err, fault.Invalid) {
		t.Errorf("bad secret: %v", err)
	}
	if err := f.RemoveKey(f.admin, key.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveKey(f.admin, key.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := f.Probe(f.admin, made.ID); err != nil || !f.vendor.target.Secret.Empty() {
		t.Errorf("called with a removed key: %v", err)
	}
}

// A key's limits are changed one by one, and the audit log tells which.
func TestUpdateKey(t *testing.T) {
	t.Parallel()
	f := open(t)
	made := f.create(input())
	key, err := f.AddKey(f.admin, made.ID, provider.KeyInput{Secret: secret.NewText("first-secret-aaaa"), Limits: provider.KeyLimits{MaxQPS: 7, TokensPerMinute: 100}})
	if err != nil {
		t.Fatal(err)
	}
	var none, most int64 = 0, 40
	weight, label := 5, "second account"
	changed, err := f.UpdateKey(f.admin, key.ID, provider.UpdateKeyInput{Label: &label, Weight: &weight, MaxQPS: &none, MaxConcurrency: &most})
	want := provider.KeyLimits{MaxConcurrency: 40, TokensPerMinute: 100}
	if err != nil || changed.Limits != want || changed.Weight != 5 || changed.Label != label || changed.Hint != key.Hint {
		t.Fatalf("%+v, %v", changed, err)
	}
	details := f.strings(`SELECT details::text FROM audit_events WHERE action = 'provider.key.update'`)
	if len(details) != 1 || !strings.Contains(details[0], `"maxQps"`) || !strings.Contains(details[0], `"maxConcurrency"`) ||
		strings.Contains(details[0], "tokensPerMinute") || strings.Contains(details[0], "first-secret") {
		t.Errorf("the audit log says %s", details)
	}
	for _, bad := range []int64{-1, 1_000_001} {
		if _, err := f.UpdateKey(f.admin, key.ID, provider.UpdateKeyInput{MaxConcurrency: &bad}); !errors.Is(err, fault.Invalid) {
			t.Errorf("a limit of %d: %v", bad, err)
		}
	}
	if _, err := f.UpdateKey(f.as(authz.Member), key.ID, provider.UpdateKeyInput{MaxQPS: &most}); !errors.Is(err, fault.Denied) {
		t.Errorf("as a member: %v", err)
	}
	if _, err := f.UpdateKey(f.admin, id.New[id.ProviderKey](), provider.UpdateKeyInput{MaxQPS: &most}); !errors.Is(err, fault.NotFound) {
		t.Errorf("of no key: %v", err)
	}
}
