package snapshot

import (
	"sort"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// Resolve finds the routes that a requested model name leads to for a key, in this order: a logical model of that name;
// for a name of the form slug/model that provider; then every provider that lists the name as upstream id or alias. The
// model is nil but in the first case. The slice is shared: it must not be changed.
//
// The key's lists of models and providers are walls, and so is a provider's visibility: what is behind one is not found.
// A model whose providers are all disabled fails as Upstream with the code no_provider.
func (s *Snapshot) Resolve(k *Key, name string) ([]Route, *Model, error) {
	if !k.allowsModel(name) {
		return nil, nil, notFound(name)
	}
	if m, ok := s.models[name]; ok {
		routes := k.reachable(m.Routes)
		switch {
		case m.Disabled:
			return nil, nil, notFound(name)
		case len(m.Routes) == 0:
			return nil, nil, fault.New(fault.Upstream, "The model `%.100s` has no provider at the moment.", name).WithCode("no_provider")
		case len(routes) == 0:
			return nil, nil, notFound(name)
		}
		return routes, m, nil
	}
	if routes := s.direct(k, name); len(routes) > 0 {
		return routes, nil, nil
	}
	if routes := k.reachable(s.listed[name]); len(routes) > 0 {
		return routes, nil, nil
	}
	return nil, nil, notFound(name)
}

// ModelsFor lists the names that a key may call, sorted: logical models, and what visible providers list. Names of the
// form slug/model work beside them, and are listed where the key's own list has them.
func (s *Snapshot) ModelsFor(k *Key) []string {
	var names []string
	add := func(name string) {
		if _, _, err := s.Resolve(k, name); err == nil {
			names = append(names, name)
		}
	}
	if len(k.Models) > 0 {
		for name := range k.Models {
			add(name)
		}
	} else {
		for name := range s.models {
			add(name)
		}
		for name := range s.listed {
			if _, shadowed := s.models[name]; !shadowed {
				add(name)
			}
		}
	}
	sort.Strings(names)
	return names
}

// direct is the route of a name of the form slug/model.
func (s *Snapshot) direct(k *Key, name string) []Route {
	slug, rest, ok := strings.Cut(name, "/")
	if !ok || rest == "" {
		return nil
	}
	p, ok := s.bySlug[slug]
	if !ok || !k.reaches(p) {
		return nil
	}
	if m, ok := p.byName[rest]; ok {
		return m.direct // empty where it is disabled
	}
	if p.AcceptAnyModel {
		return []Route{{Provider: p, UpstreamID: rest, Weight: p.Weight}}
	}
	return nil
}

func (k *Key) allowsModel(name string) bool {
	if len(k.Models) == 0 {
		return true
	}
	_, ok := k.Models[name]
	return ok
}

// reaches reports whether neither the key's list nor the provider's visibility stands between them. A shared provider
// is its owner's alone until sharing can be told whom with.
func (k *Key) reaches(p *Provider) bool {
	if len(k.Providers) > 0 {
		if _, ok := k.Providers[p.ID]; !ok {
			return false
		}
	}
	return p.Visibility == "public" || p.OwnerID == k.UserID && p.OwnerID != id.User{}
}

// reachable is routes without those the key does not reach.
func (k *Key) reachable(routes []Route) []Route { return Through(routes, k.reaches) }

// Through is routes without those through providers that are not good: routes itself, which may be shared, where all are.
func Through(routes []Route, good func(*Provider) bool) []Route {
	for i := range routes {
		if good(routes[i].Provider) {
			continue
		}
		kept := append([]Route(nil), routes[:i]...)
		for _, r := range routes[i+1:] {
			if good(r.Provider) {
				kept = append(kept, r)
			}
		}
		return kept
	}
	return routes
}

func notFound(name string) error {
	return fault.New(fault.NotFound, "The model `%.100s` does not exist or you do not have access to it.", name).WithCode("model_not_found")
}
