package usage

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/llm"
)

// What is written by hand is JSON whatever the texts are, and what encoding/json reads back.
func TestJSONOfRows(t *testing.T) {
	t.Parallel()
	read := func(t *rapid.T, raw []byte, into any) {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		var attempts []Attempt
		read(t, appendAttemptsJSON(nil, e.Attempts), &attempts)
		if diff := cmp.Diff(e.Attempts, attempts, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal("attempts (-want +got):\n", diff)
		}
		var tags map[string]string
		read(t, appendTagsJSON(nil, e.Tags), &tags)
		if diff := cmp.Diff(e.Tags, tags, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal("tags (-want +got):\n", diff)
		}
		if e.Plan != nil {
			plan := new(Plan)
			read(t, appendPlanJSON(nil, e.Plan), plan)
			if diff := cmp.Diff(e.Plan, plan, cmpopts.EquateApprox(1e-5, 0)); diff != "" {
				t.Fatal("plan (-want +got):\n", diff)
			}
		}
		var rare rareUsage
		read(t, appendRareUsageJSON(nil, &e.Usage), &rare)
		if rare.Images != e.Usage.Images || llm.TierOf(rare.Tier) != e.Usage.Tier {
			t.Fatalf("rare usage %+v of %+v", rare, e.Usage)
		}
	})
}

// A row says what its event said, whatever that was.
func TestRowsAreTheirEvents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	q, ctx := db.New(), context.Background()
	rapid.Check(t, func(t *rapid.T) {
		_, e, err := decodeRecord(appendRecord(nil, finishedRecord, new(drawEvent(t)))) // only what the spool gives is booked
		if err != nil {
			t.Fatal(err)
		}
		e.ID = NewID(e.StartedAt)
		err = db.InTx(ctx, h.pool, func(tx pgx.Tx) error {
			fresh, err := insertRequests(ctx, tx, q, []*Event{&e})
			if err != nil || len(fresh) != 1 {
				t.Fatalf("%d rows of %+v: %v", len(fresh), e, err)
			}
			row, err := q.GetRequest(ctx, tx, db.GetRequestParams{FromTime: e.StartedAt, ToTime: e.StartedAt, ID: e.ID})
			if err != nil {
				t.Fatal(err)
			}
			got, err := fromRow(row)
			if diff := cmp.Diff(fromEvent(&e), got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-5, 0)); err != nil || diff != "" {
				t.Fatal("(-want +got):\n", diff, err)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	})
}

// errUndo takes back what a check inserted.
var errUndo = errors.New("undo")

// However often requests are offered, in however many batches and in one of these, each is new once.
func TestRequestsAreNewOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	q, ctx := db.New(), context.Background()
	rapid.Check(t, func(t *rapid.T) {
		all := make([]Event, 12)
		for i := range all {
			all[i] = h.event(noon.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour))
			all[i].ID = NewID(all[i].StartedAt)
		}
		seen := map[int]bool{}
		err := db.InTx(ctx, h.pool, func(tx pgx.Tx) error {
			for range 4 {
				var batch []*Event
				want := 0
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 1, 8).Draw(t, "batch") {
					batch = append(batch, &all[i])
					if !seen[i] {
						seen[i] = true
						want++
					}
				}
				fresh, err := insertRequests(ctx, tx, q, batch)
				if err != nil {
					t.Fatal(err)
				}
				different := map[*Event]bool{}
				for _, e := range fresh {
					different[e] = true
				}
				if len(fresh) != want || len(different) != want {
					t.Fatalf("%d are new, %d of them different, want %d", len(fresh), len(different), want)
				}
			}
			var rows int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM requests`).Scan(&rows); err != nil || rows != len(seen) {
				t.Fatalf("%d rows, want %d: %v", rows, len(seen), err)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Fatal(err)
		}
	})
}

func BenchmarkRequestRows(b *testing.B) {
	for name, plan := range map[string]*Plan{"plain": nil, "planned": samplePlan()} {
		b.Run(name, func(b *testing.B) {
			events := make([]*Event, batchSize)
			for i := range events {
				e := sampleEvent(noon)
				e.Plan = plan
				events[i] = &e
			}
			b.ReportAllocs()
			for b.Loop() {
				requestRows(events)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchSize), "ns/request")
		})
	}
}
