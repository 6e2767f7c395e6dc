package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/pin"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// knowing says of each vendor's model what it lacks, and how long its context is.
func knowing(models ...snapshot.ProviderModel) func(*proxy.Options, *snapshot.Contents) {
	return func(_ *proxy.Options, c *snapshot.Contents) {
		for i, m := range models {
			known := c.Providers[i].Models["up-m"]
			known.Lacks, known.Context = m.Lacks, m.Context
		}
	}
}

// pictured asks about a picture.
var pictured = map[string]string{
	llm.OpenAI:    `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`,
	llm.Responses: `{"model":"m","store":false,"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]}`,
	llm.Anthropic: `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}`,
	llm.Gemini:    `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}]}`,
}

// long is a request whose prompt is a text.
func long(s *speaker, text string) string {
	return strings.Replace(fill(s.ask, ""), "hello there", text, 1)
}

func (w *world) sends(s *speaker, body string) answered {
	w.t.Helper()
	return w.post(strings.TrimPrefix(s.whole, "/v1"), body)
}

func uncalled(t *testing.T) vendor {
	return vendor{handler: func(http.ResponseWriter, *http.Request) { t.Error("a vendor was called that lacks what is needed") }}
}

// A route that lacks what the request needs is left out, whatever its priority, and one that has it answers.
func TestWhatLacksANeedIsNotCalled(t *testing.T) {
	t.Parallel()
	blind := snapshot.ProviderModel{Lacks: llm.NeedVision}
	for _, s := range speakers {
		w := newWorld(t, []vendor{uncalled(t), {handler: s.answers(false)}}, speaking(s.name, s.name), knowing(blind))
		a := w.sends(s, pictured[s.name])
		if a.StatusCode != 200 || a.Header.Get("X-Aihigress-Provider") != "v1" || a.Header.Get("X-Aihigress-Attempts") != "1" {
			t.Errorf("%s: %d %s by %s", s.name, a.StatusCode, a.body, a.Header.Get("X-Aihigress-Provider"))
		}
		w = newWorld(t, []vendor{{handler: s.answers(false)}}, speaking(s.name), knowing(blind))
		if a := w.says(s, false, ""); a.StatusCode != 200 {
			t.Errorf("%s without a picture: %d %s", s.name, a.StatusCode, a.body)
		}
	}
}

// It is not tried as a last resort either: not when all others fail, and not when they are out of use.
func TestWhatLacksANeedIsNoLastResort(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.OpenAI)
	w := newWorld(t, []vendor{uncalled(t), {handler: script(500, "application/json", `{"error":{"message":"x"}}`)}}, knowing(snapshot.ProviderModel{Lacks: llm.NeedVision}))
	for range 8 {
		if a := w.sends(s, pictured[s.name]); a.StatusCode != 500 || a.Header.Get("X-Aihigress-Provider") != "v1" {
			t.Fatalf("%d %s by %s", a.StatusCode, a.body, a.Header.Get("X-Aihigress-Provider"))
		}
	}
}

// What no route has is refused before anything is asked or held, in the caller's dialect, and names the need.
func TestNeedsThatNobodyMeetsAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range speakers {
		w := newWorld(t, []vendor{uncalled(t), uncalled(t)}, speaking(s.name, llm.OpenAI),
			knowing(snapshot.ProviderModel{Lacks: llm.NeedVision | llm.NeedAudio}, snapshot.ProviderModel{Lacks: llm.NeedVision | llm.NeedTools}))
		a := w.sends(s, pictured[s.name])
		if got := s.read(t, a.body); a.StatusCode != 400 || !strings.Contains(got.err, "`m` does not support what the request needs: vision.") || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
			t.Errorf("%s: %d %s", s.name, a.StatusCode, a.body)
		}
		if e := w.only(); e.Outcome != usage.Refused || e.ErrorCode != "unsupported_capability" || len(e.Attempts) != 0 || len(w.credit.held) != 0 {
			t.Errorf("%s: %+v", s.name, e)
		}
	}
}

// A prompt that is clearly too long for one model goes to another, and where there is none it is refused as the vendors do.
func TestContextLength(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("What is counted here is words. ", 1500) // 9000 of them, and as many tokens
	short, roomy := snapshot.ProviderModel{Context: 4096}, snapshot.ProviderModel{Context: 128_000}
	for _, s := range speakers {
		w := newWorld(t, []vendor{uncalled(t), {handler: s.answers(false)}}, speaking(s.name, s.name), knowing(short, roomy))
		if a := w.sends(s, long(s, text)); a.StatusCode != 200 || a.Header.Get("X-Aihigress-Provider") != "v1" {
			t.Errorf("%s: %d %s", s.name, a.StatusCode, a.body)
		}
		w = newWorld(t, []vendor{uncalled(t)}, speaking(s.name), knowing(short))
		a := w.sends(s, long(s, text))
		said := map[string]string{
			llm.OpenAI: `"param":"messages","code":"context_length_exceeded"`, llm.Responses: `"param":"input","code":"context_length_exceeded"`,
			llm.Anthropic: `"type":"invalid_request_error","message":"prompt is too long: `, llm.Gemini: `"status": "INVALID_ARGUMENT"`,
		}[s.name]
		if a.StatusCode != 400 || !strings.Contains(a.body, "4096 tokens") || !strings.Contains(strings.ReplaceAll(a.body, `":"INVALID`, `": "INVALID`), said) {
			t.Errorf("%s: %d %s", s.name, a.StatusCode, a.body)
		}
		if e := w.only(); e.Outcome != usage.Refused || e.ErrorCode != "context_length_exceeded" {
			t.Errorf("%s: %+v", s.name, e)
		}
	}
}

// The rule of thumb may be wrong by far, so the text is counted before a call is refused for its length.
func TestALongTextOfFewTokensIsServed(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.OpenAI)
	text := strings.Repeat(strings.Repeat(" ", 60)+"x", 700) // 42 KB, and some 1500 tokens
	w := newWorld(t, []vendor{{handler: s.answers(false)}}, knowing(snapshot.ProviderModel{Context: 4096}))
	if a := w.sends(s, long(s, text)); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// What can be gone without is preferred where it is, and gone without where it is not.
func TestSoftNeeds(t *testing.T) {
	t.Parallel()
	chat, message := speakerOf(llm.OpenAI), speakerOf(llm.Anthropic)
	broken := vendor{handler: script(500, "application/json", `{"error":{"message":"x"}}`)}
	never := func(_ *proxy.Options, c *snapshot.Contents) { c.Providers[0].Streaming = "never" }
	webSearch := `,"tools":[{"type":"web_search_20250305","name":"web_search"}]`
	for name, tt := range map[string]struct {
		caller  *speaker
		vendors []vendor
		speak   []string
		known   []snapshot.ProviderModel
		extra   string
		stream  bool
		change  func(*proxy.Options, *snapshot.Contents)
		by      string
		dropped string
	}{
		"thinking, another has it": {caller: chat, vendors: []vendor{uncalled(t), {handler: chat.answers(false)}}, extra: `,"reasoning_effort":"high"`,
			known: []snapshot.ProviderModel{{Lacks: llm.NeedReasoning}}, by: "v1 1"},
		"thinking, another has it and fails": {caller: chat, vendors: []vendor{{handler: chat.answers(false)}, broken}, extra: `,"reasoning_effort":"high"`,
			known: []snapshot.ProviderModel{{Lacks: llm.NeedReasoning}}, by: "v0 2"},
		"thinking, nobody has it": {caller: chat, vendors: []vendor{{handler: chat.answers(false)}}, extra: `,"reasoning_effort":"high"`,
			known: []snapshot.ProviderModel{{Lacks: llm.NeedReasoning}}, by: "v0 1"},
		"a tool of the vendor's, another dialect": {caller: message, vendors: []vendor{uncalled(t), {handler: message.answers(false)}},
			speak: []string{llm.OpenAI, llm.Anthropic}, extra: webSearch, by: "v1 1"},
		"a tool of the vendor's, no such vendor": {caller: message, vendors: []vendor{{handler: chat.answers(false)}},
			speak: []string{llm.OpenAI}, extra: webSearch, by: "v0 1", dropped: "tools"},
		"a stream, another has them":   {caller: chat, stream: true, vendors: []vendor{uncalled(t), {handler: chat.answers(true)}}, change: never, by: "v1 1"},
		"a stream, nobody has them":    {caller: chat, stream: true, vendors: []vendor{{handler: chat.answers(false)}}, change: never, by: "v0 1"},
		"no stream, all have answers":  {caller: chat, vendors: []vendor{{handler: chat.answers(false)}, uncalled(t)}, change: never, by: "v0 1"},
		"JSON, where a tool stands in": {caller: chat, vendors: []vendor{{handler: chat.answers(false)}}, extra: `,"response_format":{"type":"json_object"}`, known: []snapshot.ProviderModel{{Lacks: llm.NeedStructured}}, by: "v0 1"},
	} {
		change := []func(*proxy.Options, *snapshot.Contents){speaking(tt.speak...), knowing(tt.known...)}
		if tt.change != nil {
			change = append(change, tt.change)
		}
		w := newWorld(t, tt.vendors, change...)
		a := w.says(tt.caller, tt.stream, tt.extra)
		by := fmt.Sprint(a.Header.Get("X-Aihigress-Provider"), " ", a.Header.Get("X-Aihigress-Attempts"))
		if a.StatusCode != 200 || by != tt.by || !strings.Contains(a.Header.Get("X-Aihigress-Dropped"), tt.dropped) {
			t.Errorf("%s: %d %s, by %s, dropped %q", name, a.StatusCode, a.body, by, a.Header.Get("X-Aihigress-Dropped"))
		}
		if got := tt.caller.reads(t, tt.stream, a.body); got.text != "Hello" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Where the one account that keeps an earlier answer lacks what is needed now, that is what is said.
func TestPinnedStateThatLacksANeed(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Responses)
	b := &board{}
	w := newWorld(t, []vendor{uncalled(t), uncalled(t)}, speaking(s.name, s.name), knowing(snapshot.ProviderModel{Lacks: llm.NeedVision}), func(o *proxy.Options, c *snapshot.Contents) {
		o.Pins = b
		p := c.Providers[0]
		b.Remember(t.Context(), "resp_1", pin.Pin{Account: c.Keys[0].AccountID, Provider: p.ID, Key: p.Keys[0].ID})
	})
	a := w.sends(s, strings.Replace(pictured[s.name], "{", `{"previous_response_id":"resp_1",`, 1))
	if a.StatusCode != 400 || !strings.Contains(a.body, "does not support what the request needs: vision") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
