package snapshot_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/id"
	"aihigress/internal/snapshot"
)

func TestAliases(t *testing.T) {
	t.Parallel()
	w := newWorldWith(func(w world) []snapshot.Alias {
		return []snapshot.Alias{
			{Pattern: "quick", Target: "gpt"},
			{Pattern: "smart", Target: "gpt"}, // a logical model's name
			{Pattern: "second/gpt", Target: "smart"},
			{Pattern: "open-*", Target: "open/*"},
			{Pattern: "open-g*", Target: "second/g*"},
			{Pattern: "*-pt", Target: "second/g*"},
			{Pattern: "known*", Target: "anything/x"},
			{Pattern: "gp*", Target: "second/gp*"},
			{Pattern: "again", Target: "quick"}, // of another alias
			{Pattern: "dead-*", Target: "nothing"},
			{Pattern: "dead-b*", Target: "gone/*"},
			{Pattern: "secret-*", Target: "mine/*"},
			{Pattern: "*", Target: "smart"},
			{OwnerID: w.owner, Pattern: "quick", Target: "second/gpt"},
			{OwnerID: w.owner, Pattern: "known", Target: "smart"}, // a logical model's name
			{OwnerID: w.owner, Pattern: "open-*", Target: "mine/*"},
			{OwnerID: w.owner, Pattern: "*", Target: "mine/house"},
		}
	})
	anyone, owner, nobody := &snapshot.Key{UserID: w.other}, &snapshot.Key{UserID: w.owner}, &snapshot.Key{}
	for _, tc := range []struct {
		name  string
		key   *snapshot.Key
		model string
		want  string
	}{
		{"shared, of what providers list", anyone, "quick", "open>gpt second>gpt"},
		{"one's own goes before a shared one", owner, "quick", "second>gpt"},
		{"a logical model goes before a shared one", anyone, "smart", "open>gpt open>unlisted?"},
		{"one's own goes before a logical model", owner, "known", "open>gpt mine>house open>unlisted?"},
		{"a disabled logical model goes before a shared one and *", anyone, "known", "model_not_found"},
		{"a logical model that is stranded is no case for *", anyone, "stranded", "no_provider"},
		{"shared goes before slug/model", anyone, "second/gpt", "open>gpt open>unlisted?"},
		{"slug/model goes before a pattern", anyone, "open/gpt", "open>gpt"},
		{"a pattern, with what it stood for", anyone, "open-vendor/deep", "open>vendor/deep"},
		{"the longest literal part", anyone, "open-gpt", "second>gpt"},
		{"one's own pattern goes before a longer shared one", owner, "open-gpt", "mine>gpt"},
		{"a pattern goes before what providers list", anyone, "gpt", "second>gpt"},
		{"a * at the beginning", anyone, "pt-pt", "second>gpt"},
		{"a * that stands for nothing", anyone, "knownx", "anything>x?"},
		{"what providers list goes before *", anyone, "fast", "open>gpt"},
		{"the last resort", anyone, "whatever", "open>gpt open>unlisted?"},
		{"one's own last resort", owner, "whatever", "mine>house"},
		{"an alias leads to no alias", anyone, "again", "model_not_found"},
		{"the first that fits decides", anyone, "dead-bx", "model_not_found"},
		{"an alias opens no provider to others", anyone, "secret-house", "model_not_found"},
		{"one's own are nobody else's", nobody, "open-house", "model_not_found"},
	} {
		routes, _, err := w.Resolve(tc.key, tc.model)
		if got := describe(routes, err); got != tc.want {
			t.Errorf("%s: Resolve(%q) = %s, want %s", tc.name, tc.model, got, tc.want)
		}
	}
	if _, m, err := w.Resolve(anyone, "whatever"); err != nil || m == nil || m.Name != "smart" {
		t.Errorf("an alias of a logical model: %+v, %v", m, err)
	}
	if got := w.Target(anyone, "open-gpt") + " " + w.Target(anyone, "fast"); got != "second/gpt fast" {
		t.Errorf("targets %q", got)
	}
	if _, _, err := w.Resolve(anyone, "dead-bx"); err == nil || !strings.Contains(err.Error(), "dead-bx") || strings.Contains(err.Error(), "gone") {
		t.Errorf("a refusal names what was asked for alone: %v", err)
	}
}

// Nobody walks around the list of a key by an alias that they made themselves.
func TestAliasesAreNoWayAroundAList(t *testing.T) {
	t.Parallel()
	w := newWorldWith(func(w world) []snapshot.Alias {
		return []snapshot.Alias{
			{Pattern: "house-model", Target: "smart"},
			{Pattern: "*", Target: "smart"},
			{OwnerID: w.owner, Pattern: "cheap", Target: "smart"},
			{OwnerID: w.owner, Pattern: "cheap-*", Target: "second/*"},
			{OwnerID: w.owner, Pattern: "fast", Target: "smart"}, // without it open lists fast
		}
	})
	for _, tc := range []struct {
		listed, model, want string
	}{
		{"cheap", "cheap", "model_not_found"},
		{"cheap", "smart", "model_not_found"},
		{"smart", "cheap", "open>gpt mine>house open>unlisted?"},
		{"cheap-gpt", "cheap-gpt", "model_not_found"},
		{"second/gpt", "cheap-gpt", "second>gpt"},
		{"fast", "fast", "model_not_found"},
		{"house-model", "house-model", "open>gpt mine>house open>unlisted?"},
		{"house-model", "smart", "model_not_found"},
		{"smart", "house-model", "open>gpt mine>house open>unlisted?"},
		{"gpt", "house-model", "model_not_found"},
		{"gpt", "whatever", "model_not_found"},
		{"smart", "whatever", "open>gpt mine>house open>unlisted?"},
		{"whatever", "whatever", "open>gpt mine>house open>unlisted?"},
	} {
		k := &snapshot.Key{UserID: w.owner, Models: map[string]struct{}{tc.listed: {}}}
		routes, _, err := w.Resolve(k, tc.model)
		if got := describe(routes, err); got != tc.want {
			t.Errorf("%s with %s on the list: %s, want %s", tc.model, tc.listed, got, tc.want)
		}
	}
}

func TestModelsForListsAliases(t *testing.T) {
	t.Parallel()
	w := newWorldWith(func(w world) []snapshot.Alias {
		return []snapshot.Alias{
			{Pattern: "quick", Target: "gpt"}, {Pattern: "dead", Target: "nothing"}, {Pattern: "x-*", Target: "open/*"}, {Pattern: "hidden", Target: "house"},
			{OwnerID: w.owner, Pattern: "quick", Target: "mine/house"}, {OwnerID: w.owner, Pattern: "gpt", Target: "mine/house"},
		}
	})
	for _, tc := range []struct {
		name string
		key  *snapshot.Key
		want []string
	}{
		{"another", &snapshot.Key{UserID: w.other}, []string{"fast", "gpt", "open/gpt", "quick", "smart", "vendor/deep"}},
		{"owner", &snapshot.Key{UserID: w.owner}, []string{"fast", "gpt", "hidden", "house", "mine-only", "open/gpt", "quick", "smart", "vendor/deep"}},
		{"own list", &snapshot.Key{UserID: w.other, Models: map[string]struct{}{"gpt": {}, "x-gpt": {}}}, []string{"gpt", "quick", "x-gpt"}},
	} {
		if got := w.ModelsFor(tc.key); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestResolveIsAsWritten holds Resolve against the order that its comment tells, worked out the slow way.
func TestResolveIsAsWritten(t *testing.T) {
	t.Parallel()
	base := newWorld()
	names := []string{"gpt", "smart", "known", "fast", "house", "second/gpt", "open/off", "anything/g", "g", "gp", "gpgpt", "gxpt", "g/pt", "stranded", "unknown", ""}
	targets := []string{"smart", "second/gpt", "open/gpt", "mine/gpt", "house", "fast", "gpt", "anything/x", "nothing"}
	users := rapid.SampledFrom([]id.User{{}, base.owner, base.other})
	rapid.Check(t, func(t *rapid.T) {
		var list []snapshot.Alias
		for range rapid.IntRange(0, 20).Draw(t, "aliases") {
			a := snapshot.Alias{
				OwnerID: users.Draw(t, "owner"), Pattern: rapid.SampledFrom(names).Draw(t, "pattern"), Target: rapid.SampledFrom(targets).Draw(t, "target"),
			}
			if rapid.IntRange(0, 2).Draw(t, "many") > 0 {
				a.Pattern = rapid.SampledFrom([]string{"", "g", "ga", "gp", "gpt", "o", "om", "open/"}).Draw(t, "head") + "*" + rapid.SampledFrom([]string{"", "t", "pt", "gpt", "n"}).Draw(t, "tail")
				if rapid.Bool().Draw(t, "filled") {
					a.Target = rapid.SampledFrom([]string{"", "g", "second/g", "anything/", "smar"}).Draw(t, "before") + "*" + rapid.SampledFrom([]string{"", "t", "pt"}).Draw(t, "after")
				}
			}
			if !slices.ContainsFunc(list, func(b snapshot.Alias) bool { return a.OwnerID == b.OwnerID && a.Pattern == b.Pattern }) {
				list = append(list, a)
			}
		}
		k := &snapshot.Key{UserID: users.Draw(t, "user")}
		if rapid.IntRange(0, 3).Draw(t, "cut to a provider") == 0 {
			k.Providers = map[id.Provider]struct{}{rapid.SampledFrom([]id.Provider{base.open.ID, base.second.ID, base.anything.ID}).Draw(t, "provider"): {}}
		}
		for range max(rapid.IntRange(-8, 4).Draw(t, "listed"), 0) {
			if k.Models == nil {
				k.Models = map[string]struct{}{}
			}
			k.Models[rapid.SampledFrom(append(names, targets...)).Draw(t, "on the list")] = struct{}{}
		}
		w := base.with(list)
		for _, asked := range names {
			routes, _, err := w.Resolve(k, asked)
			if got, want := describe(routes, err), base.slowly(k, list, asked); got != want {
				t.Fatalf("Resolve(%q) = %s, want %s", asked, got, want)
			}
		}
	})
}

// slowly is what Resolve gives by the words of its comment. The world itself has no aliases.
func (w world) slowly(k *snapshot.Key, list []snapshot.Alias, asked string) string {
	free := *k
	free.Models = nil
	allowed := func(name string) bool {
		_, ok := k.Models[name]
		return ok || len(k.Models) == 0
	}
	plain := func(name string) string {
		routes, _, err := w.Resolve(&free, name)
		return describe(routes, err)
	}
	var ways []string // of each class that knows the name, what comes of it
	note := func(target string, allowed bool) {
		if !allowed {
			ways = append(ways, "model_not_found")
			return
		}
		ways = append(ways, plain(target))
	}
	through := func(owner id.User, fits func(head, tail string, many bool) bool) {
		type found struct {
			target        string
			literal, head int
		}
		var fitting []found
		for _, a := range list {
			head, tail, many := strings.Cut(a.Pattern, "*")
			if a.OwnerID != owner || !fits(head, tail, many) {
				continue
			}
			expression := "(?s)^" + regexp.QuoteMeta(head)
			if many {
				expression += "(.*)" + regexp.QuoteMeta(tail)
			}
			m := regexp.MustCompile(expression + "$").FindStringSubmatch(asked)
			if m == nil {
				continue
			}
			f := found{a.Target, len(head) + len(tail), len(head)}
			if many {
				f.target = strings.Replace(f.target, "*", m[1], 1)
			}
			fitting = append(fitting, f)
		}
		if len(fitting) == 0 {
			return
		}
		best := slices.MaxFunc(fitting, func(a, b found) int {
			if a.literal != b.literal {
				return a.literal - b.literal
			}
			return a.head - b.head
		})
		shared := owner.IsZero()
		note(best.target, allowed(best.target) || shared && allowed(asked))
	}
	exact := func(_, _ string, many bool) bool { return !many }
	bare := func(head, tail string, many bool) bool { return many && head+tail == "" }
	other := func(head, tail string, many bool) bool { return many && head+tail != "" }
	own := func(fits func(string, string, bool) bool) {
		if !k.UserID.IsZero() {
			through(k.UserID, fits)
		}
	}
	_, logical := w.Model(asked)
	slug, rest, _ := strings.Cut(asked, "/")
	direct := false
	if p, ok := w.ProviderBySlug(slug); ok && rest != "" {
		alone := free
		alone.Providers = map[id.Provider]struct{}{p.ID: {}}
		_, reached := k.Providers[p.ID]
		routes, _, err := w.Resolve(&alone, asked)
		direct = (reached || len(k.Providers) == 0) && !logical && err == nil && routes[0].UpstreamID != asked
	}

	own(exact)
	if logical {
		note(asked, allowed(asked))
	}
	through(id.User{}, exact)
	if direct {
		note(asked, allowed(asked))
	}
	own(other)
	through(id.User{}, other)
	if !logical && !direct && plain(asked) != "model_not_found" {
		note(asked, allowed(asked))
	}
	own(bare)
	through(id.User{}, bare)
	return append(ways, "model_not_found")[0]
}

// FuzzPattern holds a single pattern against a regular expression.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][3]string{{"gpt-5*", "openai/gpt-5*", "gpt-5-mini"}, {"*", "x", "y"}, {"a*a", "*", "a"}, {"*/*", "b*", "a/b"}, {"é*", "*\xff", "é\n"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	owner := id.New[id.User]()
	f.Fuzz(func(t *testing.T, pattern, target, name string) {
		if strings.Count(pattern, "*") > 1 || strings.Count(target, "*") > 1 || !strings.Contains(pattern, "*") && strings.Contains(target, "*") {
			t.Skip() // refused when it is made
		}
		s := snapshot.New(snapshot.Contents{Aliases: []snapshot.Alias{{OwnerID: owner, Pattern: pattern, Target: target}}})
		got := s.Target(&snapshot.Key{UserID: owner}, name)
		want := name
		head, tail, many := strings.Cut(pattern, "*")
		switch {
		case !many && name == pattern:
			want = target
		case many && len(name) >= len(head)+len(tail) && name[:len(head)] == head && name[len(name)-len(tail):] == tail:
			want = strings.Replace(target, "*", name[len(head):len(name)-len(tail)], 1)
		}
		if got != want {
			t.Errorf("%q -> %q makes %q of %q, want %q", pattern, target, got, name, want)
		}
		if other := s.Target(&snapshot.Key{UserID: id.New[id.User]()}, name); other != name {
			t.Errorf("another's alias makes %q of %q", other, name)
		}
	})
}

func TestAliasesDoNotAllocate(t *testing.T) {
	w := newWorldWith(func(w world) []snapshot.Alias {
		return []snapshot.Alias{
			{Pattern: "quick", Target: "gpt"}, {Pattern: "x-*", Target: "open/gpt"}, {Pattern: "*", Target: "smart"}, {OwnerID: w.owner, Pattern: "mine", Target: "mine/house"},
		}
	})
	k := &snapshot.Key{UserID: w.owner}
	for _, name := range []string{"quick", "mine", "x-y", "gpt", "smart", "second/gpt", "whatever"} {
		if _, _, err := w.Resolve(k, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _, _ = w.Resolve(k, name) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkResolve has as many aliases as one owner and everybody may have.
func BenchmarkResolve(b *testing.B) {
	w := newWorldWith(func(w world) []snapshot.Alias {
		var list []snapshot.Alias
		for i := range 1000 {
			for _, owner := range []id.User{{}, w.owner} {
				list = append(list, snapshot.Alias{OwnerID: owner, Pattern: fmt.Sprintf("family-%d%s*", i, strings.Repeat("x", i%100)), Target: "second/*"})
			}
		}
		return append(list, snapshot.Alias{Pattern: "quick", Target: "gpt"}, snapshot.Alias{Pattern: "*", Target: "gpt"})
	})
	k := &snapshot.Key{UserID: w.owner}
	for _, name := range []string{"smart", "quick", "second/gpt", "family-7xxxxxxxgpt", "fast", "family-" + strings.Repeat("y", 200)} {
		b.Run(name[:min(len(name), 20)], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := w.Resolve(k, name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
