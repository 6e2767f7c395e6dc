package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A load sends streamed requests from several workers at once, each under a request id of its own, and notes what the
// caller saw of each. A node may be killed and replaced under it.
type load struct {
	prefix  string // of the request ids
	key     string
	body    []byte // asks with the request's id in place of REQUEST-ID
	client  *http.Client
	pace    time.Duration // between two requests; zero sends as soon as a worker is free
	workers sync.WaitGroup

	mu       sync.Mutex
	url      string
	up       chan struct{} // closed while there is a node to call
	answered []string      // ids whose [DONE] was seen
	broken   []string      // ids that got no whole answer
	refused  []string      // what came instead of an answer
}

// newLoad prepares a load of the tenant's with a prefix for its request ids.
func newLoad(t testing.TB, c *tenant, prefix string) *load {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": c.model, "stream": true, "messages": []any{map[string]string{"role": "user", "content": "Go on, REQUEST-ID."}}})
	if err != nil {
		t.Fatal(err)
	}
	l := &load{prefix: prefix, key: c.key, body: body, url: c.url, up: make(chan struct{})}
	close(l.up)
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	l.client = &http.Client{Transport: transport}
	return l
}

// every has start send one request each time, and no faster: an open load, as long as there are workers enough.
func (l *load) every(d time.Duration) { l.pace = d }

// start sends total requests, or until ctx ends, with so many at a time. wait returns when all have ended.
func (l *load) start(ctx context.Context, workers, total int) {
	next := make(chan int)
	l.workers.Go(func() {
		defer close(next)
		begin := time.Now()
		for i := range total {
			if !sleep(ctx, time.Until(begin.Add(time.Duration(i)*l.pace))) {
				return
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		l.workers.Go(func() {
			for i := range next {
				l.one(fmt.Sprintf("%s-%d", l.prefix, i))
			}
		})
	}
}

// sleep is false where ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (l *load) wait() { l.workers.Wait() }

// pause holds requests back that have not been sent, resume lets them go to a node.
func (l *load) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = make(chan struct{})
}

func (l *load) resume(url string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.url = url
	close(l.up)
}

func (l *load) target() string {
	for {
		l.mu.Lock()
		url, up := l.url, l.up
		l.mu.Unlock()
		select {
		case <-up:
			return url
		default:
		}
		<-up
	}
}

// requestTimeout bounds one request of a load.
const requestTimeout = 60 * time.Second

// one sends one request and reads its stream to the end.
func (l *load) one(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.target()+"/v1/chat/completions", bytes.NewReader(bytes.Replace(l.body, []byte("REQUEST-ID"), []byte(id), 1)))
	if err != nil {
		panic(err) // the address is a gateway's
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", id)
	resp, err := l.client.Do(req)
	if err != nil {
		l.note(&l.broken, id)
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	last := ""
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
		if last == "data: [DONE]" {
			break // as clients do: what comes behind it is not read
		}
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		l.note(&l.refused, fmt.Sprintf("%s: %d %.200s", id, resp.StatusCode, last))
	case last == "data: [DONE]" && resp.Header.Get("X-Request-Id") == id:
		l.note(&l.answered, id)
	default:
		l.note(&l.broken, id)
	}
}

func (l *load) note(list *[]string, entry string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, entry)
}

// seen is what has become of the requests so far. Each list is a copy.
func (l *load) seen() (answered, broken, refused []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.answered...), append([]string(nil), l.broken...), append([]string(nil), l.refused...)
}

func (l *load) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answered)
}

// reach waits until so many requests have been answered.
func (l *load) reach(t testing.TB, answers int) {
	t.Helper()
	eventually(t, patience(2*time.Minute), fmt.Sprintf("%d answers", answers), func() bool {
		if _, _, refused := l.seen(); len(refused) > 0 {
			t.Fatalf("refused: %s", strings.Join(refused[:min(5, len(refused))], "\n"))
		}
		return l.answers() >= answers
	})
}

// whole fails the test unless every request was answered.
func (l *load) whole(t testing.TB) {
	t.Helper()
	if _, broken, refused := l.seen(); len(broken)+len(refused) > 0 {
		t.Errorf("%d requests broke off, %d were refused: %v %v", len(broken), len(refused), broken[:min(5, len(broken))], refused[:min(5, len(refused))])
	}
}
