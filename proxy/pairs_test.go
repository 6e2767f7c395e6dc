package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// eachPair runs a test for every caller's dialect with every vendor's, streamed and not.
func eachPair(t *testing.T, run func(t *testing.T, caller, target *speaker, stream bool)) {
	t.Helper()
	for _, caller := range speakers {
		for _, target := range speakers {
			for _, stream := range []bool{false, true} {
				name := caller.name + " to " + target.name + map[bool]string{true: " stream", false: " whole"}[stream]
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					run(t, caller, target, stream)
				})
			}
		}
	}
}

// Every caller gets the text and the counts of every vendor, and the call is booked the same.
func TestPairsText(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		var got seen
		w := newWorld(t, []vendor{{handler: recorded(&got, target.answers(stream))}}, speaking(target.name))
		a := w.says(caller, stream, "")
		r := caller.reads(t, stream, a.body)
		want := reply{text: "Hello", in: 100, out: 20, ended: stream}
		if a.StatusCode != 200 || r != want {
			t.Errorf("%d %+v, want %+v: %s", a.StatusCode, r, want, a.body)
		}
		path := target.whole
		if stream {
			path = target.stream
		}
		if want := strings.Replace(strings.Split(path, "?")[0], "/m:", "/up-m:", 1); got.path != want || !strings.Contains(got.body, "hello there") {
			t.Errorf("the vendor got %s at %s, want %s", got.body, got.path, want)
		}
		if kind := a.Header.Get("Content-Type"); stream != strings.HasPrefix(kind, "text/event-stream") || a.Header.Get("X-Aihigress-Provider") != "v0" || a.Header.Get("X-Aihigress-Attempts") != "1" {
			t.Errorf("%v", a.Header)
		}
		e := w.only()
		if e.Outcome != usage.OK || *e.Charge != charged || e.Usage.Estimated || e.Dialect != caller.name || e.Streamed != stream || stream && e.FirstToken == 0 {
			t.Errorf("%+v", e)
		}
	})
}

// A tool that the caller offers reaches the vendor, and its call comes back.
func TestPairsTool(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		var got seen
		w := newWorld(t, []vendor{{handler: recorded(&got, target.calls(stream))}}, speaking(target.name))
		a := w.says(caller, stream, lookTool[caller.name])
		r := caller.reads(t, stream, a.body)
		r.input = strings.ReplaceAll(r.input, " ", "")
		if caller.name == llm.Anthropic && stream {
			r.input = strings.TrimPrefix(r.input, "{}")
		}
		want := reply{tool: "look", input: `{"at":"sea"}`, in: 100, out: 20, ended: stream}
		if a.StatusCode != 200 || r != want {
			t.Errorf("%d %+v, want %+v: %s", a.StatusCode, r, want, a.body)
		}
		if !strings.Contains(got.body, `"look"`) || !strings.Contains(got.body, `"at"`) {
			t.Errorf("the vendor got %s", got.body)
		}
		if a.Header.Get("X-Aihigress-Dropped") != "" {
			t.Errorf("dropped %s", a.Header.Get("X-Aihigress-Dropped"))
		}
	})
}

// What fails before the commit point is tried at a vendor of another dialect.
func TestPairsFailOver(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		for i, next := range speakers {
			first := script(529, "application/json", target.refusal)
			switch {
			case stream && i%2 == 0:
				first = events(target.head, target.oops)
			case stream:
				first = events(target.head, "data: {]\n\n")
			case i%2 == 0:
				first = answer(`{"broken`)
			}
			w := newWorld(t, []vendor{{handler: first}, {handler: next.answers(stream)}}, speaking(target.name, next.name))
			a := w.says(caller, stream, "")
			if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r != (reply{text: "Hello", in: 100, out: 20, ended: stream}) || a.Header.Get("X-Aihigress-Attempts") != "2" {
				t.Errorf("then %s: %d %s %v", next.name, a.StatusCode, a.body, a.Header)
			}
			if e := w.only(); e.Outcome != usage.OK || len(e.Attempts) != 2 || *e.Charge != charged {
				t.Errorf("%+v", e)
			}
		}
	})
}

// A vendor's refusal reaches the caller in the caller's words, with what its header says.
func TestPairsRefusal(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("X-Should-Retry", "true")
			w.Header().Set("Request-Id", "req_theirs")
			w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "0")
			script(429, "application/json", target.refusal)(w, r)
		}}}, speaking(target.name))
		a := w.says(caller, stream, "")
		r := caller.read(t, a.body)
		if a.StatusCode != 429 || r.err != "slow down" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		limit := "X-Ratelimit-Remaining-Requests"
		if caller.name == llm.Anthropic {
			limit = "Anthropic-Ratelimit-Requests-Remaining"
		}
		if h := header(a.Header, "Retry-After", "X-Should-Retry", "X-Upstream-Request-Id", limit, "X-Aihigress-Error-Source"); h != "Retry-After=7 X-Should-Retry=true X-Upstream-Request-Id=req_theirs "+limit+"=0 X-Aihigress-Error-Source=upstream" {
			t.Error(h)
		}
		if e := w.only(); e.Outcome != usage.UpstreamError || *e.Charge != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// After the commit point an error or a cut is told by the dialect's own event, and nothing says that the stream is whole.
func TestPairsBroken(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if !stream {
			return
		}
		for name, handler := range map[string]http.HandlerFunc{
			"error":     events(target.head, target.word, target.oops),
			"cut":       cutAfter("text/event-stream", target.head, target.word),
			"half":      cutAfter("text/event-stream", target.head, target.word, target.word[:len(target.word)/2]),
			"ended":     events(target.head, target.word),
			"malformed": events(target.head, target.word, "data: {]\n\n", target.tail),
		} {
			w := newWorld(t, []vendor{{handler: handler}, {handler: func(http.ResponseWriter, *http.Request) { t.Error("a second vendor was asked") }}},
				speaking(target.name, target.name))
			a := w.says(caller, stream, "")
			r := caller.readStream(t, a.body)
			if a.StatusCode != 200 || a.err != nil || r.text != "Hello" || r.ended || r.err == "" || name == "error" && r.err != "gone" {
				t.Errorf("%s: %d %v %+v %s", name, a.StatusCode, a.err, r, a.body)
			}
			if e := w.only(); e.Outcome != usage.Truncated || len(e.Attempts) != 1 || *e.Charge == 0 || w.credit.stillHeld() != 0 {
				t.Errorf("%s: %+v", name, e)
			}
		}
	})
}

// The caller's going is the vendor's within a second, and what was used is booked.
func TestPairsCallerGoes(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if !stream {
			return
		}
		told := make(chan struct{})
		w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
			events(target.head, target.word)(w, r)
			<-r.Context().Done()
			close(told)
		}}}, speaking(target.name))
		w.meter.signal = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := w.asking(caller, true, "", "Authorization", "Bearer "+w.key).WithContext(ctx)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		for line := bufio.NewReader(response.Body); ; {
			text, err := line.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "Hello") {
				break
			}
		}
		gone := time.Now()
		cancel()
		<-told
		<-w.meter.signal
		if took := time.Since(gone); took > time.Second {
			t.Errorf("took %v", took)
		}
		if e := w.only(); e.Outcome != usage.Cancelled || e.Usage.IsZero() || e.Usage.Output == 0 || *e.Charge == 0 {
			t.Errorf("%+v", e)
		}
	})
}

// The end of a translated answer goes out when the call is booked, and not where it cannot be.
func TestPairsBookedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: target.answers(stream)}}, speaking(target.name))
		w.meter.full = io.ErrShortWrite
		a := w.says(caller, stream, "")
		if stream {
			if r := caller.readStream(t, a.body); r.ended || r.err == "" {
				t.Errorf("%+v %s", r, a.body)
			}
		} else if r := caller.read(t, a.body); a.StatusCode != 500 || r.err == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

// A vendor that has streams alone serves who asks for none, and the other way round, also in the same dialect.
func TestPairsOneWayVendors(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		way := map[bool]string{true: "never", false: "only"}[stream]
		var got seen
		w := newWorld(t, []vendor{{handler: recorded(&got, target.answers(!stream))}}, speaking(target.name), func(_ *proxy.Options, c *snapshot.Contents) {
			c.Providers[0].Streaming = way
		})
		a := w.says(caller, stream, "")
		if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r != (reply{text: "Hello", in: 100, out: 20, ended: stream}) {
			t.Errorf("%d %+v %s", a.StatusCode, r, a.body)
		}
		if asked := strings.Contains(got.body, `"stream":true`) || strings.Contains(got.path, "stream"); asked == stream {
			t.Errorf("the vendor got %s at %s", got.body, got.path)
		}
		if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged || e.Streamed != stream {
			t.Errorf("%+v", e)
		}
	})
}

// One byte at a time is as good as all at once.
func TestPairsOneByteAtATime(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: target.answers(stream)}}, speaking(target.name), func(o *proxy.Options, _ *snapshot.Contents) { o.Upstream = oneByte{o.Upstream} })
		a := w.says(caller, stream, "")
		if r := caller.reads(t, stream, a.body); r != (reply{text: "Hello", in: 100, out: 20, ended: stream}) {
			t.Errorf("%+v %s", r, a.body)
		}
	})
}
