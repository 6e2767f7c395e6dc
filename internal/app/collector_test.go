package app

import "testing"

func TestGarbagePercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 400, 10 << 20: 400, 16 << 20: 300, 48 << 20: 100, 1 << 34: 100} {
		if got := garbagePercent(live); got != want {
			t.Errorf("with %d bytes in use %d %%, want %d %%", live, got, want)
		}
	}
}
