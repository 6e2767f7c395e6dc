package keypool_test

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"aihigress/internal/devstack/redistest"
	"aihigress/internal/event"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/limit"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func key(limits snapshot.KeyLimits) *snapshot.ProviderKey {
	return &snapshot.ProviderKey{ID: id.New[id.ProviderKey](), Weight: 1, Limits: limits}
}

// alone is a pool of one node, by a clock that the test sets.
func alone() (*keypool.Pool, *time.Time) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	return keypool.New(limit.New(nil, quiet, clock), nil, clock), &now
}

// node is a pool as one node has it, all of it running.
func node(t *testing.T, client redis.UniversalClient) *keypool.Pool {
	t.Helper()
	limiter, bus := limit.New(client, quiet, time.Now).Patience(10*time.Second), event.New(client, quiet)
	pool := keypool.New(limiter, bus, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{limiter.Run, bus.Run, pool.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return pool
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// A key's limits hold over two and three nodes, for bursts on all of them at once.
func TestLimitsHoldOverNodes(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{2, 3} {
		client := redistest.New(t)
		pools := make([]*keypool.Pool, nodes)
		for i := range pools {
			pools[i] = node(t, client)
		}
		for name, tt := range map[string]struct {
			limits snapshot.KeyLimits
			want   int64
		}{
			"calls a second":           {snapshot.KeyLimits{MaxQPS: 10}, 10},
			"calls at once":            {snapshot.KeyLimits{MaxConcurrency: 7}, 7},
			"calls a minute":           {snapshot.KeyLimits{RequestsPerMinute: 20}, 20},
			"tokens a minute":          {snapshot.KeyLimits{TokensPerMinute: 1000}, 10},
			"the scarcest of them all": {snapshot.KeyLimits{MaxQPS: 30, MaxConcurrency: 25, RequestsPerMinute: 5, TokensPerMinute: 10_000}, 5},
		} {
			var passed, waits atomic.Int64
			var wg sync.WaitGroup
			k, start := key(tt.limits), time.Now()
			for i := range 60 {
				wg.Go(func() {
					if _, wait := pools[i%nodes].Take(context.Background(), k, "m", 40, 60); wait > 0 {
						waits.Add(1)
						return
					}
					passed.Add(1)
				})
			}
			wg.Wait()
			tick := time.NewTicker(10 * time.Millisecond)
			for tries := 0; passed.Load() < tt.want && tries < 500; tries++ { // what one node had, and another one refused for
				<-tick.C
				if _, wait := pools[tries%nodes].Take(t.Context(), k, "m", 40, 60); wait == 0 {
					passed.Add(1)
					waits.Add(-1)
				}
			}
			tick.Stop()
			more := int64(math.Ceil(time.Since(start).Seconds() * 10)) // that flow in meanwhile
			if name == "calls at once" {
				more = 0
			}
			if n := passed.Load(); n < tt.want || n > tt.want+more || n+waits.Load() != 60 {
				t.Errorf("%d nodes, %s: %d passed, want %d", nodes, name, n, tt.want)
			}
		}
	}
}

// What one node hears of a key, the others know within about a second.
func TestOtherNodesHearWhatVendorsSay(t *testing.T) {
	t.Parallel()
	client := redistest.New(t)
	a, b := node(t, client), node(t, client)
	k := key(snapshot.KeyLimits{})
	deadline, tick := time.NewTimer(10*time.Second), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		// Again and again, since a subscription takes a moment.
		a.Learn(k, "m", llm.OpenAI, header("X-Ratelimit-Limit-Requests", "100", "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "10m"))
		if _, wait := b.Take(t.Context(), k, "m", 1, 1); wait > 0 && b.Room(k, "m") < 0.1 {
			break
		}
		select {
		case <-deadline.C:
			t.Fatal("the other node has not heard")
		case <-tick.C:
		}
	}
	if _, wait := b.Take(t.Context(), k, "another", 1, 1); wait > 0 {
		t.Error("what is said of one model counts for another")
	}
}

// A vendor's figures count until they are out of date, and what is sent meanwhile is taken off.
func TestVendorsOwnLimits(t *testing.T) {
	t.Parallel()
	p, now := alone()
	k := key(snapshot.KeyLimits{})
	take := func() time.Duration {
		_, wait := p.Take(t.Context(), k, "m", 100, 100)
		return wait
	}
	if wait, room := take(), p.Room(k, "m"); wait != 0 || room != 1 {
		t.Fatalf("a key that nobody speaks of waits %s, room %v", wait, room)
	}
	if _, ok := p.Headroom(k.ID, k.Limits); ok {
		t.Error("nothing limits the key")
	}
	p.Learn(k, "m", llm.OpenAI, header("X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "2", "X-Ratelimit-Reset-Requests", "58s",
		"X-Ratelimit-Limit-Tokens", "10000", "X-Ratelimit-Remaining-Tokens", "5000", "X-Ratelimit-Reset-Tokens", "30s"))
	if room := p.Room(k, "m"); room != 2.0/60 {
		t.Errorf("room %v", room)
	}
	if a, b, c := take(), take(), take(); a != 0 || b != 0 || c.Round(10*time.Millisecond) != 970*time.Millisecond {
		t.Errorf("waits %s, %s and %s; 60 are there again in 58 s, so one in 0.97", a, b, c)
	}
	*now = now.Add(time.Second)
	if wait := take(); wait != 0 {
		t.Errorf("one has flowed in, and it waits %s", wait)
	}
	*now = now.Add(time.Minute)
	if room, ok := p.Headroom(k.ID, k.Limits); room != 1 || !ok {
		t.Errorf("all is there again, and the room is %v", room)
	}
	p.Learn(k, "m", llm.OpenAI, header("X-Ratelimit-Limit-Tokens", "10000", "X-Ratelimit-Remaining-Tokens", "99", "X-Ratelimit-Reset-Tokens", "59.406"))
	if wait := take(); wait < 5*time.Millisecond || wait > 7*time.Millisecond {
		t.Errorf("for one token of 10000 a minute it waits %s", wait)
	}
	if _, wait := p.Take(t.Context(), k, "m", 50, 1_000_000); wait != 0 {
		t.Errorf("a small prompt waits %s", wait)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	usual := func(limit, remaining, reset string) http.Header {
		return header("X-Ratelimit-Limit-Requests", limit, "X-Ratelimit-Remaining-Requests", remaining, "X-Ratelimit-Reset-Requests", reset)
	}
	anthropic := func(of, limit, remaining, reset string) http.Header {
		of = "Anthropic-Ratelimit-" + of
		return header(of+"-Limit", limit, of+"-Remaining", remaining, of+"-Reset", reset)
	}
	soon := at.Add(90 * time.Second).Format(time.RFC3339)
	for name, tt := range map[string]struct {
		dialect string
		header  http.Header
		want    []keypool.Learnt
		reset   time.Duration
	}{
		"OpenAI":             {llm.OpenAI, usual("60", "0", "6m0s"), []keypool.Learnt{{"m", keypool.Requests, 60, 0, at.Add(6 * time.Minute)}}, 6 * time.Minute},
		"in milliseconds":    {llm.Responses, usual("60", "59", "120ms"), []keypool.Learnt{{"m", keypool.Requests, 60, 59, at.Add(120 * time.Millisecond)}}, 0},
		"in seconds":         {llm.OpenAI, usual("60", "0.0", "43"), []keypool.Learnt{{"m", keypool.Requests, 60, 0, at.Add(43 * time.Second)}}, 43 * time.Second},
		"Anthropic":          {llm.Anthropic, anthropic("Input-Tokens", "40000", "0", soon), []keypool.Learnt{{"m", keypool.InputTokens, 40000, 0, at.Add(90 * time.Second)}}, 90 * time.Second},
		"Anthropic's output": {llm.Anthropic, anthropic("Output-Tokens", "8000", "7000", soon), []keypool.Learnt{{"m", keypool.OutputTokens, 8000, 7000, at.Add(90 * time.Second)}}, 0},
		"another dialect's":  {llm.Gemini, usual("60", "0", "6m0s"), nil, 0},
		"no time":            {llm.OpenAI, usual("60", "0", "soon"), []keypool.Learnt{{"m", keypool.Requests, 60, 60, at}}, 0},
		"a time that is over": {llm.Anthropic, anthropic("Requests", "50", "0", at.Add(-time.Hour).Format(time.RFC3339)),
			[]keypool.Learnt{{"m", keypool.Requests, 50, 50, at}}, 0},
		"a thousand years":        {llm.OpenAI, usual("60", "0", "8760h"), []keypool.Learnt{{"m", keypool.Requests, 60, 0, at.Add(time.Hour)}}, time.Hour},
		"more left than there is": {llm.OpenAI, usual("60", "61", "1s"), []keypool.Learnt{{"m", keypool.Requests, 60, 60, at.Add(time.Second)}}, 0},
		"below zero":              {llm.OpenAI, usual("60", "-1", "1s"), nil, 0},
		"no limit":                {llm.OpenAI, usual("0", "0", "1h"), nil, 0},
		"not a number":            {llm.OpenAI, usual("NaN", "0", "1s"), nil, 0},
		"endless":                 {llm.OpenAI, usual("Inf", "0", "1s"), nil, 0},
		"a time without end":      {llm.OpenAI, usual("60", "0", "NaN"), []keypool.Learnt{{"m", keypool.Requests, 60, 60, at}}, 0},
		"absurdly many":           {llm.OpenAI, usual("1e300", "0", "1s"), nil, 0},
		"absurdly long":           {llm.OpenAI, usual("60", "0", string(make([]byte, 100_000))), []keypool.Learnt{{"m", keypool.Requests, 60, 60, at}}, 0},
		"half of it":              {llm.OpenAI, header("X-Ratelimit-Limit-Requests", "60"), nil, 0},
	} {
		p, _ := alone()
		k := key(snapshot.KeyLimits{})
		p.Learn(k, "m", tt.dialect, tt.header)
		got := p.Learnt(k.ID)
		if len(got) != len(tt.want) || len(got) == 1 && got[0] != tt.want[0] {
			t.Errorf("%s: learnt %+v, want %+v", name, got, tt.want)
		}
		if reset := keypool.Reset(tt.dialect, tt.header, at); reset != tt.reset {
			t.Errorf("%s: reset in %s, want %s", name, reset, tt.reset)
		}
	}
}

// FuzzHeaders: whatever a vendor says, a key is left alone for an hour at most, and its room is a share.
func FuzzHeaders(f *testing.F) {
	f.Add("60", "0", "6m0s")
	f.Add("1e12", "NaN", "-5")
	f.Fuzz(func(t *testing.T, limit, remaining, reset string) {
		p, now := alone()
		k := key(snapshot.KeyLimits{})
		for _, dialect := range []string{llm.OpenAI, llm.Anthropic} {
			h := http.Header{}
			for _, of := range []string{"Requests", "Tokens"} {
				h["X-Ratelimit-Limit-"+of], h["X-Ratelimit-Remaining-"+of], h["X-Ratelimit-Reset-"+of] = []string{limit}, []string{remaining}, []string{reset}
				of = "Anthropic-Ratelimit-" + of
				h[of+"-Limit"], h[of+"-Remaining"], h[of+"-Reset"] = []string{limit}, []string{remaining}, []string{reset}
			}
			p.Learn(k, "m", dialect, h)
		}
		for range 3 {
			if _, wait := p.Take(t.Context(), k, "m", 1<<40, 1<<40); wait < 0 || wait > time.Hour {
				t.Fatalf("waits %s", wait)
			}
			if room := p.Room(k, "m"); !(room >= 0 && room <= 1) {
				t.Fatalf("room %v", room)
			}
			*now = now.Add(20 * time.Minute)
		}
	})
}

func TestManyPlacesAreForgotten(t *testing.T) {
	t.Parallel()
	p, now := alone()
	k := key(snapshot.KeyLimits{})
	h := header("X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "5", "X-Ratelimit-Reset-Requests", "1h")
	for i := range keypool.MaxPlaces + 500 {
		*now = now.Add(time.Millisecond)
		p.Learn(k, string(rune('a'+i%26))+time.Duration(i).String(), llm.OpenAI, h)
	}
	if n := len(p.Learnt(k.ID)); n != keypool.MaxPlaces {
		t.Errorf("%d are known, want %d", n, keypool.MaxPlaces)
	}
}

// Taking of a key that nothing limits is part of every call.
func BenchmarkTakeWithoutLimits(b *testing.B) {
	p, _ := alone()
	k := key(snapshot.KeyLimits{})
	h := header("Content-Type", "application/json", "X-Request-Id", "1")
	b.ReportAllocs()
	for b.Loop() {
		lease, _ := p.Take(b.Context(), k, "m", 100, 100)
		p.Learn(k, "m", llm.OpenAI, h)
		lease.Finish(limit.Use{})
	}
}

// Looking at the room of a key is part of planning, for each key of a provider.
func BenchmarkRoom(b *testing.B) {
	p, _ := alone()
	k := key(snapshot.KeyLimits{MaxQPS: 10, MaxConcurrency: 10, RequestsPerMinute: 100, TokensPerMinute: 10000})
	p.Learn(k, "m", llm.OpenAI, header("X-Ratelimit-Limit-Requests", "60", "X-Ratelimit-Remaining-Requests", "59", "X-Ratelimit-Reset-Requests", "1s"))
	if _, wait := p.Take(b.Context(), k, "m", 100, 100); wait > 0 {
		b.Fatal(wait)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Room(k, "m")
	}
}
