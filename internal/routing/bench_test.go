package routing_test

import (
	"fmt"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
)

// twenty is ten routes with two keys each, on a board that has seen traffic.
func twenty() (routing.Input, []routing.Target) {
	board := health.New(health.Options{})
	in := routing.Input{Health: board, Now: time.Now(), Prompt: 1000}
	for i := range 10 {
		r := route(fmt.Sprint(i), 1+i%3, 0, 1, 2)
		r.Upstream = &snapshot.ProviderModel{Rate: pricing.Rate{Input: priced(int64(i)), Output: priced(5)}}
		in.Routes = append(in.Routes, r)
	}
	plan := routing.Weighted.Plan(nil, in)
	for i := range plan {
		for n := range 20 {
			a, _ := board.Begin(plan[i].Health(), true)
			a.First()
			class := health.OK
			if n%(i+2) == 0 {
				class = health.ServerError
			}
			a.End(health.Result{Class: class, Tokens: 100})
		}
	}
	return in, plan[:0]
}

func BenchmarkPlan(b *testing.B) {
	in, dst := twenty()
	for _, policy := range routing.Policies {
		b.Run(string(policy), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				in.Seed++
				dst = policy.Plan(dst[:0], in)
			}
		})
	}
}

// Planning over twenty targets needs no memory but the plan's own.
func TestPlanDoesNotAllocate(t *testing.T) {
	in, dst := twenty()
	for _, policy := range routing.Policies {
		if n := testing.AllocsPerRun(100, func() { in.Seed++; dst = policy.Plan(dst[:0], in) }); n != 0 {
			t.Errorf("%s: %v allocations", policy, n)
		}
		if len(dst) != 20 {
			t.Errorf("%s: %d targets", policy, len(dst))
		}
	}
}
