package views

import (
	"context"

	"aihigress/internal/id"
	"aihigress/internal/usage"
)

// names are what the identifiers in logged requests are called, as far as the viewer may see it. What was looked for and
// not found is there with an empty name.
type names struct {
	Keys      map[id.Key]string
	Providers map[id.Provider]string
}

// namesFor looks up the names of what the requests refer to.
func (c *console) namesFor(ctx context.Context, requests []usage.Request) (names, error) {
	n := names{}
	err := c.addNames(ctx, &n, requests)
	return n, err
}

// addNames looks up the names that are not known yet, by at most one query a noun.
func (c *console) addNames(ctx context.Context, n *names, requests []usage.Request) error {
	if n.Keys == nil {
		n.Keys, n.Providers = map[id.Key]string{}, map[id.Provider]string{}
	}
	var keyIDs []id.Key
	var providerIDs []id.Provider
	for _, req := range requests {
		if _, ok := n.Keys[req.KeyID]; !ok {
			n.Keys[req.KeyID] = ""
			keyIDs = append(keyIDs, req.KeyID)
		}
		if req.ProviderID == nil {
			continue
		}
		if _, ok := n.Providers[*req.ProviderID]; !ok {
			n.Providers[*req.ProviderID] = ""
			providerIDs = append(providerIDs, *req.ProviderID)
		}
	}
	if len(keyIDs) > 0 {
		keys, err := c.Keys.ByIDs(ctx, keyIDs)
		if err != nil {
			return err
		}
		for _, k := range keys {
			n.Keys[k.ID] = k.Name
		}
	}
	if len(providerIDs) > 0 {
		providers, err := c.Providers.ByIDs(ctx, providerIDs)
		if err != nil {
			return err
		}
		for _, p := range providers {
			n.Providers[p.ID] = p.Name
		}
	}
	return nil
}
