package jobs

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"go.uber.org/goleak"

	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/provider"
	"aihigress/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

// domain stands for all domain packages: it notes who called what.
type domain struct {
	mu    sync.Mutex
	calls map[string]string // method, and what it was called with: actor
}

func (d *domain) note(ctx context.Context, call string) {
	actor, _ := authz.From(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[call] = string(actor.Kind) + " " + actor.Name
}

func (d *domain) Discover(ctx context.Context, p id.Provider) (provider.Discovery, error) {
	d.note(ctx, "Discover "+p.String())
	return provider.Discovery{Added: []string{"a"}}, nil
}

func (d *domain) Probe(ctx context.Context, p id.Provider) (provider.Health, error) {
	d.note(ctx, "Probe "+p.String())
	return provider.Health{}, nil
}

func (d *domain) DiscoverAll(ctx context.Context) (int, error) {
	d.note(ctx, "DiscoverAll")
	return 1, nil
}
func (d *domain) ProbeAll(ctx context.Context) (int, error) { d.note(ctx, "ProbeAll"); return 1, nil }
func (d *domain) CheckKey(ctx context.Context, key id.ProviderKey, until time.Time) error {
	d.note(ctx, "CheckKey "+key.String()+" "+until.String())
	return nil
}
func (d *domain) CheckKeys(ctx context.Context) (int, error) { d.note(ctx, "CheckKeys"); return 1, nil }
func (d *domain) RefreshPrices(ctx context.Context) (catalog.Refresh, error) {
	d.note(ctx, "RefreshPrices")
	return catalog.Refresh{Changed: 1}, nil
}

func (d *domain) Refresh(ctx context.Context, p id.EgressPool) (egress.Refresh, error) {
	d.note(ctx, "Refresh "+p.String())
	return egress.Refresh{Added: 1}, nil
}

func (d *domain) Check(ctx context.Context, p id.EgressPool) (int, error) {
	d.note(ctx, "Check "+p.String())
	return 1, nil
}

func (d *domain) RefreshAll(ctx context.Context) (int, error) {
	d.note(ctx, "RefreshAll")
	return 1, nil
}
func (d *domain) CheckAll(ctx context.Context) (int, error) { d.note(ctx, "CheckAll"); return 1, nil }
func (d *domain) Recharge(ctx context.Context, _ credit.Inbox) (int, error) {
	d.note(ctx, "Recharge")
	return 1, nil
}
func (d *domain) Expire(ctx context.Context) (int, error) { d.note(ctx, "Expire"); return 1, nil }
func (d *domain) SweepLeases(ctx context.Context) (int64, error) {
	d.note(ctx, "SweepLeases")
	return 1, nil
}
func (d *domain) WarnExpiries(ctx context.Context, _ credit.Inbox) (int, error) {
	d.note(ctx, "WarnExpiries")
	return 0, nil
}
func (d *domain) AlertBudgets(ctx context.Context, _ credit.Inbox) (int, error) {
	d.note(ctx, "AlertBudgets")
	return 1, nil
}
func (d *domain) TellMismatches(ctx context.Context, _ credit.Inbox) (int, error) {
	d.note(ctx, "TellMismatches")
	return 1, nil
}
func (d *domain) Fold(ctx context.Context) error { d.note(ctx, "Fold"); return nil }
func (d *domain) EnsurePartitions(ctx context.Context) error {
	d.note(ctx, "EnsurePartitions")
	return nil
}
func (d *domain) DropExpired(ctx context.Context, retention time.Duration) error {
	d.note(ctx, "DropExpired "+retention.String())
	return nil
}
func (d *domain) Sweep(ctx context.Context) (int64, error) { d.note(ctx, "Sweep"); return 1, nil }

// inbox is the same for the notifications, whose Sweep is another.
type inbox struct {
	*domain
	credit.Inbox
}

func (i inbox) Deliver(ctx context.Context, delivery id.Delivery, last bool) error {
	i.note(ctx, fmt.Sprintf("Deliver %s %t", delivery, last))
	return nil
}

func (i inbox) Sweep(ctx context.Context) (int64, error) { i.note(ctx, "Sweep inbox"); return 1, nil }

func newPool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func options(pool *pgxpool.Pool, d *domain) Options {
	return Options{
		Pool: pool, Log: slog.New(slog.DiscardHandler), Providers: d, Egress: d, Ledger: d, Reports: d, Sessions: d, Inbox: inbox{domain: d}, Retention: 72 * time.Hour,
	}
}

// start runs a client until the test ends.
func start(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// next is the next event, or the test's end.
func next(t *testing.T, events <-chan *river.Event) *river.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happened for 20 seconds")
		return nil
	}
}

func TestEveryWorkerDoesItsWorkAsItself(t *testing.T) {
	t.Parallel()
	key, until, delivery := id.New[id.ProviderKey](), time.Unix(1_700_000_000, 0).UTC(), id.New[id.Delivery]()
	pool, d, p, e := newPool(t), &domain{calls: map[string]string{}}, id.New[id.Provider](), id.New[id.EgressPool]()
	c, err := newClient(options(pool, d), nil)
	if err != nil {
		t.Fatal(err)
	}
	inserter, err := NewInserter(pool)
	if err != nil {
		t.Fatal(err)
	}
	work := map[string]river.JobArgs{
		"Discover " + p.String(): provider.DiscoverArgs{ProviderID: p},
		"Probe " + p.String():    provider.ProbeArgs{ProviderID: p},
		"Refresh " + e.String():  egress.RefreshArgs{PoolID: e},
		"Check " + e.String():    egress.CheckArgs{PoolID: e},
		"RefreshAll":             egress.RefreshAllArgs{},
		"CheckAll":               egress.CheckAllArgs{},
		"RefreshPrices":          provider.RefreshPricesArgs{},
		"DiscoverAll":            provider.DiscoverAllArgs{},
		"ProbeAll":               provider.ProbeAllArgs{},
		"CheckKey " + key.String() + " " + until.String(): provider.KeyCheckArgs{KeyID: key, Until: until},
		"CheckKeys": provider.KeyCheckAllArgs{},
		"Deliver " + delivery.String() + " false": notify.DeliverArgs{DeliveryID: delivery},
		"Sweep inbox":         notify.SweepArgs{},
		"Recharge":            credit.RechargeArgs{},
		"Expire":              credit.ExpireArgs{},
		"SweepLeases":         credit.SweepArgs{},
		"TellMismatches":      credit.VerifyArgs{},
		"AlertBudgets":        credit.AlertArgs{},
		"WarnExpiries":        credit.WarnArgs{},
		"Fold":                usage.FoldArgs{},
		"EnsurePartitions":    usage.PartitionsArgs{},
		"DropExpired 72h0m0s": usage.RetentionArgs{},
		"Sweep":               auth.SweepArgs{},
	}
	var kinds []string
	want := map[string]string{}
	for call, args := range work {
		kinds = append(kinds, args.Kind())
		want[call] = "system " + args.Kind()
		for range 2 {
			if _, err := inserter.Insert(t.Context(), args, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, c.Kinds()) {
		t.Errorf("this test knows %q, workers are there for %q", kinds, c.Kinds())
	}
	var waiting int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM river_job").Scan(&waiting); err != nil || waiting != len(work) {
		t.Errorf("%d jobs wait, want one of each of %d kinds: %v", waiting, len(work), err)
	}
	events, cancel := c.river.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	defer cancel()
	start(t, c)
	for range work {
		if e := next(t, events); e.Kind != river.EventKindJobCompleted {
			t.Errorf("%s: %s %+v", e.Job.Kind, e.Kind, e.Job.Errors)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for call, actor := range want {
		if d.calls[call] != actor {
			t.Errorf("%s was called by %q, want %q", call, d.calls[call], actor)
		}
	}
}

// A kind that is declared somewhere in the module and has no worker would wait forever.
func TestEveryKindHasAWorker(t *testing.T) {
	t.Parallel()
	c, err := New(options(newPool(t), &domain{}))
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredKinds(t, "..")
	if !slices.Equal(declared, c.Kinds()) {
		t.Errorf("declared: %q\nworked:   %q", declared, c.Kinds())
	}
}

// declaredKinds reads the source below root for types that are job arguments: those with methods Kind and InsertOpts.
func declaredKinds(t *testing.T, root string) (kinds []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		named, inserted := map[string]string{}, map[string]bool{}
		for _, d := range file.Decls {
			method, ok := d.(*ast.FuncDecl)
			if !ok || method.Recv == nil {
				continue
			}
			receiver, ok := method.Recv.List[0].Type.(*ast.Ident)
			if !ok {
				continue
			}
			switch method.Name.Name {
			case "InsertOpts":
				inserted[receiver.Name] = true
			case "Kind":
				if ret, ok := method.Body.List[0].(*ast.ReturnStmt); ok {
					if literal, ok := ret.Results[0].(*ast.BasicLit); ok {
						named[receiver.Name], _ = strconv.Unquote(literal.Value)
					}
				}
			}
		}
		for receiver := range inserted {
			if named[receiver] == "" {
				t.Errorf("%s: %s has InsertOpts and no Kind that returns a literal", path, receiver)
			}
			kinds = append(kinds, named[receiver])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(kinds)
	return kinds
}

func TestScheduleIsOfKindsThatAreWorked(t *testing.T) {
	t.Parallel()
	pool, d := newPool(t), &domain{calls: map[string]string{}}
	o := options(pool, d)
	o.PriceCatalog = true
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	events, cancel := c.river.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled)
	defer cancel()
	start(t, c)
	done := map[string]bool{}
	for range schedule(o) { // all run when a node starts to lead
		e := next(t, events)
		if e.Kind != river.EventKindJobCompleted || done[e.Job.Kind] {
			t.Errorf("%s: %s, done before %v", e.Job.Kind, e.Kind, done[e.Job.Kind])
		}
		done[e.Job.Kind] = true
	}
	if !done[provider.RefreshPricesArgs{}.Kind()] || len(schedule(o)) != len(schedule(options(pool, d)))+1 {
		t.Error("the price catalogue is not read where there is one, or is where there is none")
	}
}

// jobRow is a stored job.
func jobRow(t *testing.T, c *Client, job int64) *rivertype.JobRow {
	t.Helper()
	row, err := c.river.JobGet(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return row
}
