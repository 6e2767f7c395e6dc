package snapshot

import "time"

// Revoked is how many revoked sessions the snapshot remembers.
func (s *Snapshot) Revoked() int { return len(s.revoked) }

// ReloadEvery makes the store read everything that often.
func (s *Store) ReloadEvery(d time.Duration) { s.reloadEvery = d }
