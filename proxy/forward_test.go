package proxy_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"aihigress/internal/fault"
	"aihigress/internal/limit"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// seen is what a vendor got.
type seen struct {
	body   string
	header http.Header
	path   string
}

func recorded(into *seen, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		*into = seen{body: string(raw), header: r.Header, path: r.URL.Path}
		answer(w, r)
	}
}

// The bytes of a request and its answer survive: unknown fields, their order, white space and escapes.
func TestBytesSurvive(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, in, out, answer string
	}{
		{"model only", "/chat/completions",
			"{ \"zeta\":1e400, \"mod\\u0065l\" : \"m\",\n\t\"messages\":[{\"content\":\"\\u00e9\\/\",\"role\":\"user\",\"cache_control\":{\"type\":\"ephemeral\"}}], \"x\":[1.0,{\"a\":null}] }\n",
			"{ \"zeta\":1e400, \"mod\\u0065l\" : \"up-m\",\n\t\"messages\":[{\"content\":\"\\u00e9\\/\",\"role\":\"user\",\"cache_control\":{\"type\":\"ephemeral\"}}], \"x\":[1.0,{\"a\":null}] }\n",
			"{\"choices\" : [ {\"message\":{\"content\":\"\\u00e9\",\"strange\":[1.50]}} ],\r\n \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4} , \"z\":0}\n"},
		{"embeddings", "/embeddings", `{"input":["a","b"],"model":"m","dimensions":2}`, `{"input":["a","b"],"model":"up-m","dimensions":2}`,
			`{"data":[{"embedding":[0.1,0.2]}],"model":"up-m","usage":{"prompt_tokens":2,"total_tokens":2}}`},
		{"stream that asks for usage", "/chat/completions", `{"stream":true,"model":"m","stream_options":{"include_usage":true},"messages":["hi"]}`,
			`{"stream":true,"model":"up-m","stream_options":{"include_usage":true},"messages":["hi"]}`,
			": hi\n\n" + role + word + "id: 7\nevent: odd\n" + word + end + tokens + done},
		{"stream with CRLF", "/chat/completions", `{"stream":true,"model":"m","stream_options":{"include_usage":true},"messages":["hi"]}`,
			`{"stream":true,"model":"up-m","stream_options":{"include_usage":true},"messages":["hi"]}`,
			strings.ReplaceAll(role+word+end+tokens+done, "\n", "\r\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got seen
			kind := "application/json; charset=utf-8"
			if strings.Contains(tt.in, `"stream":true`) {
				kind = "text/event-stream"
			}
			w := newWorld(t, []vendor{{handler: recorded(&got, script(200, kind, tt.answer))}})
			a := w.post(tt.path, tt.in)
			if a.StatusCode != 200 || a.Header.Get("Content-Type") != kind {
				t.Errorf("%d %s", a.StatusCode, a.Header.Get("Content-Type"))
			}
			if diff := cmp.Diff(tt.out, got.body); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.answer, a.body); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got.path != "/v1"+tt.path {
				t.Errorf("asked for %s", got.path)
			}
		})
	}
}

// Usage is asked for on our account, and neither the question nor the answer is the caller's.
func TestUsageIsAskedForQuietly(t *testing.T) {
	t.Parallel()
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, events(role, word, end, tokens, done))}})
	a := w.post("/chat/completions", stream)
	if want := `{"model":"up-m","stream_options":{"include_usage":true},"stream":true,"messages":[{"role":"user","content":"hello there"}]}`; got.body != want {
		t.Errorf("the vendor got %s", got.body)
	}
	if want := role + word + end + done; a.body != want {
		t.Errorf("the caller got %s", a.body)
	}
	e := w.only()
	if e.Usage.Input != 100 || e.Usage.Output != 20 || e.Usage.Estimated || *e.Charge != charged || *e.Cost != charged || e.Outcome != usage.OK || !e.Streamed {
		t.Errorf("%+v", e)
	}
}

func TestSilentProviderIsNotAskedForUsage(t *testing.T) {
	t.Parallel()
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, events(role, word, end, done)), silent: true}})
	w.post("/chat/completions", stream)
	if strings.Contains(got.body, "stream_options") {
		t.Errorf("the vendor got %s", got.body)
	}
	e := w.only()
	if !e.Usage.Estimated || e.Usage.Output != 1 || e.Usage.Input != 9 || *e.Charge != 19_000 {
		t.Errorf("usage %+v, charge %v", e.Usage, e.Charge)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"X-Request-Id": "theirs", "Openai-Organization": "acme", "Set-Cookie": "a=b", "Openai-Processing-Ms": "7", "X-Ratelimit-Limit-Requests": "9",
			"Strict-Transport-Security": "max-age=1", "Server": "cloud", "X-New": "kept", "X-Aihigress-Provider": "liar", "Access-Control-Allow-Origin": "*",
		} {
			w.Header().Set(name, value)
		}
		answer(completion)(w, r)
	})}})
	a := w.post("/chat/completions", chat, "X-Request-Id", "mine.1", "X-Custom", "kept", "Openai-Beta", "v2", "Openai-Organization", "org-of-caller",
		"Cookie", "session=1", "X-Api-Key", "theirs", "X-Forwarded-For", "203.0.113.9", "X-Aihigress-Tags", "team=red", "Accept-Encoding", "gzip", "User-Agent", "sdk/1")
	want := "X-Custom=kept Openai-Beta=v2 Openai-Organization= Cookie= X-Api-Key= X-Forwarded-For= X-Aihigress-Tags= Accept-Encoding=identity User-Agent=sdk/1 Authorization=Bearer secret-of-v0 X-Request-Id=mine.1"
	if g := header(got.header, "X-Custom", "Openai-Beta", "Openai-Organization", "Cookie", "X-Api-Key", "X-Forwarded-For", "X-Aihigress-Tags", "Accept-Encoding", "User-Agent", "Authorization", "X-Request-Id"); g != want {
		t.Errorf("to the vendor:\n%s, want\n%s", g, want)
	}
	want = "X-Request-Id=mine.1 X-Upstream-Request-Id=theirs X-Aihigress-Provider=v0 X-Aihigress-Model=up-m X-Aihigress-Attempts=1 Openai-Organization= Set-Cookie= " +
		"Openai-Processing-Ms=7 X-Ratelimit-Limit-Requests= Strict-Transport-Security= Server= X-New=kept Access-Control-Allow-Origin="
	if g := header(a.Header, "X-Request-Id", "X-Upstream-Request-Id", "X-Aihigress-Provider", "X-Aihigress-Model", "X-Aihigress-Attempts", "Openai-Organization", "Set-Cookie",
		"Openai-Processing-Ms", "X-Ratelimit-Limit-Requests", "Strict-Transport-Security", "Server", "X-New", "Access-Control-Allow-Origin"); g != want {
		t.Errorf("to the caller:\n%s, want\n%s", g, want)
	}
	e := w.only()
	if e.RequestID != "mine.1" || e.Tags["team"] != "red" || a.ContentLength != int64(len(completion)) {
		t.Errorf("%+v, %d bytes", e, a.ContentLength)
	}
}

func TestForeignRequestIDIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}})
	a := w.post("/chat/completions", chat, "X-Request-Id", "a b<script>")
	if got := a.Header.Get("X-Request-Id"); !strings.HasPrefix(got, "req_") || w.only().RequestID != got {
		t.Errorf("%q", got)
	}
}

// The event is on its way to the books before the caller can know that the answer is whole.
func TestBookedBeforeTheEndIsSent(t *testing.T) {
	t.Parallel()
	big := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 200<<10) + `"}}],"usage":{"prompt_tokens":100,"completion_tokens":20}}`
	for name, tt := range map[string]struct{ body, answer, last string }{
		"stream": {stream, role + word + end + tokens + done, done},
		"whole":  {chat, completion, "}"},
		"pieces": {chat, big, "}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: script(200, map[bool]string{true: "text/event-stream", false: "application/json"}[name == "stream"], tt.answer)}})
			r := w.request("/chat/completions", tt.body, "Authorization", "Bearer "+w.key)
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var got strings.Builder
			buf := make([]byte, 100)
			for {
				n, err := response.Body.Read(buf)
				got.Write(buf[:n])
				if strings.HasSuffix(got.String(), tt.last) && (name == "stream" || got.Len() >= len(tt.answer)) {
					if _, finished := w.meter.count(); finished != 1 {
						t.Fatalf("%d events when the last bytes came", finished)
					}
				}
				if err != nil {
					break
				}
			}
			if admitted, finished := w.meter.count(); admitted != 1 || finished != 1 {
				t.Errorf("%d admitted, %d finished", admitted, finished)
			}
			if e := w.only(); *e.Charge != charged {
				t.Errorf("charge %v", *e.Charge)
			}
		})
	}
}

// A call whose end could not be written down does not end well: it will be booked as truncated.
func TestUnbookedIsNotAnswered(t *testing.T) {
	t.Parallel()
	big := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 200<<10) + `"}}],"usage":{"prompt_tokens":100,"completion_tokens":20}}`
	for name, tt := range map[string]struct {
		body   string
		vendor http.HandlerFunc
	}{
		"stream": {stream, events(role, word, end, tokens, done)}, "stream without [DONE]": {stream, events(role, word, end, tokens)},
		"whole": {chat, answer(completion)}, "pieces": {chat, answer(big)},
	} {
		w := newWorld(t, []vendor{{handler: tt.vendor}})
		w.meter.full = errors.New("no space left on device")
		a := w.post("/chat/completions", tt.body)
		switch {
		case tt.body == stream && (strings.Contains(a.body, "[DONE]") || !strings.Contains(a.body, `"code":"internal_error"`)):
			t.Errorf("%s: %q", name, a.body)
		case name == "whole" && a.StatusCode != 500, name == "pieces" && a.err == nil, strings.Contains(a.body, "no space"):
			t.Errorf("%s: %d %.100q %v", name, a.StatusCode, a.body, a.err)
		}
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, c *snapshot.Contents) {
		limiter := limit.New(client, o.Log, time.Now).Patience(10 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- limiter.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		o.Limits = limiter
		c.Keys[0].Limits = snapshot.Limits{RequestsPerMinute: 2, TokensPerMinute: 100_000}
	})
	a := w.post("/chat/completions", chat)
	if got := header(a.Header, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens"); got !=
		"X-Ratelimit-Limit-Requests=2 X-Ratelimit-Remaining-Requests=1 X-Ratelimit-Limit-Tokens=100000 X-Ratelimit-Remaining-Tokens=99990" {
		t.Error(got)
	}
	if reset, err := time.ParseDuration(a.Header.Get("X-Ratelimit-Reset-Requests")); err != nil || reset <= 0 {
		t.Errorf("reset %v, %v", reset, err)
	}
	w.post("/chat/completions", chat)
	a = w.post("/chat/completions", chat)
	if e := readError(t, a); a.StatusCode != 429 || e.Code != "rate_limit_exceeded" || a.Header.Get("Retry-After") == "" || a.Header.Get("X-Ratelimit-Remaining-Requests") != "0" {
		t.Errorf("%d %s %v", a.StatusCode, a.body, a.Header)
	}
	if last := w.meter.finished[2]; last.Outcome != usage.Refused || last.HTTPStatus != 429 {
		t.Errorf("%+v", last)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	small := func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBody = 200 }
	tests := []struct {
		name, path, body string
		headers          []string
		status           int
		code             string
		says             string
		logged           bool
	}{
		{"no key", "/chat/completions", chat, []string{"Authorization", "Bearer "}, 401, "invalid_api_key", "Incorrect API key", false},
		{"basic", "/chat/completions", chat, []string{"Authorization", "Basic abc"}, 401, "invalid_api_key", "Incorrect API key", false},
		{"broken json", "/chat/completions", `{"model":"m"`, nil, 400, "", "could not parse", true},
		{"two models", "/chat/completions", `{"model":"m","messages":["hi"],"model":"m2"}`, nil, 400, "duplicate_parameter", "'model'", true},
		{"two streams, one escaped", "/chat/completions", `{"model":"m","stream":false,"str\u0065am":true}`, nil, 400, "duplicate_parameter", "'stream'", true},
		{"no model", "/embeddings", `{"input":"x"}`, nil, 400, "missing_required_parameter", "model", true},
		{"unknown model", "/chat/completions", `{"model":"other","messages":["hi"]}`, nil, 404, "model_not_found", "`other`", true},
		{"control characters", "/chat/completions", `{"model":"m\u0000","messages":["hi"]}`, nil, 400, "invalid_value", "control", true},
		{"too large", "/chat/completions", `{"model":"m","x":"` + strings.Repeat("x", 200) + `"}`, nil, 413, "request_too_large", "limit of 200 bytes", true},
		{"compressed", "/chat/completions", chat, []string{"Content-Encoding", "gzip"}, 400, "unsupported_content_encoding", "compressed", true},
		{"bad timeout", "/chat/completions", chat, []string{"X-Aihigress-Timeout-Ms", "soon"}, 400, "", "x-aihigress-timeout-ms", true},
		{"unknown path", "/nothing", `{}`, nil, 404, "unknown_url", "/v1/nothing", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}}, small)
			a := w.post(tt.path, tt.body, tt.headers...)
			e := readError(t, a)
			if a.StatusCode != tt.status || e.Code != tt.code || !strings.Contains(e.Message, tt.says) || a.Header.Get("X-Request-Id") == "" {
				t.Errorf("%d %+v", a.StatusCode, e)
			}
			if a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
				t.Error("not marked as ours")
			}
			if !tt.logged {
				if _, finished := w.meter.count(); finished != 0 {
					t.Error("it was logged")
				}
				return
			}
			if ev := w.only(); ev.Outcome != usage.Refused || ev.HTTPStatus != tt.status || ev.ProviderID != nil || *ev.Charge != 0 || len(ev.Attempts) != 0 {
				t.Errorf("logged as %+v", ev)
			}
		})
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for path, allowed := range map[string]string{"/chat/completions": "POST", "/embeddings": "POST", "/models": "GET, HEAD", "/models/m": "GET, HEAD"} {
		r := w.request(path, "")
		r.Method = http.MethodDelete
		if a := w.do(r); a.StatusCode != 405 || a.Header.Get("Allow") != allowed || readError(t, a).Code != "method_not_supported" {
			t.Errorf("%s: %d %v %s", path, a.StatusCode, a.Header, a.body)
		}
	}
}

// A body without Content-Length meets the same limit.
func TestChunkedBodyMeetsTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBody = 1 << 20 })
	for size, status := range map[int]int{1 << 20: 200, 1<<20 + 1: 413} {
		prefix, suffix := `{"model":"m","messages":[{"role":"user","content":"`, `"}]}`
		r := w.request("/chat/completions", prefix+strings.Repeat("x", size-len(prefix)-len(suffix))+suffix)
		r.ContentLength = -1
		if a := w.do(r); a.StatusCode != status {
			t.Errorf("%d bytes: %d %s", size, a.StatusCode, a.body)
		}
	}
}

func TestBodiesInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBodies = 1 << 10 })
	a := w.post("/chat/completions", `{"model":"m","messages":["hi"],"x":"`+strings.Repeat("x", 1<<10)+`"}`)
	if e := readError(t, a); a.StatusCode != 503 || e.Code != "gateway_overloaded" || a.Header.Get("Retry-After") != "" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for range 3 { // what was refused holds nothing
		if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
}

func TestEveryBadKeyIsTheSame401(t *testing.T) {
	t.Parallel()
	var keys []string
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(_ *proxy.Options, c *snapshot.Contents) {
		for _, change := range []func(*snapshot.Key){
			func(k *snapshot.Key) { k.ExpiresAt = time.Now().Add(-time.Second) },
			func(k *snapshot.Key) { k.Scopes = []string{"platform"} },
			func(k *snapshot.Key) { k.IPRanges = prefixes("203.0.113.0/24") },
		} {
			text := mint()
			key := newKey(text)
			change(key)
			c.Keys, keys = append(c.Keys, key), append(keys, text)
		}
	})
	keys = append(keys, mint(), "sk-hg-nonsense", "x")
	var bodies []string
	for _, key := range keys {
		for _, a := range []answered{w.post("/chat/completions", chat, "Authorization", "Bearer "+key), w.get("/models", "Authorization", "Bearer "+key)} {
			if a.StatusCode != 401 {
				t.Errorf("%s: %d", key, a.StatusCode)
			}
			bodies = append(bodies, a.body)
		}
	}
	for _, b := range bodies[1:] {
		if b != bodies[0] {
			t.Errorf("%s differs from %s", b, bodies[0])
		}
	}
	if _, finished := w.meter.count(); finished != 0 {
		t.Errorf("%d were logged", finished)
	}
}

func TestNoCreditNoCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}})
	w.credit.refuse = fault.New(fault.Exhausted, "too little credit").WithCode("insufficient_quota")
	a := w.post("/chat/completions", chat)
	if e := readError(t, a); a.StatusCode != 429 || e.Code != "insufficient_quota" || a.Header.Get("X-Should-Retry") != "false" || a.Header.Get("Retry-After") != "" {
		t.Errorf("%d %+v %v", a.StatusCode, e, a.Header)
	}
	if e := w.only(); e.Outcome != usage.Refused || e.ErrorCode != "insufficient_quota" {
		t.Errorf("%+v", e)
	}
	w.credit.refuse = fault.Wrap(io.EOF, fault.Internal, "credit cannot be checked").WithCode("credit_unavailable").After(time.Second)
	if a := w.post("/chat/completions", chat); a.StatusCode != 503 || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// What is held covers the prompt and the longest answer that is allowed; what is charged is what was used.
func TestHoldAndCharge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}})
	w.post("/chat/completions", `{"model":"m","max_tokens":50,"n":2,"messages":[{"role":"user","content":"12345678"}]}`)
	w.post("/chat/completions", chat)
	w.post("/embeddings", `{"model":"m","input":"12345678"}`)
	want := []int64{11_000 + 100*10_000, 13_000 + 4096*10_000, 4_000}
	for i, amount := range w.credit.held {
		if int64(amount) != want[i] {
			t.Errorf("call %d holds %d, want %d", i, amount, want[i])
		}
	}
	if len(w.credit.settled) != 3 || w.credit.settled[0] != charged || w.credit.stillHeld() != 0 {
		t.Errorf("settled %v, %d open", w.credit.settled, w.credit.stillHeld())
	}
	if admitted := w.meter.admitted[0]; admitted.Usage.Input != 9 || *admitted.Charge != 9_000 || int64(admitted.Hold) != want[0] {
		t.Errorf("admitted as %+v", admitted)
	}
}

// A hold covers what the caller allowed, whatever the catalogue takes for the model's limit; and an estimate stays within.
func TestChargeStaysWithinTheHold(t *testing.T) {
	t.Parallel()
	long := strings.Replace(word, "Hello", strings.Repeat("Hello ", 60), 1)
	for name, handler := range map[string]http.HandlerFunc{
		"counted": events(word, end, strings.Replace(tokens, `"completion_tokens":20`, `"completion_tokens":50`, 1), done),
		"guessed": events(long, end, done),
		"cut":     cutAfter("text/event-stream", strings.Replace(long, `"choices"`, `"usage":{"prompt_tokens":9,"completion_tokens":1},"choices"`, 1)),
	} {
		w := newWorld(t, []vendor{{handler: handler}}, func(_ *proxy.Options, c *snapshot.Contents) {
			c.Providers[0].Models["up-m"].MaxOutput = 10
		})
		w.post("/chat/completions", `{"model":"m","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"`+strings.Repeat("hi ", 100)+`"}]}`)
		if e := w.only(); e.Usage.Output != 50 || *e.Charge > e.Hold {
			t.Errorf("%s: %d is charged and %d held, for %+v", name, *e.Charge, e.Hold, e.Usage)
		}
	}
}

func TestUnpricedIsNotFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion), unpriced: true}})
	if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if e := w.only(); !e.Unpriced || e.Charge != nil || e.Cost != nil || e.Usage.Output != 20 {
		t.Errorf("%+v", e)
	}
	if len(w.credit.settled) != 0 || w.credit.stillHeld() != 0 {
		t.Errorf("settled %v, %d open", w.credit.settled, w.credit.stillHeld())
	}
	w = newWorld(t, []vendor{{handler: answer(completion), unpriced: true}}, func(o *proxy.Options, _ *snapshot.Contents) { o.RefuseUnpriced = true })
	if a := w.post("/chat/completions", chat); a.StatusCode != 403 || readError(t, a).Code != "unpriced_model" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestUnpricedIsNotReachedByFailingOver: where calls without a price are refused, a route without one is not used in place of one
// that fails, and does not stand in the way of one that has a price.
func TestUnpricedIsNotReachedByFailingOver(t *testing.T) {
	t.Parallel()
	refuse := func(o *proxy.Options, _ *snapshot.Contents) { o.RefuseUnpriced = true }
	w := newWorld(t, []vendor{{handler: script(500, "application/json", "{}")}, {handler: answer(completion), unpriced: true}}, refuse)
	if a := w.post("/chat/completions", chat); a.StatusCode != 500 && a.StatusCode != 502 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.only(); len(e.Attempts) == 0 || e.Attempts[len(e.Attempts)-1].ProviderSlug != "v0" || e.Unpriced {
		t.Errorf("%+v", e)
	}
	w = newWorld(t, []vendor{{handler: answer(completion), unpriced: true}, {handler: answer(completion)}}, refuse)
	if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.only(); e.ProviderSlug != "v1" || e.Unpriced || e.Charge == nil {
		t.Errorf("%+v", e)
	}
}

// TestPiecesWithoutAPriceAreNotFree: sound that a vendor counts by the second alone is paid by an estimate of its tokens where only
// those have a price, and unpriced where nothing has.
func TestPiecesWithoutAPriceAreNotFree(t *testing.T) {
	t.Parallel()
	const form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\ns\r\n--b--\r\n"
	for _, unpriced := range []bool{true, false} {
		w := newWorld(t, []vendor{{handler: answer(`{"text":"","usage":{"type":"duration","seconds":61.2}}`), unpriced: unpriced}})
		if a := w.post("/audio/transcriptions", form, "Content-Type", "multipart/form-data; boundary=b"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		e := w.only()
		if e.Usage.Seconds != 62 || e.Unpriced != unpriced || (e.Charge == nil) != unpriced || !unpriced && (*e.Charge == 0 || !e.Usage.Estimated) {
			t.Errorf("%+v", e)
		}
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{}, {}}, func(_ *proxy.Options, c *snapshot.Contents) { c.Providers[1].Visibility = "private" })
	a := w.get("/models")
	if want := `{"object":"list","data":[{"id":"m","object":"model","created":1700000000,"owned_by":"aihigress"},{"id":"up-m","object":"model","created":0,"owned_by":"aihigress"}]}`; a.body != want {
		t.Errorf("%s", a.body)
	}
	for id, status := range map[string]int{"m": 200, "up-m": 200, "v0/up-m": 200, "v1/up-m": 404, "none": 404} {
		if a := w.get("/models/" + id); a.StatusCode != status {
			t.Errorf("%s: %d %s", id, a.StatusCode, a.body)
		}
	}
	if a := w.post("/models", "{}"); a.StatusCode != 405 || readError(t, a).Code != "method_not_supported" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
