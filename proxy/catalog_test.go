package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// What an alias stands for is asked, and what the caller asked for is logged.
func TestAliasIsLoggedAsRequested(t *testing.T) {
	t.Parallel()
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, answer(completion))}}, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Aliases = []snapshot.Alias{
			{Pattern: "team-*", Target: "*"}, {OwnerID: c.Keys[0].UserID, Pattern: "mine", Target: "v0/up-m"}, {OwnerID: id.New[id.User](), Pattern: "theirs", Target: "m"},
		}
	})
	for _, name := range []string{"team-m", "mine"} {
		if a := w.post("/chat/completions", strings.Replace(chat, `"m"`, `"`+name+`"`, 1)); a.StatusCode != 200 || a.Header.Get("X-Aihigress-Model") != "up-m" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		e := w.meter.finished[len(w.meter.finished)-1]
		if e.Model != name || e.UpstreamModel != "up-m" || *e.Charge != charged || !strings.Contains(got.body, `"up-m"`) {
			t.Errorf("%s: %+v, the vendor got %s", name, e, got.body)
		}
	}
	if a := w.post("/chat/completions", strings.Replace(chat, `"m"`, `"theirs"`, 1)); a.StatusCode != 404 {
		t.Errorf("another's alias: %d %s", a.StatusCode, a.body)
	}
	list := w.get("/models").body
	if !strings.Contains(list, `"mine"`) || strings.Contains(list, "theirs") || strings.Contains(list, "team-") {
		t.Errorf("listed: %s", list)
	}
	if a := w.get("/models/team-m"); a.StatusCode != 200 {
		t.Errorf("a name of a pattern: %d %s", a.StatusCode, a.body)
	}
}

// A caller who varies the name that a pattern takes gets no new budget of retries with each.
func TestNamesOfAPatternShareABudget(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	fails := vendor{handler: func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		oops(500, "server_error", "", "x")(w, r)
	}}
	w := newWorld(t, []vendor{fails, fails, fails}, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Aliases, c.Models[0].RetryBudget = []snapshot.Alias{{Pattern: "x-*", Target: "m"}}, 1
	})
	start := time.Now()
	const calls = 100
	for i := range calls {
		w.post("/chat/completions", strings.Replace(chat, `"m"`, fmt.Sprintf(`"x-%d"`, i), 1))
	}
	if most := calls + 20 + 1 + int64(time.Since(start).Seconds()) + 1; asked.Load() > most || asked.Load() < calls+10 {
		t.Errorf("%d calls made %d attempts, want at most %d and some retries", calls, asked.Load(), most)
	}
}

// A model may have what one vendor refuses asked of another. What is told in the end is the last one's word.
func TestRefusedRequestsFailOverWhereTheModelSaysSo(t *testing.T) {
	t.Parallel()
	failover := func(_ *proxy.Options, c *snapshot.Contents) { c.Models[0].FailoverRefused = true }
	refusal := oops(400, "invalid_request_error", "content_policy_violation", "x")
	w := newWorld(t, []vendor{{handler: refusal, keys: []string{"a", "b"}}, {handler: answer(completion)}}, failover)
	a := w.post("/chat/completions", chat)
	if e := w.only(); a.StatusCode != 200 || len(e.Attempts) != 2 || e.Attempts[0].Error != "content_policy_violation" || e.Attempts[1].ProviderSlug != "v1" || e.Outcome != usage.OK || *e.Charge != charged {
		t.Errorf("%d %s, %+v", a.StatusCode, a.body, e)
	}
	for name, tt := range map[string]struct {
		last    http.HandlerFunc
		status  int
		outcome usage.Outcome
	}{
		"refused again": {oops(422, "invalid_request_error", "", "y"), 422, usage.ClientError},
		"failed then":   {oops(500, "server_error", "", "y"), 500, usage.UpstreamError},
	} {
		w = newWorld(t, []vendor{{handler: refusal}, {handler: tt.last}}, failover)
		a = w.post("/chat/completions", chat)
		if e := w.only(); a.StatusCode != tt.status || len(e.Attempts) != 2 || e.Outcome != tt.outcome || e.HTTPStatus != tt.status || *e.Charge != 0 || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %d %s, %+v", name, a.StatusCode, a.body, e)
		}
	}
	w = newWorld(t, []vendor{{handler: refusal}}, failover) // there is nobody else
	if a = w.post("/chat/completions", chat); a.StatusCode != 400 || len(w.only().Attempts) != 1 || w.only().Outcome != usage.ClientError {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A key has a strategy of its own, which the caller's goes before.
func TestStrategyOfTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}, {handler: answer(completion)}}, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Keys[0].Strategy = "cost"
		m := c.Models[0] // whose strategy is priority
		m.Routes[0].Weight, m.Routes[1].Priority = 9, 0
		cheap := *m.Routes[1].Upstream
		cheap.Rate.Input, cheap.Rate.Output = price("0.1"), price("0.1")
		m.Routes[1].Upstream = &cheap
	})
	if a := w.post("/chat/completions", chat); a.Header.Get("X-Aihigress-Provider") != "v1" {
		t.Errorf("the key's strategy: %v", a.Header)
	}
	if e := w.only(); *e.Charge != 12_000 {
		t.Errorf("a route's own price: %+v", e)
	}
	first := map[string]int{}
	for range 40 { // v1 is dearer for nobody and as good: reliability takes either
		first[w.post("/chat/completions", chat, "X-Aihigress-Strategy", "reliability").Header.Get("X-Aihigress-Provider")]++
	}
	if first["v0"] == 0 {
		t.Errorf("the caller's strategy: %v", first)
	}
}

// What a route overrides counts in the hold and in the charge.
func TestRouteOverridesCountInTheHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(_ *proxy.Options, c *snapshot.Contents) {
		r := &c.Models[0].Routes[0]
		r.Upstream = &snapshot.ProviderModel{UpstreamID: "up-m", MaxOutput: 20, Rate: r.Upstream.Rate}
		r.Upstream.Rate.Output = price("100")
	})
	w.post("/chat/completions", chat)
	// 100 tokens in at 1 and 20 out at 100; held are 20 out and an estimate of the two words.
	if e := w.only(); *e.Charge != 2_100_000 || e.Hold < 2_000_000 || e.Hold > 2_300_000 {
		t.Errorf("charged %d, held %d", *e.Charge, e.Hold)
	}
}

// A key's timeout is its callers' deadline, which they may shorten and not extend.
func TestTimeoutOfTheKey(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	hangs := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see the caller go
		asked <- struct{}{}
		<-r.Context().Done()
	}
	for name, tt := range map[string]struct {
		key    time.Duration
		header string
	}{
		"the key's":                     {50 * time.Millisecond, ""},
		"the caller's would be longer":  {50 * time.Millisecond, "3600000"},
		"the caller's is out of bounds": {50 * time.Millisecond, "9223372036854775807"},
		"the caller's is shorter":       {time.Hour, "50"},
	} {
		w := newWorld(t, []vendor{{handler: hangs}}, func(_ *proxy.Options, c *snapshot.Contents) { c.Keys[0].Timeout = tt.key })
		var headers []string
		if tt.header != "" {
			headers = []string{"X-Aihigress-Timeout-Ms", tt.header}
		}
		start := time.Now()
		a := w.post("/chat/completions", chat, headers...)
		<-asked
		if e := readError(t, a); a.StatusCode != 504 || e.Code != "timeout" || time.Since(start) < 50*time.Millisecond {
			t.Errorf("%s: %d %s after %s", name, a.StatusCode, a.body, time.Since(start))
		}
	}
}
