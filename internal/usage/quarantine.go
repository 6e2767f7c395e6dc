package usage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// quarantineName is the file beside the segments that keeps what cannot be booked, in the segments' own format. It is
// read by nobody but people, and never removed.
const quarantineName = "quarantine"

// quarantine puts a record aside, so that one that cannot be booked does not hold up the rest, and money is not forgotten
// either. It reaches the disk before the cursor passes it.
func (b *Booker) quarantine(payload []byte, cause error) (err error) {
	path := filepath.Join(b.Spool.dir, quarantineName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("put a record aside: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	frame := append(beginFrame(nil), payload...)
	endFrame(frame)
	if _, err := f.Write(frame); err != nil {
		return fmt.Errorf("put a record aside: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("put a record aside: %w", err)
	}
	b.stats.quarantined.Add(1)
	_, request, _ := recordKey(payload)
	b.Log.Error("a request cannot be booked and was put aside", "request", request, "file", path, "error", cause)
	return nil
}
