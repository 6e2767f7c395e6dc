package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"aihigress/internal/devstack/flock"
	"aihigress/internal/devstack/pgtest"
)

// binary is the program under test, in a folder that every account may enter.
var binary string

// memory is a folder for data: in memory where there is room, since every dev flushes each commit to its disk, and the
// disk is everybody's.
var memory string

func TestMain(m *testing.M) {
	code, err := build(pgtest.With(m))
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

// build makes the binary and runs the tests with it.
func build(tests pgtest.Runner) (code int, err error) {
	dir, err := os.MkdirTemp("", "aihigress-e2e-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	binary = filepath.Join(dir, "aihigress")
	args := []string{"build", "-o", binary}
	if raceBuild {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "aihigress")...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	alive, err := makeMemory()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(memory), alive.Close()) }()
	return tests.Run(), nil
}

// makeMemory makes the folder, and removes those of runs that were killed: whose lock nobody holds.
func makeMemory() (alive *os.File, err error) {
	base := "/dev/shm"
	if memory, err = os.MkdirTemp(base, memoryPrefix); err != nil {
		base = os.TempDir()
		memory, err = os.MkdirTemp(base, memoryPrefix)
	}
	if err != nil {
		return nil, err
	}
	if alive, err = flock.Open(filepath.Join(memory, aliveLock)); err == nil {
		err = flock.Try(alive)
	}
	if err != nil {
		return nil, err
	}
	old, err := filepath.Glob(filepath.Join(base, memoryPrefix+"*", aliveLock))
	if err != nil {
		return nil, err
	}
	for _, path := range old {
		lock, err := flock.Open(path)
		if err != nil {
			continue // another account's, or removed meanwhile
		}
		if flock.Try(lock) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		lock.Close()
	}
	return alive, nil
}

const (
	memoryPrefix = "aihigress-e2e-data-"
	aliveLock    = "alive.lock"
)

// long reports whether there is time for outages of a minute.
func long() bool { return os.Getenv("AIHIGRESS_TEST_LONG") == "1" }

// scaled is the size of a load: half of n with -short.
func scaled(n int) int {
	if testing.Short() {
		return n / 2
	}
	return n
}

// patience is the time that something promised within d may take here: the race detector makes everything slower by a
// multiple that is no promise of the product's.
func patience(d time.Duration) time.Duration {
	if raceBuild {
		return 4 * d
	}
	return d
}

// eventually asks ok again and again and returns how long it took to be true. The test fails, saying what was waited
// for, when that is longer than within.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return time.Since(begin)
		}
		select {
		case <-end.C:
			t.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}
