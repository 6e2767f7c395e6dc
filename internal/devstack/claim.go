package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"aihigress/internal/devstack/flock"
)

// claimTimeout is how long a start waits for the previous child of the same
// folder to end. A Postgres that flushes a busy hour on a slow disk needs a while.
const claimTimeout = time.Minute

// claim holds a folder for one process and its child, by two file locks.
//
// The owner's lock is ours alone: when it is taken, another aihigress runs here
// and there is nothing to wait for. The tenant's lock is inherited by the
// child, and by the child's own children, and so stays taken until the last of
// them has ended, even when their owner was killed. It needs no process id, and
// so cannot mistake a stranger for one of them.
type claim struct {
	owner  *os.File
	tenant *os.File // given to the child as an extra file
}

// claimDir takes the folder or says who has it. While an abandoned child still
// runs there, evict is called once to hasten its end.
func claimDir(ctx context.Context, dir string, evict func()) (_ *claim, err error) {
	owner, err := flock.Open(filepath.Join(dir, "owner.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot lock the folder %s: %w", dir, reason(err))
	}
	defer func() {
		if err != nil {
			owner.Close()
		}
	}()
	if err := flock.Try(owner); errors.Is(err, flock.ErrHeld) {
		return nil, fmt.Errorf("the folder %s is %w by process %s", dir, ErrInUse, readPID(owner))
	} else if err != nil {
		return nil, fmt.Errorf("cannot lock the folder %s: %w", dir, err)
	}
	if err := writePID(owner); err != nil {
		return nil, fmt.Errorf("cannot write to the folder %s: %w", dir, reason(err))
	}

	tenant, err := flock.Open(filepath.Join(dir, "tenant.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot lock the folder %s: %w", dir, reason(err))
	}
	defer func() {
		if err != nil {
			tenant.Close()
		}
	}()
	if errors.Is(flock.Try(tenant), flock.ErrHeld) {
		evict()
	}
	waitCtx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	if err := flock.Wait(waitCtx, tenant); err != nil {
		return nil, fmt.Errorf("wait for the previous process in %s to end: %w", dir, err)
	}
	return &claim{owner: owner, tenant: tenant}, nil
}

// release gives the folder back. Closing does it, not unlocking: the child's
// copy of the tenant's lock must outlive ours.
func (c *claim) release() {
	c.tenant.Close()
	c.owner.Close()
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// readPID returns the process id that the lock's holder wrote: for people only.
func readPID(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 20))
	if err != nil || len(text) == 0 {
		return "unknown"
	}
	return string(text)
}
