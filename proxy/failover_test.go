package proxy_test

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"aihigress/internal/apikey"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// oops is an OpenAI error answer.
func oops(status int, kind, code, message string, headers ...string) http.HandlerFunc {
	body, err := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": kind, "code": code, "param": nil}})
	if err != nil {
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		script(status, "application/json", string(body))(w, r)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// What is tried elsewhere before the commit point, and what is not.
func TestFailover(t *testing.T) {
	t.Parallel()
	const errorEvent = `data: {"error":{"message":"overloaded","type":"server_error"}}` + "\n\n"
	tests := []struct {
		name   string
		first  http.HandlerFunc
		stream bool
		stays  int    // status where it is not tried elsewhere; 0 is failover
		code   string // of the first attempt
	}{
		{"500", oops(500, "server_error", "", "x"), false, 0, "server_error"},
		{"503", oops(503, "server_error", "overloaded", "x"), true, 0, "overloaded"},
		{"529", oops(529, "overloaded_error", "", "x"), true, 0, "overloaded_error"},
		{"408", oops(408, "", "", "x"), false, 0, "invalid_request_error"},
		{"429", oops(429, "requests", "rate_limit_exceeded", "x"), true, 0, "rate_limit_exceeded"},
		{"quota", oops(429, "insufficient_quota", "insufficient_quota", "x"), true, 0, "upstream_quota"},
		{"402", oops(402, "", "", "Insufficient Balance"), false, 0, "upstream_quota"},
		{"401", oops(401, "invalid_request_error", "invalid_api_key", "x"), true, 0, "upstream_auth"},
		{"403", oops(403, "", "", "x"), false, 0, "upstream_auth"},
		{"404", oops(404, "invalid_request_error", "model_not_found", "x"), false, 0, "model_not_found"},
		{"page of HTML", script(502, "text/html", "<html>bad gateway</html>"), true, 0, "server_error"},
		{"redirect", script(302, "text/html", ""), true, 0, "upstream_malformed"},
		{"no answer", hangUp, false, 0, "broken"},
		{"no answer to a stream", hangUp, true, 0, "broken"},
		{"error in 200", answer(`{"error":{"message":"x","code":502}}`), false, 0, "502"},
		{"nothing in 200", answer(`{}`), false, 0, "upstream_malformed"},
		{"an error of another form in 200", answer(`{"object":"error","message":"x","code":404}`), false, 0, "upstream_malformed"},
		{"HTML in 200", script(200, "text/html", "<html>"), false, 0, "upstream_malformed"},
		{"compressed unasked", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answer("\x1f\x8b")(w, r)
		}, false, 0, "upstream_malformed"},
		{"half of a body", cutAfter("application/json", completion[:50]), false, 0, "upstream_truncated"},
		{"first frame malformed", events("data: {\"choices\":[\n\n"), true, 0, "upstream_malformed"},
		{"malformed after the role", events(role, "data: {]\n\n"), true, 0, "upstream_malformed"},
		{"error event", events(errorEvent), true, 0, "server_error"},
		{"error event after the role", events(": wait\n\n", role, errorEvent, done), true, 0, "server_error"},
		{"nothing but the end", events(done), true, 0, "upstream_malformed"},
		{"nothing", events(), true, 0, "upstream_truncated"},
		{"cut after the role", cutAfter("text/event-stream", role), true, 0, "upstream_truncated"},
		{"JSON for a stream, malformed", answer(`{"choices"`), true, 0, "upstream_malformed"},
		{"400", oops(400, "invalid_request_error", "context_length_exceeded", "x"), true, 400, "context_length_exceeded"},
		{"413", oops(413, "invalid_request_error", "", "x"), false, 413, "invalid_request_error"},
		{"422", oops(422, "invalid_request_error", "", "x"), false, 422, "invalid_request_error"},
		{"invalid request in a stream", events(`data: {"error":{"message":"x","type":"invalid_request_error","code":"bad"}}` + "\n\n"), true, 400, "bad"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			second := answer(completion)
			body, want := chat, completion
			if tt.stream {
				second, body, want = events(role+word+end+tokens+done), stream, role+word+end+done
			}
			w := newWorld(t, []vendor{{handler: tt.first}, {handler: second}})
			a := w.post("/chat/completions", body)
			e := w.only()
			if len(e.Attempts) == 0 || e.Attempts[0].Error != tt.code || e.Attempts[0].ProviderSlug != "v0" {
				t.Errorf("attempts %+v, want the first to be %q", e.Attempts, tt.code)
			}
			if w.credit.stillHeld() != 0 {
				t.Error("the hold is still open")
			}
			if tt.stays != 0 {
				if a.StatusCode != tt.stays || len(e.Attempts) != 1 || e.Outcome != usage.ClientError || *e.Charge != 0 || e.HTTPStatus != tt.stays {
					t.Errorf("%d %s, %+v", a.StatusCode, a.body, e)
				}
				return
			}
			if a.StatusCode != 200 || a.body != want || a.Header.Get("X-Aihigress-Attempts") != "2" || a.Header.Get("X-Aihigress-Provider") != "v1" {
				t.Errorf("%d %s %v", a.StatusCode, a.body, a.Header)
			}
			if len(e.Attempts) != 2 || e.Attempts[1].Status != 200 || e.Attempts[1].Error != "" || e.ProviderSlug != "v1" || e.Outcome != usage.OK || *e.Charge != charged {
				t.Errorf("%+v", e)
			}
		})
	}
}

// How the last failure reaches the caller.
func TestLastFailureIsTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		last       http.HandlerFunc
		status     int
		kind, code string
		retryAfter string
		source     string
	}{
		{"429", oops(429, "tokens", "rate_limit_exceeded", "slow down", "Retry-After", "17"), 429, "tokens", "rate_limit_exceeded", "17", "upstream"},
		{"503 with a date", oops(503, "server_error", "", "busy", "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"), 503, "server_error", "", "Wed, 21 Oct 2026 07:28:00 GMT", "upstream"},
		{"500", oops(500, "", "", ""), 500, "server_error", "", "", "upstream"},
		{"404", oops(404, "invalid_request_error", "model_not_found", "x"), 404, "invalid_request_error", "model_not_found", "", "upstream"},
		{"401", oops(401, "invalid_request_error", "invalid_api_key", "x"), 502, "upstream_error", "upstream_auth", "", "gateway"},
		{"quota", oops(429, "insufficient_quota", "", "x", "Retry-After", "5"), 503, "upstream_error", "upstream_quota", "", "gateway"},
		{"no answer", hangUp, 502, "upstream_error", "broken", "", "gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: oops(500, "", "", "first")}, {handler: tt.last}})
			for _, body := range []string{chat, stream} {
				a := w.post("/chat/completions", body)
				e := readError(t, a)
				if a.StatusCode != tt.status || e.Type != tt.kind || e.Code != tt.code || a.Header.Get("Retry-After") != tt.retryAfter || a.Header.Get("X-Aihigress-Error-Source") != tt.source {
					t.Errorf("%d %+v %v", a.StatusCode, e, a.Header)
				}
				if got := header(a.Header, "X-Aihigress-Provider", "X-Aihigress-Attempts", "Content-Type"); got != "X-Aihigress-Provider=v1 X-Aihigress-Attempts=2 Content-Type=application/json" {
					t.Error(got)
				}
			}
			if e := w.meter.finished[0]; e.Outcome != usage.UpstreamError || e.HTTPStatus != tt.status || *e.Charge != 0 || !e.Usage.IsZero() {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A failed target is never asked again, and a failure rules out what would fail the same way.
func TestWhoIsAskedNext(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		want   string
	}{
		{"the key is bad: its other key may be fine, after the others", 401, "v0 v1 v2 v0"},
		{"too fast: its other key may do, after the others", 429, "v0 v1 v2 v0"},
		{"the provider is down: others first, its other key last", 500, "v0 v1 v2 v0"},
		{"the provider has no such model: no key helps", 404, "v0 v1 v2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var asked []string
			used := map[string]int{}
			vendors := make([]vendor, 3)
			for i := range vendors {
				slug := "v" + string(rune('0'+i))
				vendors[i] = vendor{keys: []string{slug + "-key-a", slug + "-key-b"}, handler: func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					asked = append(asked, slug)
					used[r.Header.Get("Authorization")]++
					mu.Unlock()
					oops(tt.status, "", "", "x")(w, r)
				}}
			}
			w := newWorld(t, vendors)
			w.post("/chat/completions", chat)
			if got := strings.Join(asked, " "); got != tt.want {
				t.Errorf("asked %s, want %s", got, tt.want)
			}
			for key, n := range used {
				if n != 1 {
					t.Errorf("%s was used %d times", key, n)
				}
			}
		})
	}
}

// The vendor's words reach the caller without what is between us and the vendor.
func TestNothingOfOursIsTold(t *testing.T) {
	t.Parallel()
	const secret = "canary-3f9a77c1"
	var host string
	leak := func(w http.ResponseWriter, r *http.Request) string {
		host = r.Host
		return "Key " + secret + " (Bearer " + secret + ", sk-proj-abc***xyz) of organization acme-prod-7 and project 'acme' at http://" + r.Host + "/v1?key=" + secret +
			" and " + r.Host + ", api.vendor.com, 10.1.2.3:99, ops@vendor.com, org-1a2b3c is wrong"
	}
	asJSON := func(text string) string {
		b, _ := json.Marshal(text)
		return string(b)
	}
	body := func(text string) string {
		return `{"error":{"message":` + asJSON(text) + `,"type":` + asJSON("type_"+secret) + `,"code":` + asJSON("org-1a2b3c") + `,"param":` + asJSON(text) + `,"metadata":` + asJSON(text) + `}}`
	}
	handlers := map[string]struct {
		handler http.HandlerFunc
		stream  bool
	}{
		"400":                  {func(w http.ResponseWriter, r *http.Request) { script(400, "application/json", body(leak(w, r)))(w, r) }, false},
		"401":                  {func(w http.ResponseWriter, r *http.Request) { script(401, "application/json", body(leak(w, r)))(w, r) }, false},
		"500":                  {func(w http.ResponseWriter, r *http.Request) { script(500, "text/plain", leak(w, r))(w, r) }, true},
		"error in 200":         {func(w http.ResponseWriter, r *http.Request) { answer(body(leak(w, r)))(w, r) }, false},
		"event before content": {func(w http.ResponseWriter, r *http.Request) { events("data: "+body(leak(w, r))+"\n\n")(w, r) }, true},
		"event after content":  {func(w http.ResponseWriter, r *http.Request) { events(word, "data: "+body(leak(w, r))+"\n\n")(w, r) }, true},
	}
	for name, tt := range handlers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, []vendor{{handler: tt.handler, keys: []string{secret}}})
			request := chat
			if tt.stream {
				request = stream
			}
			a := w.post("/chat/completions", request)
			all := a.body
			for name, values := range a.Header {
				all += name + strings.Join(values, " ")
			}
			for _, bad := range []string{secret, host, "127.0.0.1", "acme", "vendor.com", "10.1.2.3", "org-1a2b3c", "abc***"} {
				if strings.Contains(all, bad) {
					t.Errorf("%q is told: %s", bad, all)
				}
			}
			if name == "400" && !strings.Contains(a.body, "is wrong") {
				t.Errorf("the rest of the message is lost: %s", a.body)
			}
		})
	}
}

// errorObject is what a caller reads of an error.
type errorObject struct{ Message, Type, Code, Param string }

func readError(t *testing.T, a answered) errorObject {
	t.Helper()
	var body struct{ Error errorObject }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%d %q is no error object: %v", a.StatusCode, a.body, err)
	}
	return body.Error
}

func mint() string { return apikey.Mint().Reveal() }

func prefixes(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }

// A provider whose keys are all dead is not called without one: another is, or the caller hears that nobody is left.
func TestProviderWithoutAUsableKeyIsNotCalled(t *testing.T) {
	t.Parallel()
	asked := func(http.ResponseWriter, *http.Request) { t.Error("a provider was called without its key") }
	dead := func(_ *proxy.Options, contents *snapshot.Contents) {
		contents.Providers[0].Keys, contents.Providers[0].NeedsKey = nil, true
	}
	w := newWorld(t, []vendor{{handler: asked}, {handler: answer(`{"choices":[{"message":{"content":"x"}}]}`)}}, dead)
	if got := w.post("/chat/completions", chat); got.StatusCode != 200 || got.Header.Get("X-Aihigress-Provider") != "v1" {
		t.Errorf("%d: %s", got.StatusCode, got.body)
	}
	w = newWorld(t, []vendor{{handler: asked}}, dead)
	got := w.post("/chat/completions", chat)
	if got.StatusCode != 503 || gjson.Get(got.body, "error.code").String() != "no_provider" {
		t.Errorf("%d: %s", got.StatusCode, got.body)
	}
	if e := w.only(); e.Outcome != usage.Refused || len(e.Attempts) != 0 || e.Plan == nil || e.Plan.Targets[0].Out != "no_key" {
		t.Errorf("logged as %s: %+v", e.Outcome, e.Plan)
	}
}
