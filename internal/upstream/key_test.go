package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
)

func TestCheckKey(t *testing.T) {
	t.Parallel()
	const ok, list = `{"data":[{"id":"a"}],"models":[{"name":"models/a"}]}`, "GET"
	for name, tc := range map[string]struct {
		dialect string
		status  int // of the small request
		body    string
		list    int // status of the list; 0 is not asked
		want    provider.Verdict
	}{
		"answered":                   {"openai", 200, `{}`, 0, provider.KeyWorks},
		"refused":                    {"openai", 401, `{"error":{"code":"invalid_api_key"}}`, 0, provider.KeyRefused},
		"refused without words":      {"anthropic", 401, ``, 0, provider.KeyRefused},
		"refused with 400":           {"gemini", 400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key not valid. Please pass a valid API key."}}`, 0, provider.KeyRefused},
		"used up":                    {"openai", 429, `{"error":{"code":"insufficient_quota","type":"insufficient_quota","message":"You exceeded your current quota"}}`, 0, provider.KeyExhausted},
		"used up with 400":           {"anthropic", 400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}`, 0, provider.KeyExhausted},
		"used up with 402":           {"openai", 402, ``, 0, provider.KeyExhausted},
		"asked too often":            {"openai", 429, `{"error":{"code":"rate_limit_exceeded"}}`, 0, provider.KeyWorks},
		"the vendor fails":           {"openai", 500, `{}`, 0, provider.KeyUnknown},
		"the model is gone":          {"openai", 404, `{"error":{"code":"model_not_found"}}`, 200, provider.KeyWorks},
		"the model is gone, no list": {"openai", 404, `{"error":{"code":"model_not_found"}}`, 404, provider.KeyWorks},
		"forbidden":                  {"openai", 403, `{"error":{"message":"no"}}`, 403, provider.KeyRefused},
		"forbidden, but it lists":    {"openai", 403, `{"error":{"message":"no"}}`, 200, provider.KeyWorks},
		"redirected, the list fails": {"responses", 302, ``, 503, provider.KeyUnknown},
	} {
		listed := 0
		c, target := target(t, tc.dialect, map[string]string{"gemini": "/v1beta", "anthropic": ""}[tc.dialect], func(w http.ResponseWriter, r *http.Request) {
			if r.Method == list {
				listed++
				w.WriteHeader(tc.list)
				io.WriteString(w, ok)
				return
			}
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
		})
		got, err := c.CheckKey(t.Context(), target, "a")
		if got != tc.want || (err != nil) != (tc.list == 503) || (listed > 0) != (tc.list > 0) {
			t.Errorf("%s: %d after %d lists, %v", name, got, listed, err)
		}
		if err != nil && strings.Contains(err.Error(), "vendor key") {
			t.Errorf("%s tells the key: %v", name, err)
		}
	}

	// Without a model the list alone decides.
	for status, want := range map[int]provider.Verdict{
		200: provider.KeyWorks, 401: provider.KeyRefused, 402: provider.KeyExhausted, 404: provider.KeyUnknown, 500: provider.KeyUnknown,
	} {
		c, target := target(t, "openai", "/v1", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, ok)
		})
		if got, err := c.CheckKey(t.Context(), target, ""); got != want || (err != nil) != (want == provider.KeyUnknown) {
			t.Errorf("list with %d: %d, %v", status, got, err)
		}
	}
	c, nobody := target(t, "openai", "/v1", func(http.ResponseWriter, *http.Request) {})
	nobody.BaseURL = at(t, "http://127.0.0.1:1/v1").BaseURL
	if got, err := c.CheckKey(t.Context(), nobody, "a"); got != provider.KeyUnknown || fault.KindOf(err) != fault.Upstream {
		t.Errorf("nobody is there: %d, %v", got, err)
	}
}
