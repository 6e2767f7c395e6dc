package snapshot

import (
	"cmp"
	"slices"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/id"
	"aihigress/internal/pricing"
	"aihigress/internal/quota"
)

// RevokedFor is how long a revoked session is remembered. An access token must not live longer.
const RevokedFor = 15 * time.Minute

// Contents is what a Snapshot is made of.
type Contents struct {
	Keys      []*Key
	Providers []*Provider // the enabled ones
	Aliases   []Alias
	Limits    []quota.Limit
	Egress    map[id.EgressPool]*EgressPool
	Models    []*Model // their routes lead to providers of this very list
	Users     map[id.User]authz.Role
	Revoked   []id.Session
	Problems  []string
}

// New indexes contents, which belong to the snapshot from then on.
func New(c Contents) *Snapshot {
	s := &Snapshot{
		Problems:   c.Problems,
		keysByHash: make(map[[32]byte]*Key, len(c.Keys)),
		keysByID:   make(map[id.Key]*Key, len(c.Keys)),
		models:     make(map[string]*Model, len(c.Models)),
		providers:  make(map[id.Provider]*Provider, len(c.Providers)),
		bySlug:     make(map[string]*Provider, len(c.Providers)),
		egress:     c.Egress,
		listed:     map[string][]Route{},
		prices:     map[string]pricing.Version{},
		users:      c.Users,
		revoked:    make(map[id.Session]struct{}, len(c.Revoked)),
	}
	for _, k := range c.Keys {
		s.keysByHash[k.Hash], s.keysByID[k.ID] = k, k
	}
	for _, p := range c.Providers {
		s.providers[p.ID], s.bySlug[p.Slug] = p, p
		p.index()
		for _, m := range p.Models {
			if !m.Disabled {
				s.priced(&m.direct[0])
			}
		}
		for name, m := range p.byName {
			if !m.Disabled && !m.Missing {
				s.listed[name] = append(s.listed[name], m.direct[0])
			}
		}
	}
	for _, m := range c.Models {
		s.models[m.Name] = m
		m.Routes = slices.DeleteFunc(m.Routes, func(r Route) bool { return r.Upstream != nil && r.Upstream.Disabled })
		slices.SortStableFunc(m.Routes, func(a, b Route) int { return cmp.Compare(a.Priority, b.Priority) })
		for i := range m.Routes {
			s.priced(&m.Routes[i])
		}
	}
	s.shared, s.own = indexAliases(c.Aliases)
	s.bind(c.Limits)
	for _, session := range c.Revoked {
		s.revoked[session] = struct{}{}
	}
	return s
}

// index prepares what slug/model and the listing by name need. An upstream id goes before an alias of the same text, and
// of two equal aliases the one of the lower upstream id counts.
func (p *Provider) index() {
	p.byName = make(map[string]*ProviderModel, len(p.Models))
	var aliased []*ProviderModel
	for name, m := range p.Models {
		p.byName[name] = m
		if m.Alias != "" {
			aliased = append(aliased, m)
		}
		if !m.Disabled {
			m.direct = []Route{{Provider: p, Upstream: m, UpstreamID: m.UpstreamID, Weight: p.Weight, Markup: p.Markup}}
		}
	}
	slices.SortFunc(aliased, func(a, b *ProviderModel) int { return cmp.Compare(a.UpstreamID, b.UpstreamID) })
	for _, m := range aliased {
		if _, taken := p.byName[m.Alias]; !taken {
			p.byName[m.Alias] = m
		}
	}
}
