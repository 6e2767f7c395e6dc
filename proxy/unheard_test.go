package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/usage"
)

// A user who says nothing but what the target cannot take is told so, and not answered as if something else had been said.
func TestNothingOfAMessageIsHeard(t *testing.T) {
	t.Parallel()
	const (
		sound  = `{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`
		before = `{"role":"user","content":"hello there"},{"role":"assistant","content":"Hello"},`
	)
	for _, tt := range []struct {
		name, caller, target, path, body, param string // without one it is heard
	}{
		{"sound to Anthropic", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[` + sound + `]}]}`, "messages.content.input_audio"},
		{"sound to Responses", llm.OpenAI, llm.Responses, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[` + sound + `]}]}`, "messages.content.input_audio"},
		{"sound at the end", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[` + before + `{"role":"user","content":[` + sound + `]}]}`, "messages.content.input_audio"},
		{"sound behind an instruction", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":[` + sound + `]}]}`, "messages.content.input_audio"},
		{"a file to chat", llm.Anthropic, llm.OpenAI, "/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]}`, "messages[].content[].source.file_id"},
		{"what nobody knows to Gemini", llm.OpenAI, llm.Gemini, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"smell"}]}]}`, "messages.content.smell"},
		{"an item that nobody knows", llm.Responses, llm.OpenAI, "/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_smell"}]}]}`, "input"},

		{"sound and words", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[` + sound + `,{"type":"text","text":"x"}]}]}`, ""},
		{"words before", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"user","content":[` + sound + `]}]}`, ""},
		{"sound in the past", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[` + sound + `]},{"role":"assistant","content":"x"},{"role":"user","content":"y"}]}`, ""},
		{"a picture behind sound in the past", llm.OpenAI, llm.Anthropic, "/chat/completions", `{"model":"m","messages":[{"role":"user","content":[` + sound + `]},{"role":"assistant","content":"x"},
			{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`, ""},
		{"a document beside one that is lost", llm.Anthropic, llm.OpenAI, "/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}},
			{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]}]}`, ""},
	} {
		target := speakerOf(tt.target)
		handler := target.answers(false)
		if tt.param != "" {
			handler = func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the vendor was called", tt.name) }
		}
		w := newWorld(t, []vendor{{handler: handler}}, speaking(target.name))
		a := w.post(tt.path, tt.body)
		if tt.param == "" {
			if a.StatusCode != 200 || a.Header.Get("X-Aihigress-Dropped") == "" {
				t.Errorf("%s: %d %s", tt.name, a.StatusCode, a.body)
			}
			continue
		}
		if r := speakerOf(tt.caller).read(t, a.body); a.StatusCode != 400 || r.err == "" || !strings.Contains(a.body, tt.param) || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
			t.Errorf("%s: %d %s, want 400 that names %s", tt.name, a.StatusCode, a.body, tt.param)
		}
		if e := w.only(); e.Outcome != usage.Refused || len(e.Attempts) != 0 || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

// It goes to a target that takes it, where there is one.
func TestUnheardIsServedElsewhere(t *testing.T) {
	t.Parallel()
	never := vendor{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}
	w := newWorld(t, []vendor{never, {handler: answer(completion)}}, speaking(llm.Anthropic, llm.OpenAI))
	a := w.post("/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`)
	if a.StatusCode != 200 || a.body != completion || len(w.only().Attempts) != 1 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
