package views

import (
	"net/http"

	"aihigress/internal/id"
	"aihigress/internal/usage"
)

// names are what the identifiers in logged requests are called now, as far as the viewer may see it.
type names struct {
	Keys      map[id.Key]string
	Providers map[id.Provider]string
}

// namesFor looks the names up, one query a noun.
func (c *console) namesFor(r *http.Request, requests []usage.Request) (names, error) {
	found := names{Keys: map[id.Key]string{}, Providers: map[id.Provider]string{}}
	keyIDs, providerIDs := map[id.Key]bool{}, map[id.Provider]bool{}
	for _, req := range requests {
		keyIDs[req.KeyID] = true
		if req.ProviderID != nil {
			providerIDs[*req.ProviderID] = true
		}
	}
	keys, err := c.Keys.ByIDs(r.Context(), list(keyIDs))
	if err != nil {
		return found, err
	}
	for _, k := range keys {
		found.Keys[k.ID] = k.Name
	}
	providers, err := c.Providers.ByIDs(r.Context(), list(providerIDs))
	if err != nil {
		return found, err
	}
	for _, p := range providers {
		found.Providers[p.ID] = p.Name
	}
	return found, nil
}

func list[T comparable](set map[T]bool) []T {
	out := make([]T, 0, len(set))
	for v := range set {
		out = append(out, v)
	}
	return out
}
