package limit

import "time"

// Wait has the limiter wait for Redis on a machine that is busy with other tests.
func (l *Limiter) Wait(limit time.Duration) *Limiter {
	l.wait = limit
	return l
}
