package egress

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

const (
	// trialTimeout is how long the check of one proxy takes at most.
	trialTimeout = 15 * time.Second
	// trialsAtOnce is how many proxies of a pool are checked at a time: all of them in two minutes at the very most.
	trialsAtOnce = 32
	// maxTargets is how many providers a proxy is tried with, until it leads to one: one that is away must not speak against
	// the proxies.
	maxTargets = 3
)

// A Trial is what it takes to check a proxy.
type Trial struct {
	Proxy      secret.Text // with its credentials
	AllowHosts []string    // where it may be besides public addresses
	Targets    []Target
}

// A Target is where a proxy should lead to: a provider that uses it. Nothing is sent there but the beginning of TLS.
type Target struct {
	BaseURL       *url.URL
	AllowPrivate  bool
	AllowHosts    []string
	CACertificate string
}

// Check tries all proxies of a pool, each with providers that use it, and stores how it went; it counts those that work. That
// one does not is a result and no error.
func (p *Pools) Check(ctx context.Context, pool id.EgressPool) (healthy int, err error) {
	if _, err := authz.Require(ctx, authz.EgressWrite); err != nil {
		return 0, err
	}
	begin := time.Now()
	row, err := p.q.GetEgressPool(ctx, p.pool, pool)
	if err != nil {
		return 0, fmt.Errorf("get egress pool: %w", db.Classify(err))
	}
	targets, err := p.targets(ctx, pool)
	if err != nil {
		return 0, err
	}
	proxies, err := p.opened(ctx, p.pool, pool)
	if err != nil {
		return 0, err
	}
	results := make([]db.UpsertEgressCheckParams, len(proxies))
	var work errgroup.Group
	work.SetLimit(trialsAtOnce)
	for i, proxy := range proxies {
		work.Go(func() error {
			results[i] = p.try(ctx, proxy, Trial{Proxy: proxy.url, AllowHosts: row.AllowHosts, Targets: targets})
			return nil
		})
	}
	_ = work.Wait()
	if ctx.Err() != nil {
		return 0, fmt.Errorf("check egress pool %s: %w", row.Name, context.Cause(ctx)) // nobody's fault: the next check will tell
	}
	for i, result := range results {
		result.CheckedAt = begin // where two checks overlap, what the later one saw stays, whichever is stored first
		if err := p.q.UpsertEgressCheck(ctx, p.pool, result); err != nil {
			return healthy, fmt.Errorf("store check of egress pool %s: %w", row.Name, db.Classify(err))
		}
		if result.Healthy {
			healthy++
		}
		if was := proxies[i].State; was == provider.Healthy != result.Healthy && (was != provider.Unknown || !result.Healthy) {
			p.log.Info("an egress proxy's health changed", "pool", row.Name, "proxy", proxies[i].Address, "healthy", result.Healthy, "error", result.Error)
		}
	}
	return healthy, nil
}

func (p *Pools) try(ctx context.Context, proxy opened, trial Trial) db.UpsertEgressCheckParams {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	result := db.UpsertEgressCheckParams{ProxyID: proxy.ID}
	if proxy.url.Empty() {
		result.Error = "its address does not open with the master key"
	} else {
		latency, err := p.caller.TryProxy(ctx, trial)
		result.LatencyUs = latency.Microseconds()
		if result.Healthy = err == nil; err != nil {
			result.Error = "no answer"
			if failure, ok := fault.As(err); ok {
				result.Error = failure.Message
			}
		}
	}
	return result
}

// targets are some of the providers that use a pool.
func (p *Pools) targets(ctx context.Context, pool id.EgressPool) ([]Target, error) {
	rows, err := p.q.ProvidersOfEgressPool(ctx, p.pool, db.ProvidersOfEgressPoolParams{PoolID: &pool, RowLimit: maxTargets})
	if err != nil {
		return nil, fmt.Errorf("list providers of egress pool: %w", db.Classify(err))
	}
	targets := make([]Target, 0, len(rows))
	for _, row := range rows {
		base, err := url.Parse(row.BaseUrl)
		if err != nil {
			continue // the snapshot leaves it out, and says so
		}
		targets = append(targets, Target{BaseURL: base, AllowPrivate: row.AllowPrivate, AllowHosts: row.AllowHosts, CACertificate: row.CaCertificate})
	}
	return targets, nil
}
