package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A counter is a vendor that keeps its own count of what it answered, by the request id that stands in the question.
type counter struct {
	*httptest.Server

	mu    sync.Mutex
	whole map[string]tokens // answers that were sent to their end
}

type tokens struct{ Input, Output int64 }

var asked = regexp.MustCompile(`Go on, ([a-z]+-[0-9]+)\.`)

func newCounter(t *testing.T) *counter {
	v := &counter{whole: map[string]tokens{}}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

func (v *counter) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	found := asked.FindSubmatch(body)
	if found == nil { // a list of models, a probe
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"up","object":"model"}]}`)
		return
	}
	id := string(found[1])
	n, _ := strconv.ParseInt(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
	usage := tokens{Input: 10 + n%7, Output: 1 + n%13}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(data string) error {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
		return http.NewResponseController(w).Flush()
	}
	pace := time.NewTicker(3 * time.Millisecond)
	defer pace.Stop()
	for range usage.Output {
		select {
		case <-pace.C:
		case <-r.Context().Done():
			return
		}
		if send(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{"content":"word "}}]}`) != nil {
			return
		}
	}
	_ = send(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
	_ = send(fmt.Sprintf(`{"id":"c","object":"chat.completion.chunk","model":"up","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
		usage.Input, usage.Output, usage.Input+usage.Output))
	if send(`[DONE]`) != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.whole[id] = usage
}

// TestCrashes kills one of three nodes every two seconds and starts it again, each under a load of its own, and then balances
// the books: what was answered against the vendor's count, token by token, and what was under way at a kill.
func TestCrashes(t *testing.T) {
	t.Parallel()
	const workers = 8
	lasts := 10 * time.Second
	if long() {
		lasts = time.Minute
	}
	s := newStores(t)
	type place struct {
		node  *node
		spool string
		load  *load
	}
	places := []*place{{spool: t.TempDir()}, {spool: t.TempDir()}, {spool: t.TempDir()}}
	for _, p := range places {
		p.node = startNode(t, s, p.spool)
	}
	vendor := newCounter(t)
	c := newTenant(t, firstAdmin(t, s, places[0].node), vendor.URL, terms{vendor: "up"})
	sending, stop := contextWithStop(t)
	for i, p := range places {
		at := c.on(p.node)
		eventually(t, patience(time.Second), "the key works on every node", func() bool { return at.status(t, "/v1/models/"+c.model) == http.StatusOK })
		p.load = newLoad(t, at, []string{"first", "second", "third"}[i])
		p.load.start(sending, workers, 1<<20)
		defer p.load.wait()
		defer stop()
	}
	kills := 0
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for end := time.Now().Add(lasts); time.Now().Before(end); kills++ {
		<-tick.C
		p := places[rand.IntN(len(places))]
		p.load.reach(t, p.load.answers()+1)
		p.load.pause()
		p.node.kill()
		p.node = startNode(t, s, p.spool)
		p.load.resume(p.node.url)
	}
	for _, p := range places {
		p.load.reach(t, p.load.answers()+workers)
	}
	stop()
	var answered, broken []string
	for _, p := range places {
		p.load.wait()
		a, b, refused := p.load.seen()
		if len(refused) > 0 {
			t.Errorf("refused: %s", strings.Join(refused[:min(5, len(refused))], "\n"))
		}
		answered, broken = append(answered, a...), append(broken, b...)
	}
	if len(broken) > kills*workers {
		t.Errorf("%d broke off in %d kills with %d at a time", len(broken), kills, workers)
	}
	for _, p := range places {
		if code := p.node.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d, want 0", code)
		}
	}

	conn := connect(t, s.postgres)
	if truncated := agree(t, conn, c, answered, broken); truncated > len(broken) {
		t.Errorf("%d are logged as cut off, %d were", truncated, len(broken))
	}
	vendor.balances(t, conn, c, answered, broken)
	if leased := scan[int64](t, conn, `SELECT coalesce(sum(amount), 0)::bigint FROM credit_leases`); leased != 0 {
		t.Errorf("%d are still leased by nodes that have stopped", leased)
	}
	t.Logf("%d answered, %d under way at %d kills", len(answered), len(broken), kills)
}

// balances holds the log's tokens against the vendor's own count.
func (v *counter) balances(t *testing.T, conn *pgx.Conn, c *tenant, answered, broken []string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT request_id, input_tokens, output_tokens FROM requests WHERE model = $1 AND outcome = 'OK'`, c.model)
	if err != nil {
		t.Fatal(err)
	}
	logged := map[string]tokens{}
	var id string
	var n, sum tokens
	if _, err := pgx.ForEachRow(rows, []any{&id, &n.Input, &n.Output}, func() error { logged[id] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range answered {
		if logged[id] != v.whole[id] || v.whole[id] == (tokens{}) {
			t.Errorf("%s was answered with %+v, and is logged with %+v", id, v.whole[id], logged[id])
		}
		sum.Input, sum.Output = sum.Input+logged[id].Input, sum.Output+logged[id].Output
	}
	// What the vendor counts beyond that it sent while the node that asked was killed.
	beyond := len(v.whole) - len(answered)
	if beyond < 0 || beyond > len(broken) {
		t.Errorf("the vendor answered %d in all, %d were seen answered and %d broken off", len(v.whole), len(answered), len(broken))
	}
	t.Logf("%d input and %d output tokens, as the vendor counted; %d answers more of its own that nobody saw the end of", sum.Input, sum.Output, beyond)
}
