package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// A vendor may answer with a stream where none was asked for, and whole where one was: the caller gets what they asked for,
// also where both speak the same dialect.
func TestPairsAnswerOfTheOtherKind(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: target.answers(!stream)}}, speaking(target.name))
		a := w.says(caller, stream, "")
		if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r != (reply{text: "Hello", in: 100, out: 20, ended: stream}) {
			t.Errorf("%d %+v %s", a.StatusCode, r, a.body)
		}
		if kind := a.Header.Get("Content-Type"); stream != strings.HasPrefix(kind, "text/event-stream") {
			t.Error(kind)
		}
		if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged {
			t.Errorf("%+v", e)
		}
	})
}

// What is no answer at all is never passed on, whatever the vendor calls it: another one is asked.
func TestPairsNoAnswer(t *testing.T) {
	t.Parallel()
	page := "<!doctype html><html><body>" + strings.Repeat("<p>down\n\n", 20<<10) + "</body></html>"
	nothing := map[string]http.HandlerFunc{
		"a page":                script(200, "text/html; charset=utf-8", page),
		"a page that says JSON": script(200, "application/json", page),
		"nothing":               script(200, "application/json"),
		"nothing, as a stream":  script(200, "text/event-stream"),
		"no content":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"null":                  script(200, "application/json", "null"),
		"a list":                script(200, "application/json", "[]"),
		"an empty object":       script(200, "application/json", "{}"),
		"deep":                  script(200, "application/json", strings.Repeat("[", 1<<20)),
		"elsewhere": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com")
			w.WriteHeader(307)
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(200)
			_, _ = w.Write([]byte("\x1f\x8b"))
		},
		"only comments":           events(": wait\n\n", ": wait\n\n"),
		"only an end of a stream": events("data: [DONE]\n\n"),
		"another protocol": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "upgrade")
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
		},
	}
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		for name, handler := range nothing {
			if passes := caller == target && !stream; passes && (name == "a list" || name == "an empty object") {
				continue // JSON of later times, for all that the gateway knows
			}
			w := newWorld(t, []vendor{{handler: handler}, {handler: target.answers(stream)}}, speaking(target.name, target.name))
			a := w.says(caller, stream, "")
			if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r.text != "Hello" || a.Header.Get("X-Aihigress-Attempts") != "2" {
				t.Errorf("%s: %d %v %.300q", name, a.StatusCode, a.Header, a.body)
			}
			if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged {
				t.Errorf("%s: %+v", name, e)
			}
		}
	})
}

// An error that comes with 200, in whatever form, is a failure like any other: another vendor is asked, and the last one's words
// reach the caller.
func TestPairsErrorsWithStatusOK(t *testing.T) {
	t.Parallel()
	errs := map[string]map[bool][]http.HandlerFunc{
		llm.OpenAI: {
			true: {
				events(`data: {"error":{"message":"gone","type":"server_error","code":null}}` + "\n\n"),
				events(`data: {"error":"gone"}` + "\n\n"),
				answer(`{"error":{"message":"gone"}}`),
			},
			false: {
				answer(`{"error":{"message":"gone","type":"server_error"}}`),
				answer(`{"error":"gone"}`),
			},
		},
		llm.Responses: {
			true: {
				events(data(`{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"gone"}}}`)),
				events(data(`{"type":"response.created","response":{"id":"r","status":"in_progress"}}`, `{"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"gone"}}}`)),
				events(data(`{"type":"error","code":"server_error","message":"gone"}`)),
				events(data(`{"type":"error","error":{"type":"server_error","message":"gone"}}`)),
				events(data(`{"error":{"message":"gone"}}`)),
				answer(`{"error":{"message":"gone"}}`),
			},
			false: {
				answer(`{"error":{"message":"gone"}}`),
				answer(`{"id":"r","object":"response","status":"failed","error":{"code":"server_error","message":"gone"},"output":[]}`),
			},
		},
		llm.Anthropic: {
			true: {
				events(data(`{"type":"error","error":{"type":"overloaded_error","message":"gone"}}`)),
				events(data(`{"type":"ping"}`, `{"type":"error","error":{"type":"overloaded_error","message":"gone"}}`)),
				events(data(`{"error":{"type":"overloaded_error","message":"gone"}}`)),
				answer(`{"type":"error","error":{"type":"api_error","message":"gone"}}`),
			},
			false: {
				answer(`{"type":"error","error":{"type":"api_error","message":"gone"}}`),
				answer(`{"error":{"type":"api_error","message":"gone"}}`),
			},
		},
		llm.Gemini: {
			true: {
				events(data(`{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}`)),
				events(data(`[{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}]`)),
				answer(`[{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}]`),
				answer(`{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}`),
			},
			false: {
				answer(`{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}`),
				answer(`[{"error":{"code":503,"message":"gone","status":"UNAVAILABLE"}}]`),
			},
		},
	}
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		for i, h := range errs[target.name][stream] {
			w := newWorld(t, []vendor{{handler: h}, {handler: target.answers(stream)}}, speaking(target.name, target.name))
			a := w.says(caller, stream, "")
			if a.StatusCode != 200 || a.Header.Get("X-Aihigress-Attempts") != "2" || strings.Contains(a.body, "gone") {
				t.Errorf("%d: %d %v %.300q", i, a.StatusCode, a.Header, a.body)
			}
			w = newWorld(t, []vendor{{handler: h}}, speaking(target.name))
			a = w.says(caller, stream, "")
			if a.StatusCode < 500 || !strings.Contains(a.body, "gone") {
				t.Errorf("alone %d: %d %v %.300q", i, a.StatusCode, a.Header, a.body)
			}
		}
	})
}

// What has to be held to be translated is bounded; what streams through is not.
func TestPairsAnswerTooLong(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		for _, streams := range []bool{false, true} {
			h := answer(strings.Replace(target.answer, "Hello", strings.Repeat("Hello ", 1<<20/6), 1))
			if streams {
				h = events(target.head, strings.Repeat(target.word, 20000), target.tail)
			}
			w := newWorld(t, []vendor{{handler: h}}, speaking(target.name), func(o *proxy.Options, _ *snapshot.Contents) { o.MaxAnswer = 100 << 10 })
			a := w.says(caller, stream, "")
			e := w.only()
			if caller == target && streams == stream || streams && stream {
				if a.StatusCode != 200 || e.Outcome != usage.OK {
					t.Errorf("streamed %v: %d %.300q %+v", streams, a.StatusCode, a.body, e)
				}
				continue
			}
			if a.StatusCode != 502 || e.ErrorCode != "upstream_too_long" {
				t.Errorf("streamed %v: %d %.300q %+v", streams, a.StatusCode, a.body, e)
			}
		}
	})
}

// A model may use up its limit on thinking that is not shown. Such an answer has no content, and is one all the same.
func TestAnswerWithoutContent(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	silent := data(`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"in_progress","model":"up-m","output":[]}}`,
		`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`,
		`{"type":"response.output_item.done","sequence_number":2,"output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}`,
		`{"type":"response.incomplete","sequence_number":3,"response":{"id":"resp_1","object":"response","created_at":1700000000,"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"up-m","output":[{"type":"reasoning","id":"rs_1","summary":[]}],"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120}}}`)
	w := newWorld(t, []vendor{{handler: events(silent)}}, speaking(s.name))
	if a := w.says(s, true, ""); a.StatusCode != 200 || a.body != silent {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged {
		t.Errorf("%+v", e)
	}
}

// What the gateway puts into a stream has its lines ended as the vendor's are.
func TestErrorsEndLinesAsTheStreamDoes(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Gemini)
	crlf := strings.ReplaceAll(s.word, "\n", "\r\n")
	w := newWorld(t, []vendor{{handler: cutAfter("text/event-stream", crlf)}}, speaking(s.name))
	a := w.says(s, true, "")
	rest, ok := strings.CutPrefix(a.body, crlf)
	if !ok || !strings.HasSuffix(rest, "}\r\n\r\n") || strings.Contains(strings.ReplaceAll(rest, "\r\n", ""), "\n") || !strings.Contains(rest, `"error"`) {
		t.Errorf("%q", a.body)
	}
}

// An event that came whole but for its blank line does not swallow the error that follows.
func TestCutBehindAnEventsLine(t *testing.T) {
	t.Parallel()
	for _, s := range speakers {
		for _, cut := range []string{strings.TrimSuffix(s.word, "\n\n"), strings.TrimSuffix(s.word, "\n"), s.word + ": wai"} {
			w := newWorld(t, []vendor{{handler: cutAfter("text/event-stream", s.head, s.word, cut)}}, speaking(s.name))
			a := w.says(s, true, "")
			if r := s.readStream(t, a.body); !strings.HasPrefix(r.text, "HelloHello") || r.err == "" || r.ended {
				t.Errorf("%s: %+v %q", s.name, r, a.body)
			}
			if e := w.only(); e.Outcome != usage.Truncated || e.ErrorCode != "upstream_truncated" {
				t.Errorf("%s: %+v", s.name, e)
			}
		}
	}
}

// keyless is an upstream that gets no token for some keys.
type keyless struct {
	proxy.Upstream
	bad string // how their secrets begin
}

func (u keyless) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	if strings.HasPrefix(c.Key.Secret.Reveal(), u.bad) {
		return nil, fault.New(fault.Upstream, "no token").WithCode(upstream.CodeCredential)
	}
	return u.Upstream.Do(ctx, c)
}

// A key that gets no token fails alone: others of the provider are tried, and where all fail it is the gateway's fault.
func TestKeyWithoutToken(t *testing.T) {
	t.Parallel()
	bad := func(o *proxy.Options, _ *snapshot.Contents) { o.Upstream = keyless{o.Upstream, "bad"} }
	for i := range 8 { // the order of keys is by chance
		w := newWorld(t, []vendor{{handler: answer(completion), keys: []string{"bad", "good"}}}, bad)
		if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
			t.Errorf("%d: %d %v", i, a.StatusCode, a.Header)
		}
		for _, at := range w.only().Attempts[:len(w.only().Attempts)-1] {
			if at.Error != "upstream_auth" {
				t.Errorf("%+v", at)
			}
		}
	}
	w := newWorld(t, []vendor{{handler: answer(completion), keys: []string{"bad", "bad-too"}}}, bad)
	if a := w.post("/chat/completions", chat); a.StatusCode != 502 || readError(t, a).Code != "upstream_auth" || len(w.only().Attempts) != 2 || *w.only().Charge != 0 {
		t.Errorf("%d %s %+v", a.StatusCode, a.body, w.only())
	}
}

// What a proxy before the gateway says of the caller is not the vendor's business.
func TestProxyHeadersStayHere(t *testing.T) {
	t.Parallel()
	names := []string{"X-Forwarded-Email", "X-Forwarded-Access-Token", "X-Forwarded-For", "X-Auth-Request-User", "X-Amzn-Oidc-Data", "Cf-Connecting-Ip", "Cf-Access-Client-Secret", "X-Api-Key", "Cookie"}
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, answer(completion))}})
	var headers []string
	for _, name := range names {
		headers = append(headers, name, "of-the-caller")
	}
	w.post("/chat/completions", chat, headers...)
	if all := fmt.Sprint(got.header); strings.Contains(all, "of-the-caller") || got.path == "" {
		t.Errorf("the vendor got %s", all)
	}
}

// A caller cannot have a Google API leave the usage out of its answer.
func TestUsageCannotBeMaskedOut(t *testing.T) {
	t.Parallel()
	var got seen
	var query string
	s := speakerOf(llm.Gemini)
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		recorded(&got, s.answers(false))(w, r)
	}}}, speaking(s.name))
	r := w.asking(s, false, "", "X-Goog-FieldMask", "candidates", "X-HTTP-Method-Override", "GET", "Authorization", "Bearer "+w.key)
	r.URL.RawQuery = "fields=candidates&Fields=x&$fields=candidates&%24alt=proto&callback=f&userProject=acme&prettyPrint=false"
	if a := w.do(r); a.StatusCode != 200 || query != "prettyPrint=false" || got.header.Get("X-Goog-Fieldmask")+got.header.Get("X-Http-Method-Override") != "" {
		t.Errorf("%d, the vendor got %q %v", a.StatusCode, query, got.header)
	}
}
