package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/page"
	"aihigress/internal/pricing"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type fixture struct {
	*catalog.Models
	t      *testing.T
	pool   *pgxpool.Pool
	audit  *audit.Log
	admin  context.Context
	member context.Context
}

func open(t *testing.T) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	log := audit.New(pool)
	as := func(role authz.Role) context.Context {
		return authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: role, UserID: id.New[id.User]()})
	}
	return &fixture{Models: catalog.New(pool, log), t: t, pool: pool, audit: log, admin: as(authz.Admin), member: as(authz.Member)}
}

func (f *fixture) provider(slug string) id.Provider {
	f.t.Helper()
	provider := id.New[id.Provider]()
	_, err := f.pool.Exec(f.t.Context(), `INSERT INTO providers (id, slug, name, dialect, base_url) VALUES ($1, $2, $2, 'openai', 'https://api.example.com')`, provider, slug)
	if err != nil {
		f.t.Fatal(err)
	}
	return provider
}

func (f *fixture) actions() []string {
	f.t.Helper()
	p, err := f.audit.List(f.admin, audit.Filter{OldestFirst: true}, page.Args{First: 100})
	if err != nil {
		f.t.Fatal(err)
	}
	var list []string
	for _, e := range p.Items {
		list = append(list, e.Action)
	}
	return list
}

// The table takes every strategy that the code knows.
func TestEveryStrategyIsStored(t *testing.T) {
	t.Parallel()
	f := open(t)
	for _, strategy := range catalog.Strategies {
		made, err := f.Create(f.admin, catalog.CreateInput{Name: string(strategy), Strategy: strategy})
		if err != nil || made.Strategy != strategy {
			t.Errorf("%s: %v, it is %s", strategy, err, made.Strategy)
		}
	}
}

func TestLifeOfAModel(t *testing.T) {
	t.Parallel()
	f := open(t)
	a, b := f.provider("a"), f.provider("b")
	zero := 0
	made, err := f.Create(f.admin, catalog.CreateInput{Name: "smart", Routes: []catalog.RouteInput{
		{ProviderID: a, UpstreamID: "gpt"}, {ProviderID: b, UpstreamID: "gpt", Weight: &zero, Priority: 1, Disabled: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Model{ID: made.ID, Name: "smart", Strategy: catalog.Weighted, Unsupported: catalog.Drop, Enabled: true,
		Balance: catalog.DefaultBalance, RequestErrors: catalog.Return, RetryBudget: 10, Multiplier: pricing.One, CreatedAt: made.CreatedAt, Routes: []catalog.Route{
			{ProviderID: a, UpstreamID: "gpt", Weight: 1, Enabled: true},
			{ProviderID: b, UpstreamID: "gpt", Weight: 0, Priority: 1},
		}}
	if diff := cmp.Diff(want, made, cmpopts.IgnoreFields(catalog.Route{}, "ID")); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if got, err := f.Get(f.member, made.ID); err != nil || !cmp.Equal(got, made) {
		t.Errorf("get: %v\n%s", err, cmp.Diff(made, got))
	}

	name, priority, off := "smarter", catalog.Priority, false
	routes := []catalog.RouteInput{{ProviderID: b, UpstreamID: "other"}, {ProviderID: a, UpstreamID: "gpt", Priority: 9}}
	changed, err := f.Update(f.admin, made.ID, catalog.UpdateInput{
		Name: &name, Strategy: &priority, Unsupported: new(catalog.Reject), Enabled: &off, Routes: &routes,
	})
	if err != nil {
		t.Fatal(err)
	}
	if changed.Name != name || changed.Strategy != priority || changed.Unsupported != catalog.Reject || changed.Enabled || len(changed.Routes) != 2 {
		t.Errorf("updated: %+v", changed)
	}
	if last := changed.Routes[1]; last.ID != made.Routes[0].ID || last.Priority != 9 {
		t.Errorf("the route that stayed is %+v, was %+v", last, made.Routes[0])
	}
	if same, err := f.Update(f.admin, made.ID, catalog.UpdateInput{}); err != nil || !cmp.Equal(same, changed) {
		t.Errorf("empty update: %v\n%s", err, cmp.Diff(changed, same))
	}
	if err := f.Delete(f.admin, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(f.admin, made.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("deleted: %v", err)
	}
	if err := f.Delete(f.admin, made.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if got, want := f.actions(), []string{"model.create", "model.update", "model.update", "model.delete"}; !slices.Equal(got, want) {
		t.Errorf("audit: %q, want %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.provider("a")
	if _, err := f.Create(f.admin, catalog.CreateInput{Name: "taken"}); err != nil {
		t.Fatal(err)
	}
	gone := f.provider("gone")
	if _, err := f.pool.Exec(t.Context(), "UPDATE providers SET deleted_at = now() WHERE id = $1", gone); err != nil {
		t.Fatal(err)
	}
	minus := -1
	route := func(r catalog.RouteInput) []catalog.RouteInput { return []catalog.RouteInput{r} }
	for _, tc := range []struct {
		name string
		in   catalog.CreateInput
		kind fault.Kind
		path string
	}{
		{"no name", catalog.CreateInput{}, fault.Invalid, "name"},
		{"long name", catalog.CreateInput{Name: strings.Repeat("n", 201)}, fault.Invalid, "name"},
		{"space in the name", catalog.CreateInput{Name: "a b"}, fault.Invalid, "name"},
		{"NUL in the name", catalog.CreateInput{Name: "a\x00"}, fault.Invalid, "name"},
		{"name is not UTF-8", catalog.CreateInput{Name: "a\xff"}, fault.Invalid, "name"},
		{"taken name", catalog.CreateInput{Name: "taken"}, fault.Conflict, "name"},
		{"NUL in the description", catalog.CreateInput{Name: "n", Description: "\x00"}, fault.Invalid, "description"},
		{"unknown strategy", catalog.CreateInput{Name: "n", Strategy: "luck"}, fault.Invalid, "strategy"},
		{"unknown way with fields", catalog.CreateInput{Name: "n", Unsupported: "ignore"}, fault.Invalid, "unsupportedFields"},
		{"unknown way with refusals", catalog.CreateInput{Name: "n", RequestErrors: "ignore"}, fault.Invalid, "requestErrors"},
		{"retries for more than all", catalog.CreateInput{Name: "n", RetryBudget: new(1 << 40)}, fault.Invalid, "retryBudget"},
		{"retries for less than nothing", catalog.CreateInput{Name: "n", RetryBudget: &minus}, fault.Invalid, "retryBudget"},
		{"nothing counts", catalog.CreateInput{Name: "n", Balance: &catalog.Balance{}}, fault.Invalid, "balance"},
		{"a weight below zero", catalog.CreateInput{Name: "n", Balance: &catalog.Balance{Latency: -1, Price: 1}}, fault.Invalid, "balance"},
		{"a weight that is no number", catalog.CreateInput{Name: "n", Balance: &catalog.Balance{Latency: math.NaN(), Price: 1}}, fault.Invalid, "balance"},
		{"an endless weight", catalog.CreateInput{Name: "n", Balance: &catalog.Balance{Errors: math.Inf(1)}}, fault.Invalid, "balance"},
		{"long region", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: a, UpstreamID: "u", Region: strings.Repeat("r", 65)})}, fault.Invalid, "routes.0.region"},
		{"negative price", overriding(a, catalog.Overrides{Rate: pricing.Rate{CacheWrite: new(money.Price(-1))}}), fault.Invalid, "routes.0.overrides.cacheWritePrice"},
		{"no context", overriding(a, catalog.Overrides{ContextTokens: new(int64(0))}), fault.Invalid, "routes.0.overrides.contextTokens"},
		{"no output", overriding(a, catalog.Overrides{MaxOutputTokens: new(int64(-5))}), fault.Invalid, "routes.0.overrides.maxOutputTokens"},
		{"a capability of two words", overriding(a, catalog.Overrides{Capabilities: []string{"two words"}}), fault.Invalid, "routes.0.overrides.capabilities"},
		{"no upstream", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: a})}, fault.Invalid, "routes.0.upstreamId"},
		{"negative weight", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: a, UpstreamID: "u", Weight: &minus})}, fault.Invalid, "routes.0.weight"},
		{"negative priority", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: a, UpstreamID: "u", Priority: -1})}, fault.Invalid, "routes.0.priority"},
		{"unknown provider", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: id.New[id.Provider](), UpstreamID: "u"})}, fault.Invalid, "routes.0.providerId"},
		{"deleted provider", catalog.CreateInput{Name: "n", Routes: route(catalog.RouteInput{ProviderID: gone, UpstreamID: "u"})}, fault.Invalid, "routes.0.providerId"},
		{"same route twice", catalog.CreateInput{Name: "n", Routes: []catalog.RouteInput{{ProviderID: a, UpstreamID: "u"}, {ProviderID: a, UpstreamID: "u"}}}, fault.Invalid, "routes.1.upstreamId"},
		{"too many routes", catalog.CreateInput{Name: "n", Routes: make([]catalog.RouteInput, 101)}, fault.Invalid, "routes"},
	} {
		_, err := f.Create(f.admin, tc.in)
		failure, ok := fault.As(err)
		if !ok || failure.Kind != tc.kind || strings.Join(failure.Path, ".") != tc.path {
			t.Errorf("%s: %v (%+v)", tc.name, err, failure)
		}
	}
	if p, err := f.List(f.member, catalog.Filter{}, page.Args{}); err != nil || len(p.Items) != 1 {
		t.Errorf("a refused model is there: %+v, %v", p.Items, err)
	}
	for name, err := range map[string]error{
		"create": second(f.Create(f.member, catalog.CreateInput{Name: "n"})),
		"update": second(f.Update(f.member, id.New[id.Model](), catalog.UpdateInput{})),
		"delete": f.Delete(f.member, id.New[id.Model]()),
	} {
		if !errors.Is(err, fault.Denied) {
			t.Errorf("member's %s: %v", name, err)
		}
	}
}

func overriding(provider id.Provider, o catalog.Overrides) catalog.CreateInput {
	return catalog.CreateInput{Name: "n", Routes: []catalog.RouteInput{{ProviderID: provider, UpstreamID: "u", Overrides: o}}}
}

// What a model says of routing, and its routes of their own, is stored, and changed field by field.
func TestPoliciesAndOverrides(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.provider("a")
	own := catalog.Overrides{
		Rate:         pricing.Rate{Input: new(money.Price(0)), CachedInput: new(money.Price(1)), CacheWrite: new(money.Price(2)), Output: new(money.Price(3))},
		Capabilities: []string{"vision"}, ContextTokens: new(int64(5)), MaxOutputTokens: new(int64(4)),
	}
	in := catalog.CreateInput{Name: "m", Balance: &catalog.Balance{Price: 2.5}, RequestErrors: catalog.Failover, Hedge: true, RetryBudget: new(0), Routes: []catalog.RouteInput{
		{ProviderID: a, UpstreamID: "u", Region: "eu", Overrides: own}, {ProviderID: a, UpstreamID: "v", Priority: 1, Overrides: catalog.Overrides{Capabilities: []string{}}},
	}}
	made, err := f.Create(f.admin, in)
	if err != nil {
		t.Fatal(err)
	}
	if made.Balance != *in.Balance || made.RequestErrors != catalog.Failover || !made.Hedge || made.RetryBudget != 0 {
		t.Errorf("created %+v", made)
	}
	if r := made.Routes[0]; r.Region != "eu" || !cmp.Equal(r.Overrides, own) {
		t.Errorf("route %+v", r)
	}
	if c := made.Routes[1].Overrides.Capabilities; c == nil || len(c) != 0 {
		t.Errorf("no capabilities are %v", c)
	}
	changed, err := f.Update(f.admin, made.ID, catalog.UpdateInput{Hedge: new(false), RetryBudget: new(100), Balance: &catalog.Balance{Errors: 1}, RequestErrors: new(catalog.Return)})
	if err != nil || changed.Hedge || changed.RetryBudget != 100 || changed.Balance != (catalog.Balance{Errors: 1}) || changed.RequestErrors != catalog.Return || !cmp.Equal(changed.Routes, made.Routes) {
		t.Errorf("updated %+v: %v", changed, err)
	}
	changed, err = f.Update(f.admin, made.ID, catalog.UpdateInput{Routes: &[]catalog.RouteInput{{ProviderID: a, UpstreamID: "u"}}})
	if err != nil || len(changed.Routes) != 1 || changed.Routes[0].Region != "" || !cmp.Equal(changed.Routes[0].Overrides, catalog.Overrides{}) || changed.Routes[0].ID != made.Routes[0].ID {
		t.Errorf("updated %+v: %v", changed, err)
	}
	if _, err := f.Update(f.admin, made.ID, catalog.UpdateInput{Balance: &catalog.Balance{}}); !errors.Is(err, fault.Invalid) {
		t.Errorf("nothing counts: %v", err)
	}
	p, err := f.audit.List(f.admin, audit.Filter{OldestFirst: true}, page.Args{First: 100})
	if err != nil || len(p.Items) != 3 {
		t.Fatalf("%d events: %v", len(p.Items), err)
	}
	for i, want := range []string{`"inputPrice":"0"`, `"retryBudget":100`, `"routes":[{`} {
		if got := strings.ReplaceAll(string(p.Items[i].Details), " ", ""); !strings.Contains(got, want) {
			t.Errorf("event %d has no %s: %s", i, want, got)
		}
	}
}

// A model whose routes are more than an audit event holds could not be made.
func TestManyLongRoutesAreRecorded(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.provider("a")
	var routes []catalog.RouteInput
	for i := range catalog.MaxRoutes {
		routes = append(routes, catalog.RouteInput{ProviderID: a, UpstreamID: fmt.Sprintf("%0200d", i), Region: "somewhere"})
	}
	made, err := f.Create(f.admin, catalog.CreateInput{Name: "m", Routes: routes})
	if err != nil || len(made.Routes) != catalog.MaxRoutes {
		t.Fatalf("%d routes: %v", len(made.Routes), err)
	}
	if p, err := f.audit.List(f.admin, audit.Filter{}, page.Args{}); err != nil || !strings.Contains(string(p.Items[0].Details), `"routes": 100`) {
		t.Errorf("recorded %s: %v", p.Items[0].Details, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestList(t *testing.T) {
	t.Parallel()
	f := open(t)
	a := f.provider("a")
	var ids []id.Model
	for i := range 5 {
		in := catalog.CreateInput{Name: fmt.Sprintf("m_%d", 4-i), Disabled: i == 0}
		if i < 2 {
			in.Routes = []catalog.RouteInput{{ProviderID: a, UpstreamID: "u"}}
		}
		m, err := f.Create(f.admin, in)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	var names []string
	for args := (page.Args{First: 2}); ; {
		p, err := f.List(f.member, catalog.Filter{}, args)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total == nil || *p.Total != 5 {
			t.Errorf("total %v", p.Total)
		}
		for _, m := range p.Items {
			names = append(names, m.Name)
		}
		if !p.HasNext {
			break
		}
		args.After = p.End()
	}
	if want := []string{"m_0", "m_1", "m_2", "m_3", "m_4"}; !slices.Equal(names, want) {
		t.Errorf("pages: %q", names)
	}
	on := true
	for name, tc := range map[string]struct {
		filter catalog.Filter
		want   int
	}{
		"part of the name":    {catalog.Filter{Query: "M_3"}, 1},
		"a sign, not a joker": {catalog.Filter{Query: "m%"}, 0},
		"provider":            {catalog.Filter{ProviderID: &a}, 2},
		"enabled":             {catalog.Filter{ProviderID: &a, Enabled: &on}, 1},
	} {
		if p, err := f.List(f.member, tc.filter, page.Args{}); err != nil || len(p.Items) != tc.want || *p.Total != tc.want {
			t.Errorf("%s: %d of %v, want %d: %v", name, len(p.Items), p.Total, tc.want, err)
		}
	}
	byID, err := f.ByIDs(f.member, append(ids[:2:2], id.New[id.Model]()))
	if err != nil || len(byID) != 2 || len(byID[0].Routes) != 1 {
		t.Errorf("by ids: %+v, %v", byID, err)
	}
	if _, err := f.List(f.member, catalog.Filter{}, page.Args{After: "?"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("bad cursor: %v", err)
	}
}
