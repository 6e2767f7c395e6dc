package e2e

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
)

// A pair is two nodes on the same stores.
type pair struct {
	stores
	a, b   *node
	admin  *graph // by way of a
	vendor string
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{stores: newStores(t)}
	p.a = startNode(t, p.stores, t.TempDir())
	p.b = startNode(t, p.stores, t.TempDir())
	p.vendor = startVendor(t)
	p.admin = firstAdmin(t, p.stores, p.a)
	return p
}

// contextWithStop is a context that ends with stop, and with the test.
func contextWithStop(t testing.TB) (ctx context.Context, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// TestTwoNodes runs two nodes on one Postgres and one Redis and holds each to what the other is told.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	// These run one after the other, since the last of them stop the nodes.
	t.Run("a revoked key", func(t *testing.T) { p.revokedKey(t) })
	t.Run("a sign-out", func(t *testing.T) { p.signOut(t) })
	t.Run("limits", func(t *testing.T) { p.limits(t) })
	t.Run("a breaker", func(t *testing.T) { p.breaker(t) })
	t.Run("live metrics", func(t *testing.T) { p.liveMetrics(t) })
	t.Run("a stopped node", func(t *testing.T) { p.stoppedNode(t) })
	t.Run("a killed node", func(t *testing.T) { p.killedNode(t) })
}

// revokedKey revokes a key on one node while the other one is serving it.
func (p *pair) revokedKey(t *testing.T) {
	c := newTenant(t, p.admin, p.vendor, terms{})
	onB := c.on(p.b)
	eventually(t, patience(time.Second), "the key works on the other node", func() bool { return onB.status(t, "/v1/models") == http.StatusOK })
	onB.chat(t)
	p.admin.do(t, `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { revokedAt } userErrors { code message } } }`, vars{"id": c.keyID}, nil)
	took := eventually(t, patience(time.Second), "the other node refuses the key", func() bool { return onB.status(t, "/v1/models") == http.StatusUnauthorized })
	t.Logf("refused by the other node after %s", took.Round(time.Millisecond))
	client := onB.sdk()
	_, err := client.Chat.Completions.New(t.Context(), hello(c.model))
	var refusal *openai.Error
	if !errors.As(err, &refusal) || refusal.StatusCode != http.StatusUnauthorized {
		t.Errorf("a call with the revoked key: %v, want 401", err)
	}
}

// signOut ends a sign-in on one node while its access token is used on the other one.
func (p *pair) signOut(t *testing.T) {
	c := newTenant(t, p.admin, p.vendor, terms{})
	onA := signIn(t, p.a.url, c.email, tenantPassword)
	onB := *onA
	onB.url = p.b.url
	onB.do(t, `{ viewer { id } }`, nil, nil)
	onA.do(t, `mutation { signOut { signedOut } }`, nil, nil)
	took := eventually(t, patience(time.Second), "the other node refuses the access token", func() bool {
		return onB.try(t.Context(), `{ creditAccount { balance } }`, nil, nil) != nil
	})
	t.Logf("refused by the other node after %s", took.Round(time.Millisecond))
	if err := p.admin.try(t.Context(), `{ creditAccount { balance } }`, nil, nil); err != nil {
		t.Errorf("somebody else's sign-in ended with it: %v", err)
	}
}

// limits sends twice as many calls as a key may make in a minute, by turns to both nodes.
func (p *pair) limits(t *testing.T) {
	const perMinute = 20
	c := newTenant(t, p.admin, p.vendor, terms{limits: vars{"requestsPerMinute": perMinute}})
	onB := c.on(p.b)
	eventually(t, patience(time.Second), "the key works on the other node", func() bool { return onB.status(t, "/v1/models/"+c.model) == http.StatusOK })
	answered, limited := map[*tenant]int{}, map[*tenant]int{}
	begin := time.Now()
	for range perMinute {
		for _, at := range []*tenant{c, onB} {
			client := at.sdk()
			_, err := client.Chat.Completions.New(t.Context(), hello(c.model))
			var refusal *openai.Error
			switch {
			case err == nil:
				answered[at]++
			case errors.As(err, &refusal) && refusal.StatusCode == http.StatusTooManyRequests:
				limited[at]++
			default:
				t.Fatalf("call: %v", err)
			}
		}
	}
	// What comes free again while the calls are made is more than a limit to the letter.
	spare := 1 + int(time.Since(begin)*perMinute/time.Minute)
	sum := answered[c] + answered[onB]
	if sum < perMinute || sum > perMinute+spare {
		t.Errorf("%d calls were let through by two nodes, want %d and %d more at most", sum, perMinute, spare)
	}
	if answered[c] == 0 || answered[onB] == 0 || limited[c] == 0 || limited[onB] == 0 {
		t.Errorf("answered %d and %d, limited %d and %d; want some of each on both", answered[c], answered[onB], limited[c], limited[onB])
	}
}

// breaker has one of three nodes find out that a provider fails: the others leave it out without having asked it.
func (p *pair) breaker(t *testing.T) {
	third := startNode(t, p.stores, t.TempDir())
	c := newTenant(t, p.admin, p.vendor, terms{vendor: "sim-chat?error=500"})
	others := []*node{p.b, third}
	for _, n := range others {
		elsewhere := c.on(n)
		eventually(t, patience(time.Second), "the key works on another node", func() bool { return elsewhere.status(t, "/v1/models/"+c.model) == http.StatusOK })
	}
	client := c.sdk()
	for range 8 { // the last ones keep it open for longer
		if _, err := client.Chat.Completions.New(t.Context(), hello(c.model)); err == nil {
			t.Fatal("a vendor that fails has answered")
		}
	}
	for _, n := range others {
		there := *p.admin
		there.url = n.url
		took := eventually(t, patience(time.Second), "another node leaves the provider out", func() bool {
			var data struct {
				RoutingPlan struct {
					Candidates []struct{ Excluded bool }
				}
			}
			const plan = `query($model: String!, $key: ID) { routingPlan(model: $model, input: {apiKeyId: $key}) { candidates { excluded } } }`
			there.do(t, plan, vars{"model": c.model, "key": c.keyID}, &data)
			return len(data.RoutingPlan.Candidates) == 1 && data.RoutingPlan.Candidates[0].Excluded
		})
		t.Logf("left out by another node after %s", took.Round(time.Millisecond))
	}
	if code := third.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

// liveMetrics watches one node's subscription while the other one is called.
func (p *pair) liveMetrics(t *testing.T) {
	c := newTenant(t, p.admin, p.vendor, terms{vendor: "sim-chat?tokens=4"})
	live := subscribeWebSocket(t, p.admin, `subscription { liveMetrics { nodes requestsPerSecond tokensPerSecond } }`, nil)
	onB := c.on(p.b)
	eventually(t, patience(time.Second), "the key works on the other node", func() bool { return onB.status(t, "/v1/models") == http.StatusOK })
	onB.chat(t)
	l := newLoad(t, onB, "live")
	sending, stop := contextWithStop(t)
	l.start(sending, 1, 1<<20)
	defer l.wait()
	defer stop()
	deadline := time.NewTimer(patience(10 * time.Second))
	defer deadline.Stop()
	nodes, rate := 0, 0.0
	for nodes != 2 || rate == 0 {
		select {
		case raw := <-live:
			var data struct {
				LiveMetrics struct {
					Nodes             int
					RequestsPerSecond float64
				}
			}
			decode(t, raw, &data)
			nodes, rate = data.LiveMetrics.Nodes, data.LiveMetrics.RequestsPerSecond
		case <-deadline.C:
			t.Fatalf("one node's live metrics say %d nodes and %g requests a second, while the other one is called; want 2 and more than 0", nodes, rate)
		}
	}
}

// stoppedNode stops a node that has leased credit: it leaves nothing unbooked and gives the lease back.
func (p *pair) stoppedNode(t *testing.T) {
	spool := t.TempDir()
	n := startNode(t, p.stores, spool)
	c := newTenant(t, p.admin, p.vendor, terms{})
	onN := c.on(n)
	eventually(t, patience(time.Second), "the key works on the third node", func() bool { return onN.status(t, "/v1/models/"+c.model) == http.StatusOK })
	answer := onN.chat(t)
	if answer.Usage.TotalTokens == 0 {
		t.Error("no usage in the answer")
	}
	conn := connect(t, p.postgres)
	const leased = `SELECT coalesce(sum(l.amount), 0)::bigint FROM credit_leases l
		JOIN credit_accounts a ON a.id = l.account_id JOIN users u ON u.id = a.user_id WHERE u.email = $1`
	if scan[int64](t, conn, leased, c.email) == 0 {
		t.Error("the node has no lease of the account it has just charged; this test sees nothing")
	}
	if code := n.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	if amount := scan[int64](t, conn, leased, c.email); amount != 0 {
		t.Errorf("a stopped node keeps a lease of %d", amount)
	}
	if n := scan[int](t, conn, `SELECT count(*) FROM requests WHERE model = $1 AND outcome = 'OK'`, c.model); n != 1 {
		t.Errorf("the stopped node's call is logged %d times", n)
	}
}

// killedNode kills one node: the other one's callers notice nothing.
func (p *pair) killedNode(t *testing.T) {
	c := newTenant(t, p.admin, p.vendor, terms{vendor: "sim-chat?ttft=20ms&tokens=8&tps=200"})
	onB := c.on(p.b)
	eventually(t, patience(time.Second), "the key works on the other node", func() bool { return onB.status(t, "/v1/models/"+c.model) == http.StatusOK })
	sending, stop := contextWithStop(t)
	stays, dies := newLoad(t, c, "stays"), newLoad(t, onB, "dies")
	stays.start(sending, 8, 1<<20)
	dies.start(sending, 8, 1<<20)
	stays.reach(t, 50)
	dies.reach(t, 50)
	dies.pause()
	p.b.kill()
	stays.reach(t, stays.answers()+200)
	dies.resume(p.a.url) // as a load balancer does
	dies.reach(t, dies.answers()+50)
	stop()
	stays.wait()
	dies.wait()
	stays.whole(t)
	if _, broken, refused := dies.seen(); len(broken) > 8 || len(refused) > 0 {
		t.Errorf("of the killed node's calls %d broke off with 8 at a time; refused: %v", len(broken), refused)
	}
	answered, _, _ := stays.seen()
	listed(t, connect(t, p.postgres), answered, time.Second)
}
