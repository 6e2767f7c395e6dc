package usage

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/id"
	"aihigress/internal/money"
)

var discard = slog.New(slog.DiscardHandler)

func openSpool(t testing.TB, dir string, options ...SpoolOption) *Spool {
	t.Helper()
	s, err := OpenSpool(dir, discard, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSpoolKeepsItsNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSpool(t, dir)
	if _, err := OpenSpool(dir, discard); !errors.Is(err, ErrInUse) {
		t.Errorf("a second opening: %v, want %v", err, ErrInUse)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := openSpool(t, dir); again.Node() != s.Node() || s.Node().IsZero() {
		t.Errorf("node %v became %v", s.Node(), again.Node())
	}
	if other := openSpool(t, t.TempDir()); other.Node() == s.Node() {
		t.Error("two folders have one node")
	}
}

func TestSpoolRefusesWhatALaterVersionWrote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	header := append([]byte(segmentMagic), segmentVersion+1, 0, 0, 0, 0, 0, 0, 0)
	path := filepath.Join(dir, segmentName(1))
	if err := os.WriteFile(path, header, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSpool(dir, discard); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
}

func TestSpoolReportsAFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full on this system")
	}
	s := openSpool(t, t.TempDir())
	before, during, after := sampleEvent(time.Now()), sampleEvent(time.Now()), sampleEvent(time.Now())
	if err := errors.Join(s.Admit(before), s.Admit(after)); err != nil {
		t.Fatal(err)
	}
	real := s.file
	s.file = full
	if err := s.Admit(during); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("admit: %v, want no space", err)
	}
	if err := s.Finish(before); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("finish: %v, want no space", err)
	}
	s.file = real
	full.Close()
	if _, open := s.tail(); open != 2 {
		t.Errorf("%d requests are open, want the two that were admitted", open)
	}
	if err := s.Finish(after); err != nil {
		t.Fatal(err)
	}
	got, damaged := finished(t, s, Position{})
	if len(got) != 1 || got[0].ID != after.ID || damaged != 0 {
		t.Errorf("read %d events with %d damaged, want the one that was acknowledged", len(got), damaged)
	}
}

func TestInFlightIsTruncatedAndBilledUpToItsHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		charge *money.Amount
		hold   money.Amount
		want   *money.Amount
	}{
		"estimate below hold": {amount(70), 100, amount(70)},
		"estimate above hold": {amount(170), 100, amount(100)},
		"price unknown":       {nil, 100, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openSpool(t, dir)
			e := sampleEvent(time.Now().Add(-time.Minute))
			e.Charge, e.Hold, e.Outcome, e.HTTPStatus, e.Duration = c.charge, c.hold, "", 0, 0
			e.Unpriced = c.charge == nil
			if err := s.Admit(e); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = openSpool(t, dir)
			got, _ := finished(t, s, Position{})
			if len(got) != 1 || s.Recovered() != 1 {
				t.Fatalf("%d events, %d recovered; want 1", len(got), s.Recovered())
			}
			g := got[0]
			if g.ID != e.ID || g.Outcome != Truncated || g.ErrorCode != CodeGatewayStopped || !g.Usage.Estimated {
				t.Errorf("recovered as %+v", g)
			}
			if g.Duration < 59*time.Second || g.Duration > 2*time.Minute {
				t.Errorf("duration %v, want the minute until the last sign of life", g.Duration)
			}
			if (g.Charge == nil) != (c.want == nil) || g.Charge != nil && *g.Charge != *c.want {
				t.Errorf("charge %v, want %v", g.Charge, c.want)
			}
			s.Close()
			if s = openSpool(t, dir); s.Recovered() != 0 {
				t.Error("recovered a second time")
			}
		})
	}
}

// Open requests are carried along, so that booked segments can go while a long answer is under way.
func TestOpenRequestSurvivesItsSegment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openSpool(t, dir, SegmentSize(2000))
	long := sampleEvent(time.Now())
	if err := s.Admit(long); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		e := sampleEvent(time.Now())
		if err := errors.Join(s.Admit(e), s.Finish(e)); err != nil {
			t.Fatal(err)
		}
	}
	end, _ := s.tail()
	if end.Segment < 10 {
		t.Fatalf("only %d segments", end.Segment)
	}
	if err := s.release(end.Segment); err != nil {
		t.Fatal(err)
	}
	if left, err := listSegments(dir); err != nil || len(left) != 1 {
		t.Fatalf("segments %v, %v; want the last", left, err)
	}
	s.Close()
	s = openSpool(t, dir)
	got, _ := finished(t, s, Position{Segment: s.first})
	if len(got) != 1 || got[0].ID != long.ID || got[0].Outcome != Truncated {
		t.Fatalf("recovered %+v, want the long request", got)
	}
}

// A kill may come at any byte. What was acknowledged before it is there once, what was in flight is truncated, and the
// rest never happened. Killing the recovery itself changes nothing.
func TestSpoolCutAtAnyByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spool")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s, err := OpenSpool(dir, discard, SegmentSize(rapid.Int64Range(200, 3000).Draw(t, "segment size")))
		if err != nil {
			t.Fatal(err)
		}
		steps := act(t, s)
		s.Close()
		cut := cutLast(t, dir)

		want := map[id.Request]Outcome{}
		for _, step := range steps {
			switch {
			case cut.Before(step.end): // lost with the page cache: it never happened
			case step.kind == admittedRecord:
				want[step.id] = Truncated
			default:
				want[step.id] = OK
			}
		}
		for range rapid.IntRange(1, 3).Draw(t, "restarts") {
			s, err = OpenSpool(dir, discard)
			if err != nil {
				t.Fatal(err)
			}
			end, _ := s.tail()
			s.Close()
			if rapid.Bool().Draw(t, "kill the recovery") {
				size := rapid.Int64Range(0, end.Offset).Draw(t, "recovered bytes")
				if err := os.Truncate(filepath.Join(dir, segmentName(end.Segment)), size); err != nil {
					t.Fatal(err)
				}
			}
		}
		if s, err = OpenSpool(dir, discard); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got := map[id.Request]Outcome{}
		events, _ := finished(t, s, Position{})
		for _, e := range events {
			if _, twice := got[e.ID]; twice {
				t.Fatalf("%v is there twice", e.ID)
			}
			got[e.ID] = e.Outcome
		}
		if len(got) != len(want) {
			t.Fatalf("%d requests, want %d", len(got), len(want))
		}
		for request, outcome := range want {
			if got[request] != outcome {
				t.Fatalf("%v ended %q, want %q", request, got[request], outcome)
			}
		}
	})
}

// finished reads every finished event of the spool from a position on.
func finished(t interface{ Fatal(...any) }, s *Spool, from Position) (events []Event, damaged int) {
	r := newReader(s.dir, from)
	defer r.close()
	end, _ := s.tail()
	for {
		rec, ok, err := r.next(end)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return events, r.takeDamaged()
		}
		if kind, e, err := decodeRecord(rec.payload); err == nil && kind == finishedRecord {
			events = append(events, e)
		}
	}
}

// A step is one acknowledged record and the end of the spool behind it.
type step struct {
	kind recordKind
	id   id.Request
	end  Position
}

// act admits and finishes requests at random.
func act(t *rapid.T, s *Spool) []step {
	return actWith(t, s, func() Event {
		e := sampleEvent(time.Now())
		e.Attempts = nil
		return e
	})
}

func actWith(t *rapid.T, s *Spool, request func() Event) (steps []step) {
	var open []Event
	for range rapid.IntRange(1, 40).Draw(t, "records") {
		var e Event
		kind := admittedRecord
		if len(open) > 0 && rapid.Bool().Draw(t, "finish") {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			kind, e = finishedRecord, open[i]
			open = append(open[:i], open[i+1:]...)
		} else {
			e = request()
			open = append(open, e)
		}
		if err := s.append(kind, &e); err != nil {
			t.Fatal(err)
		}
		end, _ := s.tail()
		steps = append(steps, step{kind, e.ID, end})
	}
	return steps
}

// cutLast cuts the last segment at a random byte and tells where.
func cutLast(t *rapid.T, dir string) Position {
	numbers, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	last := numbers[len(numbers)-1]
	path := filepath.Join(dir, segmentName(last))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	size := rapid.Int64Range(0, info.Size()).Draw(t, "cut")
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return Position{Segment: last, Offset: size}
}

func BenchmarkFinish(b *testing.B) {
	for _, name := range []string{"one", "planned", "parallel"} {
		b.Run(name, func(b *testing.B) {
			s := openSpool(b, b.TempDir())
			e := sampleEvent(time.Now())
			if name == "planned" {
				e.Plan = samplePlan()
			}
			b.ReportAllocs()
			if name != "parallel" {
				for b.Loop() {
					if err := s.Finish(e); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Finish(e); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
