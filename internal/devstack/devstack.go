// Package devstack runs a private Postgres cluster and a private Redis for
// `aihigress dev` and for tests.
//
// Both are children of this process that listen on a Unix socket in a private
// folder, so that they collide with nothing and nobody else reaches them. They
// end with their parent, however it ends: on a stop because Stop waits for
// them, on Ctrl-C because they stand in a process group of their own and are
// stopped in order, and on a crash or kill -9 because the kernel signals them
// (Linux only; elsewhere the next start in the same folder stops the survivor
// before it begins).
package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// ErrInUse says that another running process holds the folder.
var ErrInUse = errors.New("already in use")

// DefaultDataDir returns where `dev` keeps its state unless told otherwise:
// /var/lib/aihigress-dev for root, whose home is closed to the account that
// Postgres must run as; for anybody else $XDG_STATE_HOME/aihigress-dev, with
// ~/.local/state (on macOS ~/Library/Application Support) in its absence. An
// account without a home gets a folder of its own under the temporary one.
// Nothing is created.
func DefaultDataDir() string {
	const name = "aihigress-dev"
	if os.Geteuid() == 0 {
		return filepath.Join("/var/lib", name)
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, name)
	}
	home, err := os.UserHomeDir()
	if err == nil {
		_, err = os.Stat(home)
	}
	if err != nil {
		return filepath.Join(os.TempDir(), name+"-"+strconv.Itoa(os.Geteuid()))
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", name)
	}
	return filepath.Join(home, ".local", "state", name)
}

// DefaultCacheDir returns where downloaded binaries and prepared test clusters
// are kept. Losing it costs time, never data. Nothing is created.
func DefaultCacheDir() string {
	const name = "aihigress"
	if os.Geteuid() == 0 {
		// Not below /root: binaries must be within reach of the account that Postgres runs as.
		return filepath.Join("/var/cache", name)
	}
	dir, err := os.UserCacheDir()
	if err == nil {
		_, err = os.Stat(filepath.Dir(dir))
	}
	if err != nil {
		return filepath.Join(os.TempDir(), name+"-cache-"+strconv.Itoa(os.Geteuid()))
	}
	return filepath.Join(dir, name)
}

// MakeDir makes a private folder and what is missing above it, and checks that
// this process may write there. A folder that exists keeps its mode. A new one
// is 0700, for root 0711, so that the account Postgres runs as can pass through
// it: what a file in it hides must be hidden by the mode of that file.
func MakeDir(dir string) error {
	if err := mkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("cannot create the folder %s: %w", dir, reason(err))
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("cannot write to the folder %s: %w", dir, reason(err))
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// MakeCacheDir makes a folder for things that are trusted when they are found
// again, and refuses one that another user could have put them in. Root's is
// 0755, since it may hold programs for another account.
func MakeCacheDir(dir string) error {
	if err := mkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot create the folder %s: %w", dir, reason(err))
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("the folder %s must belong to user %d and be writable to nobody else", dir, os.Geteuid())
	}
	return nil
}

// mkdirAll is os.MkdirAll but for the modes of what it makes: 0700 for a plain
// user; for root rootMode, below folders of 0755, whatever the umask is.
func mkdirAll(dir string, rootMode fs.FileMode) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return errors.New("there is a file of that name")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := mkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = rootMode
	}
	if err := os.Mkdir(dir, mode); errors.Is(err, fs.ErrExist) {
		return nil // another process was quicker
	} else if err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// reason strips the call and the path from a file error: the sentence around it
// names the folder already.
func reason(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
