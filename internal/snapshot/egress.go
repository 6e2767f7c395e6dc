package snapshot

import (
	"strings"

	"aihigress/db"
	"aihigress/internal/id"
	"aihigress/internal/secret"
)

// An EgressPool is a set of proxies that calls of providers leave through.
type EgressPool struct {
	ID          id.EgressPool
	Choice      string // "random", "round_robin" or "sticky"
	AllowDirect bool   // where no proxy works, calls go out without one
	Allow       string // hosts and ranges where its proxies may be besides public ones, joined by commas
	Proxies     []EgressProxy
}

// An EgressProxy is one proxy of a pool.
type EgressProxy struct {
	ID      id.EgressProxy
	URL     secret.Text // with its credentials
	Failing bool        // the last check failed: others go first
}

// EgressPool finds a pool.
func (s *Snapshot) EgressPool(pool id.EgressPool) (*EgressPool, bool) {
	p, ok := s.egress[pool]
	return p, ok
}

// egress makes the pools of their rows.
func (l *loader) egress(pools []db.EgressPool, proxies []db.SnapshotEgressProxiesRow) map[id.EgressPool]*EgressPool {
	made := make(map[id.EgressPool]*EgressPool, len(pools))
	for _, row := range pools {
		made[row.ID] = &EgressPool{ID: row.ID, Choice: row.Choice, AllowDirect: row.AllowDirect, Allow: strings.Join(row.AllowHosts, ",")}
	}
	for _, row := range proxies {
		url, err := l.keyring.Open(row.UrlSealed, row.UrlKeyID, "egress_proxies/"+row.ID.String()) // egress.ProxyPlace
		if err != nil {
			l.problem("egress proxy %s is left out: %v", row.ID, err)
			continue
		}
		if pool := made[row.PoolID]; pool != nil {
			pool.Proxies = append(pool.Proxies, EgressProxy{ID: row.ID, URL: url, Failing: !row.Healthy})
		}
	}
	return made
}

// leaves gives a provider what its calls leave through. Without its pool it is left out: nothing may go out another way.
func (l *loader) leaves(p *Provider, row db.Provider, pools map[id.EgressPool]*EgressPool) bool {
	p.Allow, p.CACertificate = strings.Join(row.AllowHosts, ","), row.CaCertificate
	if row.EgressPoolID == nil {
		return true
	}
	if p.Egress = pools[*row.EgressPoolID]; p.Egress == nil {
		l.problem("provider %s is left out: its egress pool is not there", row.Slug)
	}
	return p.Egress != nil
}
