package usage

import (
	"sync"
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/page"
)

func (h *house) partitionOf(e Event) string {
	h.t.Helper()
	return query[string](h, `SELECT tableoid::regclass::text FROM requests WHERE id = $1`, e.ID)
}

func TestPartitionsAreMadeAheadAndTakeWhatCameBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	yesterday, today, old := h.event(noon.AddDate(0, 0, -1)), h.event(noon), h.event(noon.AddDate(0, 0, -30))
	h.book(yesterday, today, old)
	if got := h.partitionOf(today); got != "requests_default" {
		t.Fatalf("without partitions it is in %s", got)
	}
	r := h.reports()
	var nodes sync.WaitGroup
	for range 4 { // nodes that start at once
		nodes.Go(func() {
			if err := r.ensurePartitions(t.Context(), noon); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	must(t, r.ensurePartitions(t.Context(), noon))
	for want, e := range map[string]Event{
		"requests_20260313": yesterday, "requests_20260314": today, "requests_default": old,
	} {
		if got := h.partitionOf(e); got != want {
			t.Errorf("request of %v is in %s, want %s", e.StartedAt, got, want)
		}
	}
	days, err := r.q.ListRequestPartitions(t.Context(), h.pool)
	must(t, err)
	if len(days) != 9 || !days[8].Equal(time.Date(2026, 3, 21, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("days %v, want yesterday to a week ahead", days)
	}

	// A moved row still meets its own key, and new ones go to their day.
	late := h.event(noon.Add(11 * time.Hour))
	h.book(late, today)
	if got := h.partitionOf(late); got != "requests_20260314" {
		t.Errorf("a new request is in %s", got)
	}
	h.ledgerAgrees(4)
	if got, err := r.Request(job(t.Context()), today.ID); err != nil || got.ID != today.ID {
		t.Errorf("moved request: %v, %v", got.ID, err)
	}
}

// A day's partition may be made while requests of that day are being booked into the default one.
func TestPartitionsAreMadeUnderLoad(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := openSpool(t, h.dir)
	b := h.booker(s)
	booked := 0
	for ahead := range daysAhead {
		r := h.reports()
		var maker sync.WaitGroup
		maker.Go(func() {
			if err := r.ensurePartitions(t.Context(), noon.AddDate(0, 0, ahead)); err != nil {
				t.Error(err)
			}
		})
		for range 30 { // one by one, so that each may meet it
			must(t, s.Finish(h.event(noon.AddDate(0, 0, ahead+daysAhead))), b.Drain(job(t.Context())))
			booked++
		}
		maker.Wait()
	}
	h.ledgerAgrees(booked)
	if got := b.Stats(); got != (BookerStats{Booked: int64(booked)}) {
		t.Errorf("stats %+v", got)
	}
	if got := query[int](h, `SELECT count(*) FROM requests_default`); got != 0 {
		t.Errorf("%d requests were left in the default partition", got)
	}
}

func TestRetentionDropsWholeDays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.reports()
	for _, back := range []int{40, 31, 9} {
		must(t, r.ensurePartitions(t.Context(), noon.AddDate(0, 0, -back)))
	}
	kept := []Event{h.event(noon.AddDate(0, 0, -30)), h.event(noon.AddDate(0, 0, -2))}
	gone := []Event{h.event(noon.AddDate(0, 0, -31)), h.event(noon.AddDate(0, 0, -45))} // of a day, and astray
	h.book(append(kept, gone...)...)
	must(t, r.dropExpired(t.Context(), noon, 30*day), r.dropExpired(t.Context(), noon, 30*day))
	p, err := r.Requests(job(t.Context()), RequestFilter{}, NewestFirst, page.Args{})
	must(t, err)
	left := map[id.Request]bool{}
	for _, item := range p.Items {
		left[item.ID] = true
	}
	if len(left) != 2 || !left[kept[0].ID] || !left[kept[1].ID] {
		t.Errorf("left are %v", left)
	}
	if got := query[int](h, `SELECT count(*) FROM credit_entries`); got != 4 {
		t.Errorf("%d ledger entries, want all 4", got)
	}
	if err := r.DropExpired(job(t.Context()), time.Hour); err == nil {
		t.Error("less than a day would have been kept")
	}
}
