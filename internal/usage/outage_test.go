package usage

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/money"
)

// Postgres stops twice while requests come in. They go on, and in the end every one is booked once.
func TestOutageLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	h := houseAt(t, cluster.URL())
	s := openSpool(t, h.dir, SegmentSize(200_000))
	b := h.booker(s)
	running(t, b)

	const perPhase = 2000
	var written atomic.Int64
	write := func() {
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for range perPhase / 4 {
					e := h.event(time.Now())
					if err := s.Admit(e); err != nil {
						t.Errorf("admit: %v", err)
					}
					if err := s.Finish(e); err != nil {
						t.Errorf("finish: %v", err)
					}
					written.Add(1)
				}
			})
		}
		writers.Wait()
	}
	for range 2 {
		write()
		// Amid a batch, as like as not: the booker is at work on what was just written.
		cluster.Stop()
		write()
		if b.Stats().Booked == written.Load() {
			t.Fatal("booked all while Postgres was stopped")
		}
		cluster.Start()
		write()
	}
	want := written.Load()
	h.heard.until(t, func(heard *heard) bool {
		return heard.charges[h.account] >= money.Amount(want)*sampleCharge
	})
	h.ledgerAgrees(int(want))
	if got := b.Stats(); got != (BookerStats{Booked: want}) {
		t.Errorf("stats %+v", got)
	}
}
