package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// crowd is the load whose peak of memory is asked for. It comes before all others, to a node that has done nothing yet.
var crowd = load{name: "128 at once, 150 KB both ways", model: modelLarge, concurrency: 128, padding: largeBody}

const (
	// settled is how long a node has nothing to do before it counts as idle: it gives memory back after ten seconds of that.
	settled = 12 * time.Second
	// backWithin is how long it may take to come back from the crowd.
	backWithin = time.Minute
)

// A footprint is a resident set in MiB: all of it, and the part that is not the program's own file.
type footprint struct{ all, own float64 }

func (p *process) footprint() (f footprint, err error) {
	if f.all, err = p.memory("VmRSS"); err != nil {
		return f, err
	}
	f.own, err = p.memory("RssAnon")
	return f, err
}

// A course is what the crowd does to the gateway's memory.
type course struct {
	proxy, gateway tally
	idle, after    footprint     // before it, and once the gateway had nothing to do again
	back           time.Duration // from its end until the resident set was under twice the idle one; 0 where it never was
}

// course gives the proxy and the gateway the crowd, and waits for the gateway to be idle before and afterwards. meanwhile runs
// during the first wait.
func (s *stack) course(ctx context.Context, client *http.Client, turnTime time.Duration, meanwhile func() error) (*course, error) {
	c := &course{}
	idle := time.After(settled)
	if err := (turn{crowd, s.proxy, &c.proxy, turnTime}).take(ctx, client, s.key); err != nil {
		return nil, err
	}
	if err := meanwhile(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-idle:
	}
	var err error
	if c.idle, err = s.gateway.footprint(); err != nil {
		return nil, err
	}
	if err := (turn{crowd, s.gateway, &c.gateway, turnTime}).take(ctx, client, s.key); err != nil {
		return nil, err
	}
	ended := time.Now()
	look := time.NewTicker(time.Second / 4)
	defer look.Stop()
	for took := time.Duration(0); took < settled || c.back == 0 && took < backWithin; took = time.Since(ended) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
		if c.after, err = s.gateway.footprint(); err != nil {
			return nil, err
		}
		if c.after.all < 2*c.idle.all && c.back == 0 {
			c.back = time.Since(ended)
		}
	}
	return c, nil
}

func (c *course) report() {
	fmt.Println("\n| the gateway's memory | resident | its own | of the program's file |")
	fmt.Println("|---|---:|---:|---:|")
	row := func(when string, f footprint) {
		fmt.Printf("| %s | **%.1f MiB** | %.1f MiB | %.1f MiB |\n", when, f.all, f.own, f.all-f.own)
	}
	row("idle, before any call", c.idle)
	fmt.Printf("| peak, %s | **%.1f MiB** (bare proxy %.1f MiB) | | |\n", crowd.name, c.gateway.peak, c.proxy.peak)
	row("idle again", c.after)
	if c.back > 0 {
		fmt.Printf("\nUnder twice idle **%.0f s** after the crowd.", c.back.Seconds())
	} else {
		fmt.Printf("\n**Not** under twice idle within %.0f s after the crowd.", backWithin.Seconds())
	}
	fmt.Printf(" %d calls in it, %d broken; %.4g µs of CPU each, **%.2f** times the bare proxy's.\n",
		len(c.gateway.took), c.gateway.broken, c.gateway.cpuEach(), c.gateway.cpuEach()/c.proxy.cpuEach())
}
