package snapshot

import (
	"slices"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// Resolve finds the routes that a requested model name leads to for a key. The first of these that knows the name decides:
//
//   - an alias of the key's user for this very name,
//   - a logical model of this name,
//   - a shared alias for this very name,
//   - for a name of the form slug/model that provider,
//   - the alias of the key's user, then the shared one, whose pattern has the longest literal part,
//   - every provider that lists the name as upstream id or alias,
//   - the alias of the key's user, then the shared one, for *.
//
// The target of an alias is looked up among models and providers alone, so that no alias leads to another. The model is
// nil where the routes are not a logical model's. The slice is shared: it must not be changed.
//
// The key's lists of models and providers are walls, and so is a provider's visibility: what is behind one is not found.
// Of an alias the list of models must have the target, or the name where the alias is shared: users make no way around the
// lists of their keys. A model whose providers are all disabled fails as Upstream with the code no_provider.
func (s *Snapshot) Resolve(k *Key, name string) ([]Route, *Model, error) {
	target, allowed := s.target(k, name)
	if !allowed {
		return nil, nil, notFound(name)
	}
	if m, ok := s.models[target]; ok {
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
	if routes := s.direct(k, target); len(routes) > 0 {
		return routes, nil, nil
	}
	if routes := k.reachable(s.listed[target]); len(routes) > 0 {
		return routes, nil, nil
	}
	return nil, nil, notFound(name)
}

// Target is the name that a requested one stands for: itself where no alias applies.
func (s *Snapshot) Target(k *Key, name string) string {
	target, _ := s.target(k, name)
	return target
}

// target is Target, and whether the key's list of models allows the way there. The list never changes who decides.
func (s *Snapshot) target(k *Key, name string) (target string, allowed bool) {
	own, shared := s.own[k.UserID], &s.shared
	if to, ok := own.exact[name]; ok {
		return to, k.allowsModel(to)
	}
	allowed = k.allowsModel(name)
	through := func(to string) (string, bool) { return to, allowed || k.allowsModel(to) }
	if _, ok := s.models[name]; ok {
		return name, allowed
	}
	if to, ok := shared.exact[name]; ok {
		return through(to)
	}
	if s.isDirect(k, name) {
		return name, allowed
	}
	if to, ok := own.match(name); ok {
		return to, k.allowsModel(to)
	}
	if to, ok := shared.match(name); ok {
		return through(to)
	}
	if slices.ContainsFunc(s.listed[name], func(r Route) bool { return k.reaches(r.Provider) }) {
		return name, allowed
	}
	if to, ok := own.any(name); ok {
		return to, k.allowsModel(to)
	}
	if to, ok := shared.any(name); ok {
		return through(to)
	}
	return name, allowed
}

// ModelsFor lists the names that a key may call, sorted: logical models, aliases without a *, and what visible providers
// list. Names of the form slug/model and those of a pattern work beside them, and are listed where the key's own list has them.
func (s *Snapshot) ModelsFor(k *Key) []string {
	var names []string
	add := func(name string) {
		if _, _, err := s.Resolve(k, name); err == nil {
			names = append(names, name)
		}
	}
	for name := range s.own[k.UserID].exact {
		add(name)
	}
	for name := range s.shared.exact {
		add(name)
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
			add(name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// direct is the route of a name of the form slug/model.
func (s *Snapshot) direct(k *Key, name string) []Route {
	switch p, rest := s.named(k, name); {
	case p == nil:
		return nil
	case p.byName[rest] != nil:
		return p.byName[rest].direct // empty where it is disabled
	case p.AcceptAnyModel:
		return []Route{{Provider: p, UpstreamID: rest, Weight: p.Weight, Markup: p.Markup}}
	}
	return nil
}

// isDirect reports whether direct would give a route.
func (s *Snapshot) isDirect(k *Key, name string) bool {
	p, rest := s.named(k, name)
	if p == nil {
		return false
	}
	if m := p.byName[rest]; m != nil {
		return !m.Disabled
	}
	return p.AcceptAnyModel
}

// named is the provider and the rest of a name of the form slug/model; nil where the key reaches none of that slug.
func (s *Snapshot) named(k *Key, name string) (p *Provider, rest string) {
	slug, rest, _ := strings.Cut(name, "/")
	if p = s.bySlug[slug]; rest == "" || p == nil || !k.reaches(p) {
		return nil, ""
	}
	return p, rest
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
	return Those(routes, func(r *Route) bool { return good(r.Provider) })
}

// Those is the routes that are good, in their order. The list is not changed, and is the same where all are.
func Those(routes []Route, good func(*Route) bool) []Route {
	for i := range routes {
		if good(&routes[i]) {
			continue
		}
		kept := append([]Route(nil), routes[:i]...)
		for _, r := range routes[i+1:] {
			if good(&r) {
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
