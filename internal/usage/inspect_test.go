package usage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aihigress/internal/fault"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	if _, err := Inspect(t.TempDir(), Position{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is no spool: %v", err)
	}
	dir := t.TempDir()
	s := openSpool(t, dir, SegmentSize(2048))
	old := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	var middle Position
	for i := range 20 {
		e := sampleEvent(old.Add(time.Duration(i) * time.Minute))
		if err := s.Admit(e); err != nil {
			t.Fatal(err)
		}
		if i%4 == 3 {
			continue
		}
		if err := s.Finish(e); err != nil {
			t.Fatal(err)
		}
		if i == 9 {
			middle, _ = s.tail()
		}
	}
	got, err := Inspect(dir, middle)
	if err != nil {
		t.Fatal(err)
	}
	if got.Node != s.Node() || got.Admitted != 20 || got.Finished != 15 || got.Open != 5 || got.Unbooked != 7 || got.Damaged != 0 || got.Quarantined != 0 ||
		got.Segments < 2 || got.Bytes != s.Bytes() || !got.Oldest.Equal(old.Add(10*time.Minute)) {
		t.Errorf("%+v", got)
	}
	first := filepath.Join(dir, segmentName(1))
	raw, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(first, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = Inspect(dir, middle); err != nil || got.Damaged != 1 {
		t.Errorf("%+v %v, want one damaged place", got, err)
	}
}

// A spool that has its limit admits nothing, finishes what it admitted, and takes more once it was booked.
func TestSpoolIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 200 << 10
	dir := t.TempDir()
	s := openSpool(t, dir, SegmentSize(16<<10), MaxBytes(limit))
	var open []Event
	for i := 0; ; i++ {
		e := sampleEvent(time.Now())
		err := s.Admit(e)
		if err != nil {
			if failure, ok := fault.As(err); !ok || failure != ErrFull || failure.Kind != fault.Limited || i < 50 {
				t.Fatalf("after %d requests: %v", i, err)
			}
			break
		}
		if i%10 == 0 {
			open = append(open, e)
		} else if err := s.Finish(e); err != nil {
			t.Fatal(err)
		}
		if i > 10_000 {
			t.Fatal("it has no bound")
		}
	}
	if !s.Full() {
		t.Error("it refuses and does not say that it is full")
	}
	for _, e := range open {
		if err := s.Finish(e); err != nil {
			t.Fatal(err)
		}
	}
	on, err := sizeOf(dir)
	if err != nil || on > limit || on != s.Bytes() {
		t.Errorf("%d bytes on the disk, %d counted: %v", on, s.Bytes(), err)
	}
	if got, damaged := finished(t, s, Position{}); len(got) < 50 || damaged != 0 {
		t.Errorf("%d can be read, %d damaged", len(got), damaged)
	}
	end, _ := s.tail()
	if err := s.release(end.Segment); err != nil {
		t.Fatal(err)
	}
	if on, err := sizeOf(dir); err != nil || on != s.Bytes() {
		t.Errorf("%d bytes on the disk, %d counted: %v", on, s.Bytes(), err)
	}
	if err := s.Admit(sampleEvent(time.Now())); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openSpool(t, dir, MaxBytes(limit))
	if on, err := sizeOf(dir); err != nil || on != again.Bytes() {
		t.Errorf("after a restart %d bytes on the disk, %d counted: %v", on, again.Bytes(), err)
	}
}
