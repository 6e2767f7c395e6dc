package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// governed is the load under which the gateway is also measured with its bookkeeping off.
const governed = "64 at once"

// proxyLoads is what each round gives the bare proxy and the gateway.
var proxyLoads = []load{
	{name: "one at a time", model: modelSmall, concurrency: 1, padding: 200},
	{name: "64 at once", model: modelSmall, concurrency: 64, padding: 200},
	{name: "64 at once, 150 KB both ways", model: modelLarge, concurrency: 64, padding: largeBody},
	{name: "32 paced streams", model: modelPaced, concurrency: 32, streamed: true, padding: 200},
	{name: "32 fast streams", model: modelFast, concurrency: 32, streamed: true, padding: 200},
}

// A tally is what all rounds of one load saw of one target.
type tally struct {
	sample
	cpu  time.Duration
	peak float64 // MiB
}

func (t *tally) add(s sample, cpu time.Duration, peak float64) {
	t.took = append(t.took, s.took...)
	t.first = append(t.first, s.first...)
	t.transit = append(t.transit, s.transit...)
	t.broken += s.broken
	t.elapsed += s.elapsed
	t.cpu += cpu
	t.peak = max(t.peak, peak)
}

func (t *tally) perSecond() float64 { return float64(len(t.took)) / t.elapsed.Seconds() }

// cpuEach is microseconds of the target's CPU for one call.
func (t *tally) cpuEach() float64 {
	return float64(t.cpu.Microseconds()) / float64(max(len(t.took), 1))
}

// A turn is one load for one target, some time in every round.
type turn struct {
	load   load
	target *process
	tally  *tally
	time   time.Duration
}

func measure(ctx context.Context, o options) error {
	pairs, err := pairLoads()
	if err != nil {
		return err
	}
	pairs = o.chosen(pairs)
	beside := o.chosen(proxyLoads)
	s, err := newStack(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}}
	alone := o.chosen([]load{crowd})
	if o.profile != "" {
		return s.profile(ctx, client, o.profile, slices.Concat(alone, beside, pairs))
	}
	var events bytes.Buffer
	countEvents := func() error { return reportEvents(ctx, &events) }
	var memory *course
	if len(alone) == 0 {
		err = countEvents()
	} else {
		memory, err = s.course(ctx, client, o.turn, countEvents)
	}
	if err != nil {
		return err
	}
	var turns []turn
	results := map[string][]*tally{}
	for _, l := range beside {
		results[l.name] = []*tally{{}, {}}
		for i, target := range []*process{s.proxy, s.gateway} {
			turns = append(turns, turn{l, target, results[l.name][i], o.turn})
		}
	}
	off := &tally{}
	for _, l := range beside {
		if l.name == governed {
			turns = append(turns, turn{l, s.ungoverned, off, o.turn})
		}
	}
	for _, l := range pairs {
		results[l.name] = []*tally{{}}
		turns = append(turns, turn{l, s.gateway, results[l.name][0], o.pairTurn})
	}
	for _, t := range turns { // open the connections, warm the pools
		t.load.drive(ctx, client, "http://"+t.target.addr, s.key, t.time/4)
	}
	time.Sleep(2 * time.Second) // and have it booked
	books, err := bookkeeping()
	if err != nil {
		return err
	}
	order := rand.New(rand.NewPCG(1, 1)) // changes from round to round, so that none always follows the same one
	for round := range o.rounds {
		order.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, t := range turns {
			if err := t.take(ctx, client, s.key); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	}
	report(beside, results)
	if memory != nil {
		memory.report()
	}
	if on := results[governed]; on != nil {
		fmt.Printf("\nWhat bookkeeping costs, %s: %.4g requests per second and %.4g µs of CPU per call with all of it off, %.4g and %.4g with all of it on: **%.2f** of the requests.\n",
			governed, off.perSecond(), off.cpuEach(), on[1].perSecond(), on[1].cpuEach(), on[1].perSecond()/off.perSecond())
	}
	calls := 0
	for _, of := range results {
		calls += len(of[len(of)-1].took)
	}
	if err := books.report(calls); err != nil {
		return err
	}
	reportPairs(pairs, results)
	_, err = events.WriteTo(os.Stdout)
	return errors.Join(ctx.Err(), err)
}

// stores are the CPU times of Postgres and Redis so far.
type stores struct{ postgres, redis time.Duration }

func bookkeeping() (s stores, err error) {
	if s.postgres, err = childrenCPU("postgres"); err != nil {
		return s, err
	}
	s.redis, err = childrenCPU("redis-server")
	return s, err
}

// report prints what the stores took since then, once all that was called is booked.
func (s stores) report(calls int) error {
	time.Sleep(2 * time.Second)
	now, err := bookkeeping()
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(max(calls, 1)) }
	fmt.Printf("\nOf all %d calls through the gateway, each took Postgres %.3g µs of CPU and Redis %.3g.\n", calls, each(now.postgres-s.postgres), each(now.redis-s.redis))
	return nil
}

// profile writes a CPU profile of the gateway under each load.
func (s *stack) profile(ctx context.Context, client *http.Client, dir string, loads []load) error {
	for i, l := range loads {
		l.drive(ctx, client, "http://"+s.gateway.addr, s.key, time.Second)
		name := filepath.Join(dir, fmt.Sprintf("%02d-%s", i, strings.ReplaceAll(l.name, " ", "-")))
		var work errgroup.Group
		work.Go(func() error { l.drive(ctx, client, "http://"+s.gateway.addr, s.key, 5*time.Second); return nil })
		work.Go(func() error { return s.fetch(ctx, "profile?seconds=4", name+".pprof") })
		work.Go(func() error { return s.fetch(ctx, "allocs?seconds=4", name+".allocs.pprof") })
		if err := work.Wait(); err != nil {
			return fmt.Errorf("profile of %s: %w", l.name, err)
		}
	}
	return nil
}

// fetch writes one of the gateway's profiles to a file.
func (s *stack) fetch(ctx context.Context, profile, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/debug/pprof/"+profile, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}

func (t turn) take(ctx context.Context, client *http.Client, key string) error {
	if err := t.target.resetPeak(); err != nil {
		return err
	}
	before, err := t.target.cpu()
	if err != nil {
		return err
	}
	s := t.load.drive(ctx, client, "http://"+t.target.addr, key, t.time)
	after, err := t.target.cpu()
	if err != nil {
		return err
	}
	peak, err := t.target.memory("VmHWM")
	t.tally.add(s, after-before, peak)
	if s.firstFail != nil {
		fmt.Fprintf(os.Stderr, "%s through the %s: first failure: %v\n", t.load.name, t.target.name, s.firstFail)
	}
	return err
}

// report prints the table.
func report(loads []load, results map[string][]*tally) {
	fmt.Printf("%s/%s, %d CPUs shared by load, mock and target, %s.\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	fmt.Println("| load | measure | bare proxy | gateway | gateway / proxy |")
	fmt.Println("|---|---|---:|---:|---:|")
	row := func(load, measure, unit string, proxy, gateway float64) {
		fmt.Printf("| %s | %s | %.4g %s | %.4g %s | **%.2f** |\n", load, measure, proxy, unit, gateway, unit, gateway/proxy)
	}
	for _, l := range loads {
		p, g := results[l.name][0], results[l.name][1]
		if l.concurrency > 1 && !l.streamed {
			row(l.name, "requests per second", "/s", p.perSecond(), g.perSecond())
		}
		row(l.name, "CPU per call", "µs", p.cpuEach(), g.cpuEach())
		if l.concurrency == 1 {
			row(l.name, "p50", "µs", micros(p.took, 50), micros(g.took, 50))
			row(l.name, "p99", "µs", micros(p.took, 99), micros(g.took, 99))
		}
		if l.streamed {
			row(l.name, "time to first event, p50", "µs", micros(p.first, 50), micros(g.first, 50))
		}
		if l.model == modelPaced {
			row(l.name, "transit of an event, p50", "µs", micros(p.transit, 50), micros(g.transit, 50))
			row(l.name, "transit of an event, p99", "µs", micros(p.transit, 99), micros(g.transit, 99))
		}
		if l.padding == largeBody {
			row(l.name, "peak RSS", "MiB", p.peak, g.peak)
		}
		row(l.name, "calls", "", float64(len(p.took)), float64(len(g.took)))
		fmt.Printf("| %s | broken calls | %d | %d | |\n", l.name, p.broken, g.broken)
	}
	if len(loads) > 0 && loads[0].concurrency == 1 {
		p, g := results[loads[0].name][0], results[loads[0].name][1]
		fmt.Printf("\nAdded at concurrency 1: p50 %.0f µs, p99 %.0f µs.\n", micros(g.took, 50)-micros(p.took, 50), micros(g.took, 99)-micros(p.took, 99))
	}
}

// micros is a percentile in microseconds.
func micros(all []time.Duration, percent int) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[min(len(sorted)-1, len(sorted)*percent/100)].Nanoseconds()) / 1000
}
