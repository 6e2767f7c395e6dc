package usage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"aihigress/db"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// running starts the booker and stops it with the test.
func running(t testing.TB, b *Booker) {
	t.Helper()
	ctx, cancel := context.WithCancel(job(context.Background()))
	var run sync.WaitGroup
	run.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); run.Wait() })
}

func TestBookerBooksWhatIsFinished(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	running(t, h.booker(s))
	e := h.event(time.Now())
	must(t, s.Admit(e), s.Finish(e))
	h.heard.until(t, func(h *heard) bool { return len(h.logged) == 1 })

	want := e
	want.NodeID = s.Node()
	if diff := cmp.Diff(fromEvent(&want), h.heard.logged[0]); diff != "" {
		t.Error("announced (-want +got):\n", diff)
	}
	h.ledgerAgrees(1)
	if got := h.heard.charges[h.account]; got != *e.Charge {
		t.Errorf("leases heard %v, want %v", got, *e.Charge)
	}
	if got := query[string](h, `SELECT reason FROM credit_entries WHERE request_id = $1 AND account_id = $2`, e.ID, h.account); got != e.Model {
		t.Errorf("the entry's reason is %q", got)
	}
}

func TestBookerNeedsTheGateway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	b := h.booker(openSpool(t, h.dir))
	for name, do := range map[string]func(context.Context) error{"run": b.Run, "drain": b.Drain} {
		if err := do(t.Context()); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s without an actor: %v", name, err)
		}
	}
}

func TestDrainMarksTheNodeUntilItsNextStart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	drained := func() bool { return query[bool](h, `SELECT drained FROM spool_cursors WHERE node_id = $1`, s.Node()) }
	b := h.booker(s)
	e := h.event(time.Now())
	must(t, s.Admit(e))
	must(t, b.begin(t.Context()))
	patience, cancel := context.WithTimeout(job(t.Context()), 200*time.Millisecond)
	defer cancel()
	if err := b.Drain(patience); err == nil || drained() {
		t.Fatalf("drained with a request in flight: %v", err)
	}
	// A request that is just ending is waited for.
	result := make(chan error)
	go func() { result <- b.Drain(job(t.Context())) }()
	must(t, s.Finish(e), <-result)
	if !drained() {
		t.Error("not marked as drained")
	}
	must(t, s.Close())

	s = openSpool(t, h.dir)
	b = h.booker(s)
	must(t, b.begin(t.Context()))
	if drained() {
		t.Error("still marked as drained after the next start")
	}
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(1)
}

func TestCaughtUpWaitsForWhatWasLeft(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	for range batchSize + 10 {
		e := h.event(time.Now())
		must(t, s.Admit(e))
	}
	must(t, s.Close())
	s = openSpool(t, h.dir)
	b := h.booker(s)
	if more, err := b.bookSome(job(t.Context())); !more || err != nil {
		t.Fatal(more, err)
	}
	select {
	case <-b.CaughtUp():
		t.Fatal("caught up after the first batch")
	default:
	}
	running(t, b)
	<-b.CaughtUp()
	h.ledgerAgrees(batchSize + 10)
	if got := query[int](h, `SELECT count(*) FROM requests WHERE outcome = 'TRUNCATED' AND estimated`); got != batchSize+10 {
		t.Errorf("%d are truncated, want all", got)
	}
}

func TestBookedSegmentsAreRemoved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir, SegmentSize(4000))
	b := h.booker(s)
	for range 100 {
		e := h.event(time.Now())
		must(t, s.Admit(e), s.Finish(e))
	}
	before, err := listSegments(h.dir)
	must(t, err, b.Drain(job(t.Context())))
	after, err := listSegments(h.dir)
	must(t, err)
	if len(before) < 10 || len(after) != 1 {
		t.Errorf("%d segments became %d, want 1", len(before), len(after))
	}
	h.ledgerAgrees(100)
}

func TestDamagedRecordIsSkippedAndCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	var ends []Position
	for range 3 {
		e := h.event(time.Now())
		must(t, s.Finish(e))
		end, _ := s.tail()
		ends = append(ends, end)
	}
	_, err := writable(t, s).WriteAt([]byte{0xff, 0xff, 0xff}, ends[0].Offset+60)
	b := h.booker(s)
	must(t, err, b.Drain(job(t.Context())))
	h.ledgerAgrees(2)
	if got := b.Stats(); got != (BookerStats{Booked: 2, Damaged: 1}) {
		t.Errorf("stats %+v", got)
	}
}

// What Postgres refuses is put aside, and the rest of its batch is booked.
func TestPoisonIsPutAside(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	for i := range 20 {
		e := h.event(time.Now())
		switch i {
		case 7:
			e.Outcome = "NEVER_HEARD_OF"
		case 8:
			e.AccountID = id.New[id.Account]() // of no one
		case 9: // a record with a right checksum that is none
			frame := frameOf([]byte("\x02 is no event at all"))
			must(t, s.write(finishedRecord, e.ID, frame))
			continue
		case 10:
			e.Model, e.RequestID = "nul \x00 and \xff", "\x00"
		}
		must(t, s.Finish(e))
	}
	b := h.booker(s)
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(17)
	if got := b.Stats(); got != (BookerStats{Booked: 17, Quarantined: 3}) {
		t.Errorf("stats %+v", got)
	}
	if got := query[string](h, `SELECT model FROM requests WHERE model LIKE 'nul%'`); got != "nul \uFFFD and \uFFFD" {
		t.Errorf("cleaned text is %q", got)
	}
	raw, err := os.ReadFile(filepath.Join(h.dir, quarantineName))
	must(t, err)
	if payloads, damaged := framesOf(raw); len(payloads) != 3 || damaged != 0 {
		t.Errorf("%d records are put aside, want 3", len(payloads))
	}
}

// What was put aside is booked once its cause is mended, and what is refused again is put aside again.
func TestQuarantineIsRequeued(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	account := id.New[id.Account]()
	for i := range 5 {
		e := h.event(time.Now())
		switch i {
		case 1, 2:
			e.AccountID = account // of no one yet
		case 3:
			e.Outcome = "NEVER_HEARD_OF"
		}
		must(t, s.Finish(e))
	}
	b := h.booker(s)
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(2)
	user, _ := h.open()
	h.exec(`UPDATE credit_accounts SET id = $1 WHERE user_id = $2`, account, user)
	n, err := s.Requeue()
	must(t, err, b.Drain(job(t.Context())))
	if n != 3 {
		t.Errorf("%d were put back, want 3", n)
	}
	h.ledgerAgrees(4)
	if left, err := quarantined(h.dir); err != nil || len(left) != 1 {
		t.Errorf("%d are put aside, want 1: %v", len(left), err)
	}
}

// lossyLedger books, and then tells a lie about how it went.
type lossyLedger struct {
	Ledger
	fail func() error
}

func (l *lossyLedger) BookTx(ctx context.Context, tx pgx.Tx, node id.Node, charges []credit.Charge) (map[id.Account]money.Amount, error) {
	if err := l.fail(); err != nil {
		return nil, err
	}
	return l.Ledger.BookTx(ctx, tx, node, charges)
}

// What ends while the last batch is booked is booked before the spool is marked as drained.
func TestDrainBooksWhatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	more := 5
	b.Ledger = &lossyLedger{b.Ledger, func() error {
		if more > 0 {
			more--
			return s.Finish(h.event(time.Now()))
		}
		return nil
	}}
	must(t, s.Finish(h.event(time.Now())))
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(6)
	end, _ := s.tail()
	at := query[int64](h, `SELECT position FROM spool_cursors WHERE drained`)
	if at != end.Offset {
		t.Errorf("the spool is drained up to %d of %d", at, end.Offset)
	}
}

// While requests end all the time they are booked together, and not one by one as they come.
func TestBatchesHaveCompany(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	batches := 0
	b.Ledger = &lossyLedger{b.Ledger, func() error {
		batches++
		return s.Finish(h.event(time.Now())) // one comes with each, so that there is always something left
	}}
	must(t, s.Finish(h.event(time.Now())))
	ctx, stop := context.WithCancel(job(t.Context()))
	ran := make(chan error, 1)
	began := time.Now()
	go func() { ran <- b.Run(ctx) }()
	for query[int](h, `SELECT count(*) FROM requests`) < 3 {
		<-h.heard.more
	}
	stop()
	must(t, <-ran)
	if most := int(time.Since(began)/batchWindow) + 1; batches > most {
		t.Errorf("%d batches in %s, want %d at most", batches, time.Since(began), most)
	}
}

func TestFailedBatchIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	failures := 0
	b.Ledger = &lossyLedger{b.Ledger, func() error {
		if failures++; failures <= 2 {
			return errors.New("not now")
		}
		return nil
	}}
	for range 10 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(10)
	if failures != 3 {
		t.Errorf("tried %d times, want 3", failures)
	}
}

// A clean stop ends Run whatever it is at, and Drain takes over what it had read and not booked.
func TestDrainBooksWhatRunWasStoppedWith(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	ctx, stop := context.WithCancel(job(t.Context()))
	defer stop()
	b.Ledger = &lossyLedger{b.Ledger, func() error {
		stop()
		return ctx.Err()
	}}
	for range 10 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, b.Run(ctx))
	h.ledgerAgrees(0)
	b.Ledger = b.Ledger.(*lossyLedger).Ledger
	must(t, b.Drain(job(t.Context())))
	h.ledgerAgrees(10)
}

// The answer to a commit may be lost although it happened.
func TestLostAnswerToACommit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	ctx := job(t.Context())
	for range 10 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, b.begin(ctx))
	part, err := b.collect()
	must(t, err, db.InTx(ctx, b.Pool, func(tx pgx.Tx) error {
		if err := b.advance(ctx, tx, part); err != nil {
			return err
		}
		b.pending = part
		return b.insert(ctx, tx, part)
	}))
	if err := b.commit(ctx, part); !errors.Is(err, errMoved) {
		t.Fatalf("the guard let a batch through twice: %v", err)
	}
	b.recover(ctx)
	for range 3 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, b.Drain(ctx))
	h.ledgerAgrees(13)
	if got := len(h.heard.logged); got != 13 {
		t.Errorf("%d were announced, want 13", got)
	}
}

// The database may be restored to an earlier day, or another may stand at its address.
func TestCursorThatWentBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	for range 10 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, h.booker(s).Drain(job(t.Context())))
	h.exec(`UPDATE spool_cursors SET segment = 0, position = 0`)
	must(t, h.booker(s).Drain(job(t.Context())))
	h.exec(`DELETE FROM spool_cursors`)
	must(t, h.booker(s).Drain(job(t.Context())))
	h.ledgerAgrees(10)
}

// A power cut may take segments whose booking reached the database. New records must not hide behind the old cursor.
func TestCursorAheadOfTheSpool(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	for range 10 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, h.booker(s).Drain(job(t.Context())), s.Close(), os.Remove(filepath.Join(h.dir, segmentName(1))))
	s = openSpool(t, h.dir)
	for range 5 {
		must(t, s.Finish(h.event(time.Now())))
	}
	must(t, h.booker(s).Drain(job(t.Context())))
	h.ledgerAgrees(15)
}

// Kills at any byte, replays of any part, in any order: every request that the spool held is booked exactly once.
func TestCrashAndReplayBookOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	requests := 0
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		must(t, err)
		defer os.RemoveAll(dir)
		want := map[id.Request]Outcome{}
		for range rapid.IntRange(1, 3).Draw(rt, "lives") {
			s, err := OpenSpool(dir, discard, SegmentSize(rapid.Int64Range(200, 3000).Draw(rt, "segment size")))
			must(t, err)
			booked := rapid.IntRange(0, 2).Draw(rt, "booked")
			if booked > 0 {
				must(t, h.booker(s).Drain(job(t.Context())))
			}
			steps := h.act(rt, s)
			if booked > 1 { // up to where the kill comes
				b := h.booker(s)
				b.bookAll(job(t.Context()))
				b.reader.close()
			}
			must(t, s.Close())
			cut := Position{Segment: 1 << 40}
			if booked < 2 { // booked records do not vanish with a kill of the process
				cut = cutLast(rt, dir)
			}
			for _, step := range steps {
				switch {
				case cut.Before(step.end):
				case step.kind == admittedRecord:
					want[step.id] = Truncated
				default:
					want[step.id] = OK
				}
			}
		}
		s, err := OpenSpool(dir, discard)
		must(t, err)
		defer s.Close()
		must(t, h.booker(s).Drain(job(t.Context())))
		if rapid.Bool().Draw(rt, "replay all") {
			h.exec(`UPDATE spool_cursors SET segment = 0, position = 0 WHERE node_id = $1`, s.Node())
			must(t, h.booker(s).Drain(job(t.Context())))
		}
		rows, err := h.pool.Query(t.Context(), `SELECT id, outcome FROM requests WHERE node_id = $1`, s.Node())
		must(t, err)
		got := map[id.Request]Outcome{}
		var request id.Request
		var outcome string
		_, err = pgx.ForEachRow(rows, []any{&request, &outcome}, func() error {
			if _, twice := got[request]; twice {
				rt.Fatalf("%v is booked twice", request)
			}
			got[request] = Outcome(outcome)
			return nil
		})
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal("booked (-want +got):\n", diff)
		}
		requests += len(want)
	})
	h.ledgerAgrees(requests)
}

// act is the spool's act with requests of the house's user.
func (h *house) act(t *rapid.T, s *Spool) []step {
	return actWith(t, s, func() Event {
		e := h.event(time.Now())
		e.Charge = amount(rapid.Int64Range(0, 1000).Draw(t, "charge"))
		e.Hold = money.Amount(rapid.Int64Range(0, 1000).Draw(t, "hold"))
		return e
	})
}

// BenchmarkBook books b.N requests of a hundred keys to one provider that wait in the spool, as after an outage.
func BenchmarkBook(b *testing.B) {
	h := newHouse(b)
	s := openSpool(b, b.TempDir())
	keys := make([]id.Key, 100)
	for i := range keys {
		keys[i] = id.New[id.Key]()
	}
	provider := id.New[id.Provider]()
	for i := range b.N {
		e := h.event(noon.Add(time.Duration(i) * time.Millisecond))
		e.KeyID, e.ProviderID = keys[i%len(keys)], &provider
		must(b, s.Finish(e))
	}
	b.ResetTimer()
	must(b, h.booker(s).Drain(job(context.Background())))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.StopTimer()
	must(b, s.Close())
}
