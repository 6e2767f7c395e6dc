// Package flock locks files between processes (flock(2)). A lock lasts until
// every copy of the opened file is closed, those that child processes inherited
// included, or the processes have ended.
package flock

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrHeld says that somebody else has the lock.
var ErrHeld error = syscall.EWOULDBLOCK

// Open opens the file to lock and creates it when missing, 0600. It follows no
// link.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// Try takes the lock or returns ErrHeld at once.
func Try(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Wait takes the lock, or gives up when ctx ends. It polls, some 50 times a
// second, since a blocking flock cannot be given up.
func Wait(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := Try(f)
		if !errors.Is(err, ErrHeld) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
