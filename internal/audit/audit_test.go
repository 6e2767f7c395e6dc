package audit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
	"aihigress/internal/reqid"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T) (*audit.Log, *pgxpool.Pool) {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return audit.New(pool), pool
}

func TestRecordKeepsWhoWhatAndWhere(t *testing.T) {
	t.Parallel()
	log, pool := open(t)
	admin := authz.Actor{Kind: authz.User, Name: "admin@example.com", UserID: id.New[id.User](), Role: authz.Admin, IP: "192.0.2.7"}
	ctx := reqid.With(authz.With(t.Context(), admin), "req-42")
	before := time.Now().Add(-time.Minute)
	if err := log.Record(ctx, pool, "provider.create", "prv_1", map[string]any{"slug": "acme"}); err != nil {
		t.Fatal(err)
	}
	p, err := log.List(ctx, audit.Filter{}, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Items) != 1 || p.HasNext || p.Total == nil || *p.Total != 1 {
		t.Fatalf("page: %+v", p)
	}
	got := p.Items[0]
	if got.At.Before(before) || got.ID.IsZero() {
		t.Errorf("at %v, id %v", got.At, got.ID)
	}
	var details map[string]any
	if err := json.Unmarshal(got.Details, &details); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"slug": "acme"}, details); diff != "" {
		t.Error(diff)
	}
	want := audit.Event{
		ID: got.ID, At: got.At, Details: got.Details,
		ActorKind: authz.User, ActorID: &admin.UserID, ActorName: "admin@example.com",
		Action: "provider.create", Target: "prv_1", IP: "192.0.2.7", RequestID: "req-42",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err = log.Get(ctx, got.ID); err != nil || !cmp.Equal(want, got) {
		t.Errorf("%s, %v", cmp.Diff(want, got), err)
	}
	if _, err := log.Get(ctx, id.New[id.Audit]()); !errors.Is(err, fault.NotFound) {
		t.Errorf("unknown: %v", err)
	}
}

func TestRecordOfTheGatewayItselfNamesNoUser(t *testing.T) {
	t.Parallel()
	log, pool := open(t)
	ctx := authz.With(t.Context(), authz.Job("admin create"))
	if err := log.Record(ctx, pool, "user.create", "usr_1", nil); err != nil {
		t.Fatal(err)
	}
	p, err := log.List(ctx, audit.Filter{}, page.Args{})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Items[0]
	if e.ActorID != nil || e.ActorName != "admin create" || e.ActorKind != authz.System || string(e.Details) != "{}" {
		t.Errorf("%+v", e)
	}
}

func TestRecordIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	log, pool := open(t)
	ctx := authz.With(t.Context(), authz.Job("test"))
	undone := errors.New("the change failed")
	err := db.InTx(ctx, pool, func(tx pgx.Tx) error {
		if err := log.Record(ctx, tx, "user.create", "usr_1", nil); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	p, err := log.List(ctx, audit.Filter{}, page.Args{})
	if err != nil || len(p.Items) != 0 {
		t.Fatalf("%d events, %v", len(p.Items), err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	log, pool := open(t)
	if err := log.Record(t.Context(), pool, "x.y", "", nil); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("record without an actor: %v", err)
	}
	if _, err := log.List(t.Context(), audit.Filter{}, page.Args{}); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("list without an actor: %v", err)
	}
	if _, err := log.Get(t.Context(), id.New[id.Audit]()); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("get without an actor: %v", err)
	}
	member := authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, UserID: id.New[id.User]()})
	if _, err := log.List(member, audit.Filter{}, page.Args{}); !errors.Is(err, fault.Denied) {
		t.Errorf("list as a member: %v", err)
	}
	job := authz.With(t.Context(), authz.Job("test"))
	if _, err := log.List(job, audit.Filter{}, page.Args{First: 101}); !errors.Is(err, fault.Invalid) {
		t.Errorf("page of 101: %v", err)
	}
	if _, err := log.List(job, audit.Filter{}, page.Args{After: "!"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("bad cursor: %v", err)
	}
	if err := log.Record(job, pool, "x.y", "", strings.Repeat("x", audit.MaxDetails)); err == nil {
		t.Error("details without a limit")
	}
}

// Pages put together are the whole list, also where many events have the same time: those of one transaction do.
func TestListPagesAndFilters(t *testing.T) {
	t.Parallel()
	log, pool := open(t)
	alice, bob := id.New[id.User](), id.New[id.User]()
	base := authz.With(t.Context(), authz.Job("test"))
	err := db.InTx(base, pool, func(tx pgx.Tx) error {
		for i := range 30 {
			actor := authz.Actor{Kind: authz.User, Role: authz.Admin, UserID: alice}
			action := "key.create"
			if i%3 == 0 {
				actor.UserID, action = bob, "key.revoke"
			}
			if err := log.Record(authz.With(base, actor), tx, action, fmt.Sprintf("key_%d", i%10), nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter audit.Filter
		want   int
		keep   func(audit.Event) bool
	}{
		"all":    {audit.Filter{}, 30, func(audit.Event) bool { return true }},
		"actor":  {audit.Filter{ActorID: &bob}, 10, func(e audit.Event) bool { return *e.ActorID == bob }},
		"action": {audit.Filter{Action: "key.create"}, 20, func(e audit.Event) bool { return e.Action == "key.create" }},
		"target": {audit.Filter{Target: "key_4"}, 3, func(e audit.Event) bool { return e.Target == "key_4" }},
		"oldest": {audit.Filter{ActorID: &alice, OldestFirst: true}, 20, func(e audit.Event) bool { return *e.ActorID == alice }},
		"both":   {audit.Filter{ActorID: &bob, Action: "key.create"}, 0, nil},
		"from":   {audit.Filter{From: time.Now().Add(time.Hour)}, 0, nil},
		"to":     {audit.Filter{To: time.Now().Add(-time.Hour)}, 0, nil},
		"range":  {audit.Filter{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}, 30, func(audit.Event) bool { return true }},
	} {
		seen := map[id.Audit]bool{}
		var last *audit.Event
		args := page.Args{First: 7}
		for {
			p, err := log.List(base, c.filter, args)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if p.Total == nil || *p.Total != c.want {
				t.Fatalf("%s: total %v, want %d", name, p.Total, c.want)
			}
			for _, e := range p.Items {
				if seen[e.ID] || !c.keep(e) {
					t.Fatalf("%s: %+v is wrong here", name, e)
				}
				if last != nil && (e.ID.String() > last.ID.String()) != c.filter.OldestFirst {
					t.Fatalf("%s: %v after %v", name, e.ID, last.ID)
				}
				seen[e.ID], last = true, &e
			}
			if !p.HasNext {
				break
			}
			args.After = p.End()
		}
		if len(seen) != c.want {
			t.Errorf("%s: %d events, want %d", name, len(seen), c.want)
		}
	}
}
