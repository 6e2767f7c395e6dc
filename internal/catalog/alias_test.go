package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// user is somebody with a row of their own.
func (f *fixture) user(email string) (id.User, context.Context) {
	f.t.Helper()
	user := id.New[id.User]()
	if _, err := f.pool.Exec(f.t.Context(), `INSERT INTO users (id, email, role, password_hash) VALUES ($1, $2, 'member', '')`, user, email); err != nil {
		f.t.Fatal(err)
	}
	return user, authz.With(f.t.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, UserID: user})
}

func TestLifeOfAnAlias(t *testing.T) {
	t.Parallel()
	f := open(t)
	aliases := catalog.NewAliases(f.pool, f.audit)
	me, mine := f.user("me@example.com")
	_, theirs := f.user("them@example.com")
	own, err := aliases.Create(mine, catalog.AliasInput{Pattern: "gpt-5*", Target: "openai/gpt-5*"})
	if err != nil || own.OwnerID == nil || *own.OwnerID != me {
		t.Fatalf("%+v, %v", own, err)
	}
	shared, err := aliases.Create(f.admin, catalog.AliasInput{Pattern: "gpt-5*", Target: "fallback", Shared: true})
	if err != nil || shared.OwnerID != nil {
		t.Fatalf("%+v, %v", shared, err)
	}
	if _, err := aliases.Create(theirs, catalog.AliasInput{Pattern: "gpt-5*", Target: "x"}); err != nil {
		t.Errorf("the same pattern of another: %v", err)
	}
	for ctx, in := range map[context.Context]catalog.AliasInput{
		mine:    {Pattern: "gpt-5*", Target: "y"},
		f.admin: {Pattern: "gpt-5*", Target: "y", Shared: true},
	} {
		if _, err := aliases.Create(ctx, in); !errors.Is(err, fault.Conflict) || pathOf(err) != "pattern" {
			t.Errorf("the same pattern again: %v", err)
		}
	}

	changed, err := aliases.Update(mine, own.ID, catalog.AliasChange{Target: new("gpt-4")})
	if err != nil || changed.Target != "gpt-4" || changed.Pattern != own.Pattern {
		t.Errorf("changed %+v, %v", changed, err)
	}
	if _, err := aliases.Update(mine, own.ID, catalog.AliasChange{Pattern: new("gpt-5"), Target: new("*")}); pathOf(err) != "target" {
		t.Errorf("a * that stands for nothing: %v", err)
	}
	if got, err := aliases.Get(mine, shared.ID); err != nil || got != shared {
		t.Errorf("a shared one: %+v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"read another's":   {second(aliases.Get(theirs, own.ID)), fault.NotFound},
		"change another's": {second(aliases.Update(theirs, own.ID, catalog.AliasChange{})), fault.NotFound},
		"delete another's": {aliases.Delete(theirs, own.ID), fault.NotFound},
		"change a shared":  {second(aliases.Update(mine, shared.ID, catalog.AliasChange{})), fault.Denied},
		"delete a shared":  {aliases.Delete(mine, shared.ID), fault.Denied},
		"make a shared":    {second(aliases.Create(mine, catalog.AliasInput{Pattern: "p", Target: "t", Shared: true})), fault.Denied},
		"of nobody":        {second(aliases.Create(authz.With(t.Context(), authz.Job("test")), catalog.AliasInput{Pattern: "p", Target: "t"})), fault.Invalid},
		"unknown":          {aliases.Delete(f.admin, id.New[id.Alias]()), fault.NotFound},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %s", name, tc.err, tc.want)
		}
	}

	for name, tc := range map[string]struct {
		ctx    context.Context
		filter catalog.AliasFilter
		want   string
	}{
		"a member's":          {mine, catalog.AliasFilter{}, "gpt-4 fallback"},
		"an admin's":          {f.admin, catalog.AliasFilter{}, "gpt-4 fallback x"},
		"an admin's, shared":  {f.admin, catalog.AliasFilter{Shared: new(true)}, "fallback"},
		"an admin's, one's":   {f.admin, catalog.AliasFilter{OwnerID: &me}, "gpt-4"},
		"a part":              {f.admin, catalog.AliasFilter{Query: "FALL"}, "fallback"},
		"another's, to them":  {theirs, catalog.AliasFilter{OwnerID: &me}, ""},
		"a sign, not a joker": {f.admin, catalog.AliasFilter{Query: "%"}, ""},
		"from the last":       {f.admin, catalog.AliasFilter{Backwards: true}, "x fallback gpt-4"},
	} {
		var got []string
		for args := (page.Args{First: 1}); ; {
			p, err := aliases.List(tc.ctx, tc.filter, args)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *p.Total != len(strings.Fields(tc.want)) {
				t.Errorf("%s: %d in all", name, *p.Total)
			}
			for _, a := range p.Items {
				got = append(got, a.Target)
			}
			if !p.HasNext {
				break
			}
			args.After = p.End()
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}

	if err := aliases.Delete(f.admin, own.ID); err != nil {
		t.Errorf("an admin deletes a member's: %v", err)
	}
	if _, err := aliases.Get(mine, own.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("deleted: %v", err)
	}
	if got, want := strings.Join(f.actions(), " "), "alias.create alias.create alias.create alias.update alias.delete"; got != want {
		t.Errorf("audit: %s", got)
	}
}

func pathOf(err error) string {
	failure, _ := fault.As(err)
	if failure == nil {
		return ""
	}
	return strings.Join(failure.Path, ".")
}

func TestAliasRefusals(t *testing.T) {
	t.Parallel()
	f := open(t)
	aliases := catalog.NewAliases(f.pool, f.audit)
	long := strings.Repeat("n", catalog.MaxName+1)
	for _, tc := range []struct{ pattern, target, path string }{
		{"", "t", "pattern"}, {"p", "", "target"}, {long, "t", "pattern"}, {"p", long, "target"}, {"a b", "t", "pattern"}, {"p", "\x00", "target"},
		{"\xff", "t", "pattern"}, {"**", "t", "pattern"}, {"a*b*", "t", "pattern"}, {"p", "*", "target"}, {"p*", "**", "target"},
	} {
		if _, err := aliases.Create(f.admin, catalog.AliasInput{Pattern: tc.pattern, Target: tc.target, Shared: true}); !errors.Is(err, fault.Invalid) || pathOf(err) != tc.path {
			t.Errorf("%q -> %q: %v", tc.pattern, tc.target, err)
		}
	}
	user, ctx := f.user("many@example.com")
	_, err := f.pool.Exec(t.Context(), `INSERT INTO aliases (id, owner_id, pattern, target) SELECT gen_random_uuid(), $1, 'p' || i, 't' FROM generate_series(1, $2) AS i`, user, catalog.MaxAliases)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aliases.Create(ctx, catalog.AliasInput{Pattern: "one more", Target: "t"}); pathOf(err) != "pattern" {
		t.Errorf("not a word: %v", err)
	}
	if _, err := aliases.Create(ctx, catalog.AliasInput{Pattern: "one-more", Target: "t"}); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), fmt.Sprint(catalog.MaxAliases)) {
		t.Errorf("one more: %v", err)
	}
}
