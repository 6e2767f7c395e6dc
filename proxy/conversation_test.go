package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"aihigress/internal/id"
	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// newServer serves for as long as the test runs.
func newServer(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// turn is a chat request that is the nth turn of a conversation.
func turn(conversation string, n int, extra string) string {
	messages := []string{`{"role":"system","content":"Be brief."}`, fmt.Sprintf(`{"role":"user","content":%q}`, conversation)}
	for i := range n {
		messages = append(messages, fmt.Sprintf(`{"role":"assistant","content":"a%d"},{"role":"user","content":"q%d"}`, i, i))
	}
	return `{"model":"m","messages":[` + strings.Join(messages, ",") + `]` + extra + `}`
}

// even serves the model by four vendors of equal weight, each with two keys, by chance.
func even(t *testing.T, change ...func(*proxy.Options, *snapshot.Contents)) *world {
	t.Helper()
	var vendors []vendor
	for i := range 4 {
		vendors = append(vendors, vendor{handler: answer(completion), keys: []string{fmt.Sprintf("secret-%d-a", i), fmt.Sprintf("secret-%d-b", i)}})
	}
	return newWorld(t, vendors, append(change, func(_ *proxy.Options, c *snapshot.Contents) {
		c.Models[0].Strategy = "weighted"
		for i := range c.Models[0].Routes {
			c.Models[0].Routes[i].Priority = 0
		}
	})...)
}

// where is the provider and key that answered last.
func (w *world) where() string {
	w.meter.mu.Lock()
	defer w.meter.mu.Unlock()
	a := w.meter.finished[len(w.meter.finished)-1].Attempts
	return a[len(a)-1].ProviderSlug + "/" + a[len(a)-1].KeyID.String()
}

// Later turns go to the provider and key that answered the first one, in each way that a conversation can be told by. Of
// eight targets, fifty calls that are bound to none would surely meet another.
func TestTurnsFollowTheirConversation(t *testing.T) {
	t.Parallel()
	const calls = 50
	tests := []struct {
		name   string
		body   func(i int) string
		header string
		stays  bool
	}{
		{"leading messages", func(i int) string { return turn("a", i, "") }, "", true},
		{"the same first turn", func(int) string { return turn("a", 0, "") }, "", false},
		{"other leading messages", func(i int) string { return turn(fmt.Sprint("c", i), 1, "") }, "", false},
		{"session", func(i int) string { return turn(fmt.Sprint("c", i), 0, "") }, "s1", true},
		{"prompt cache key", func(i int) string { return turn(fmt.Sprint("c", i), 0, `,"prompt_cache_key":"k"`) }, "", true},
		{"user", func(i int) string { return turn(fmt.Sprint("c", i), 0, `,"user":"u"`) }, "", true},
		{"file", func(i int) string {
			return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"t%d"},{"type":"file","file":{"file_id":"file-1"}}]}]}`, i)
		}, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := even(t)
			places := map[string]int{}
			for i := range calls {
				if a := w.post("/chat/completions", tt.body(i), "X-Aihigress-Session", tt.header); a.StatusCode != 200 {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
				places[w.where()]++
			}
			if tt.stays != (len(places) == 1) {
				t.Errorf("%v", places)
			}
		})
	}
}

// A conversation is its account's own: the same name means nothing to others.
func TestConversationsOfAccountsAreApart(t *testing.T) {
	t.Parallel()
	other := mint()
	w := even(t, func(_ *proxy.Options, c *snapshot.Contents) { c.Keys = append(c.Keys, newKey(other)) })
	places := map[string]bool{}
	for i := range 50 {
		w.post("/chat/completions", chat, "X-Aihigress-Session", fmt.Sprint(i))
		mine := w.where()
		w.post("/chat/completions", chat, "X-Aihigress-Session", fmt.Sprint(i), "Authorization", "Bearer "+other)
		places[fmt.Sprint(mine == w.where())] = true
	}
	if !places["false"] {
		t.Error("the second account always follows the first")
	}
}

// A provider that fails loses its conversations, which stay where they go then.
func TestConversationsLetGoOfWhatIsUnhealthy(t *testing.T) {
	t.Parallel()
	var down atomic.Value // slug of the one that fails
	down.Store("")
	w := even(t, func(_ *proxy.Options, c *snapshot.Contents) {
		for _, p := range c.Providers {
			real := p.BaseURL
			p.BaseURL = mustURL(newServer(t, func(rw http.ResponseWriter, r *http.Request) {
				if down.Load() == p.Slug {
					oops(500, "server_error", "", "x")(rw, r)
					return
				}
				answer(completion)(rw, r)
			}) + real.Path)
		}
	})
	w.post("/chat/completions", turn("a", 0, ""))
	first, _, _ := strings.Cut(w.where(), "/")
	down.Store(first)
	w.post("/chat/completions", turn("a", 1, ""))
	second := w.where()
	if strings.HasPrefix(second, first) {
		t.Fatalf("it was answered by %s, which fails", second)
	}
	down.Store("")
	for i := range 20 {
		w.post("/chat/completions", turn("a", 2+i, ""))
		if got := w.where(); got != second {
			t.Fatalf("turn %d went to %s and not to %s, which has the conversation now", 2+i, got, second)
		}
	}
}

// What only one account can read finds it over nodes, by Redis: here by the notes of another node.
func TestStateIsAskedOfTheAccountThatHasIt(t *testing.T) {
	t.Parallel()
	notes := &board{}
	first := even(t, func(o *proxy.Options, _ *snapshot.Contents) { o.Pins = notes })
	body := `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"t"},{"type":"file","file":{"file_id":"file-7"}}]}]}`
	first.post("/chat/completions", body)
	want := first.where()
	for range 10 { // nodes that know nothing but the notes
		handler := proxy.New(first.o)
		second := *first
		second.url = newServer(t, handler.ServeHTTP) + "/v1"
		second.post("/chat/completions", body)
		if got := second.where(); got != want {
			t.Fatalf("asked of %s, want %s", got, want)
		}
	}
	for name, at := range notes.notes {
		at.Account = id.New[id.Account]()
		notes.notes[name] = at
	}
	places := map[string]bool{}
	for range 50 {
		second := *first
		second.url = newServer(t, proxy.New(first.o).ServeHTTP) + "/v1"
		second.post("/chat/completions", body)
		places[second.where()] = true
		clear(notes.notes)
	}
	if len(places) == 1 {
		t.Error("the note of another account is followed")
	}
}

// A file that one account does not know is asked of its other accounts, and counts against none.
func TestUnknownFilesAreSoughtInEveryAccount(t *testing.T) {
	t.Parallel()
	has := "Bearer secret-b"
	w := newWorld(t, []vendor{{keys: []string{"secret-a", "secret-b", "secret-c"}, handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != has {
			oops(404, "invalid_request_error", "", "No such File object: file-9")(w, r)
			return
		}
		answer(completion)(w, r)
	}}})
	body := `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-9"}}]}]}`
	for i := range 10 {
		if a := w.post("/chat/completions", body); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if w.meter.mu.Lock(); i > 0 && len(w.meter.finished[i].Attempts) != 1 {
			t.Errorf("call %d: %+v", i, w.meter.finished[i].Attempts)
		}
		w.meter.mu.Unlock()
	}
}
