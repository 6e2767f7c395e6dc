package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

func policy(name string) func(*proxy.Options, *snapshot.Contents) {
	return func(_ *proxy.Options, c *snapshot.Contents) { c.Models[0].Unsupported = name }
}

// What a target cannot take is named to the caller, in the caller's words and each thing once.
func TestDroppedIsNamed(t *testing.T) {
	t.Parallel()
	caller := speakerOf(llm.OpenAI)
	for _, stream := range []bool{false, true} {
		target := speakerOf(llm.Anthropic)
		w := newWorld(t, []vendor{{handler: target.answers(stream)}}, speaking(target.name))
		a := w.says(caller, stream, `,"seed":7,"zeta":{"a":1},"od\u000ad,na me\u00e9":1,"`+strings.Repeat("x", 2000)+`":1`)
		dropped := a.Header.Get("X-Aihigress-Dropped")
		list := strings.Split(dropped, ",")
		for _, want := range []string{"seed", "zeta", "od_d_na_me__"} {
			if n := strings.Count(","+dropped+",", ","+want+","); n != 1 {
				t.Errorf("%q is named %d times in %q", want, n, list)
			}
		}
		if len(dropped) > 1024 || a.StatusCode != 200 {
			t.Errorf("%d, %d bytes", a.StatusCode, len(dropped))
		}
	}
	w := newWorld(t, []vendor{{handler: answer(completion)}})
	if a := w.says(caller, false, `,"seed":7,"zeta":1`); a.Header.Get("X-Aihigress-Dropped") != "" {
		t.Errorf("dropped %s where nothing is", a.Header.Get("X-Aihigress-Dropped"))
	}
}

// A model may refuse what its targets cannot take: only where all of them cannot, and before one is asked.
func TestRejectPolicy(t *testing.T) {
	t.Parallel()
	caller, target := speakerOf(llm.OpenAI), speakerOf(llm.Anthropic)
	never := vendor{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}
	w := newWorld(t, []vendor{never, never}, speaking(target.name, target.name), policy("reject"))
	a := w.says(caller, false, `,"seed":7`)
	if e := readError(t, a); a.StatusCode != 400 || e.Param != "seed" || !strings.Contains(e.Message, "'seed'") || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if e := w.only(); e.Outcome != usage.Refused || len(e.Attempts) != 0 || *e.Charge != 0 || w.credit.stillHeld() != 0 {
		t.Errorf("%+v", e)
	}
	w = newWorld(t, []vendor{never, {handler: answer(completion)}}, speaking(target.name, llm.OpenAI), policy("reject"))
	a = w.says(caller, false, `,"seed":7`)
	if a.StatusCode != 200 || a.body != completion || len(w.only().Attempts) != 1 || a.Header.Get("X-Aihigress-Provider") != "v1" {
		t.Errorf("%d %s %+v", a.StatusCode, a.body, w.only().Attempts)
	}
	w = newWorld(t, []vendor{{handler: target.answers(false)}}, speaking(target.name), policy("reject"))
	if a = w.says(caller, false, ""); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// What came with an answer and is given back as it came is no reason to refuse the next turn, though it is named.
func TestRejectTakesBackWhatAnswersBring(t *testing.T) {
	t.Parallel()
	const said = `{"role":"user","content":"hello there"},`
	for _, tt := range []struct{ name, target, path, body, dropped string }{
		{"thoughts of Gemini's", llm.Gemini, "/chat/completions", `{"model":"m","messages":[` + said + `{"role":"assistant","content":"x","reasoning_content":"t"},{"role":"user","content":"y"}]}`, "messages.reasoning_details"},
		{"signed thoughts of another vendor", llm.OpenAI, "/messages", `{"model":"m","max_tokens":9,"messages":[` + said +
			`{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"c2ln"},{"type":"text","text":"x"}]},{"role":"user","content":"y"}]}`, "messages[].content[].thinking"},
		{"citations", llm.Gemini, "/chat/completions", `{"model":"m","messages":[` + said +
			`{"role":"assistant","content":"x","annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"url":"https://example.com","title":"E"}}]},{"role":"user","content":"y"}]}`, "messages.annotations"},
	} {
		target := speakerOf(tt.target)
		w := newWorld(t, []vendor{{handler: target.answers(false)}}, speaking(target.name), policy("reject"))
		if a := w.post(tt.path, tt.body); a.StatusCode != 200 || a.Header.Get("X-Aihigress-Dropped") != tt.dropped {
			t.Errorf("%s: %d %s, dropped %q, want %q", tt.name, a.StatusCode, a.body, a.Header.Get("X-Aihigress-Dropped"), tt.dropped)
		}
	}
	w := newWorld(t, []vendor{{}}, speaking(llm.OpenAI), policy("reject"))
	a := w.post("/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x"},`+
		`{"type":"document","citations":{"enabled":true},"source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}]}]}`)
	if a.StatusCode != 400 || !strings.Contains(a.body, "messages[].content[].citations") {
		t.Errorf("citations that are wanted: %d %s", a.StatusCode, a.body)
	}
}

// A model may have unknown fields passed on to vendors of other dialects, under their own names.
func TestKeepPolicy(t *testing.T) {
	t.Parallel()
	caller, target := speakerOf(llm.OpenAI), speakerOf(llm.Anthropic)
	for name, want := range map[string]bool{"keep": true, "drop": false} {
		var got seen
		w := newWorld(t, []vendor{{handler: recorded(&got, target.answers(false))}}, speaking(target.name), policy(name))
		a := w.says(caller, false, `,"zeta":{"a":[1,2]}`)
		if kept := strings.Contains(got.body, `"zeta":{"a":[1,2]}`); kept != want || want == strings.Contains(a.Header.Get("X-Aihigress-Dropped"), "zeta") {
			t.Errorf("%s: the vendor got %s, dropped %q", name, got.body, a.Header.Get("X-Aihigress-Dropped"))
		}
	}
}

// Between dialects the headers of the caller's family stay behind, and so do the vendor's.
func TestFamilyHeadersStayBehind(t *testing.T) {
	t.Parallel()
	caller, target := speakerOf(llm.Anthropic), speakerOf(llm.OpenAI)
	var got seen
	var query string
	w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		w.Header().Set("Openai-Processing-Ms", "7")
		w.Header().Set("X-Request-Id", "theirs")
		w.Header().Set("Etag", "x")
		recorded(&got, target.answers(false))(w, r)
	}}}, speaking(target.name))
	r := w.asking(caller, false, "", "Anthropic-Beta", "a", "Anthropic-Version", "2023-06-01", "X-Stainless-Lang", "go", "X-Custom", "kept", "Accept", "text/event-stream", "Content-Type", "application/json; charset=utf-8")
	r.URL.RawQuery = "beta=true"
	a := w.do(r)
	if g := header(got.header, "Anthropic-Beta", "Anthropic-Version", "X-Stainless-Lang", "X-Custom", "Accept", "Content-Type", "Authorization"); g != "Anthropic-Beta= Anthropic-Version= X-Stainless-Lang= X-Custom=kept Accept= Content-Type=application/json Authorization=Bearer secret-of-v0" || query != "" {
		t.Errorf("the vendor got %s %q", g, query)
	}
	if g := header(a.Header, "Openai-Processing-Ms", "X-Upstream-Request-Id", "Etag", "Content-Type"); g != "Openai-Processing-Ms= X-Upstream-Request-Id=theirs Etag= Content-Type=application/json" {
		t.Error(g)
	}
}

// A body with another vendor's state in it does not pass to its own vendor as it is.
func TestCarriedStateIsUnpacked(t *testing.T) {
	t.Parallel()
	s := speakerOf(llm.Anthropic)
	foreign := llm.Carry(llm.Block{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Gemini, Data: "c2lnbmF0dXJl"}})
	quoted, err := json.Marshal(foreign)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hello there"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":` + string(quoted) + `},{"type":"text","text":"Hi."}]},{"role":"user","content":"go on"}]}`
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, s.answers(false))}}, speaking(s.name))
	a := w.post("/messages", body)
	if a.StatusCode != 200 || strings.Contains(got.body, llm.Mark) || !strings.Contains(got.body, "go on") || s.read(t, a.body).text != "Hello" {
		t.Errorf("%d %s, the vendor got %s", a.StatusCode, a.body, got.body)
	}
}

// What a vendor answers that its dialect does not allow is 502, and an answer that is too large for the gateway too.
func TestUntranslatable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		vendor http.HandlerFunc
		code   string
	}{
		"no JSON":     {answer("<html>"), "upstream_malformed"},
		"half a body": {cutAfter("application/json", `{"id":"msg_1"`), "upstream_truncated"},
		"a list":      {answer(`[1]`), "upstream_malformed"},
		"too large":   {answer(`{"id":"` + strings.Repeat("x", 1<<20) + `"}`), "upstream_too_long"},
	} {
		w := newWorld(t, []vendor{{handler: tt.vendor}}, speaking(llm.Anthropic), func(o *proxy.Options, _ *snapshot.Contents) { o.MaxAnswer = 1 << 20 })
		a := w.says(speakerOf(llm.OpenAI), false, "")
		if e := readError(t, a); a.StatusCode != 502 || e.Code != tt.code || w.only().Outcome != usage.UpstreamError {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
}

// Whose fault a refusal is, by the words of all vendors.
func TestWhoseFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dialect, body string
		status        int
		told          int
		code          string // of the attempt
		fails         bool   // over to the next
	}{
		"Anthropic, no credit":   {llm.Anthropic, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, 400, 503, "upstream_quota", true},
		"Anthropic, billing":     {llm.Anthropic, `{"type":"error","error":{"type":"billing_error","message":"x"}}`, 403, 503, "upstream_quota", true},
		"Anthropic, key":         {llm.Anthropic, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, 401, 502, "upstream_auth", true},
		"Anthropic, overloaded":  {llm.Anthropic, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 529, 529, "overloaded_error", true},
		"Anthropic, too long":    {llm.Anthropic, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`, 400, 400, "invalid_request_error", false},
		"Anthropic, no model":    {llm.Anthropic, `{"type":"error","error":{"type":"not_found_error","message":"model: x"}}`, 404, 404, "not_found_error", true},
		"Gemini, key":            {llm.Gemini, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, 400, 502, "upstream_auth", true},
		"Gemini, permission":     {llm.Gemini, `{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}`, 403, 502, "upstream_auth", true},
		"Gemini, too fast":       {llm.Gemini, `{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}}`, 429, 429, "RESOURCE_EXHAUSTED", true},
		"Gemini, argument":       {llm.Gemini, `{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}`, 400, 400, "INVALID_ARGUMENT", false},
		"Responses, too long":    {llm.Responses, `{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded","param":"input"}}`, 400, 400, "context_length_exceeded", false},
		"Responses, quota":       {llm.Responses, `{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}`, 429, 503, "upstream_quota", true},
		"OpenAI, billing limit":  {llm.OpenAI, `{"error":{"message":"x","type":"invalid_request_error","code":"billing_hard_limit_reached"}}`, 400, 503, "upstream_quota", true},
		"OpenAI, wrong argument": {llm.OpenAI, `{"error":{"message":"x","type":"invalid_request_error","param":"tools"}}`, 400, 400, "invalid_request_error", false},
	} {
		for _, caller := range speakers {
			asked := 0
			handler := func(w http.ResponseWriter, r *http.Request) {
				asked++
				script(tt.status, "application/json", tt.body)(w, r)
			}
			w := newWorld(t, []vendor{{handler: handler}, {handler: handler}}, speaking(tt.dialect, tt.dialect))
			a := w.says(caller, false, "")
			if r := caller.read(t, a.body); a.StatusCode != tt.told || r.err == "" || w.only().Attempts[0].Error != tt.code || (asked == 2) != tt.fails {
				t.Errorf("%s to %s: %d %s, %+v", name, caller.name, a.StatusCode, a.body, w.only().Attempts)
			}
		}
	}
}
