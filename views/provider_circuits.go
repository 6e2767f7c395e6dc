package views

import (
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// providerLive streams what is out of use whenever that changes.
func (c *console) providerLive(w http.ResponseWriter, r *http.Request) error {
	v, err := c.providerView(r)
	if err != nil {
		return err
	}
	follow := func(ctx context.Context) (<-chan health.Change, error) {
		return only(ctx, c.Changes.Subscribe(ctx), v.Provider.ID), nil
	}
	draw := func([]health.Change) templ.Component {
		v.Circuits = c.Health.Ejected(v.Provider.ID)
		return providerCircuits(v)
	}
	return stream(c, w, r, follow, draw)
}

// only is the changes of one provider. It ends with all, which ends with ctx.
func only(ctx context.Context, all <-chan health.Change, of id.Provider) <-chan health.Change {
	own := make(chan health.Change)
	go func() {
		defer close(own)
		for change := range all {
			if change.Place.Provider != of {
				continue
			}
			select {
			case own <- change:
			case <-ctx.Done():
				return
			}
		}
	}()
	return own
}

// keyOf is the key that a circuit is about, if it is one that the viewer sees.
func (v providerView) keyOf(c health.Change) (key provider.Key, ok bool) {
	for _, k := range v.Keys {
		if k.ID == c.Place.Key {
			return k, true
		}
	}
	return key, false
}

// halfOpen reports whether a circuit may be tried.
func halfOpen(c health.Change) bool { return !time.Now().Before(c.Open.Until) }
