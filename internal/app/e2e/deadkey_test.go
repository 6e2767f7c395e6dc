package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/jobs"
)

// moody is a vendor that refuses its key for a while.
type moody struct {
	refuses atomic.Bool
	calls   atomic.Int64
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.calls.Add(1)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case m.refuses.Load():
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"code":"invalid_api_key","type":"invalid_request_error","message":"no"}}`)
	case strings.HasSuffix(r.URL.Path, "/models"):
		io.WriteString(w, `{"data":[{"id":"sim-chat"}]}`)
	default:
		io.WriteString(w, `{"id":"x","object":"chat.completion","model":"sim-chat","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}
}

// TestDeadKey has a vendor refuse its key: one call on one node is enough for every node to leave it alone, and for the admin
// to hear of it on the other node; when the vendor takes it again, all of that is undone.
func TestDeadKey(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	vendor := &moody{}
	server := httptest.NewServer(vendor)
	t.Cleanup(server.Close)
	c := newTenant(t, p.admin, server.URL+"/v1", terms{})
	onB := c.on(p.b)
	eventually(t, patience(time.Second), "the other node knows the model", func() bool { return onB.status(t, "/v1/models/"+c.model) == http.StatusOK })

	adminB := *p.admin
	adminB.url = p.b.url
	heard := subscribeWebSocket(t, &adminB, `subscription { notificationReceived { kind title } }`, nil)
	// A webhook leads to nowhere but the public Internet, whoever writes it down.
	p.admin.do(t, `mutation($url: String!) { createWebhook(input: {url: $url}) { userErrors { code message } } }`, vars{"url": server.URL + "/hook"}, nil)

	chat := func(on *tenant) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, on.url+"/v1/chat/completions", strings.NewReader(`{"model":"`+on.model+`","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+on.key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	if status := chat(c); status != http.StatusOK {
		t.Fatalf("a call while all is well: %d", status)
	}
	next := func(want string) time.Duration {
		t.Helper()
		begin := time.Now()
		var message struct {
			NotificationReceived struct{ Kind, Title string }
		}
		select {
		case raw, ok := <-heard:
			if !ok {
				t.Fatal("the subscription has ended")
			}
			decode(t, raw, &message)
		case <-time.After(patience(20 * time.Second)):
			t.Fatalf("nobody is told of %s", want)
		}
		if got := message.NotificationReceived; got.Kind != want || !strings.Contains(got.Title, c.slug) {
			t.Errorf("told %+v, want %s", got, want)
		}
		return time.Since(begin)
	}

	vendor.refuses.Store(true)
	if status := chat(c); status != http.StatusBadGateway {
		t.Errorf("the call that is refused: %d", status)
	}
	t.Logf("told of the dead key after %v", next(provider.KindKeyDead).Round(time.Millisecond))
	for _, node := range []*tenant{c, onB} {
		eventually(t, patience(time.Second), "the node leaves the key alone", func() bool { return chat(node) == http.StatusServiceUnavailable })
	}
	before := vendor.calls.Load()
	if chat(c); chat(onB) != http.StatusServiceUnavailable || vendor.calls.Load() != before {
		t.Error("a dead key is still used")
	}
	var found struct {
		Providers struct {
			Nodes []struct {
				Keys []struct{ ID, DisabledReason string }
			}
		}
		Webhooks []struct{ Deliveries []struct{ Error string } }
	}
	const state = `{ providers(first: 100) { nodes { keys { id disabledReason } } } webhooks { deliveries { error } } }`
	eventually(t, patience(5*time.Second), "the webhook is refused", func() bool {
		p.admin.do(t, state, nil, &found)
		return len(found.Webhooks) == 1 && len(found.Webhooks[0].Deliveries) > 0 && found.Webhooks[0].Deliveries[0].Error == "the address is not allowed"
	})
	key := found.Providers.Nodes[0].Keys[0]
	if key.DisabledReason != "REFUSED" {
		t.Errorf("the key is %+v", key)
	}

	vendor.refuses.Store(false)
	checkNow(t, p.stores, key.ID)
	t.Logf("told of its return after %v", next(provider.KindKeyBack).Round(time.Millisecond))
	for _, node := range []*tenant{c, onB} {
		eventually(t, patience(6*time.Second), "the node uses the key again", func() bool { return chat(node) == http.StatusOK })
	}
}

// checkNow enqueues what the schedule does when a dead key's time has come.
func checkNow(t *testing.T, s stores, key string) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	inserter, err := jobs.NewInserter(pool)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := id.Parse[id.ProviderKey](key)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, patience(5*time.Second), "the check before is done with", func() bool {
		inserted, err := inserter.Insert(t.Context(), provider.KeyCheckArgs{KeyID: parsed}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return !inserted.UniqueSkippedAsDuplicate
	})
}
