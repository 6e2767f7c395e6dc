package proxy_test

import (
	"strings"
	"testing"
)

// Every path of the contract is there, takes POST alone, and says so in the dialect that it belongs to.
func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(`{}`)}})
	const openai, anthropic, gemini = `"code":"method_not_supported"`, `{"type":"error",`, `"error":{"code":405,`
	posts := map[string]string{"/v1/messages": anthropic, "/v1/messages/count_tokens": anthropic}
	for _, path := range []string{"chat/completions", "completions", "responses", "embeddings", "moderations", "images/generations", "images/edits",
		"audio/speech", "audio/transcriptions", "audio/translations", "rerank"} {
		posts["/v1/"+path] = openai
	}
	for _, action := range []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"} {
		posts["/v1beta/models/m:"+action] = gemini
		posts["/v1beta/models/with/slashes:"+action] = gemini
	}
	ask := func(method, path string, headers ...string) answered {
		r := w.request("", "", headers...)
		r.Method, r.URL.Path, r.Body, r.ContentLength = method, path, nil, 0
		return w.do(r)
	}
	for path, says := range posts {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			a := ask(method, path)
			if strings.HasPrefix(path, "/v1beta") && method != "GET" && method != "HEAD" {
				if a.StatusCode != 405 { // a path that models have too, which may be got
					t.Errorf("%s %s: %d %s", method, path, a.StatusCode, a.body)
				}
				continue
			}
			if a.StatusCode != 405 || a.Header.Get("Allow") != "POST" || method != "HEAD" && !strings.Contains(a.body, says) {
				t.Errorf("%s %s: %d, allowed are %q: %s", method, path, a.StatusCode, a.Header.Get("Allow"), a.body)
			}
		}
		if a := ask("POST", path); a.StatusCode != 400 {
			t.Errorf("POST %s of nothing: %d %s", path, a.StatusCode, a.body)
		}
		bad := ask("POST", path, "Authorization", "Bearer sk-none")
		if family := strings.Replace(strings.Replace(says, "method_not_supported", "invalid_api_key", 1), "405", "401", 1); bad.StatusCode != 401 || !strings.Contains(bad.body, family) {
			t.Errorf("POST %s without a key: %d %s", path, bad.StatusCode, bad.body)
		}
	}
	for _, path := range []string{"/v1/models", "/v1/models/m", "/v1beta/models", "/v1beta/models/m"} {
		got, head := ask("GET", path), ask("HEAD", path)
		if got.StatusCode != 200 || head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(got.body)) {
			t.Errorf("%s: %d, HEAD %d with %d bytes told and %q", path, got.StatusCode, head.StatusCode, head.ContentLength, head.body)
		}
		if a := ask("DELETE", path); a.StatusCode != 405 || !strings.HasPrefix(a.Header.Get("Allow"), "GET, HEAD") {
			t.Errorf("DELETE %s: %d, allowed are %q", path, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}
