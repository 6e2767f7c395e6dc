package proxy

import (
	"time"

	"aihigress/internal/snapshot"
)

// Pace is pace, for its test.
type Pace struct{ pace }

// NewPace is the pace of a node that has made no call.
func NewPace() *Pace { return &Pace{} }

// Take is take.
func (p *Pace) Take(key *snapshot.ProviderKey, now time.Time) time.Duration { return p.take(key, now) }

// LimitHeader is limitHeader, for its test.
var LimitHeader = limitHeader
