package overload_test

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	"aihigress/internal/overload"
)

// A scale is a meter that shows what it is told.
type scale struct {
	needed, garbage uint64
	collections     int
}

func (s *scale) InUse() uint64 { return s.needed + s.garbage }
func (s *scale) Collect()      { s.garbage = 0; s.collections++ }

func TestMemoryTurnsAwayAndTakesAgain(t *testing.T) {
	t.Parallel()
	now, s := noon, &scale{}
	m := overload.NewMemory(1000, s, slog.New(slog.DiscardHandler), func() time.Time { return now })
	sample := func(needed, garbage uint64, full bool) {
		t.Helper()
		now = now.Add(3 * time.Second)
		s.needed, s.garbage = needed, garbage
		if m.Sample(); m.Full() != full {
			t.Errorf("with %d in use and %d of garbage: full is %t", needed, garbage, m.Full())
		}
	}
	sample(500, 300, false)
	sample(500, 400, false) // above the mark, but what is needed is not
	if s.collections != 1 {
		t.Errorf("%d collections, want 1", s.collections)
	}
	sample(800, 0, false)
	sample(850, 0, true)
	if retry := m.Refuse(); retry != 5*time.Second || m.Refused() != 1 {
		t.Errorf("at once: Retry-After %s", retry)
	}
	sample(950, 0, true)
	sample(800, 0, true) // 150 came free in six seconds, 100 are still to come
	if retry := m.Refuse(); retry != 4*time.Second {
		t.Errorf("while memory comes free: Retry-After %s, want 4s", retry)
	}
	sample(700, 200, true)
	sample(699, 200, false)
	sample(849, 0, false)
	sample(900, 0, true)
}

// Garbage is not collected at every look.
func TestMemoryCollectsNowAndThen(t *testing.T) {
	t.Parallel()
	now, s := noon, &scale{needed: 500}
	m := overload.NewMemory(1000, s, slog.New(slog.DiscardHandler), func() time.Time { return now })
	for range 100 { // ten seconds
		s.garbage = 400
		now = now.Add(100 * time.Millisecond)
		if m.Sample(); m.Full() {
			t.Fatal("garbage is taken for what is needed")
		}
	}
	if s.collections > 6 {
		t.Errorf("%d collections in ten seconds", s.collections)
	}
}

func TestNoMemoryLimit(t *testing.T) {
	t.Parallel()
	var m *overload.Memory
	if m.Full() || m.Refused() != 0 || m.Limit() != 0 || m.Run(t.Context()) != nil {
		t.Error("no limit turns calls away")
	}
}

// The real thing: a limit a little above what the process has in use, and then more than that. It is not parallel, so that no
// other test is weighed.
func TestMemoryOfTheProcess(t *testing.T) { //nolint:paralleltest // see above
	const mib = 1 << 20
	runtime.GC()
	now := noon
	base := overload.Heap{}.InUse()
	limit := (base + 200*mib) * 100 / 85 // the high mark is 200 MiB above what is in use
	m := overload.NewMemory(limit, overload.Heap{}, slog.New(slog.DiscardHandler), func() time.Time { return now })
	look := func() bool {
		now = now.Add(3 * time.Second)
		m.Sample()
		return m.Full()
	}
	if look() {
		t.Fatalf("full with %d of %d in use", base, limit)
	}
	for range 50 {
		_ = make([]byte, 8*mib) // 400 MiB of garbage
		if look() {
			t.Fatal("full of garbage")
		}
	}
	func() {
		ballast := make([]byte, 240*mib)
		if !look() {
			t.Errorf("not full with %d of %d in use", overload.Heap{}.InUse(), limit)
		}
		runtime.KeepAlive(ballast)
	}()
	if look() {
		t.Errorf("still full with %d of %d in use", overload.Heap{}.InUse(), limit)
	}
}
