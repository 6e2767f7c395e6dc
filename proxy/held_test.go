package proxy_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/overload"
	"aihigress/internal/simulator"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/proxy"
)

// moody answers by the simulator, fails, has no connection, takes its time or panics, by chance.
func moody() upstreamFunc {
	rng := rand.New(rand.NewPCG(3, 3))
	sim := simulator.New(simulator.Options{Seed: 1})
	var mu sync.Mutex
	return func(ctx context.Context, c upstream.Call) (*http.Response, error) {
		mu.Lock()
		mood, wait := rng.IntN(20), time.Duration(rng.ExpFloat64()*float64(200*time.Millisecond))
		mu.Unlock()
		knobs := map[string]string{"Ttft": wait.String(), "Tokens": "10", "Tps": "50"}
		switch mood {
		case 0:
			panic("a bug")
		case 1:
			return nil, fault.New(fault.Upstream, "no").WithCode(upstream.CodeConnect)
		case 2:
			knobs["Error"] = "500"
		case 3:
			knobs["Error"] = "429"
		case 4:
			knobs["Cut"] = "3"
		case 5:
			knobs["Error"] = "400"
		case 6:
			knobs["Ttft"] = "1h"
		}
		return ask(ctx, sim, c, knobs)
	}
}

// Whatever becomes of calls, hedged ones and those included whose callers go or whose attempts panic: when they are over
// nobody holds a slot of a target, room of a key, an attempt on the board, or credit.
func TestNothingIsHeldAfterwards(t *testing.T) {
	t.Parallel()
	for strategy, slots := range map[string]int{"balanced": 1000, "round_robin": 4} {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, 7))
			key := mint()
			contents := snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}}
			model := &snapshot.Model{Name: "m", Strategy: strategy, RetryBudget: 100, Hedge: true}
			limits := snapshot.KeyLimits{MaxConcurrency: 40, TokensPerMinute: 1_000_000}
			board, pool := health.New(health.Options{}), keypool.New(limit.New(nil, slog.New(slog.DiscardHandler), time.Now), nil, time.Now)
			gate := overload.New(overload.Options{Start: slots, Waiting: 50})
			for i := range 3 {
				slug := "v" + string(rune('0'+i))
				p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: slug, Dialect: "openai", Visibility: "public", BaseURL: mustURL("https://" + slug + ".test/v1")}
				for range 2 {
					p.Keys = append(p.Keys, snapshot.ProviderKey{ID: id.New[id.ProviderKey](), Weight: 1, Limits: limits})
				}
				contents.Providers = append(contents.Providers, p)
				model.Routes = append(model.Routes, snapshot.Route{Provider: p, UpstreamID: "sim-chat", Weight: 1})
			}
			contents.Models = []*snapshot.Model{model}
			books, credit := &meter{}, &creditor{}
			handler := proxy.New(proxy.Options{Config: &world{snapshot: snapshot.New(contents)}, Limits: unlimited{}, Credit: credit, Meter: books, Upstream: moody(),
				Health: board, Gate: gate, Keys: pool, FirstToken: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
			var wg sync.WaitGroup
			const calls = 2000
			for range calls {
				stay := time.Duration(rng.ExpFloat64() * float64(2*time.Second))
				wg.Go(func() {
					ctx, leave := context.WithTimeout(t.Context(), stay)
					defer leave()
					r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(stream))
					r.Header.Set("Authorization", "Bearer "+key)
					defer func() { _ = recover() }() // as the server does
					handler.ServeHTTP(httptest.NewRecorder(), r)
				})
				time.Sleep(time.Duration(rng.ExpFloat64() * float64(25*time.Millisecond))) // of the fake clock
			}
			wg.Wait()
			outcomes, hedged := map[string]int{}, 0
			for i := range books.finished {
				outcomes[string(books.finished[i].Outcome)]++
				for _, a := range books.finished[i].Attempts {
					if a.Error == "hedge_lost" {
						hedged++
					}
				}
			}
			t.Logf("%v, %d hedges lost", outcomes, hedged)
			if len(books.finished) != calls || len(outcomes) < 4 || hedged == 0 && slots > 4 || outcomes["REFUSED"] == 0 && slots == 4 {
				t.Errorf("%d of %d calls are booked: %v, %d hedges lost", len(books.finished), calls, outcomes, hedged)
			}
			if got := gate.Totals(); got.InFlight != 0 || got.Waiting != 0 || credit.stillHeld() != 0 {
				t.Errorf("left behind: %+v, and %d holds", got, credit.stillHeld())
			}
			time.Sleep(time.Hour) // for the tokens to come back
			for _, p := range contents.Providers {
				for i := range p.Keys {
					if s := board.Look(health.Target{Provider: p.ID, Model: "sim-chat", Key: p.Keys[i].ID}, time.Now()); s.InFlight != 0 || s.Trying {
						t.Errorf("%s: %+v", p.Slug, s)
					}
					if room, _ := pool.Headroom(p.Keys[i].ID, limits); room != 1 {
						t.Errorf("%s: %v of a key's room is left", p.Slug, room)
					}
				}
			}
		})
	}
}
