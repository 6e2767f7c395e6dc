package web

import (
	"context"
	"net/netip"
)

// A frame is all that Wrap puts around a request, and its context: one allocation, since every call has one.
type frame struct {
	context.Context
	event    event
	recorder recorder
	client   netip.Addr
}

type frameKey struct{}

// Value implements context.Context.
func (f *frame) Value(key any) any {
	if key == (frameKey{}) {
		return f
	}
	return f.Context.Value(key)
}

// frameOf is the frame that a context is of; nil where there is none.
func frameOf(ctx context.Context) *frame {
	f, _ := ctx.Value(frameKey{}).(*frame)
	return f
}
