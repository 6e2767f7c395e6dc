package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aihigress/internal/money"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// After the commit point nothing is tried elsewhere, and a broken answer never looks whole.
func TestBrokenAfterTheCommitPoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first http.HandlerFunc
		kept  string // before the error event
		code  string
	}{
		{"cut", cutAfter("text/event-stream", role, word), role + word, "upstream_truncated"},
		{"cut within an event", cutAfter("text/event-stream", role, word, word[:40]), role + word, "upstream_truncated"},
		{"cut after the finish", cutAfter("text/event-stream", role, word, end), role + word + end, "upstream_truncated"},
		{"ended early", events(role, word), role + word, "upstream_truncated"},
		{"malformed", events(role, word, "data: {\"choices\":\n\n", word, end, done), role + word, "upstream_malformed"},
		{"malformed among others", events(role + word + "data: {\"choices\":\n\n" + word + end + done), role + word, "upstream_malformed"},
		{"error among others", events(role + word + `data: {"error":{"message":"gone","type":"server_error","code":"boom"}}` + "\n\n" + word + done), role + word, "boom"},
		{"ended at once", events(role + word), role + word, "upstream_truncated"},
		{"error event", events(role, word, `data: {"error":{"message":"gone","type":"server_error","code":"boom"}}`+"\n\n", done), role + word, "boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: tt.first}, {handler: func(http.ResponseWriter, *http.Request) { t.Error("a second vendor was asked") }}})
			a := w.post("/chat/completions", stream)
			rest, ok := strings.CutPrefix(a.body, tt.kept)
			if !ok || a.StatusCode != 200 || a.err != nil {
				t.Fatalf("%d %q %v", a.StatusCode, a.body, a.err)
			}
			data, ok := strings.CutPrefix(rest, "data: ")
			if e := readError(t, answered{Response: a.Response, body: strings.TrimSpace(data)}); !ok || e.Code != tt.code || strings.Contains(rest, "[DONE]") {
				t.Errorf("the end is %q", rest)
			}
			e := w.only()
			if e.Outcome != usage.Truncated || e.HTTPStatus != 200 || e.ErrorCode != tt.code || len(e.Attempts) != 1 || e.Attempts[0].Error != tt.code {
				t.Errorf("%+v", e)
			}
			if !e.Usage.Estimated || e.Usage.Input != 9 || e.Usage.Output != 1 || *e.Charge != 19_000 {
				t.Errorf("usage %+v, charge %v", e.Usage, *e.Charge)
			}
		})
	}
}

// A body that is no stream has no place for an error: the connection is cut, so that half of it does not pass for all.
func TestBrokenBodyIsCut(t *testing.T) {
	t.Parallel()
	half := `{"choices":[{"message":{"content":"` + strings.Repeat("word ", 20<<10)
	for name, handler := range map[string]http.HandlerFunc{
		"cut":       cutAfter("application/json", half),
		"malformed": script(200, "application/json", half+`"}]]`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: handler}, {handler: answer(completion)}})
			a := w.post("/chat/completions", chat)
			if a.err == nil {
				t.Errorf("the caller saw %d bytes and no error", len(a.body))
			}
			e := w.only()
			if e.Outcome != usage.Truncated || e.Usage.Output < 15_000 || !e.Usage.Estimated {
				t.Errorf("%s, usage %+v", e.Outcome, e.Usage)
			}
		})
	}
}

// What comes together with a chunk that is withheld does not wait for the next one.
func TestWithheldChunkDoesNotDelay(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		events(role+word+end+tokens)(w, r)
		<-seen
		_, _ = io.WriteString(w, done)
	}}})
	response, err := http.DefaultTransport.RoundTrip(w.request("/chat/completions", stream, "Authorization", "Bearer "+w.key))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, len(role+word+end))); err != nil {
		t.Error(err)
	}
	close(seen)
	if rest, err := io.ReadAll(response.Body); string(rest) != done || err != nil {
		t.Errorf("%q %v", rest, err)
	}
}

// written counts what is written to its connections.
type written struct {
	net.Listener
	writes *atomic.Int32
}

func (l written) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return writtenConn{conn, l.writes}, err
}

type writtenConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c writtenConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// What came together goes out together, with the end of the response where that came too: a packet each would cost more than
// all else.
func TestStreamInOneWrite(t *testing.T) {
	t.Parallel()
	const body = role + word + word + end + tokens + done
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body)
	}}})
	var writes atomic.Int32
	server := httptest.NewUnstartedServer(proxy.New(w.o))
	server.Listener = written{server.Listener, &writes}
	server.Start()
	defer server.Close()
	for _, caller := range []string{"/v1/chat/completions", "/v1/messages"} { // as it is, and translated
		text := stream
		if caller == "/v1/messages" {
			text = `{"model":"m","stream":true,"max_tokens":10,"messages":[{"role":"user","content":"hi"}]}`
		}
		writes.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+caller, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.key)
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || caller != "/v1/messages" && string(got) != strings.Replace(body, tokens, "", 1) {
			t.Errorf("%q %v", got, err)
		}
		if n := writes.Load(); n != 1 {
			t.Errorf("%s: %d writes", caller, n)
		}
	}
}

// A caller who stops in the middle of a body does not keep its place.
func TestSilentUploadEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.Read = 20 * time.Millisecond })
	stuck, release := io.Pipe()
	defer release.Close()
	r := w.request("/chat/completions", "")
	r.Body, r.ContentLength = stuck, 100
	if a := w.do(r); a.StatusCode != 408 || w.only().Outcome != usage.Refused {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Vendors who send no [DONE] but end every choice and the response are whole.
func TestVendorWithoutDone(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]string{"none": "", "no blank line": "data: [DONE]"} {
		w := newWorld(t, []vendor{{handler: events(role, word, end, tokens, last)}})
		a := w.post("/chat/completions", stream)
		if e := w.only(); a.body != role+word+end+last || e.Outcome != usage.OK || e.Usage.Output != 20 {
			t.Errorf("%s: %q, %+v", name, a.body, e)
		}
	}
}

// Some vendors count in every chunk. When the answer breaks off, their last count is not the last word.
func TestCountsFromBeforeTheCut(t *testing.T) {
	t.Parallel()
	counted := strings.Replace(word, `"choices"`, `"usage":{"prompt_tokens":100,"completion_tokens":1},"choices"`, 1)
	w := newWorld(t, []vendor{{handler: cutAfter("text/event-stream", counted, strings.Repeat(word, 9))}})
	w.post("/chat/completions", stream)
	if e := w.only(); e.Usage.Input != 100 || e.Usage.Output != 10 || !e.Usage.Estimated {
		t.Errorf("%+v", e.Usage)
	}
}

// leaving has its caller go away as soon as a vendor has answered.
type leaving struct {
	proxy.Upstream
	leave func()
}

func (u leaving) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	r, err := u.Upstream.Do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	all, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(all))
	u.leave()
	return r, err
}

// What a vendor refused costs nothing, also where the caller has gone by then.
func TestCallerGoesAfterAFailure(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	w := newWorld(t, []vendor{{handler: script(500, "application/json", `{"error":{"message":"no"}}`)}}, func(o *proxy.Options, _ *snapshot.Contents) {
		o.Upstream = leaving{o.Upstream, leave}
	})
	r := w.request("/chat/completions", chat, "Authorization", "Bearer "+w.key).WithContext(ctx)
	proxy.New(w.o).ServeHTTP(httptest.NewRecorder(), r)
	if e := w.only(); e.Outcome != usage.UpstreamError || !e.Usage.IsZero() || *e.Charge != 0 {
		t.Errorf("%+v, charge %v", e, *e.Charge)
	}
}

// A server that stops and can wait no longer ends its calls: their callers are told, and what was used is booked.
func TestGatewayStops(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body    string
		outcome usage.Outcome
		says    string
		status  int
		charge  money.Amount
	}{
		"stream": {stream, usage.Truncated, role + word, 200, 19_000},
		"whole":  {chat, usage.UpstreamError, "", 503, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, told := make(chan struct{}), make(chan struct{})
			w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if name == "stream" {
					events(role, word)(w, r)
				}
				close(arrived)
				<-r.Context().Done()
				close(told)
			}}})
			calls, stop := context.WithCancelCause(t.Context())
			server := httptest.NewUnstartedServer(proxy.New(w.o))
			server.Config.BaseContext = func(net.Listener) context.Context { return calls }
			server.Start()
			t.Cleanup(server.Close)
			w.url = server.URL + "/v1"
			got := make(chan answered)
			begun := make(chan struct{})
			go func() {
				response, err := http.DefaultTransport.RoundTrip(w.request("/chat/completions", tt.body, "Authorization", "Bearer "+w.key))
				if err != nil {
					got <- answered{err: err}
					return
				}
				defer response.Body.Close()
				body := bufio.NewReader(response.Body)
				_, _ = body.Peek(len(tt.says))
				close(begun)
				all, err := io.ReadAll(body)
				got <- answered{response, string(all), err}
			}()
			<-arrived
			if name == "stream" {
				<-begun
			}
			stop(proxy.ErrStopping)
			a := <-got
			<-told
			if a.err != nil {
				t.Fatal(a.err)
			}
			e := w.only()
			if e.Outcome != tt.outcome || e.ErrorCode != "gateway_stopping" || e.HTTPStatus != tt.status || *e.Charge != tt.charge || w.credit.stillHeld() != 0 {
				t.Errorf("%+v, charge %v", e, *e.Charge)
			}
			if a.StatusCode != tt.status || !strings.HasPrefix(a.body, tt.says) || !strings.Contains(a.body, `"code":"gateway_stopping"`) || strings.Contains(a.body, "[DONE]") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
}

// The caller's going is the vendor's within a second, and what was used is booked.
func TestCallerGoes(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"stream": stream, "whole": chat} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, told := make(chan struct{}), make(chan struct{})
			w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
				if name == "stream" {
					events(role, word)(w, r)
				} else {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				close(arrived)
				<-r.Context().Done()
				close(told)
			}}})
			w.meter.signal = make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := w.request("/chat/completions", body, "Authorization", "Bearer "+w.key).WithContext(ctx)
			over := make(chan struct{})
			begun := make(chan struct{})
			go func() {
				defer close(over)
				response, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					return
				}
				defer response.Body.Close()
				if _, err := bufio.NewReader(response.Body).ReadString('\n'); err == nil {
					close(begun)
				}
				<-ctx.Done()
			}()
			<-arrived
			if name == "stream" {
				<-begun
			}
			gone := time.Now()
			cancel()
			<-told
			<-w.meter.signal
			if took := time.Since(gone); took > time.Second {
				t.Errorf("took %v", took)
			}
			<-over
			e := w.only()
			want := struct {
				status int
				output int64
				charge money.Amount
			}{200, 1, 19_000}
			if name == "whole" { // the vendor had the question, and nobody knows how far it came with the answer
				want.status, want.output, want.charge = 499, 0, 9_000
			}
			if e.Outcome != usage.Cancelled || len(e.Attempts) != 1 || e.ErrorCode != "client_closed_request" || e.HTTPStatus != want.status ||
				e.Usage.Input != 9 || e.Usage.Output != want.output || !e.Usage.Estimated || *e.Charge != want.charge {
				t.Errorf("%+v, charge %v", e, *e.Charge)
			}
		})
	}
}

// Buffers are used again, and no call may ever see another's bytes: not even where a vendor answers before it has read
// the question.
func TestBodiesNeverMix(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		if r.Header.Get("X-Hasty") != "" {
			script(400, "application/json", `{"error":{"message":"no"}}`)(w, &http.Request{Body: http.NoBody})
			_, _ = io.Copy(io.Discard, r.Body) // all of it: net/http fails on the next request where a duplex handler leaves some
			return
		}
		var question struct{ Letter, Text string }
		if err := json.NewDecoder(r.Body).Decode(&question); err != nil || strings.Trim(question.Text, question.Letter) != "" {
			t.Errorf("%q has other letters: %v", question.Letter, err)
		}
		answer(completion)(w, r)
	}}})
	var all sync.WaitGroup
	for caller := range 16 {
		all.Go(func() {
			for n := range 12 {
				letter := string(rune('a' + (caller+n)%26))
				body := `{"model":"m","messages":["hi"],"letter":"` + letter + `","text":"` + strings.Repeat(letter, 1<<(n+8)) + `"}`
				var hasty []string
				if n%2 == 1 {
					hasty = []string{"X-Hasty", "yes"}
				}
				if a := w.post("/chat/completions", body, hasty...); (a.StatusCode == 400) != (hasty != nil) {
					t.Errorf("%d %s", a.StatusCode, a.body)
				}
			}
		})
	}
	all.Wait()
}

// oneByte makes every read of an answer bring one byte.
type oneByte struct{ proxy.Upstream }

type oneByteBody struct{ io.ReadCloser }

func (b oneByteBody) Read(p []byte) (int, error) { return b.ReadCloser.Read(p[:min(1, len(p))]) }

func (u oneByte) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	r, err := u.Upstream.Do(ctx, c)
	if err == nil {
		r.Body = oneByteBody{r.Body}
	}
	return r, err
}

func TestOneByteAtATime(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{chat: completion, stream: role + word + end + done} {
		vendorSays := completion
		kind := "application/json"
		if body == stream {
			vendorSays, kind = role+word+end+tokens+done, "text/event-stream"
		}
		w := newWorld(t, []vendor{{handler: script(200, kind, vendorSays)}}, func(o *proxy.Options, _ *snapshot.Contents) { o.Upstream = oneByte{o.Upstream} })
		if a := w.post("/chat/completions", body); a.body != want {
			t.Errorf("%q", a.body)
		}
		if e := w.only(); *e.Charge != charged || e.Outcome != usage.OK {
			t.Errorf("%+v", e)
		}
	}
}

// panicking panics in the middle of a call.
type panicking struct {
	proxy.Upstream
	inBody bool
}

type panickingBody struct {
	io.ReadCloser
	left int
}

func (b *panickingBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		panic("in the middle of an answer")
	}
	n, err := b.ReadCloser.Read(p[:min(b.left, len(p))])
	b.left -= n
	return n, err
}

func (u panicking) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	if !u.inBody {
		panic("before an answer")
	}
	r, err := u.Upstream.Do(ctx, c)
	if err == nil {
		r.Body = &panickingBody{r.Body, len(role + word)}
	}
	return r, err
}

// A panic costs one call: answered as far as possible, booked, and the process goes on.
func TestPanicCostsOneCall(t *testing.T) {
	t.Parallel()
	for name, inBody := range map[string]bool{"before": false, "within a stream": true} {
		w := newWorld(t, []vendor{{handler: events(role, word, end, tokens, done)}}, func(o *proxy.Options, _ *snapshot.Contents) {
			o.Upstream = panicking{o.Upstream, inBody}
		})
		a := w.post("/chat/completions", stream)
		e := w.only()
		if inBody {
			if !strings.HasPrefix(a.body, role+word+`data: {"error":`) || strings.Contains(a.body, "[DONE]") || e.Outcome != usage.Truncated || e.Usage.Output != 1 {
				t.Errorf("%s: %q %+v", name, a.body, e)
			}
		} else if got := readError(t, a); a.StatusCode != 500 || !strings.Contains(got.Message, a.Header.Get("X-Request-Id")) || strings.Contains(a.body, "before an answer") || e.Outcome != usage.UpstreamError {
			t.Errorf("%s: %d %s %+v", name, a.StatusCode, a.body, e)
		}
		if w.credit.stillHeld() != 0 {
			t.Errorf("%s: the hold is still open", name)
		}
	}
}

// Also a panic within the booking leaves nothing held.
func TestPanicHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: events(role, word, end, tokens, done)}})
	w.meter.broken = true
	if a := w.post("/chat/completions", stream); !strings.Contains(a.body, "internal_error") || strings.Contains(a.body, "[DONE]") {
		t.Errorf("%q", a.body)
	}
	if w.credit.stillHeld() != 0 {
		t.Error("the hold is still open")
	}
}

// A connection is used again after a stream, and an answer that came before its question was read breaks nothing.
func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, role+word)
		_ = http.NewResponseController(w).Flush()
		if _, err := io.Copy(io.Discard, r.Body); err != nil && !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Error(err)
		}
		_, _ = io.WriteString(w, end+tokens+done)
	}}})
	body := `{"model":"m","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("x", 4<<20) + `"}]}`
	for range 3 {
		if a := w.post("/chat/completions", body); a.body != role+word+end+done || a.err != nil {
			t.Fatalf("%q %v", a.body, a.err)
		}
	}
}
