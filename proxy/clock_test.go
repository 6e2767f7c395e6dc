package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// timetable is an upstream that says things at set times, by the fake clock.
type timetable struct {
	kind  string
	after time.Duration // until the header
	says  []line
}

type line struct {
	wait time.Duration
	text string // "" is the end
}

type timetables struct {
	mu   sync.Mutex
	next []timetable
}

func (u *timetables) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	u.mu.Lock()
	t := u.next[0]
	u.next = u.next[1:]
	u.mu.Unlock()
	select {
	case <-time.After(t.after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, w := io.Pipe()
	go func() {
		for _, l := range t.says {
			select {
			case <-time.After(l.wait):
			case <-ctx.Done():
				w.CloseWithError(ctx.Err())
				return
			}
			if l.text == "" {
				break
			}
			if _, err := io.WriteString(w, l.text); err != nil {
				return
			}
		}
		w.Close()
	}()
	kind := t.kind
	if kind == "" {
		kind = "text/event-stream"
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {kind}}, Body: r, ContentLength: -1}, nil
}

// clocked makes one call by the fake clock. It is answered by the time tables, one for each attempt.
func clocked(t *testing.T, body string, headers http.Header, tables ...timetable) (*httptest.ResponseRecorder, usage.Event, time.Duration) {
	t.Helper()
	return clockedAt(t, "/v1/chat/completions", body, llm.OpenAI, headers, tables...)
}

// clockedAt is clocked for another path, with vendors of another dialect.
func clockedAt(t *testing.T, path, body, dialect string, headers http.Header, tables ...timetable) (*httptest.ResponseRecorder, usage.Event, time.Duration) {
	t.Helper()
	var recorder *httptest.ResponseRecorder
	var event usage.Event
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		w := timed(t, dialect, tables)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		for name, values := range headers {
			r.Header[name] = values
		}
		r.Header.Set("Authorization", "Bearer "+w.key)
		recorder = httptest.NewRecorder()
		start := time.Now()
		proxy.New(w.o).ServeHTTP(recorder, r)
		took = time.Since(start)
		event = w.only()
	})
	return recorder, event, took
}

// timed is a world on the fake clock, with a vendor for each time table.
func timed(t *testing.T, dialect string, tables []timetable) *world {
	t.Helper()
	key := mint()
	contents := snapshot.Contents{Keys: []*snapshot.Key{newKey(key)}}
	model := &snapshot.Model{Name: "m", Strategy: "priority", RetryBudget: 10}
	base, err := url.Parse("https://vendor.test/v1")
	if err != nil {
		t.Fatal(err)
	}
	for i := range tables {
		p := &snapshot.Provider{ID: id.New[id.Provider](), Slug: "v" + string(rune('0'+i)), Dialect: dialect, BaseURL: base, Visibility: "public"}
		contents.Providers = append(contents.Providers, p)
		model.Routes = append(model.Routes, snapshot.Route{Provider: p, UpstreamID: "up-m", Priority: i})
	}
	contents.Models = []*snapshot.Model{model}
	w := &world{t: t, key: key, snapshot: snapshot.New(contents), meter: &meter{}, credit: &creditor{}}
	w.o = proxy.Options{Config: w, Limits: unlimited{}, Credit: w.credit, Meter: w.meter, Upstream: &timetables{next: tables},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return w
}

const comment = ": keep-alive\n\n"

func TestCommentsStandBetweenEvents(t *testing.T) {
	t.Parallel()
	got, e, _ := clocked(t, stream, nil, timetable{says: []line{{0, role + word}, {40 * time.Second, word[:30]}, {3 * time.Second, word[30:]}, {time.Second, end + done}}})
	if want := role + word + comment + comment + word + end + done; got.Body.String() != want {
		t.Errorf("%q", got.Body)
	}
	if got.Header().Get("X-Aihigress-Attempts") != "1" || e.Outcome != usage.OK {
		t.Errorf("%v %+v", got.Header(), e)
	}
}

// A caller who has waited for long gets a header and comments; the attempts go on, and their number is not told.
func TestEarlyHeaderKeepsFailingOver(t *testing.T) {
	t.Parallel()
	got, e, took := clocked(t, stream, nil, timetable{after: 30 * time.Minute}, timetable{after: 3 * time.Second, says: []line{{0, role + word + end + done}}})
	if want := strings.Repeat(comment, 8) + role + word + end + done; got.Body.String() != want {
		t.Errorf("%q", got.Body)
	}
	if h := header(got.Header(), "X-Aihigress-Attempts", "X-Aihigress-Provider", "Content-Type"); h != "X-Aihigress-Attempts= X-Aihigress-Provider=v0 Content-Type=text/event-stream; charset=utf-8" {
		t.Error(h)
	}
	if e.Outcome != usage.OK || len(e.Attempts) != 2 || e.Attempts[0].Error != "timeout" || took != 2*time.Minute+3*time.Second || e.FirstToken != took {
		t.Errorf("took %v, %+v", took, e)
	}
}

func TestFailureAfterTheEarlyHeaderIsAnEvent(t *testing.T) {
	t.Parallel()
	got, e, _ := clocked(t, stream, nil, timetable{says: []line{{0, role}, {20 * time.Second, ""}}})
	body := got.Body.String()
	if !strings.HasPrefix(body, comment+`data: {"error":{`) || strings.Contains(body, "[DONE]") || strings.Contains(body, role) {
		t.Errorf("%q", body)
	}
	if e.Outcome != usage.UpstreamError || e.HTTPStatus != 200 || e.ErrorCode != "upstream_truncated" {
		t.Errorf("%+v", e)
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	caller := http.Header{"X-Aihigress-Timeout-Ms": {"5000"}}
	tests := []struct {
		name    string
		body    string
		headers http.Header
		table   timetable
		took    time.Duration
		status  int
		outcome usage.Outcome
	}{
		{"first token, comments do not count", stream, nil, timetable{says: []line{{time.Minute, ": x\n\n"}, {50 * time.Second, role}, {time.Hour, ""}}}, 2 * time.Minute, 200, usage.UpstreamError},
		{"idle stream", stream, nil, timetable{says: []line{{0, word}, {time.Minute, word}, {time.Hour, ""}}}, 3 * time.Minute, 200, usage.Truncated},
		{"first byte", chat, nil, timetable{after: time.Hour}, 10 * time.Minute, 504, usage.UpstreamError},
		{"idle body", chat, nil, timetable{kind: "application/json", says: []line{{0, `{"a":`}, {time.Hour, ""}}}, 2 * time.Minute, 504, usage.UpstreamError},
		{"total", stream, nil, timetable{says: everyMinute(40)}, 30 * time.Minute, 200, usage.Truncated},
		{"the caller's, before the header", chat, caller, timetable{after: time.Hour}, 5 * time.Second, 504, usage.UpstreamError},
		{"the caller's, within a stream", stream, caller, timetable{says: []line{{0, word}, {time.Hour, ""}}}, 5 * time.Second, 200, usage.Truncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, e, took := clocked(t, tt.body, tt.headers, tt.table)
			if took != tt.took || got.Code != tt.status || e.Outcome != tt.outcome || e.ErrorCode != "timeout" {
				t.Errorf("took %v, %d, %+v", took, got.Code, e)
			}
			if !strings.Contains(got.Body.String(), `"code":"timeout"`) || strings.Contains(got.Body.String(), "[DONE]") {
				t.Errorf("%q", got.Body)
			}
		})
	}
}

// What ends a call ends its later attempts, also where it comes when one has failed and the next has not begun.
func TestLaterAttemptsEndWithTheCall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		fails, closes time.Duration // of the first attempt
		takes         int           // writes that the caller takes
		took          time.Duration
		outcome       usage.Outcome
	}{
		{"by the clock", 15 * time.Second, 0, 9, 20 * time.Second, usage.UpstreamError},
		{"between two attempts", 0, 25 * time.Second, 9, 25 * time.Second, usage.UpstreamError},
		{"since the caller is deaf", 0, 15 * time.Second, 0, 15 * time.Second, usage.Cancelled},
		{"since the caller was deaf before it was over", 0, 25 * time.Second, 0, 25*time.Second + time.Millisecond, usage.Cancelled},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := timed(t, llm.OpenAI, make([]timetable, 2))
			attempts := 0
			w.o.Upstream = upstreamFunc(func(ctx context.Context, _ upstream.Call) (*http.Response, error) {
				if attempts++; attempts == 1 {
					time.Sleep(tt.fails)
					return &http.Response{StatusCode: 500, Body: slowlyClosed{strings.NewReader("{}"), tt.closes}}, nil
				}
				<-ctx.Done()
				time.Sleep(tt.took % time.Second) // for the timer
				return nil, ctx.Err()
			})
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(stream))
			r.Header.Set("Authorization", "Bearer "+w.key)
			r.Header.Set("X-Aihigress-Timeout-Ms", "20000")
			start := time.Now()
			proxy.New(w.o).ServeHTTP(&deaf{httptest.NewRecorder(), tt.takes}, r)
			if e := w.only(); time.Since(start) != tt.took || attempts != 2 || e.Outcome != tt.outcome {
				t.Errorf("%s: took %v, %d attempts: %+v", tt.name, time.Since(start), attempts, e)
			}
		})
	}
}

// slowlyClosed is a body that takes its time to close.
type slowlyClosed struct {
	io.Reader
	takes time.Duration
}

func (b slowlyClosed) Close() error {
	time.Sleep(b.takes)
	return nil
}

func everyMinute(n int) []line {
	lines := make([]line, n)
	for i := range lines {
		lines[i] = line{time.Minute, word}
	}
	return lines
}

// For every pair: who has waited for long gets a header and what their clients pass over, a failure then comes as an event
// of their dialect, and another vendor may still answer well.
func TestEarlyHeaderInEveryPair(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if !stream {
			return
		}
		body := fill(caller.askStream, "")
		got, e, _ := clockedAt(t, caller.stream, body, target.name, nil, timetable{says: []line{{0, ": wait\n\n" + target.head}, {50 * time.Second, ""}}})
		if r := caller.readStream(t, got.Body.String()); got.Code != 200 || r.err == "" || r.ended || r.text != "" || e.Outcome != usage.UpstreamError || e.HTTPStatus != 200 || e.ErrorCode != "upstream_truncated" {
			t.Errorf("%d %q, %+v", got.Code, got.Body, e)
		}
		got, e, took := clockedAt(t, caller.stream, body, target.name, nil,
			timetable{says: []line{{0, ": wait\n\n" + target.head}, {time.Hour, ""}}},
			timetable{says: []line{{20 * time.Second, target.head + target.word}, {40 * time.Second, target.tail}, {0, ""}}})
		if r := caller.readStream(t, got.Body.String()); r.text != "Hello" || !r.ended || r.err != "" || e.Outcome != usage.OK || len(e.Attempts) != 2 || took != 3*time.Minute {
			t.Errorf("took %v, %q, %+v", took, got.Body, e)
		}
	})
}

// A vendor who talks all the time may have nothing for the caller: arguments of a call that go out whole. The caller's
// connection is kept alive all the same.
func TestCommentsWhileNothingIsToBeSaid(t *testing.T) {
	t.Parallel()
	caller, target := speakerOf(llm.Gemini), speakerOf(llm.Anthropic)
	begin, rest, _ := strings.Cut(target.callStream, "event: content_block_delta")
	pieces := []line{{0, target.head + target.word + data(`{"type":"content_block_stop","index":0}`) + strings.ReplaceAll(begin[strings.Index(begin, "event: content_block_start"):], `"index":0`, `"index":1`)}}
	for range 40 {
		pieces = append(pieces, line{time.Second, data(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" "}}`)})
	}
	pieces = append(pieces, line{time.Second, "event: content_block_delta" + strings.ReplaceAll(rest, `"index":0`, `"index":1`)}, line{0, ""})
	got, e, _ := clockedAt(t, caller.stream, fill(caller.askStream, ""), target.name, nil, timetable{says: pieces})
	if r := caller.readStream(t, got.Body.String()); r.tool != "look" || !r.ended || e.Outcome != usage.OK {
		t.Errorf("%+v %q %+v", r, got.Body, e)
	}
	if !strings.Contains(got.Body.String(), "}"+strings.Repeat("\n\n", 3)+"data: ") { // the event's end, and after 15 and 30 seconds
		t.Errorf("%q", got.Body)
	}
}

// deaf is a caller who stops to take what is written.
type deaf struct {
	*httptest.ResponseRecorder
	takes int
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.takes--; d.takes < 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return d.ResponseRecorder.Write(p)
}

// A caller who takes nothing any more is gone, though the connection stands: no vendor is to blame, none is asked after,
// and what was used is booked.
func TestDeafCaller(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]timetable{
		"before the commit point": {says: []line{{0, role}, {time.Hour, ""}}},
		"after it":                {says: []line{{0, role + word}, {time.Hour, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := timed(t, llm.OpenAI, []timetable{table, table})
				takes := 0
				if name == "after it" {
					takes = 1
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(stream))
				r.Header.Set("Authorization", "Bearer "+w.key)
				start := time.Now()
				proxy.New(w.o).ServeHTTP(&deaf{httptest.NewRecorder(), takes}, r)
				if e := w.only(); e.Outcome != usage.Cancelled || len(e.Attempts) != 1 || e.Usage.Input != 9 || time.Since(start) > 20*time.Second {
					t.Errorf("after %v: %+v", time.Since(start), e)
				}
			})
		})
	}
}
