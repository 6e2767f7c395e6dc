package proxy_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"aihigress/internal/id"
	"aihigress/internal/llm"
	"aihigress/internal/pin"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// A board is Pins in memory.
type board struct {
	mu    sync.Mutex
	notes map[string]pin.Pin
}

func (b *board) Lookup(_ context.Context, answer string) (pin.Pin, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.notes[answer]
	return p, ok
}

func (b *board) Remember(_ context.Context, answer string, p pin.Pin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notes == nil {
		b.notes = map[string]pin.Pin{}
	}
	b.notes[answer] = p
}

const (
	keeps    = `{"model":"m","input":"hello there"}`
	goesOn   = `{"model":"m","input":"and then?","previous_response_id":"resp_1"}`
	keepsBut = `{"model":"m","input":"hello there","store":false}`
	knowsNot = `{"error":{"message":"Previous response with id 'resp_1' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`
)

// A request that goes on from an answer is asked of the account that made it, and of no other.
func TestStateIsPinned(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	for name, stream := range map[string]bool{"whole": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			var mu sync.Mutex
			vendors := make([]vendor, 2)
			for i := range vendors {
				vendors[i] = vendor{keys: []string{"key-a", "key-b"}, handler: func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					asked = append(asked, "v"+string(rune('0'+i))+" "+r.Header.Get("Authorization"))
					mu.Unlock()
					s.answers(stream)(w, r)
				}}
			}
			b := &board{}
			w := newWorld(t, vendors, speaking(s.name, s.name), func(o *proxy.Options, c *snapshot.Contents) {
				o.Pins = b
				c.Models[0].Strategy = "weighted"
				for i := range c.Models[0].Routes {
					c.Models[0].Routes[i].Priority = 0
				}
			})
			with := func(body string) string {
				if stream {
					return strings.Replace(body, "{", `{"stream":true,`, 1)
				}
				return body
			}
			if w.post("/responses", with(keepsBut)); len(b.notes) != 0 {
				t.Error("what is not kept is remembered")
			}
			if a := w.post("/responses", with(keeps)); a.StatusCode != 200 || len(b.notes) != 1 {
				t.Fatalf("%d %s, %v", a.StatusCode, a.body, b.notes)
			}
			first := asked[1]
			for range 10 {
				w.post("/responses", with(goesOn))
			}
			for _, at := range asked[2:] {
				if at != first {
					t.Errorf("asked %s, the answer is at %s", at, first)
				}
			}
		})
	}
}

func TestStateOfOthersIsNotFound(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	for name, change := range map[string]func(w *world, p *pin.Pin){
		"another account's":  func(_ *world, p *pin.Pin) { p.Account = id.New[id.Account]() },
		"provider is gone":   func(_ *world, p *pin.Pin) { p.Provider = id.New[id.Provider]() },
		"its key is removed": func(_ *world, p *pin.Pin) { p.Key = id.New[id.ProviderKey]() },
	} {
		b := &board{}
		var first pin.Pin
		w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}}, speaking(s.name), func(o *proxy.Options, c *snapshot.Contents) {
			o.Pins = b
			first = pin.Pin{Account: c.Keys[0].AccountID, Provider: c.Providers[0].ID, Key: c.Providers[0].Keys[0].ID}
		})
		change(w, &first)
		b.Remember(t.Context(), "resp_1", first)
		a := w.post("/responses", goesOn)
		if e := readError(t, a); a.StatusCode != 400 || e.Param != "previous_response_id" || e.Code != "previous_response_not_found" || w.only().Outcome != usage.Refused {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// An answer is not lost where the key that made it is dead for a while: nobody is told so, and nobody else is asked.
func TestStateOfADeadKeyIsNotLost(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	for _, keys := range [][]string{{"dead"}, {"dead", "alive"}} {
		b := &board{}
		w := newWorld(t, []vendor{{keys: keys, handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}}, speaking(s.name), func(o *proxy.Options, c *snapshot.Contents) {
			o.Pins = b
			p := c.Providers[0]
			b.Remember(t.Context(), "resp_1", pin.Pin{Account: c.Keys[0].AccountID, Provider: p.ID, Key: p.Keys[0].ID})
			p.NeedsKey, p.Dead, p.Keys = true, []id.ProviderKey{p.Keys[0].ID}, p.Keys[1:]
		})
		a := w.post("/responses", goesOn)
		if e := readError(t, a); a.StatusCode != 503 || e.Code != "no_provider" || w.only().Outcome != usage.Refused {
			t.Errorf("%d keys: %d %s", len(keys), a.StatusCode, a.body)
		}
	}
}

// Where nobody knows who keeps an answer, every account is asked in turn.
func TestUnknownStateIsSought(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	not := script(400, "application/json", knowsNot)
	b := &board{}
	w := newWorld(t, []vendor{{handler: not}, {handler: s.answers(false)}}, speaking(s.name, s.name), func(o *proxy.Options, _ *snapshot.Contents) { o.Pins = b })
	if a := w.post("/responses", goesOn); a.StatusCode != 200 || a.Header.Get("X-Aihigress-Attempts") != "2" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	w = newWorld(t, []vendor{{handler: not}, {handler: not}}, speaking(s.name, s.name))
	a := w.post("/responses", goesOn)
	if e := readError(t, a); a.StatusCode != 400 || e.Code != "previous_response_not_found" || w.only().Outcome != usage.ClientError || len(w.only().Attempts) != 2 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// No other dialect keeps answers, and who asks for one is told so.
func TestStateNeedsItsDialect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}})
	a := w.post("/responses", goesOn)
	if e := readError(t, a); a.StatusCode != 400 || e.Param != "previous_response_id" || !strings.Contains(e.Message, "previous_response_id") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
