package proxy

import (
	"time"

	"aihigress/internal/upstream"
)

// outgoing is the call of a vendor that an attempt makes.
func (c *call) outgoing(a *attempt) upstream.Call {
	t, w := a.target, a.way
	out := upstream.Call{
		Provider: t.Route.Provider, Key: t.Key, Path: w.address.Path, Query: w.query,
		Header:  c.upstreamHeader(w),
		Body:    w.body,
		Lasting: !w.passes, // it was written for this attempt
		Sending: a.sending,
	}
	if c.upload != nil && w.passes {
		out.Reader, out.Length = c.upload.open(a.ctx, w.route.UpstreamID)
	}
	return out
}

// patience is how long an attempt may take to begin its answer.
func (c *call) patience(a *attempt) time.Duration {
	if a.way.streams && c.upload == nil { // an upload takes its time
		return c.p.o.FirstToken
	}
	return c.p.o.FirstByte
}
