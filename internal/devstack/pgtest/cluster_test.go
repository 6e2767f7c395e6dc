package pgtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aihigress/internal/devstack/flock"
)

func TestFoldersOfKilledTestsAreRemoved(t *testing.T) {
	// Not parallel: a real cluster's folder must not come in between. The free
	// space decides where both are.
	var live, dead, next cluster
	for _, c := range []*cluster{&live, &dead} {
		if err := c.makeDir(); err != nil {
			t.Fatal(err)
		}
	}
	dead.alive.Close() // as the kernel does for a killed process
	if err := next.makeDir(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*cluster{"live": &live, "next": &next} {
		if _, err := os.Stat(c.dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(dead.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a killed test is left: %v", err)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	lock, err := flock.Open(filepath.Join(cache, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	made := func(name string, age time.Duration) string {
		dir := filepath.Join(cache, "1-15.18-"+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(-age)
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	var stay, gone []string
	for i := range keep - 1 {
		stay = append(stay, made(fmt.Sprint("new", i), time.Minute))
	}
	stay = append(stay, made("sixth", 48*time.Hour))
	gone = append(gone, made("old", 72*time.Hour), made("older", 96*time.Hour))
	if err := prune(cache); err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(stay, lock.Name()) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range gone {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}

	for i := range keep {
		stay = append(stay, made(fmt.Sprint("busy", i), 2*time.Minute))
	}
	if err := prune(cache); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stay[0]); err != nil {
		t.Errorf("one that may be being copied: %v", err)
	}
	if _, err := os.Stat(filepath.Join(cache, "1-15.18-busy0")); err != nil {
		t.Errorf("one that may be being copied: %v", err)
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	if n := free(t.TempDir()); n == 0 {
		t.Error("no space in the temporary folder")
	}
	if n := free("/no/such/folder"); n != 0 {
		t.Errorf("%d bytes free in a folder that is not there", n)
	}
}
