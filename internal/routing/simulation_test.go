package routing_test

import (
	"bytes"
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

var update = flag.Bool("update", false, "write the simulation into docs/routing.md")

// The run that is simulated: the best of three providers goes bad at minute 5 and is well again at minute 15.
const (
	length     = 25 * time.Minute
	badFrom    = 5 * time.Minute
	badUntil   = 15 * time.Minute
	aSecond    = 2.0 // requests
	seeds      = 8
	step       = 10 * time.Second // of what is measured
	answerSize = 300              // tokens
)

// A vendor is how a simulated provider does.
type vendor struct {
	firstToken time.Duration // at the median; it is drawn from a log-normal
	speed      float64       // tokens per second
	fails      float64       // share of calls
}

var vendors = []vendor{{300 * time.Millisecond, 90, 0.002}, {450 * time.Millisecond, 75, 0.004}, {700 * time.Millisecond, 60, 0.006}}

// illnesses are the ways in which the first provider is bad.
var illnesses = []struct {
	name, text string
	vendor     vendor
}{
	{"fails", "answers nine of ten calls with status 500", vendor{300 * time.Millisecond, 90, 0.9}},
	{"slow", "takes ten times as long", vendor{3 * time.Second, 9, 0.002}},
}

// An outcome is what a policy came to in all runs.
type outcome struct {
	first   [length / step]int // requests whose first attempt went to the provider that goes bad
	all     [length / step]int // requests
	failed  int                // requests that no provider answered
	waited  time.Duration      // for first tokens while it is bad
	waiters int
}

func (o *outcome) share(from, to time.Duration) float64 {
	first, all := 0, 0
	for i := from / step; i < to/step; i++ {
		first, all = first+o.first[i], all+o.all[i]
	}
	return float64(first) / float64(all)
}

// A simulation runs by its own clock. It is a heap of what happens next.
type simulation struct {
	now    time.Time
	start  time.Time
	events []event
	count  int

	board  *health.Board
	policy routing.Policy
	routes []snapshot.Route
	sick   vendor
	rng    *rand.Rand
	out    *outcome
}

type event struct {
	at time.Time
	n  int // of equal times the earlier goes first
	do func()
}

func (s *simulation) Len() int { return len(s.events) }
func (s *simulation) Less(i, j int) bool {
	a, b := &s.events[i], &s.events[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.n < b.n
}
func (s *simulation) Swap(i, j int) { s.events[i], s.events[j] = s.events[j], s.events[i] }
func (s *simulation) Push(x any)    { s.events = append(s.events, x.(event)) }
func (s *simulation) Pop() any {
	last := s.events[len(s.events)-1]
	s.events = s.events[:len(s.events)-1]
	return last
}

func (s *simulation) after(d time.Duration, do func()) {
	s.count++
	heap.Push(s, event{s.now.Add(d), s.count, do})
}

func simulate(policy routing.Policy, sick vendor, seed uint64, out *outcome) {
	s := &simulation{start: noon, now: noon, policy: policy, sick: sick, rng: rand.New(rand.NewPCG(seed, 1)), out: out}
	s.board = health.New(health.Options{Now: func() time.Time { return s.now }})
	for i, price := range []int64{1_000_000, 1_500_000, 2_000_000} {
		r := route(fmt.Sprint(i), 1, 0, 1)
		if policy == routing.Priority {
			r.Weight = len(vendors) - i
		}
		r.Upstream = &snapshot.ProviderModel{Rate: pricing.Rate{Input: priced(price), Output: priced(4 * price)}}
		s.routes = append(s.routes, r)
	}
	var arrive func()
	arrive = func() {
		s.request()
		if s.now.Sub(s.start) < length {
			s.after(time.Duration(s.rng.ExpFloat64()/aSecond*float64(time.Second)), arrive)
		}
	}
	s.after(0, arrive)
	for s.Len() > 0 {
		e := heap.Pop(s).(event)
		s.now = e.at
		e.do()
	}
}

func (s *simulation) request() {
	since := s.now.Sub(s.start)
	if since >= length {
		return
	}
	plan := s.policy.Plan(nil, routing.Input{Routes: s.routes, Health: s.board, Now: s.now, Seed: s.rng.Uint64(), Prompt: 500})
	s.out.all[since/step]++
	s.attempt(plan, s.now, true)
}

// attempt tries the plan as the proxy does.
func (s *simulation) attempt(plan []routing.Target, came time.Time, first bool) {
	for i := range plan {
		target := &plan[i]
		a, ok := s.board.Begin(target.Health(), target.LeftOut)
		if !ok {
			continue
		}
		if first && target.Route == &s.routes[0] {
			s.out.first[came.Sub(s.start)/step]++
		}
		v := vendors[slices.IndexFunc(s.routes, func(r snapshot.Route) bool { return r.Provider == target.Route.Provider })]
		bad := s.now.Sub(s.start) >= badFrom && s.now.Sub(s.start) < badUntil
		if bad && target.Route == &s.routes[0] {
			v = s.sick
		}
		if s.rng.Float64() < v.fails {
			s.after(100*time.Millisecond, func() {
				a.End(health.Result{Class: health.ServerError})
				s.attempt(plan[i+1:], came, false)
			})
			return
		}
		noise := 1 + 0.3*s.rng.NormFloat64()
		s.after(time.Duration(max(noise, 0.2)*float64(v.firstToken)), func() {
			a.First()
			if at := came.Sub(s.start); at >= badFrom && at < badUntil {
				s.out.waited += s.now.Sub(came)
				s.out.waiters++
			}
			s.after(time.Duration(answerSize/v.speed*float64(time.Second)), func() {
				a.End(health.Result{Class: health.OK, Tokens: answerSize})
			})
		})
		return
	}
	s.out.failed++
}

// when is how long after a time the share is first on the right side of a limit for half a minute; negative is never.
func (o *outcome) when(after, until time.Duration, right func(share float64) bool) time.Duration {
	for at := after; at+3*step <= until; at += step {
		if right(o.share(at, at+step)) && right(o.share(at+step, at+3*step)) {
			return at + step - after
		}
	}
	return -1
}

// TestSimulation runs every policy through a provider's bad time, and holds docs/routing.md to what came of it.
func TestSimulation(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	for _, illness := range illnesses {
		fmt.Fprintf(&text, "### The best provider %s\n\n", illness.text)
		text.WriteString("| strategy | share before | left after | share while bad | back after | mean first token while bad | unanswered |\n|---|---|---|---|---|---|---|\n")
		var figure strings.Builder
		for _, policy := range routing.Policies {
			o := &outcome{}
			for seed := range uint64(seeds) {
				simulate(policy, illness.vendor, seed, o)
			}
			before, during := o.share(2*time.Minute, badFrom), o.share(badFrom+time.Minute, badUntil)
			left := o.when(badFrom, badUntil, func(share float64) bool { return share < before/4 })
			back := o.when(badUntil, length, func(share float64) bool { return share > before*0.7 })
			check(t, policy, illness.name, o, before, during, left, back)
			fmt.Fprintf(&text, "| %s | %.0f %% | %s | %.1f %% | %s | %.2f s | %d of %d |\n", policy, 100*before, moment(left), 100*during,
				returned(left, back), (o.waited / time.Duration(o.waiters)).Seconds(), o.failed, sum(o.all[:]))
			fmt.Fprintf(&figure, "%-12s %s\n", policy, bars(o))
		}
		fmt.Fprintf(&text, "\n```\n%-12s minute 0    5         15        25\n%-12s ", "", "")
		text.WriteString("|----|---------|---------|\n" + figure.String() + "```\n\n")
	}
	compare(t, text.Bytes())
}

// check is what must be so, whatever the figures are.
func check(t *testing.T, policy routing.Policy, illness string, o *outcome, before, during float64, left, back time.Duration) {
	t.Helper()
	if o.failed*2000 > sum(o.all[:]) {
		t.Errorf("%s, %s: %d requests were not answered though two providers were well", illness, policy, o.failed)
	}
	patience := time.Minute // for the traffic to come back
	if policy == routing.Reliability || policy == routing.Balanced {
		patience = 4 * time.Minute // what failed while the circuit was closed has to be forgotten
	}
	sees := policy == routing.Latency || policy == routing.Balanced || policy == routing.LeastBusy // who is slow
	switch {
	case before < 0.25:
		t.Errorf("%s, %s: the best provider has %.3f of the traffic before", illness, policy, before)
	case illness == "fails" && (left < 0 || left > 90*time.Second || during > 0.1):
		t.Errorf("fails, %s: left after %v, share while bad %.3f", policy, left, during)
	case illness == "fails" && (back < 0 || back > patience):
		t.Errorf("fails, %s: back after %v", policy, back)
	case illness == "slow" && sees && (left < 0 || left > 2*time.Minute || during > 0.1 || back < 0 || back > 3*time.Minute):
		t.Errorf("slow, %s: left after %v, share while bad %.3f, back after %v", policy, left, during, back)
	}
}

func moment(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func returned(left, back time.Duration) string {
	if left < 0 {
		return ""
	}
	return moment(back)
}

func sum(n []int) (total int) {
	for _, v := range n {
		total += v
	}
	return total
}

// bars is the share by the minute.
func bars(o *outcome) string {
	levels := []rune(" ▁▂▃▄▅▆▇█")
	var line []rune
	for at := time.Duration(0); at < length; at += time.Minute {
		line = append(line, levels[min(int(o.share(at, at+time.Minute)*8+0.5), 8)])
	}
	return string(line)
}

// compare holds the document to the text. Other processors round otherwise, so that a draw may fall otherwise too.
func compare(t *testing.T, text []byte) {
	t.Helper()
	const path = "../../docs/routing.md"
	const from, to = "<!-- simulation: go test ./internal/routing -run Simulation -update -->\n", "<!-- end of simulation -->\n"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(doc, []byte(from))
	old, tail, ok2 := bytes.Cut(rest, []byte(to))
	if !ok || !ok2 {
		t.Fatalf("%s has no marks", path)
	}
	switch {
	case *update:
		want := slices.Concat(head, []byte(from), text, []byte(to), tail)
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	case runtime.GOARCH == "amd64" && !bytes.Equal(old, text):
		t.Errorf("%s is not what came of the simulation: run it with -update\n%s", path, text)
	}
}
