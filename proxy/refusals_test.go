package proxy_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// What is wrong with a request is said in the caller's dialect, with the status that the vendor has for it and the
// parameter named, streamed or not, and says that it is the gateway who refuses.
func TestRefusalsInEveryDialect(t *testing.T) {
	t.Parallel()
	messages := map[string]string{llm.OpenAI: "messages", llm.Responses: "input", llm.Anthropic: "messages", llm.Gemini: "contents"}
	odd := map[string][2]string{ // fields of a wrong type, and how the dialect calls them
		llm.OpenAI:    {`,"temperature":"hot"`, "temperature"},
		llm.Responses: {`,"temperature":"hot"`, "temperature"},
		llm.Anthropic: {`,"temperature":"hot"`, "temperature"},
		llm.Gemini:    {`,"generationConfig":{"temperature":"hot"}`, "generationConfig.temperature"},
	}
	unsupported := map[string][2]string{ // content that there is not
		llm.OpenAI:    {`"hello there"`, `[{"type":"smell","smell":"x"},{"type":"image_url"}]`},
		llm.Responses: {`"hello there"`, `[{"role":"user","content":[{"type":"input_smell"}]}]`},
		llm.Anthropic: {`"hello there"`, `[{"type":"image","source":{"type":"smell"}}]`},
		llm.Gemini:    {`{"text":"hello there"}`, `{"inlineData":{"mimeType":"image/png","data":7}}`},
	}
	for _, caller := range speakers {
		for _, target := range speakers {
			if target == caller {
				continue // where the vendor says what it does not take; see TestRefusalsInTheCallersDialect for the rest
			}
			t.Run(caller.name+" to "+target.name, func(t *testing.T) {
				t.Parallel()
				expired := mint()
				w := newWorld(t, []vendor{{handler: func(http.ResponseWriter, *http.Request) { t.Error("the vendor was called") }}}, speaking(target.name),
					func(_ *proxy.Options, c *snapshot.Contents) {
						k := newKey(expired)
						k.ExpiresAt = time.Now().Add(-time.Second)
						c.Keys = append(c.Keys, k)
					})
				plain := fill(caller.ask, "")
				empty := plain[:strings.Index(plain, `"`+messages[caller.name]+`":`)] + `"` + messages[caller.name] + `":[]}`
				for name, tt := range map[string]struct {
					path, body string
					headers    []string
					status     int
					says       string
				}{
					"expired key":     {caller.whole, plain, []string{"Authorization", "Bearer " + expired}, 401, ""},
					"unknown model":   {strings.Replace(caller.whole, "/m:", "/other:", 1), strings.Replace(plain, `"model":"m"`, `"model":"other"`, 1), nil, 404, "other"},
					"no JSON":         {caller.whole, plain[1:], nil, 400, ""},
					"wrong type":      {caller.whole, fill(caller.ask, odd[caller.name][0]), nil, 400, odd[caller.name][1]},
					"no messages":     {caller.whole, empty, nil, 400, messages[caller.name]},
					"unknown content": {caller.whole, strings.Replace(plain, unsupported[caller.name][0], unsupported[caller.name][1], 1), nil, 400, messages[caller.name]},
				} {
					a := w.post(strings.TrimPrefix(tt.path, "/v1"), tt.body, tt.headers...)
					r := caller.read(t, a.body)
					if a.StatusCode != tt.status || r.err == "" || !strings.Contains(a.body, tt.says) || a.Header.Get("X-Aihigress-Error-Source") != "gateway" {
						t.Errorf("%s: %d %s, want %d of %q", name, a.StatusCode, a.body, tt.status, tt.says)
					}
				}
				for _, e := range w.meter.finished {
					if e.Outcome != usage.Refused || len(e.Attempts) != 0 {
						t.Errorf("%+v", e)
					}
				}
			})
		}
	}
}
