package graph

import (
	"context"
	"testing"
	"time"

	"aihigress/internal/authz"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	foreign, _ := h.key(h.admin)
	h.logged(h.member, key, &vendor)
	h.logged(h.admin, foreign, nil)
	now := time.Now().UTC()
	const query = `query($r: TimeRangeInput!, $by: [MetricDimension!], $f: MetricFilter, $step: Duration) { metrics(range: $r, step: $step, groupBy: $by, filter: $f) {
		from to step series { other labels { dimension value } points { at requests errors refused unpriced inputTokens outputTokens charge cost p50 p95 p99 timeToFirstTokenP50 timeToFirstTokenP95 } } } }`
	last := map[string]any{"from": now.Add(-time.Hour).Format(time.RFC3339), "to": now.Add(time.Hour).Format(time.RFC3339)}
	set := h.data(h.admin.token, query, map[string]any{"r": last, "step": 3600}).Get("metrics")
	h.same("the step", set.Get("step"), 3600)
	h.same("the series", len(set.Get("series").Array()), 1)
	busy := set.Get("series.0.points.#(requests>0)")
	h.same("requests", busy.Get("requests"), 2)
	h.same("input tokens", busy.Get("inputTokens"), 32)
	h.same("charge", busy.Get("charge"), "0.02")
	h.same("cost", busy.Get("cost"), "0.02")
	if p50 := busy.Get("p50").Float(); p50 < 1.35 || p50 > 1.65 {
		t.Errorf("p50 is %v, want 1.5 within 10 %%", p50)
	}
	h.same("percentiles of nothing", set.Get("series.0.points.#(requests==0).p50"), "")

	by := h.data(h.admin.token, query, map[string]any{"r": last, "step": 3600, "by": []string{"USER", "PROVIDER"}}).Get("metrics.series")
	h.same("groups", len(by.Array()), 2)
	mine := by.Get(`#(labels.0.value=="` + h.member.ID.String() + `").labels`)
	h.same("its labels", mine, `[{"dimension":"USER","value":"`+h.member.ID.String()+`"},{"dimension":"PROVIDER","value":"`+vendor.ID.String()+`"}]`)
	none := by.Get(`#(labels.0.value=="` + h.admin.ID.String() + `").labels.1.value`)
	h.same("a call that reached no provider", none, "")

	own := h.data(h.member.token, query, map[string]any{"r": last, "step": 3600, "by": []string{"API_KEY", "MODEL"}}).Get("metrics.series")
	h.same("a member's groups", own.Get("#.labels"), `[[{"dimension":"API_KEY","value":"`+key.ID.String()+`"},{"dimension":"MODEL","value":"chat"}]]`)
	h.same("a member's view of costs", own.Get("0.points.#(requests>0).cost"), "")
	filtered := h.data(h.admin.token, query, map[string]any{"r": last, "step": 3600, "f": map[string]any{"providerId": vendor.ID.String(), "model": "chat", "apiKeyId": key.ID.String(), "userId": h.member.ID.String()}})
	h.same("filtered", filtered.Get("metrics.series.0.points.#(requests>0).requests"), 1)
	h.same("half a minute", h.failed(h.admin.token, query, map[string]any{"r": last, "step": 30.5}), "BAD_USER_INPUT")
	h.same("as nobody", h.failed("", query, map[string]any{"r": last}), "UNAUTHENTICATED")
}

func TestLiveMetrics(t *testing.T) {
	t.Parallel()
	h := open(t)
	key, _ := h.key(h.member)
	ctx, cancel := context.WithCancel(authz.With(context.Background(), authz.Job("test")))
	done := make(chan error, 1)
	go func() { done <- h.meter.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	const query = "subscription { liveMetrics { at nodes requestsPerSecond errorsPerSecond tokensPerSecond chargePerSecond inFlight p50 p95 p99 timeToFirstTokenP50 timeToFirstTokenP95 } }"
	mine := h.listen(h.member.token, query)
	mine.next()
	others := h.connect(h.admin.token)
	others.subscribe("1", `subscription { liveMetrics(filter: {userId: "`+h.admin.ID.String()+`"}) { nodes p50 requestsPerSecond } }`)
	h.logged(h.member, key, nil)
	for {
		_, event, ok := mine.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		live := event.Get("data.liveMetrics")
		if live.Get("p50").Exists() && live.Get("p50").Float() > 0 {
			h.same("nodes", live.Get("nodes"), 1)
			if live.Get("timeToFirstTokenP95").Float() <= 0 {
				t.Errorf("no time to first token: %s", live)
			}
			break
		}
	}
	for range 2 {
		h.same("what the filter lets through", others.read().Get("payload.data.liveMetrics.p50"), "")
	}
}
