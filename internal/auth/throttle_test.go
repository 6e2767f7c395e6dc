package auth

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aihigress/internal/fault"
)

// Over any stretch of time no more get through than the burst and one for each time that has passed; and who waits as
// long as they were told gets through.
func TestThrottleKeepsItsPromise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		th := &throttle{
			burst: rapid.IntRange(1, 20).Draw(r, "burst"),
			every: time.Duration(rapid.IntRange(1, 60).Draw(r, "every")) * time.Second,
			max:   100,
		}
		now := time.Unix(1_800_000_000, 0)
		var passed []time.Time
		for range rapid.IntRange(1, 200).Draw(r, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(r, "pause")) * time.Millisecond)
			wait := th.take(1, now)
			if wait > 0 {
				if again := th.take(1, now.Add(wait-1)); again != 1 {
					r.Fatalf("too early by a nanosecond: wait %v", again)
				}
				now = now.Add(wait)
				if wait = th.take(1, now); wait > 0 {
					r.Fatalf("after the wait: %v more", wait)
				}
			}
			passed = append(passed, now)
			for i, since := range passed {
				if most := th.burst + int(now.Sub(since)/th.every); len(passed)-i > most {
					r.Fatalf("%d in %v, at most %d", len(passed)-i, now.Sub(since), most)
				}
			}
		}
	})
}

func TestThrottleGivesBack(t *testing.T) {
	t.Parallel()
	th := &throttle{burst: 2, every: time.Minute, max: 10}
	now := time.Unix(1_800_000_000, 0)
	for range 100 {
		if wait := th.take(1, now); wait > 0 {
			t.Fatalf("wait %v", wait)
		}
		th.giveBack(1)
	}
	th.giveBack(2) // never taken
	for i, want := range []time.Duration{0, 0, time.Minute} {
		for _, key := range []uint64{1, 2} {
			if wait := th.take(key, now); wait != want {
				t.Errorf("key %d, attempt %d: wait %v, want %v", key, i, wait, want)
			}
		}
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	t.Parallel()
	th := &throttle{burst: 1, every: time.Hour, max: 10}
	now := time.Unix(1_800_000_000, 0)
	th.take(0, now)
	for key := range uint64(10) { // as many as are promised to be remembered
		th.take(key, now)
	}
	if wait := th.take(0, now); wait == 0 {
		t.Error("forgotten too early")
	}
	for key := range uint64(1000) {
		th.take(key, now)
		if n := len(th.recent) + len(th.older); n > 20 {
			t.Fatalf("%d keys", n)
		}
	}
}

func TestAttemptsAreCountedByAddressToo(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		ips     func(i int) string
		limited bool
	}{
		"one IPv4":     {func(int) string { return "192.0.2.1" }, true},
		"mapped":       {func(i int) string { return []string{"192.0.2.1", "::ffff:192.0.2.1"}[i%2] }, true},
		"one /64":      {func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) }, true},
		"many /64":     {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i+1) }, false},
		"many IPv4":    {func(i int) string { return fmt.Sprintf("192.0.2.%d", i+1) }, false},
		"unknown":      {func(int) string { return "" }, false},
		"no address":   {func(int) string { return "invalid IP" }, false},
		"link's zones": {func(i int) string { return fmt.Sprintf("fe80::1%%eth%d", i) }, true},
	} {
		a := newAttempts()
		var err error
		for i := range 31 {
			if _, err = a.begin(fmt.Sprintf("user%d@example.com", i), c.ips(i), now); err != nil && i < 30 {
				t.Fatalf("%s: attempt %d: %v", name, i, err)
			}
		}
		if limited := errors.Is(err, fault.Limited); limited != c.limited {
			t.Errorf("%s: limited %v, want %v", name, limited, c.limited)
		}
	}
}

// Who is refused for their address must not use up somebody's e-mail.
func TestARefusalByAddressIsNotCountedAgainstTheEmail(t *testing.T) {
	t.Parallel()
	a, now := newAttempts(), time.Unix(1_800_000_000, 0)
	for i := range 30 {
		if _, err := a.begin(fmt.Sprintf("user%d@example.com", i), "192.0.2.1", now); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if _, err := a.begin(email, "192.0.2.1", now); !errors.Is(err, fault.Limited) {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		if _, err := a.begin(email, "198.51.100.1", now); err != nil {
			t.Fatalf("attempt %d from elsewhere: %v", i, err)
		}
	}
}
