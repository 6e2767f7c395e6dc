package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A tongue is how a dialect asks for a stream, and how a stream of it ends that was not cut.
type tongue struct {
	name string
	path string // %s is the model
	body string // the same
	ends string // is in its last event
}

var tongues = []tongue{
	{"chat", "/v1/chat/completions", `{"model":"%s","stream":true,"messages":[{"role":"user","content":"Go on."}]}`, "data: [DONE]"},
	{"responses", "/v1/responses", `{"model":"%s","stream":true,"input":"Go on."}`, "event: response.completed"},
	{"messages", "/v1/messages", `{"model":"%s","stream":true,"max_tokens":4096,"messages":[{"role":"user","content":"Go on."}]}`, "event: message_stop"},
	{"gemini", "/v1beta/models/%s:streamGenerateContent?alt=sse", `{"contents":[{"role":"user","parts":[{"text":"Go on."}]}]}`, `"finishReason":"STOP"`},
}

// speak reads one stream to its end, and says what is wrong with it.
func (s *tongue) speak(client *http.Client, c *tenant, id string) error {
	path, body := s.path, s.body
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, c.model)
	} else {
		body = fmt.Sprintf(body, c.model)
	}
	req, err := http.NewRequest(http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", id)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", len(text), err)
	}
	events := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n\n")
	if last := events[len(events)-1]; resp.StatusCode != http.StatusOK || !strings.Contains(last, s.ends) {
		return fmt.Errorf("%d, and the last event is %.200q", resp.StatusCode, last)
	}
	return nil
}

// TestDrainCutsNoStream stops the gateway while 200 streams of all dialects are under way: each goes on to its proper end,
// and is booked. Meanwhile the node is not ready, at first takes calls all the same, and then refuses connections.
func TestDrainCutsNoStream(t *testing.T) {
	t.Parallel()
	const streams = 200
	s := newStores(t)
	operators := freePort(t)
	n := startNode(t, s, t.TempDir(), "DRAIN_DELAY=2s", "METRICS_LISTEN="+operators)
	vendor := startVendor(t)
	c := newTenant(t, firstAdmin(t, s, n), vendor, terms{vendor: "sim-chat?tokens=200&tps=20"}) // ten seconds each
	conn := connect(t, s.postgres)

	transport := &http.Transport{MaxIdleConnsPerHost: streams}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: requestTimeout}
	var group sync.WaitGroup
	var mu sync.Mutex
	var answered []string
	cut := map[string]error{}
	for i := range streams {
		group.Go(func() {
			tongue := &tongues[i%len(tongues)]
			id := fmt.Sprintf("drain-%s-%d", tongue.name, i)
			err := tongue.speak(client, c, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				cut[id] = err
				return
			}
			answered = append(answered, id)
		})
	}
	underWay(t, vendor, streams)
	begin := time.Now()
	n.signal(syscall.SIGTERM)

	eventually(t, patience(time.Second), "the node says that it is not ready", func() bool { return readiness(t, n.url) == http.StatusServiceUnavailable })
	if status := c.status(t, "/v1/models"); status != http.StatusOK {
		t.Errorf("a call right after the signal, before load balancers know: %d", status)
	}
	eventually(t, patience(5*time.Second), "connections are refused", func() bool { return readiness(t, n.url) == closed })
	if status := readiness(t, "http://"+operators); status != http.StatusServiceUnavailable {
		t.Errorf("operators are told %d while it drains, want 503", status)
	}
	if left := vendorStats(t, vendor).InFlight; left == 0 {
		t.Error("all streams have ended before the door was closed: nothing is shown")
	}

	group.Wait()
	code := n.wait(stopTimeout)
	t.Logf("%d streams, drained within %s", streams, time.Since(begin).Round(time.Millisecond))
	if code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	for id, err := range cut {
		t.Errorf("%s was cut: %v", id, err)
	}
	// The spool was drained before the end: nobody is there any more to book what is missing.
	agree(t, conn, c, answered, nil)
	if n := scan[int](t, conn, `SELECT count(*) FROM spool_cursors WHERE drained`); n != 1 {
		t.Errorf("%d nodes left drained, want one", n)
	}
	if n := scan[int](t, conn, `SELECT count(*) FROM credit_leases WHERE amount > 0`); n != 0 {
		t.Errorf("%d leases of a node that has stopped hold credit", n)
	}
}

// TestDrainFinishesForms stops the gateway while a form of the console is on its way, sent as the pages do it: it is
// answered, while an event stream ends at once.
func TestDrainFinishesForms(t *testing.T) {
	t.Parallel()
	s := newStores(t)
	n := startNode(t, s, t.TempDir())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: requestTimeout}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Jar: jar, Transport: transport, Timeout: requestTimeout}
	send := func(method, path string, form io.Reader) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, form)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "text/html, text/event-stream")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if form != nil {
			req.Header.Set("Expect", "100-continue") // the form is sent once the page reads it
		}
		return client.Do(req)
	}
	const email = "admin@example.com"
	in, err := send(http.MethodPost, "/login", strings.NewReader(url.Values{"email": {email}, "password": {createAdmin(t, s, email)}, "next": {"/keys"}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	in.Body.Close()
	if in.Request.URL.Path != "/keys" {
		t.Fatalf("the sign-in leads to %s", in.Request.URL)
	}

	stream, err := send(http.MethodGet, "/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	form, rest := io.Pipe()
	type answer struct {
		status int
		text   []byte
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		resp, err := send(http.MethodPost, "/keys/new", form)
		if err != nil {
			answered <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		answered <- answer{resp.StatusCode, text, err}
	}()
	if _, err := rest.Write([]byte("name=made+while+it")); err != nil {
		t.Fatal(err)
	}
	n.signal(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, stream.Body); err != nil {
		t.Errorf("the stream was cut: %v", err)
	}
	if _, err := rest.Write([]byte("+drains")); err != nil {
		t.Error(err)
	}
	rest.Close()
	if a := <-answered; a.err != nil || a.status != http.StatusOK || !strings.Contains(string(a.text), "sk-hg-") {
		t.Errorf("the form is answered with %d, %v: %.300s", a.status, a.err, a.text)
	}
	if code := n.wait(stopTimeout); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	if strings.Contains(n.stderr.String(), `"level":"ERROR"`) {
		t.Errorf("the drain is logged as an error:\n%s", n.stderr.tail(20))
	}
}

// closed is the readiness of a node that takes no connections.
const closed = -1

// readiness is the status of /readyz, on a connection of its own.
func readiness(t testing.TB, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/readyz")
	if errors.Is(err, syscall.ECONNREFUSED) {
		return closed
	}
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// freePort is an address that nobody has now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// underWay waits until the vendor serves so many requests at once.
func underWay(t *testing.T, vendor string, want int) {
	t.Helper()
	eventually(t, patience(10*time.Second), "the vendor is streaming", func() bool { return vendorStats(t, vendor).InFlight >= want })
}
