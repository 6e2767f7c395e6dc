package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"aihigress/internal/devstack"
	"aihigress/internal/devstack/flock"
	"aihigress/migrations"
)

const (
	// templateDB is the migrated database that every test's is copied from.
	templateDB = "migrated"
	// recipe changes when clusters are to be prepared in another way.
	recipe = "1"
	// wantFree is how much memory-backed space must be free for a cluster to go
	// there, in bytes: several packages' clusters, at some 100 MB each.
	wantFree = 512 << 20
	// keep is how many prepared clusters stay in the cache: branches and
	// versions of Postgres take turns.
	keep = 6
)

// cluster is a copy of the prepared one in a folder of its own.
type cluster struct {
	dir      string   // removed in the end
	alive    *os.File // lock that tells others that dir is in use
	binaries devstack.Binaries
	postgres *devstack.Postgres
	running  bool
}

// newCluster returns a running cluster with the migrated database in it.
func newCluster() (_ *cluster, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	binaries, err := devstack.FindPostgres(ctx, devstack.FindOptions{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	cache := filepath.Join(devstack.DefaultCacheDir(), "pgtest")
	if err := devstack.MakeCacheDir(cache); err != nil {
		return nil, err
	}
	lock, err := flock.Open(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	defer lock.Close()
	if err := flock.Wait(ctx, lock); err != nil {
		return nil, fmt.Errorf("wait for the cache: %w", err)
	}

	c := &cluster{binaries: binaries}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	prepared := filepath.Join(cache, recipe+"-"+binaries.Version+"-"+migrations.Hash())
	if _, err := os.Stat(prepared); errors.Is(err, fs.ErrNotExist) {
		if err := c.prepare(ctx, prepared); err != nil {
			return nil, fmt.Errorf("prepare a migrated cluster: %w", err)
		}
	} else if err := copyPrepared(prepared, c.dir, lock); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		return nil, err
	}
	return c, nil
}

// copyPrepared copies the prepared cluster to dir. It is first marked as used, so
// that nobody prunes it and the cache's lock can be given up for the copy.
func copyPrepared(prepared, dir string, lock *os.File) error {
	now := time.Now()
	if err := os.Chtimes(prepared, now, now); err != nil {
		return fmt.Errorf("mark the prepared cluster: %w", err)
	}
	lock.Close()
	return devstack.CopyCluster(prepared, dir)
}

// makeDir makes the cluster's folder, and removes those of killed tests. The
// caller holds the cache's lock, so that no folder is seen before its own lock.
func (c *cluster) makeDir() error {
	base := os.TempDir()
	if free("/dev/shm") >= wantFree {
		base = "/dev/shm"
	}
	prefix := fmt.Sprintf("aihigress-pgtest-%d-", os.Geteuid())
	stale, err := filepath.Glob(filepath.Join(base, prefix+"*"))
	if err != nil {
		return fmt.Errorf("list old clusters: %w", err)
	}
	for _, dir := range stale {
		removeUnused(dir)
	}
	if c.dir, err = os.MkdirTemp(base, prefix+"*"); err != nil {
		return fmt.Errorf("folder of the cluster: %w", err)
	}
	if err := os.Chmod(c.dir, 0o711); err != nil { // the account that Postgres runs as passes
		return fmt.Errorf("folder of the cluster: %w", err)
	}
	if c.alive, err = flock.Open(filepath.Join(c.dir, aliveLock)); err != nil {
		return fmt.Errorf("folder of the cluster: %w", err)
	}
	return flock.Try(c.alive)
}

const aliveLock = "alive.lock"

// removeUnused removes a cluster's folder unless a process holds its lock. What
// cannot be removed, or not now, is left to a later run.
func removeUnused(dir string) {
	lock, err := flock.Open(filepath.Join(dir, aliveLock))
	if err != nil {
		return
	}
	defer lock.Close()
	if flock.Try(lock) == nil {
		os.RemoveAll(dir)
	}
}

// free returns the free space in a folder in bytes; 0 where there is none or it
// cannot be written.
func free(dir string) uint64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0
	}
	const writable = 2 // W_OK
	if err := syscall.Access(dir, writable); err != nil {
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize)
}

// prepare makes a cluster with the migrated database and keeps a copy of it.
func (c *cluster) prepare(ctx context.Context, prepared string) error {
	if err := c.start(); err != nil {
		return err
	}
	if err := c.postgres.EnsureDatabase(ctx, templateDB); err != nil {
		return err
	}
	if err := migrations.Up(ctx, c.postgres.URL(templateDB)); err != nil {
		return err
	}
	if err := c.stop(); err != nil {
		return err
	}
	fresh := prepared + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := devstack.CopyCluster(c.dir, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, prepared); err != nil {
		return err
	}
	return prune(filepath.Dir(prepared))
}

// prune removes all but the newest prepared clusters. One used within the hour
// stays too: somebody may be copying it.
func prune(cache string) error {
	dirs, err := filepath.Glob(filepath.Join(cache, "*-*-*"))
	if err != nil {
		return err
	}
	used := make(map[string]time.Time, len(dirs))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		used[dir] = info.ModTime()
	}
	slices.SortFunc(dirs, func(a, b string) int { return used[b].Compare(used[a]) })
	for i, dir := range dirs {
		if i >= keep && time.Since(used[dir]) > time.Hour {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *cluster) start() error {
	if c.running {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{
		Binaries: c.binaries,
		Dir:      c.dir,
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	c.postgres, c.running = postgres, true
	return nil
}

func (c *cluster) stop() error {
	if !c.running {
		return nil
	}
	c.running = false
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return c.postgres.Stop(ctx)
}

// close stops the cluster and removes it.
func (c *cluster) close() error {
	err := c.stop()
	if c.dir != "" {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	if c.alive != nil {
		err = errors.Join(err, c.alive.Close())
	}
	return err
}
