package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const password = "correct horse battery"

// ledger opens accounts as the real one does, and fails where it is told to.
type ledger struct{ err error }

func (l ledger) OpenTx(ctx context.Context, tx pgx.Tx, user id.User) (id.Account, error) {
	account := id.New[id.Account]()
	_, err := tx.Exec(ctx, "INSERT INTO credit_accounts (id, user_id) VALUES ($1, $2)", account, user)
	return account, errors.Join(err, l.err)
}

type fixture struct {
	*Users
	t    *testing.T
	pool *pgxpool.Pool
	job  context.Context
}

func open(t *testing.T) *fixture {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f := &fixture{Users: New(pool, audit.New(pool), ledger{}), t: t, pool: pool}
	f.hasher = newHasher(cheap)
	f.job = authz.With(t.Context(), authz.Job("admin create"))
	return f
}

func (f *fixture) create(email string, role authz.Role) User {
	f.t.Helper()
	user, err := f.Create(f.job, CreateInput{Email: email, Role: role, Password: password})
	if err != nil {
		f.t.Fatal(err)
	}
	return user
}

func (f *fixture) as(u User) context.Context {
	return authz.With(f.t.Context(), authz.Actor{Kind: authz.User, Name: u.Email, UserID: u.ID, Role: u.Role})
}

func (f *fixture) actions(target id.User) []string {
	f.t.Helper()
	p, err := f.audit.List(f.job, audit.Filter{Target: target.String(), OldestFirst: true}, page.Args{})
	if err != nil {
		f.t.Fatal(err)
	}
	var actions []string
	for _, e := range p.Items {
		actions = append(actions, e.Action)
	}
	return actions
}

func TestCreateMakesAUserWithAnAccountAndARecord(t *testing.T) {
	t.Parallel()
	f := open(t)
	user, err := f.Create(f.job, CreateInput{Email: " Admin@Example.COM ", Name: "The admin", Role: authz.Admin, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	want := User{ID: user.ID, Email: "admin@example.com", Name: "The admin", Role: authz.Admin, CreatedAt: user.CreatedAt}
	if diff := cmp.Diff(want, user); diff != "" || !user.Active() {
		t.Error(diff)
	}
	got, err := f.Get(f.job, user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(user, got); diff != "" {
		t.Error(diff)
	}
	var accounts int
	if err := f.pool.QueryRow(t.Context(), "SELECT count(*) FROM credit_accounts WHERE user_id = $1", user.ID).Scan(&accounts); err != nil {
		t.Fatal(err)
	}
	if accounts != 1 {
		t.Errorf("%d credit accounts", accounts)
	}
	p, err := f.audit.List(f.job, audit.Filter{Target: user.ID.String()}, page.Args{})
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	e := p.Items[0]
	if e.Action != "user.create" || e.ActorName != "admin create" || strings.Contains(string(e.Details), password) {
		t.Errorf("%+v", e)
	}
}

func TestCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := open(t)
	broken := errors.New("no account")
	f.ledger = ledger{err: broken}
	if _, err := f.Create(f.job, CreateInput{Email: "a@example.com", Role: authz.Member, Password: password}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	p, err := f.List(f.job, Filter{}, page.Args{})
	if err != nil || len(p.Items) != 0 {
		t.Fatalf("%d users, %v", len(p.Items), err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.create("taken@example.com", authz.Member)
	valid := CreateInput{Email: "new@example.com", Role: authz.Member, Password: password}
	for name, c := range map[string]struct {
		change func(*CreateInput)
		kind   fault.Kind
		path   string
	}{
		"taken e-mail":       {func(in *CreateInput) { in.Email = "TAKEN@example.com" }, fault.Conflict, "email"},
		"no e-mail":          {func(in *CreateInput) { in.Email = " " }, fault.Invalid, "email"},
		"e-mail with name":   {func(in *CreateInput) { in.Email = "New <new@example.com>" }, fault.Invalid, "email"},
		"two e-mails":        {func(in *CreateInput) { in.Email = "a@example.com, b@example.com" }, fault.Invalid, "email"},
		"e-mail with a line": {func(in *CreateInput) { in.Email = "a@example.com\r\nBcc: b@example.com" }, fault.Invalid, "email"},
		"look-alike e-mail":  {func(in *CreateInput) { in.Email = "аdmin@example.com" }, fault.Invalid, "email"},
		"long e-mail":        {func(in *CreateInput) { in.Email = strings.Repeat("a", 250) + "@example.com" }, fault.Invalid, "email"},
		"long name":          {func(in *CreateInput) { in.Name = strings.Repeat("ü", 101) }, fault.Invalid, "name"},
		"name with NUL":      {func(in *CreateInput) { in.Name = "a\x00b" }, fault.Invalid, "name"},
		"no role":            {func(in *CreateInput) { in.Role = "" }, fault.Invalid, "role"},
		"unknown role":       {func(in *CreateInput) { in.Role = "owner" }, fault.Invalid, "role"},
		"short password":     {func(in *CreateInput) { in.Password = "ninechars" }, fault.Invalid, "password"},
		"long password":      {func(in *CreateInput) { in.Password = strings.Repeat("x", 257) }, fault.Invalid, "password"},
	} {
		in := valid
		c.change(&in)
		_, err := f.Create(f.job, in)
		known, ok := fault.As(err)
		if !ok || known.Kind != c.kind || len(known.Path) != 1 || known.Path[0] != c.path {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMembersSeeOnlyThemselves(t *testing.T) {
	t.Parallel()
	f := open(t)
	me, other := f.create("me@example.com", authz.Member), f.create("other@example.com", authz.Member)
	ctx := f.as(me)
	if _, err := f.Get(ctx, me.ID); err != nil {
		t.Error(err)
	}
	if _, err := f.Get(ctx, other.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("another: %v", err)
	}
	p, err := f.List(ctx, Filter{}, page.Args{})
	if err != nil || len(p.Items) != 1 || p.Items[0].ID != me.ID || *p.Total != 1 {
		t.Errorf("list: %+v, %v", p, err)
	}
	found, err := f.ByIDs(ctx, []id.User{other.ID, me.ID})
	if err != nil || len(found) != 1 || found[0].ID != me.ID {
		t.Errorf("by ids: %+v, %v", found, err)
	}
	if _, err := f.Create(ctx, CreateInput{}); !errors.Is(err, fault.Denied) {
		t.Errorf("create: %v", err)
	}
	if _, err := f.Update(ctx, me.ID, UpdateInput{}); !errors.Is(err, fault.Denied) {
		t.Errorf("update: %v", err)
	}
}

func TestNothingWithoutAnActor(t *testing.T) {
	t.Parallel()
	f := open(t)
	ctx, user := t.Context(), id.New[id.User]()
	for name, call := range map[string]func() error{
		"Create":       func() error { _, err := f.Create(ctx, CreateInput{}); return err },
		"Get":          func() error { _, err := f.Get(ctx, user); return err },
		"List":         func() error { _, err := f.List(ctx, Filter{}, page.Args{}); return err },
		"ByIDs":        func() error { _, err := f.ByIDs(ctx, []id.User{user}); return err },
		"Update":       func() error { _, err := f.Update(ctx, user, UpdateInput{}); return err },
		"Authenticate": func() error { _, err := f.Authenticate(ctx, "a@example.com", password); return err },
		"ChangePassword": func() error {
			return f.ChangePassword(ctx, password, password, func(pgx.Tx, id.User) error { return nil })
		},
	} {
		if err := call(); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListPagesAndFilters(t *testing.T) {
	t.Parallel()
	f := open(t)
	for i := range 12 {
		role := authz.Member
		if i%4 == 0 {
			role = authz.Admin
		}
		f.create(fmt.Sprintf("user%02d@example.com", i), role)
	}
	if _, err := f.Create(f.job, CreateInput{Email: "x@example.com", Name: "100%_sure", Role: authz.Member, Password: password}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter Filter
		want   int
	}{
		"all":          {Filter{}, 13},
		"admins":       {Filter{Role: authz.Admin}, 3},
		"part, case":   {Filter{Query: "USER0"}, 10},
		"name":         {Filter{Query: "sure"}, 1},
		"percent":      {Filter{Query: "%"}, 1},
		"underscore":   {Filter{Query: "_"}, 1},
		"none":         {Filter{Query: "nobody"}, 0},
		"oldest first": {Filter{OldestFirst: true}, 13},
	} {
		var all []User
		args := page.Args{First: 5}
		for {
			p, err := f.List(f.job, c.filter, args)
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
			t.Errorf("%s: %d users, want %d", name, len(all), c.want)
		}
		for i := 1; i < len(all); i++ {
			if (all[i-1].ID.String() < all[i].ID.String()) != c.filter.OldestFirst {
				t.Errorf("%s: %v before %v", name, all[i-1].Email, all[i].Email)
			}
		}
	}
}

func TestUpdateRecordsWhatChanged(t *testing.T) {
	t.Parallel()
	f := open(t)
	f.create("admin@example.com", authz.Admin)
	user := f.create("user@example.com", authz.Member)
	name, role, yes, no := "New name", authz.Admin, true, false
	got, err := f.Update(f.job, user.ID, UpdateInput{Name: &name, Role: &role, Disabled: &yes})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != name || got.Role != role || got.Active() {
		t.Errorf("%+v", got)
	}
	if got, err = f.Update(f.job, user.ID, UpdateInput{Disabled: &no}); err != nil || !got.Active() || got.Name != name {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = f.Update(f.job, user.ID, UpdateInput{Name: &name, Disabled: &no}); err != nil { // changes nothing
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"user.create", "user.update", "user.update"}, f.actions(user.ID)); diff != "" {
		t.Error(diff)
	}
	p, err := f.audit.List(f.job, audit.Filter{Target: user.ID.String(), Action: "user.update", OldestFirst: true}, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	var details map[string]change
	if err := json.Unmarshal(p.Items[0].Details, &details); err != nil {
		t.Fatal(err)
	}
	want := map[string]change{"name": {"", name}, "role": {"member", "admin"}, "disabled": {false, true}}
	if diff := cmp.Diff(want, details); diff != "" {
		t.Error(diff)
	}
	if _, err := f.Update(f.job, id.New[id.User](), UpdateInput{Name: &name}); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown user: %v", err)
	}
}

func TestTheLastActiveAdminStays(t *testing.T) {
	t.Parallel()
	f := open(t)
	first, second := f.create("first@example.com", authz.Admin), f.create("second@example.com", authz.Admin)
	member, yes, no := authz.Member, true, false
	if _, err := f.Update(f.job, second.ID, UpdateInput{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]UpdateInput{"demote": {Role: &member}, "disable": {Disabled: &yes}} {
		if _, err := f.Update(f.job, first.ID, in); !errors.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Update(f.job, second.ID, UpdateInput{Role: &member}); err != nil {
		t.Errorf("demote a disabled admin: %v", err)
	}
	admin := authz.Admin
	if _, err := f.Update(f.job, second.ID, UpdateInput{Role: &admin, Disabled: &no}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(f.job, first.ID, UpdateInput{Role: &member}); err != nil {
		t.Errorf("with another admin: %v", err)
	}
}

// Admins who remove each other at the same time: whatever the order, exactly one is left.
func TestAdminsCannotRemoveEachOtherAtOnce(t *testing.T) {
	t.Parallel()
	f := open(t)
	var admins []User
	for i := range 5 {
		admins = append(admins, f.create(fmt.Sprintf("admin%d@example.com", i), authz.Admin))
	}
	member := authz.Member
	var wg sync.WaitGroup
	for _, a := range admins {
		wg.Go(func() {
			if _, err := f.Update(f.job, a.ID, UpdateInput{Role: &member}); err != nil && !errors.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	p, err := f.List(f.job, Filter{Role: authz.Admin}, page.Args{})
	if err != nil || len(p.Items) != 1 {
		t.Errorf("%d admins are left, %v", len(p.Items), err)
	}
}
