package snapshot

// Revoked is how many revoked sessions the snapshot remembers.
func (s *Snapshot) Revoked() int { return len(s.revoked) }
