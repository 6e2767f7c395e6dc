package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// Where caller and vendor speak the same dialect, the bytes of request and answer survive, and are understood well enough
// to be billed.
func TestEqualDialectsPassThrough(t *testing.T) {
	t.Parallel()
	for _, s := range speakers {
		for _, stream := range []bool{false, true} {
			name := s.name + map[bool]string{true: " stream", false: " whole"}[stream]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var got seen
				w := newWorld(t, []vendor{{handler: recorded(&got, s.answers(stream))}}, speaking(s.name))
				extra := ` , "zeta" : [1.0,{"b":null, "a":"\u00e9\/"}]`
				a := w.says(s, stream, extra)
				sent, said := s.ask, s.answer
				if stream {
					sent, said = s.askStream, s.head+s.word+s.tail
				}
				if diff := cmp.Diff(strings.Replace(fill(sent, extra), `"model":"m"`, `"model":"up-m"`, 1), got.body); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(said, a.body); diff != "" || a.StatusCode != 200 {
					t.Errorf("%d, answer (-want +got):\n%s", a.StatusCode, diff)
				}
				if want := strings.Replace(strings.Split(s.whole, "?")[0], "/m:", "/up-m:", 1); !stream && got.path != want {
					t.Errorf("asked for %s, want %s", got.path, want)
				}
				e := w.only()
				if e.Outcome != usage.OK || e.Dialect != s.name || e.Streamed != stream || *e.Charge != charged || e.Usage.Estimated || strings.Contains(e.Endpoint, "up-m") {
					t.Errorf("%+v", e)
				}
			})
		}
	}
}

// Keys are taken where each dialect's clients put them, reach no vendor, and a vendor's key is where the vendor looks.
func TestPlacesOfKeys(t *testing.T) {
	t.Parallel()
	for _, s := range speakers {
		places := []string{"Authorization"}
		if s.key != "" {
			places = append(places, s.key)
		}
		if s.name == llm.Gemini {
			places = append(places, "?key=")
		}
		for _, place := range places {
			t.Run(s.name+" "+place, func(t *testing.T) {
				t.Parallel()
				var query string
				var got seen
				w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
					query = r.URL.RawQuery
					recorded(&got, s.answers(false))(w, r)
				}}}, speaking(s.name))
				r := w.asking(s, false, "", "Authorization", "Bearer sk-somebody-elses", "X-Custom", "kept")
				switch place {
				case "Authorization":
					r.Header.Set(place, "Bearer "+w.key)
				case "?key=":
					r.URL.RawQuery = "key=" + w.key + "&prettyPrint=false"
				default:
					r.Header.Set(place, w.key)
				}
				if a := w.do(r); a.StatusCode != 200 {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
				all := query
				for name, values := range got.header {
					all += name + strings.Join(values, " ")
				}
				if strings.Contains(all, w.key) || strings.Contains(all, "somebody") || got.header.Get("X-Custom") != "kept" {
					t.Errorf("the vendor got %s", all)
				}
				if place == "?key=" && query != "prettyPrint=false" {
					t.Errorf("the vendor got the query %q", query)
				}
				want := map[string]string{llm.Anthropic: "X-Api-Key", llm.Gemini: "X-Goog-Api-Key"}[s.name]
				if want == "" {
					want = "Authorization"
				}
				if !strings.HasSuffix(got.header.Get(want), "secret-of-v0") {
					t.Errorf("%s is %q", want, got.header.Get(want))
				}
			})
		}
	}
	w := newWorld(t, []vendor{{handler: answer(completion)}})
	if a := w.post("/chat/completions", chat, "Authorization", "Bearer x", "X-Api-Key", w.key); a.StatusCode != 401 {
		t.Errorf("x-api-key is good for the OpenAI dialect: %d", a.StatusCode)
	}
}

// Headers of a dialect's family, known or not, reach a vendor who speaks it; query parameters do too.
func TestFamilyHeadersPass(t *testing.T) {
	t.Parallel()
	var got seen
	var query string
	s := speakerOf(llm.Anthropic)
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		w.Header().Set("Request-Id", "req_theirs")
		w.Header().Set("Anthropic-Ratelimit-Requests-Limit", "5")
		w.Header().Set("Anthropic-Organization-Id", "org")
		recorded(&got, s.answers(false))(w, r)
	}}}, speaking(s.name))
	r := w.asking(s, false, "", "Anthropic-Beta", "a-1,b-2", "Anthropic-Version", "2099-01-01", "Anthropic-New", "x", "X-Stainless-Lang", "go", "Authorization", "Bearer "+w.key)
	r.URL.RawQuery = "beta=true"
	a := w.do(r)
	if g := header(got.header, "Anthropic-Beta", "Anthropic-Version", "Anthropic-New", "X-Stainless-Lang", "Authorization"); g != "Anthropic-Beta=a-1,b-2 Anthropic-Version=2099-01-01 Anthropic-New=x X-Stainless-Lang=go Authorization=" || query != "beta=true" {
		t.Errorf("the vendor got %s, %q", g, query)
	}
	if g := header(a.Header, "X-Upstream-Request-Id", "Anthropic-Ratelimit-Requests-Limit", "Anthropic-Organization-Id"); g != "X-Upstream-Request-Id=req_theirs Anthropic-Ratelimit-Requests-Limit= Anthropic-Organization-Id=" {
		t.Error(g)
	}
	if a.Header.Get("Request-Id") != a.Header.Get("X-Request-Id") || a.Header.Get("Request-Id") == "" {
		t.Errorf("%v", a.Header)
	}
}

// Gemini's streams are one JSON array where nobody asks for events, whatever comes.
func TestArrayForm(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Gemini)
	for name, tt := range map[string]struct {
		vendor http.HandlerFunc
		parts  int
		err    bool
	}{
		"whole": {events(s.word, s.word, s.tail), 3, false},
		"cut":   {cutAfter("text/event-stream", s.word), 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked string
			w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.RawQuery
				tt.vendor(w, r)
			}}}, speaking(s.name))
			r := w.asking(s, true, "")
			r.URL.RawQuery = ""
			a := w.do(r)
			var parts []contentAnswer
			parse(t, a.body, &parts)
			if len(parts) != tt.parts || (parts[len(parts)-1].Error != nil) != tt.err || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") || asked != "alt=sse" {
				t.Errorf("%q %s: %s", asked, a.Header.Get("Content-Type"), a.body)
			}
		})
	}
}

// What no path serves, and what no method does, is refused in the dialect of the path's family.
func TestRefusalsInTheFamilysDialect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for path, want := range map[string]string{
		"/v1/nothing":               `"code":"unknown_url"`,
		"/v1/messages/nothing":      `"type":"error"`,
		"/v1beta/models/m:nothing":  `"status":"NOT_FOUND"`,
		"/v1beta/nothing":           `"status":"NOT_FOUND"`,
		"/v1/responses/resp_1/nope": `"code":"unknown_url"`,
	} {
		r := w.request("", "{}")
		r.URL.Path = path
		if a := w.do(r); a.StatusCode != 404 || !strings.Contains(a.body, want) || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := w.get("/messages"); a.StatusCode != 405 || !strings.Contains(a.body, `"type":"error"`) || a.Header.Get("Allow") != "POST" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Codex asks for a WebSocket first and takes 426 for the word to use HTTP.
func TestWebSocketIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for upgrade, status := range map[string]int{"websocket": 426, "": 405} {
		r := httptest.NewRequest(http.MethodGet, "/v1/responses", nil)
		if upgrade != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", upgrade)
		}
		out := httptest.NewRecorder()
		proxy.New(w.o).ServeHTTP(out, r)
		if out.Code != status || !strings.Contains(out.Body.String(), `"error"`) {
			t.Errorf("%q: %d %s", upgrade, out.Code, out.Body)
		}
	}
}

// Errors of every kind come in the caller's dialect.
func TestRefusalsInTheCallersDialect(t *testing.T) {
	t.Parallel()
	for _, s := range speakers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}}, speaking(s.name),
				func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBody = 500 })
			for name, tt := range map[string]struct {
				body    string
				status  int
				headers []string
			}{
				"bad key":   {fill(s.ask, ""), 401, []string{"Authorization", "Bearer x"}},
				"no JSON":   {fill(s.ask, "")[1:], 400, nil},
				"too large": {fill(s.ask, `,"x":"`+strings.Repeat("x", 500)+`"`), 413, nil},
			} {
				a := w.post(strings.TrimPrefix(s.whole, "/v1"), tt.body, tt.headers...)
				if r := s.read(t, a.body); a.StatusCode != tt.status || r.err == "" || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
					t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
				}
			}
		})
	}
}
