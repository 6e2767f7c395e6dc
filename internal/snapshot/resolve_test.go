package snapshot_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/snapshot"
)

// world is one configuration that the tests of Resolve share.
type world struct {
	*snapshot.Snapshot
	owner, other id.User
	open, second *snapshot.Provider // public
	mine         *snapshot.Provider // private to owner
	anything     *snapshot.Provider // public, takes any name
}

func newWorld() world { return newWorldWith(func(world) []snapshot.Alias { return nil }) }

// newWorldWith has aliases, which may be of the world's users.
func newWorldWith(aliases func(world) []snapshot.Alias) world {
	w := world{owner: id.New[id.User](), other: id.New[id.User]()}
	w.open = provider("open", "public", id.User{}, "gpt", "old-gpt", "vendor/deep", "off")
	w.open.Models["gpt"].Alias = "fast"
	w.open.Models["old-gpt"].Missing = true
	w.open.Models["off"].Disabled = true
	w.second = provider("second", "public", id.User{}, "gpt", "open/gpt")
	w.second.Weight = 7
	w.mine = provider("mine", "private", w.owner, "gpt", "house")
	w.anything = provider("anything", "public", id.User{}, "known", "banned")
	w.anything.AcceptAnyModel = true
	w.anything.Models["banned"].Disabled = true
	return w.with(aliases(w))
}

// with is the same world with these aliases.
func (w world) with(aliases []snapshot.Alias) world {
	route := func(p *snapshot.Provider, upstream string, priority int) snapshot.Route {
		return snapshot.Route{Provider: p, Upstream: p.Models[upstream], UpstreamID: upstream, Weight: 1, Priority: priority}
	}
	w.Snapshot = snapshot.New(snapshot.Contents{
		Aliases:   aliases,
		Providers: []*snapshot.Provider{w.open, w.second, w.mine, w.anything},
		Models: []*snapshot.Model{
			{Name: "smart", Routes: []snapshot.Route{route(w.mine, "house", 2), route(w.open, "gpt", 1), route(w.open, "off", 0), route(w.open, "unlisted", 3)}},
			{Name: "mine-only", Routes: []snapshot.Route{route(w.mine, "house", 0)}},
			{Name: "known", Disabled: true, Routes: []snapshot.Route{route(w.anything, "known", 0)}},
			{Name: "stranded"},
		},
		Users:   map[id.User]authz.Role{w.owner: authz.Member},
		Revoked: []id.Session{revoked},
	})
	return w
}

var revoked = id.New[id.Session]()

func provider(slug, visibility string, owner id.User, models ...string) *snapshot.Provider {
	p := &snapshot.Provider{
		ID: id.New[id.Provider](), Slug: slug, Visibility: visibility, OwnerID: owner, Weight: 1,
		Models: map[string]*snapshot.ProviderModel{},
	}
	for _, m := range models {
		p.Models[m] = &snapshot.ProviderModel{UpstreamID: m}
	}
	return p
}

func TestResolve(t *testing.T) {
	t.Parallel()
	w := newWorld()
	anyone := &snapshot.Key{UserID: w.other}
	owner := &snapshot.Key{UserID: w.owner}
	gateways := &snapshot.Key{} // of no user: owns nothing, not even what has no owner
	only := func(models ...string) *snapshot.Key {
		k := &snapshot.Key{UserID: w.owner, Models: map[string]struct{}{}}
		for _, m := range models {
			k.Models[m] = struct{}{}
		}
		return k
	}
	reaching := func(p *snapshot.Provider) *snapshot.Key {
		return &snapshot.Key{UserID: w.other, Providers: map[id.Provider]struct{}{p.ID: {}}}
	}
	for _, tc := range []struct {
		name  string
		key   *snapshot.Key
		model string
		want  string // provider>upstream, "?" behind what the provider does not list; or the code of the refusal
	}{
		{"logical, in order of priority, without what is off", owner, "smart", "open>gpt mine>house open>unlisted?"},
		{"logical, without another's private provider", anyone, "smart", "open>gpt open>unlisted?"},
		{"logical, all routes behind a wall", anyone, "mine-only", "model_not_found"},
		{"logical, key's providers are a wall", reaching(w.second), "smart", "model_not_found"},
		{"logical goes before what providers list, even disabled", anyone, "known", "model_not_found"},
		{"logical, no provider enabled", anyone, "stranded", "no_provider"},
		{"slug and upstream id", anyone, "second/gpt", "second>gpt"},
		{"slug and alias", anyone, "open/fast", "open>gpt"},
		{"slug and an upstream id with a slash", anyone, "open/vendor/deep", "open>vendor/deep"},
		{"slug goes before an upstream id of that text", anyone, "open/gpt", "open>gpt"},
		{"an upstream id of that text where the slug is behind a wall", reaching(w.second), "open/gpt", "second>open/gpt"},
		{"slug and a model gone missing", anyone, "open/old-gpt", "open>old-gpt"},
		{"slug and a disabled model", anyone, "open/off", "model_not_found"},
		{"slug and an unknown model", anyone, "open/unknown", "model_not_found"},
		{"slug of another's private provider", anyone, "mine/house", "model_not_found"},
		{"slug of the owner's private provider", owner, "mine/house", "mine>house"},
		{"slug that takes any name", anyone, "anything/brand/new", "anything>brand/new?"},
		{"slug that takes any name, but that one is off", anyone, "anything/banned", "model_not_found"},
		{"slug alone", anyone, "anything/", "model_not_found"},
		{"listed by several", anyone, "gpt", "open>gpt second>gpt"},
		{"listed by several, one of them private to its owner", owner, "gpt", "open>gpt second>gpt mine>gpt"},
		{"listed by alias", anyone, "fast", "open>gpt"},
		{"no longer listed", anyone, "old-gpt", "model_not_found"},
		{"private, and the key's user is nobody", gateways, "house", "model_not_found"},
		{"key's models allow it", only("gpt"), "gpt", "open>gpt second>gpt mine>gpt"},
		{"key's models refuse the same by another name", only("gpt"), "open/gpt", "model_not_found"},
		{"key's models refuse a logical model", only("gpt"), "smart", "model_not_found"},
		{"key's providers cut the list", reaching(w.second), "gpt", "second>gpt"},
		{"key's providers do not open another's", reaching(w.mine), "house", "model_not_found"},
		{"empty", anyone, "", "model_not_found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			routes, _, err := w.Resolve(tc.key, tc.model)
			if got := describe(routes, err); got != tc.want {
				t.Errorf("Resolve(%q) = %s, want %s", tc.model, got, tc.want)
			}
		})
	}
}

func describe(routes []snapshot.Route, err error) string {
	if failure, ok := fault.As(err); ok {
		return failure.Code
	}
	var list []string
	for _, r := range routes {
		text := r.Provider.Slug + ">" + r.UpstreamID
		if r.Upstream == nil {
			text += "?"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

func TestResolveDoesNotChangeWhatOthersSee(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for range 2 { // a filtered list must not be cut from the shared one
		if routes, _, err := w.Resolve(&snapshot.Key{UserID: w.other}, "smart"); err != nil || len(routes) != 2 {
			t.Fatalf("another's: %s, %v", describe(routes, err), err)
		}
		if routes, _, err := w.Resolve(&snapshot.Key{UserID: w.owner}, "smart"); err != nil || len(routes) != 3 {
			t.Fatalf("owner's: %s, %v", describe(routes, err), err)
		}
	}
}

func TestResolveKinds(t *testing.T) {
	t.Parallel()
	w := newWorld()
	if _, _, err := w.Resolve(&snapshot.Key{}, "nothing"); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown model: %v", err)
	}
	if _, _, err := w.Resolve(&snapshot.Key{}, "stranded"); !errors.Is(err, fault.Upstream) {
		t.Errorf("model without providers: %v", err)
	}
	if _, m, err := w.Resolve(&snapshot.Key{UserID: w.owner}, "smart"); err != nil || m == nil || m.Name != "smart" {
		t.Errorf("logical model: %+v, %v", m, err)
	}
}

func TestModelsFor(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, tc := range []struct {
		name string
		key  *snapshot.Key
		want []string
	}{
		{"another", &snapshot.Key{UserID: w.other}, []string{"fast", "gpt", "open/gpt", "smart", "vendor/deep"}},
		{"owner", &snapshot.Key{UserID: w.owner}, []string{"fast", "gpt", "house", "mine-only", "open/gpt", "smart", "vendor/deep"}},
		{"own list", &snapshot.Key{Models: map[string]struct{}{"second/gpt": {}, "smart": {}, "gone": {}}}, []string{"second/gpt", "smart"}},
	} {
		if got := w.ModelsFor(tc.key); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	now := time.Now()
	k := snapshot.Key{
		Scopes:    []string{"inference"},
		IPRanges:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		ExpiresAt: now,
	}
	if !k.HasScope("inference") || k.HasScope("platform") {
		t.Error("scopes")
	}
	if !k.Expired(now) || k.Expired(now.Add(-1)) || (&snapshot.Key{}).Expired(now) {
		t.Error("expiry")
	}
	for addr, want := range map[string]bool{
		"192.0.2.9": true, "::ffff:192.0.2.9": true, "192.0.3.1": false, "2001:db8::1": true, "2001:db9::1": false, "::1": false,
	} {
		if got := k.AllowsIP(netip.MustParseAddr(addr)); got != want {
			t.Errorf("AllowsIP(%s) = %v", addr, got)
		}
	}
	inside, outside, before := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("192.0.3.1"), now.Add(-1)
	if !k.Admits("inference", inside, before) || k.Admits("platform", inside, before) || k.Admits("inference", outside, before) || k.Admits("inference", inside, now) {
		t.Error("a key must hold to its scope, its addresses and its time, all at once")
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	w := newWorld()
	k := &snapshot.Key{UserID: w.owner}
	session := id.New[id.Session]()
	if !w.SessionRevoked(revoked) || w.SessionRevoked(session) {
		t.Error("revoked sessions")
	}
	allocs := testing.AllocsPerRun(100, func() {
		w.KeyByHash([32]byte{1})
		w.Resolve(k, "smart")
		w.Resolve(k, "second/gpt")
		w.Resolve(k, "gpt")
		w.SessionRevoked(session)
		w.UserActive(w.owner)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
