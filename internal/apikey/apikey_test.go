package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type fixture struct {
	*Keys
	t             *testing.T
	pool          *pgxpool.Pool
	admin, member context.Context
	adminID       id.User
	memberID      id.User
}

func open(t *testing.T) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := &fixture{Keys: New(pool, audit.New(pool)), t: t, pool: pool, adminID: id.New[id.User](), memberID: id.New[id.User]()}
	f.user(f.adminID, authz.Admin)
	f.user(f.memberID, authz.Member)
	f.admin = f.as(f.adminID, authz.Admin)
	f.member = f.as(f.memberID, authz.Member)
	return f
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) user(userID id.User, role authz.Role) {
	f.t.Helper()
	f.exec("INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, $3, '')", userID, userID.String()+"@example.com", string(role))
}

func (f *fixture) as(userID id.User, role authz.Role) context.Context {
	return authz.With(f.t.Context(), authz.Actor{Kind: authz.User, UserID: userID, Role: role})
}

func (f *fixture) provider(visibility string, owner *id.User) id.Provider {
	f.t.Helper()
	p := id.New[id.Provider]()
	f.exec("INSERT INTO providers (id, owner_id, slug, name, dialect, base_url, visibility) VALUES ($1, $2, $3, 'P', 'openai', 'https://example.com/v1', $4)",
		p, owner, "p"+p.String()[4:], visibility)
	return p
}

func (f *fixture) create(ctx context.Context, in CreateInput) Key {
	f.t.Helper()
	key, _, err := f.Create(ctx, in)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

func pointer[T any](v T) *T { return &v }

func TestCreateShowsTheSecretOnceAndStoresItsHash(t *testing.T) {
	t.Parallel()
	f := open(t)
	public := f.provider("public", nil)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	key, text, err := f.Create(f.member, CreateInput{
		Name: "  my app ", Scopes: []Scope{Platform, Inference, Platform}, Models: []string{"gpt-5 ", "acme/x", "gpt-5"},
		ProviderIDs: []id.Provider{public, public},
		IPRanges:    []string{"192.0.2.7", "10.1.2.3/8", "2001:db8::1/32", "::ffff:198.51.100.0/120", "10.0.0.0/8"},
		Limits:      Limits{RequestsPerMinute: pointer[int32](60), TokensPerMinute: pointer[int64](1_000_000), Concurrency: pointer[int32](4)},
		ExpiresAt:   &expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Key{
		ID: key.ID, UserID: f.memberID, Name: "my app", Hint: hint(text.Reveal()), Scopes: []Scope{Inference, Platform},
		Models: []string{"acme/x", "gpt-5"}, ProviderIDs: []id.Provider{public},
		IPRanges:  []string{"10.0.0.0/8", "192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"},
		Limits:    Limits{RequestsPerMinute: pointer[int32](60), TokensPerMinute: pointer[int64](1_000_000), Concurrency: pointer[int32](4)},
		ExpiresAt: &expires, CreatedAt: key.CreatedAt,
	}
	if diff := cmp.Diff(want, key); diff != "" {
		t.Error(diff)
	}
	got, err := f.Get(f.member, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	hash, err := Parse(text.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := f.pool.QueryRow(t.Context(), "SELECT count(*) FROM api_keys WHERE secret_hash = $1", hash[:]).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows have its hash, %v", rows, err)
	}
	var leaks int
	secretPart := text.Reveal()[10:51]
	err = f.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM api_keys k WHERE k::text LIKE '%' || $1 || '%')
		+ (SELECT count(*) FROM audit_events a WHERE a::text LIKE '%' || $1 || '%')`, secretPart).Scan(&leaks)
	if err != nil || leaks != 0 {
		t.Errorf("the secret stands in %d rows, %v", leaks, err)
	}
}

func TestCreateWithTheLeast(t *testing.T) {
	t.Parallel()
	f := open(t)
	key := f.create(f.member, CreateInput{Name: "k"})
	want := Key{ID: key.ID, UserID: f.memberID, Name: "k", Hint: key.Hint, Scopes: []Scope{Inference}, Models: []string{},
		ProviderIDs: []id.Provider{}, IPRanges: []string{}, CreatedAt: key.CreatedAt}
	if diff := cmp.Diff(want, key); diff != "" {
		t.Error(diff)
	}
	if !key.Active(time.Now()) {
		t.Error("not active")
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := open(t)
	private, deleted := f.provider("private", &f.adminID), f.provider("public", nil)
	f.exec("UPDATE providers SET deleted_at = now() WHERE id = $1", deleted)
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("m%d", i)
	}
	for name, c := range map[string]struct {
		in   CreateInput
		path string
	}{
		"no name":            {CreateInput{Name: " "}, "name"},
		"long name":          {CreateInput{Name: strings.Repeat("n", 101)}, "name"},
		"line in name":       {CreateInput{Name: "a\nb"}, "name"},
		"unknown scope":      {CreateInput{Name: "k", Scopes: []Scope{"root"}}, "scopes"},
		"empty model":        {CreateInput{Name: "k", Models: []string{""}}, "models"},
		"long model":         {CreateInput{Name: "k", Models: []string{strings.Repeat("m", 201)}}, "models"},
		"many models":        {CreateInput{Name: "k", Models: many}, "models"},
		"unknown provider":   {CreateInput{Name: "k", ProviderIDs: []id.Provider{id.New[id.Provider]()}}, "providers"},
		"another's provider": {CreateInput{Name: "k", ProviderIDs: []id.Provider{private}}, "providers"},
		"deleted provider":   {CreateInput{Name: "k", ProviderIDs: []id.Provider{deleted}}, "providers"},
		"many providers":     {CreateInput{Name: "k", ProviderIDs: make([]id.Provider, 101)}, "providers"},
		"host name":          {CreateInput{Name: "k", IPRanges: []string{"example.com"}}, "ipRanges"},
		"bad range":          {CreateInput{Name: "k", IPRanges: []string{"10.0.0.0/33"}}, "ipRanges"},
		"zone":               {CreateInput{Name: "k", IPRanges: []string{"fe80::1%eth0"}}, "ipRanges"},
		"more than all IPv4": {CreateInput{Name: "k", IPRanges: []string{"::ffff:0.0.0.0/95"}}, "ipRanges"},
		"many ranges":        {CreateInput{Name: "k", IPRanges: slices.Repeat([]string{"10.0.0.1"}, 101)}, "ipRanges"},
		"no requests":        {CreateInput{Name: "k", Limits: Limits{RequestsPerMinute: pointer[int32](0)}}, "limits.requestsPerMinute"},
		"negative tokens":    {CreateInput{Name: "k", Limits: Limits{TokensPerMinute: pointer[int64](-1)}}, "limits.tokensPerMinute"},
		"no calls":           {CreateInput{Name: "k", Limits: Limits{Concurrency: pointer[int32](0)}}, "limits.concurrency"},
		"expired":            {CreateInput{Name: "k", ExpiresAt: pointer(time.Now())}, "expiresAt"},
		"for another":        {CreateInput{Name: "k", UserID: f.adminID}, "userId"},
	} {
		_, text, err := f.Create(f.member, c.in)
		known, ok := fault.As(err)
		if !ok || known.Kind != fault.Invalid && known.Kind != fault.NotFound || strings.Join(known.Path, ".") != c.path || !text.Empty() {
			t.Errorf("%s: %v, path %v", name, err, known)
		}
	}
	p, err := f.List(f.admin, Filter{}, page.Args{})
	if err != nil || len(p.Items) != 0 {
		t.Errorf("%d keys, %v", len(p.Items), err)
	}
}

func TestAnAdminMakesKeysForOthers(t *testing.T) {
	t.Parallel()
	f := open(t)
	own := f.provider("private", &f.memberID)
	key := f.create(f.admin, CreateInput{Name: "k", UserID: f.memberID, ProviderIDs: []id.Provider{own}})
	if key.UserID != f.memberID {
		t.Errorf("it is %v's", key.UserID)
	}
	if _, _, err := f.Create(f.admin, CreateInput{Name: "k", UserID: id.New[id.User]()}); !errors.Is(err, fault.NotFound) {
		t.Errorf("for nobody: %v", err)
	}
	f.exec("UPDATE users SET disabled_at = now() WHERE id = $1", f.memberID)
	if _, _, err := f.Create(f.admin, CreateInput{Name: "k", UserID: f.memberID}); !errors.Is(err, fault.Conflict) {
		t.Errorf("for a disabled user: %v", err)
	}
	job := authz.With(t.Context(), authz.Job("dev"))
	if _, _, err := f.Create(job, CreateInput{Name: "k"}); !errors.Is(err, fault.NotFound) {
		t.Errorf("the gateway itself, for nobody: %v", err)
	}
	f.create(job, CreateInput{Name: "k", UserID: f.adminID})
}

func TestAKeyCannotGiveWhatItHasNot(t *testing.T) {
	t.Parallel()
	f := open(t)
	platform := f.create(f.member, CreateInput{Name: "platform only", Scopes: []Scope{Platform}})
	ctx := authz.With(t.Context(), authz.Actor{Kind: authz.Key, UserID: f.memberID, Role: authz.Member, KeyID: platform.ID})
	for _, scopes := range [][]Scope{nil, {Inference}, {Inference, Platform}} {
		_, _, err := f.Create(ctx, CreateInput{Name: "more", Scopes: scopes})
		if known, ok := fault.As(err); !ok || known.Kind != fault.Invalid || known.Path[0] != "scopes" {
			t.Errorf("%v: %v", scopes, err)
		}
	}
	if key := f.create(ctx, CreateInput{Name: "the same", Scopes: []Scope{Platform}}); key.UserID != f.memberID {
		t.Errorf("%+v", key)
	}
}

func TestActiveKeysAreBounded(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash)
		SELECT gen_random_uuid(), $1, 'k', '', sha256(i::text::bytea) FROM generate_series(1, $2) AS i`, f.memberID, MaxActive)
	if _, _, err := f.Create(f.member, CreateInput{Name: "one more"}); !errors.Is(err, fault.Conflict) {
		t.Fatalf("%v", err)
	}
	f.exec("UPDATE api_keys SET revoked_at = now() WHERE id = (SELECT id FROM api_keys LIMIT 1)")
	f.create(f.member, CreateInput{Name: "one more"})
}

func TestUpdateChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	f := open(t)
	public := f.provider("public", nil)
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	key := f.create(f.member, CreateInput{
		Name: "k", Models: []string{"m"}, ProviderIDs: []id.Provider{public}, IPRanges: []string{"10.0.0.1"},
		Limits: Limits{Concurrency: pointer[int32](2)}, ExpiresAt: &expires,
	})
	got, err := f.Update(f.member, key.ID, UpdateInput{Name: pointer("new")})
	if err != nil {
		t.Fatal(err)
	}
	want := key
	want.Name = "new"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got, err = f.Update(f.member, key.ID, UpdateInput{
		Models: []string{}, ProviderIDs: []id.Provider{}, IPRanges: []string{"::1"},
		Limits: &Limits{RequestsPerMinute: pointer[int32](5)}, ExpiresAt: pointer[*time.Time](nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	want.Models, want.ProviderIDs, want.IPRanges = []string{}, []id.Provider{}, []string{"::1/128"}
	want.Limits, want.ExpiresAt = Limits{RequestsPerMinute: pointer[int32](5)}, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = f.Get(f.member, key.ID); err != nil || !cmp.Equal(want, got) {
		t.Errorf("%s, %v", cmp.Diff(want, got), err)
	}
	past := time.Now().Add(-time.Second)
	pastPointer := &past
	for name, in := range map[string]UpdateInput{
		"name":     {Name: pointer("")},
		"models":   {Models: []string{""}},
		"range":    {IPRanges: []string{"x"}},
		"limit":    {Limits: &Limits{Concurrency: pointer[int32](0)}},
		"expiry":   {ExpiresAt: &pastPointer},
		"provider": {ProviderIDs: []id.Provider{id.New[id.Provider]()}},
	} {
		if _, err := f.Update(f.member, key.ID, in); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key's strategy and timeout are set, changed and given back to the model and the gateway, one without the other.
func TestRoutingOfAKey(t *testing.T) {
	t.Parallel()
	f := open(t)
	key := f.create(f.member, CreateInput{Name: "k", Strategy: catalog.LeastBusy, Timeout: 1500 * time.Millisecond})
	if key.Strategy != catalog.LeastBusy || key.Timeout != 1500*time.Millisecond {
		t.Errorf("created %+v", key)
	}
	for _, step := range []struct {
		in       UpdateInput
		strategy catalog.Strategy
		timeout  time.Duration
	}{
		{UpdateInput{Name: pointer("other")}, catalog.LeastBusy, 1500 * time.Millisecond},
		{UpdateInput{Timeout: pointer(MaxTimeout)}, catalog.LeastBusy, MaxTimeout},
		{UpdateInput{Strategy: pointer(catalog.Cost)}, catalog.Cost, MaxTimeout},
		{UpdateInput{Strategy: pointer(catalog.Strategy("")), Timeout: pointer(time.Duration(0))}, "", 0},
	} {
		changed, err := f.Update(f.member, key.ID, step.in)
		if err != nil || changed.Strategy != step.strategy || changed.Timeout != step.timeout {
			t.Errorf("%+v: %+v, %v", step.in, changed, err)
		}
	}
	for path, in := range map[string]UpdateInput{"strategy": {Strategy: pointer(catalog.Strategy("luck"))}, "timeoutMs": {Timeout: pointer(-time.Millisecond)}} {
		_, err := f.Update(f.member, key.ID, in)
		if failure, _ := fault.As(err); failure == nil || failure.Kind != fault.Invalid || failure.Path[0] != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, in := range []CreateInput{{Name: "k", Strategy: "luck"}, {Name: "k", Timeout: MaxTimeout + time.Millisecond}, {Name: "k", Timeout: time.Microsecond}} {
		if _, _, err := f.Create(f.member, in); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestOthersKeysAreNotThere(t *testing.T) {
	t.Parallel()
	f := open(t)
	mine, theirs := f.create(f.member, CreateInput{Name: "mine"}), f.create(f.admin, CreateInput{Name: "theirs"})
	if _, err := f.Get(f.member, theirs.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := f.Update(f.member, theirs.ID, UpdateInput{Name: pointer("x")}); !errors.Is(err, fault.NotFound) {
		t.Errorf("update: %v", err)
	}
	if _, err := f.Revoke(f.member, theirs.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("revoke: %v", err)
	}
	keys, err := f.ByIDs(f.member, []id.Key{mine.ID, theirs.ID})
	if err != nil || len(keys) != 1 || keys[0].ID != mine.ID {
		t.Errorf("by ids: %+v, %v", keys, err)
	}
	if keys, err = f.ByIDs(f.admin, []id.Key{mine.ID, theirs.ID}); err != nil || len(keys) != 2 {
		t.Errorf("by ids, admin: %+v, %v", keys, err)
	}
	p, err := f.List(f.member, Filter{UserID: &f.adminID}, page.Args{})
	if err != nil || len(p.Items) != 0 || *p.Total != 0 {
		t.Errorf("list: %+v, %v", p, err)
	}
}

func TestRevokeIsForGood(t *testing.T) {
	t.Parallel()
	f := open(t)
	key := f.create(f.member, CreateInput{Name: "k"})
	revoked, err := f.Revoke(f.member, key.ID)
	if err != nil || revoked.RevokedAt == nil || revoked.Active(time.Now()) {
		t.Fatalf("%+v, %v", revoked, err)
	}
	again, err := f.Revoke(f.member, key.ID)
	if err != nil || !again.RevokedAt.Equal(*revoked.RevokedAt) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := f.Update(f.member, key.ID, UpdateInput{Name: pointer("x")}); !errors.Is(err, fault.Conflict) {
		t.Errorf("update: %v", err)
	}
	if _, err := f.Revoke(f.member, id.New[id.Key]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v", err)
	}
	p, err := f.audit.List(f.admin, audit.Filter{Target: key.ID.String(), OldestFirst: true}, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range p.Items {
		actions = append(actions, e.Action)
	}
	if diff := cmp.Diff([]string{"key.create", "key.revoke"}, actions); diff != "" {
		t.Error(diff)
	}
}

func TestListPagesAndFilters(t *testing.T) {
	t.Parallel()
	f := open(t)
	for i := range 9 {
		key := f.create(f.member, CreateInput{Name: fmt.Sprintf("member %d", i)})
		switch i % 3 {
		case 0:
			if _, err := f.Revoke(f.member, key.ID); err != nil {
				t.Fatal(err)
			}
		case 1:
			f.exec("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", key.ID)
		}
	}
	theirs := f.create(f.admin, CreateInput{Name: "100% theirs"})
	for name, c := range map[string]struct {
		filter Filter
		want   int
	}{
		"all":          {Filter{}, 10},
		"oldest first": {Filter{OldestFirst: true}, 10},
		"active":       {Filter{Active: pointer(true)}, 4},
		"inactive":     {Filter{Active: pointer(false)}, 6},
		"user":         {Filter{UserID: &f.memberID}, 9},
		"name":         {Filter{Query: "MEMBER"}, 9},
		"percent":      {Filter{Query: "%"}, 1},
		"hint":         {Filter{Query: theirs.Hint}, 1},
		"together":     {Filter{UserID: &f.memberID, Active: pointer(true), Query: "member 8"}, 1},
	} {
		var all []Key
		args := page.Args{First: 4}
		for {
			p, err := f.List(f.admin, c.filter, args)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *p.Total != c.want {
				t.Errorf("%s: total %d, want %d", name, *p.Total, c.want)
			}
			all = append(all, p.Items...)
			if !p.HasNext {
				break
			}
			args.After = p.End()
		}
		if len(all) != c.want {
			t.Errorf("%s: %d keys, want %d", name, len(all), c.want)
		}
		for i := 1; i < len(all); i++ {
			if (all[i-1].ID.String() < all[i].ID.String()) != c.filter.OldestFirst {
				t.Errorf("%s: wrong order", name)
			}
		}
	}
}

func TestNothingWithoutAnActor(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx, key := t.Context(), id.New[id.Key]()
	for name, call := range map[string]func() error{
		"Create": func() error { _, _, err := f.Create(ctx, CreateInput{}); return err },
		"Get":    func() error { _, err := f.Get(ctx, key); return err },
		"List":   func() error { _, err := f.List(ctx, Filter{}, page.Args{}); return err },
		"ByIDs":  func() error { _, err := f.ByIDs(ctx, nil); return err },
		"Update": func() error { _, err := f.Update(ctx, key, UpdateInput{}); return err },
		"Revoke": func() error { _, err := f.Revoke(ctx, key); return err },
	} {
		if err := call(); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
