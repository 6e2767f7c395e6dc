package keypool

import (
	"context"
	"time"

	"aihigress/internal/event"
)

const (
	topic = "keypool.said"

	tellEvery = time.Second
	// maxNews is how much is told at once: the rest waits for the next second.
	maxNews = 500
)

// news is what a node heard, on its way to others, whose clocks may differ: times are relative.
type news struct {
	Node string
	Said []saying
}

type saying struct {
	Place  place
	Limits [dimensions]figure
}

type figure struct {
	Limit float64       `json:",omitzero"`
	Left  float64       `json:",omitzero"`
	Full  time.Duration `json:",omitzero"` // until then
}

// Run exchanges with other nodes what vendors say, until ctx ends; then it returns nil.
func (p *Pool) Run(ctx context.Context) error {
	if p.bus == nil {
		<-ctx.Done()
		return nil
	}
	heard := event.Subscribe[news](ctx, p.bus, topic)
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if fresh := p.fresh(); len(fresh) > 0 {
				p.bus.Publish(ctx, topic, news{p.node, fresh})
			}
		case n, ok := <-heard:
			if !ok {
				return nil
			}
			if n.Node != p.node {
				p.adopt(n.Said)
			}
		}
	}
}

// fresh takes what other nodes were not told.
func (p *Pool) fresh() []saying {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	var all []saying
	for at := range p.news {
		if len(all) == maxNews {
			break
		}
		said := saying{Place: at}
		for i, b := range p.said[at].buckets {
			if b.limit > 0 {
				said.Limits[i] = figure{b.limit, b.now(now), max(b.full.Sub(now), 0)}
			}
		}
		all = append(all, said)
		delete(p.news, at)
	}
	return all
}

// adopt takes in what another node heard.
func (p *Pool) adopt(all []saying) {
	now := p.clock()
	for _, said := range all[:min(len(all), maxNews)] {
		p.note(said.Place, said.read(now), false)
	}
}

// read is a saying by this node's clock. It is held to the same bounds as a vendor's header.
func (s *saying) read(now time.Time) (r said) {
	for i, f := range s.Limits {
		if f.Limit >= 1 && f.Limit <= maxAmount {
			r.buckets[i] = bucket{f.Limit, min(max(f.Left, 0), f.Limit), now, now.Add(min(max(f.Full, 0), maxReset))}
		}
	}
	return r
}
