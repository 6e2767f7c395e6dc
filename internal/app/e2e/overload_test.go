package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const mib = 1 << 20

// A storm is callers who all come at once with large bodies, for a model that is slow.
type storm struct {
	group    sync.WaitGroup
	answered atomic.Int64
	refused  atomic.Int64 // for memory
	waited   atomic.Int64 // in vain, for a slot at a vendor that a busy machine makes look slow
	other    atomic.Int64 // none of these
	last     atomic.Value // what the last of these was
}

// blow has so many callers send a call of so many bytes so often, one after the other.
func (s *storm) blow(c *tenant, callers, times, size int) {
	body := []byte(fmt.Sprintf(`{"model":"%s","stream":true,"messages":[{"role":"user","content":"%s"}]}`, c.model, strings.Repeat("go on ", size/6)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: requestTimeout}, Timeout: requestTimeout}
	for range callers {
		s.group.Go(func() {
			for range times {
				s.one(client, c, body)
			}
		})
	}
}

func (s *storm) one(client *http.Client, c *tenant, body []byte) {
	req, err := http.NewRequest(http.MethodPost, c.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		panic(err) // the address is a gateway's
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // so that who is refused early reads why
	resp, err := client.Do(req)
	if err != nil {
		s.other.Add(1)
		s.last.Store(err.Error())
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err == nil && resp.StatusCode == http.StatusOK && bytes.HasSuffix(text, []byte("data: [DONE]\n\n")):
		s.answered.Add(1)
	case err == nil && resp.StatusCode == http.StatusServiceUnavailable && bytes.Contains(text, []byte("gateway_overloaded")):
		s.refused.Add(1)
	case err == nil && busy(resp.StatusCode, text):
		s.waited.Add(1)
	default:
		s.other.Add(1)
		s.last.Store(fmt.Sprintf("%d %v %.300s", resp.StatusCode, err, text))
	}
}

// busy reports whether an answer is the refusal of a call that waited for its turn until its patience was over: with its
// status, or as the last event of a stream that had begun by then.
func busy(status int, answer []byte) bool {
	const code = `"code":"upstream_busy"}}`
	switch status {
	case http.StatusServiceUnavailable:
		return bytes.HasSuffix(answer, []byte(code))
	case http.StatusOK:
		return bytes.HasPrefix(answer, []byte(": keep-alive\n\n")) && bytes.HasSuffix(answer, []byte(code+"\n\n")) && bytes.Count(answer, []byte("data: ")) == 1
	}
	return false
}

// TestHugeBodiesLeaveRoomForOthers has a tenant send 60 calls of 8 MiB at a time for a slow model, of which the memory holds
// ten. All calls of another tenant are answered, and the process stays within its limit.
func TestHugeBodiesLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	const limit = 192 * mib
	s := newStores(t)
	n := startNode(t, s, t.TempDir(), "MEMORY_LIMIT="+strconv.Itoa(limit))
	admin, vendor := firstAdmin(t, s, n), startVendor(t)
	heavy := newTenant(t, admin, vendor, terms{credit: "100000", vendor: "sim-chat?ttft=1s&tokens=20&tps=20"})
	light := newTenant(t, admin, vendor, terms{vendor: "sim-chat?ttft=10ms&tokens=8&tps=400"})
	weight := n.weigh(t)
	var storm storm
	storm.blow(heavy, 60, 3, 8*mib)
	underWay(t, vendor, 5)
	others := newLoad(t, light, "other")
	others.start(t.Context(), 8, scaled(400))
	others.wait()
	storm.group.Wait()
	others.whole(t)
	most := weight()
	t.Logf("of 180 huge calls %d were answered, %d refused and %d waited in vain; %d of another tenant were answered; memory %d MiB at most",
		storm.answered.Load(), storm.refused.Load(), storm.waited.Load(), others.answers(), most/mib)
	if storm.answered.Load() < 10 || storm.refused.Load() == 0 || storm.other.Load() > 0 {
		t.Errorf("%d calls ended some other way: %v", storm.other.Load(), storm.last.Load())
	}
	if most > limit && !raceBuild { // the race detector takes several times as much
		t.Errorf("the process took %d bytes, with a limit of %d", most, limit)
	}
}

// TestMemoryShedsAndRecovers fills a small process with slow streams and large bodies until it turns calls away, and sees
// it take calls again when they are over.
func TestMemoryShedsAndRecovers(t *testing.T) {
	t.Parallel()
	const limit = 64 * mib
	s := newStores(t)
	operators := freePort(t)
	n := startNode(t, s, t.TempDir(), "MEMORY_LIMIT="+strconv.Itoa(limit), "METRICS_LISTEN="+operators)
	admin, vendor := firstAdmin(t, s, n), startVendor(t)
	slow := newTenant(t, admin, vendor, terms{credit: "100000", vendor: "sim-chat?tokens=60&tps=10"})
	weight := n.weigh(t)
	var storm storm
	storm.blow(slow, 500, 1, 48<<10)
	storm.blow(slow, 20, 2, 3*mib)
	shed := func() int { return metric(t, operators, `aihigress_calls_shed_total{cause="memory"}`) }
	eventually(t, patience(20*time.Second), "calls are turned away for memory, and the node says so", func() bool {
		return readiness(t, n.url) == http.StatusServiceUnavailable && shed() > 0
	})
	storm.group.Wait()
	took := eventually(t, patience(10*time.Second), "the node is ready again", func() bool { return readiness(t, n.url) == http.StatusOK })
	slow.chat(t)
	most := weight()
	t.Logf("%d answered, %d refused, %d waited in vain; %d turned away for memory; ready %s after the storm; memory %d MiB at most", storm.answered.Load(), storm.refused.Load(), storm.waited.Load(), shed(), took.Round(time.Millisecond), most/mib)
	if storm.other.Load() > 0 {
		t.Errorf("%d calls ended some other way: %v", storm.other.Load(), storm.last.Load())
	}
}

// weigh looks at the memory of the process again and again, but for what its files take, until the function that it
// returns is asked for the most that was seen, in bytes.
func (n *node) weigh(t testing.TB) func() int {
	t.Helper()
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		most := 0
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				done <- most
				return
			case <-tick.C:
				most = max(most, anonymous(n.cmd.Process.Pid))
			}
		}
	}()
	return func() int { close(stop); return <-done }
}

// anonymous is the memory of a process in bytes, without its files; 0 where the system does not say.
func anonymous(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(found[1])) // digits
	return kb << 10
}

// metric is one line of /metrics.
func metric(t testing.TB, addr, name string) int {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(value)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
