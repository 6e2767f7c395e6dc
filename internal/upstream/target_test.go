package upstream

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

func target(t *testing.T, dialect, base string, handler http.HandlerFunc) (*Client, provider.Target) {
	t.Helper()
	c, p := serve(t, handler)
	return c, provider.Target{
		Dialect: dialect, BaseURL: at(t, p.BaseURL.String()+base).BaseURL, Secret: secret.NewText("vendor key"),
		Headers: http.Header{"X-Team": {"blue"}}, AllowPrivate: true,
	}
}

func TestListModels(t *testing.T) {
	t.Parallel()
	for dialect, tc := range map[string]struct {
		base  string
		pages map[string]string // by request
	}{
		"openai":    {"/v1", map[string]string{"/v1/models": `{"object":"list","data":[{"id":"a","object":"model"},{"id":"b/c"}]}`}},
		"responses": {"/v1", map[string]string{"/v1/models": `{"data":[{"id":"a"},{"id":"b/c"}]}`}},
		"anthropic": {"", map[string]string{
			"/v1/models?limit=1000":            `{"data":[{"id":"a","type":"model"}],"has_more":true,"last_id":"a"}`,
			"/v1/models?after_id=a&limit=1000": `{"data":[{"id":"b/c"}],"has_more":false,"last_id":"b/c"}`,
		}},
		"gemini": {"/v1beta", map[string]string{
			"/v1beta/models?pageSize=1000":             `{"models":[{"name":"models/a"}],"nextPageToken":"n"}`,
			"/v1beta/models?pageSize=1000&pageToken=n": `{"models":[{"name":"models/b/c"}]}`,
		}},
	} {
		c, target := target(t, dialect, tc.base, func(w http.ResponseWriter, r *http.Request) {
			page, ok := tc.pages[r.RequestURI]
			if !ok || r.Method != http.MethodGet || r.Header.Get("X-Team") != "blue" || (r.Header.Get("Anthropic-Version") != "") != (dialect == "anthropic") {
				t.Errorf("%s: %s %s", dialect, r.Method, r.RequestURI)
				http.NotFound(w, r)
				return
			}
			io.WriteString(w, page)
		})
		ids, err := c.ListModels(t.Context(), target)
		if err != nil || !slices.Equal(ids, []string{"a", "b/c"}) {
			t.Errorf("%s: %q, %v", dialect, ids, err)
		}
	}
}

func TestListModelsOfAVendorThatFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		code   string
	}{
		"refused": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no: vendor key", http.StatusUnauthorized) }, "http_401"},
		"moved":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "http_302"},
		"a page":  {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, ""},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"models":[],"nextPageToken":"n"}`) }, ""},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"data":[]`+strings.Repeat(" ", maxList)+`}`)
		}, ""},
	} {
		c, target := target(t, "gemini", "", tc.answer)
		_, err := c.ListModels(t.Context(), target)
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Upstream || failure.Code != tc.code || strings.Contains(failure.Error(), "vendor key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]string{
		"openai":    `/chat/completions {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"model":"m"}`,
		"responses": `/responses {"input":"ping","max_output_tokens":16,"model":"m"}`,
		"anthropic": `/v1/messages {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"model":"m"}`,
		"gemini":    `/models/m:generateContent {"contents":[{"parts":[{"text":"ping"}],"role":"user"}],"generationConfig":{"maxOutputTokens":1}}`,
	} {
		var got string
		c, target := target(t, dialect, "", func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			got = fmt.Sprintf("%s %s", r.RequestURI, raw)
			if (r.Header.Get("Anthropic-Version") == "2023-06-01") != (dialect == "anthropic") {
				t.Errorf("%s: %v", dialect, r.Header)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		status, latency, err := c.Probe(t.Context(), target, "m")
		if status != http.StatusTooManyRequests || latency <= 0 || err != nil || got != want {
			t.Errorf("%s: %d, %s, %v: %s", dialect, status, latency, err, got)
		}
	}
}

func TestProbeOfAModelThatNamesTheLimitAnew(t *testing.T) {
	t.Parallel()
	c, target := target(t, "openai", "", func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if _, old := body["max_tokens"]; old {
			http.Error(w, `{"error":{"message":"Use 'max_completion_tokens' instead."}}`, http.StatusBadRequest)
		}
	})
	if status, _, err := c.Probe(t.Context(), target, "o9"); status != http.StatusOK || err != nil {
		t.Errorf("%d, %v", status, err)
	}
}

func TestListModelsOfVertex(t *testing.T) {
	t.Parallel()
	for dialect, tc := range map[string]struct {
		publisher string
		want      []string
	}{
		"gemini":    {"google", []string{"gemini-a", "gemini-b"}},
		"anthropic": {"anthropic", []string{"gemini-a", "gemini-b"}},
		"openai":    {"google", []string{"google/gemini-a", "google/gemini-b"}},
	} {
		c, target := target(t, dialect, "/v1/projects/example/locations/europe-west4", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Goog-User-Project") != "example" || r.Header.Get("X-Goog-Api-Key") != "vendor key" {
				t.Errorf("%s: %v", dialect, r.Header)
			}
			switch r.RequestURI {
			case "/v1beta1/publishers/" + tc.publisher + "/models":
				io.WriteString(w, `{"publisherModels":[{"name":"publishers/google/models/gemini-a"}],"nextPageToken":"n"}`)
			case "/v1beta1/publishers/" + tc.publisher + "/models?pageToken=n":
				io.WriteString(w, `{"publisherModels":[{"name":"publishers/google/models/gemini-b"},{"name":"odd"}]}`)
			default:
				t.Errorf("%s: asked for %s", dialect, r.RequestURI)
			}
		})
		target.Kind = provider.KindVertex
		if ids, err := c.ListModels(t.Context(), target); err != nil || !slices.Equal(ids, tc.want) {
			t.Errorf("%s: %q, %v", dialect, ids, err)
		}
	}
}

func TestListModelsOfAPathOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{provider.KindDirect, provider.KindVertex, provider.KindClaudeCLI} {
		var got string
		c, target := target(t, "anthropic", "/base", func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Path
			io.WriteString(w, `{"data":[{"id":"a"}]}`)
		})
		target.Kind, target.Paths = kind, map[string]string{"list_models": "/all"}
		if ids, err := c.ListModels(t.Context(), target); err != nil || !slices.Equal(ids, []string{"a"}) || got != "/base/all" {
			t.Errorf("%s: %q, %v of %s", kind, ids, err, got)
		}
	}
}

func TestProbeOfKinds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind, dialect string
		streaming     provider.Streaming
		want          string // the body's user_id left out
	}{
		{provider.KindVertex, "gemini", "", `/publishers/google/models/m:generateContent {"contents":[{"parts":[{"text":"ping"}],"role":"user"}],"generationConfig":{"maxOutputTokens":1}}`},
		{provider.KindVertex, "anthropic", "", `/publishers/anthropic/models/m:rawPredict {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"anthropic_version":"vertex-2023-10-16"}`},
		{provider.KindVertex, "openai", "", `/endpoints/openapi/chat/completions {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"model":"m"}`},
		{provider.KindClaudeCLI, "anthropic", provider.StreamsOnly, `/v1/messages?beta=true {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"model":"m",` +
			`"system":[{"type":"text","text":"You are Claude Code, Anthropic's official CLI for Claude."}],"metadata":{},"stream":true}`},
		{provider.KindDirect, "openai", provider.StreamsOnly, `/chat/completions {"max_tokens":1,"messages":[{"content":"ping","role":"user"}],"model":"m","stream":true}`},
		{provider.KindDirect, "gemini", provider.StreamsOnly, `/models/m:streamGenerateContent?alt=sse {"contents":[{"parts":[{"text":"ping"}],"role":"user"}],"generationConfig":{"maxOutputTokens":1}}`},
		{provider.KindDirect, "responses", provider.StreamsNever, `/responses {"input":"ping","max_output_tokens":16,"model":"m"}`},
	} {
		var got, agent string
		c, target := target(t, tc.dialect, "", func(_ http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			got, agent = fmt.Sprintf("%s %s", r.RequestURI, userID.ReplaceAll(raw, nil)), r.Header.Get("User-Agent")
		})
		target.Kind, target.Streaming = tc.kind, tc.streaming
		status, _, err := c.Probe(t.Context(), target, "m")
		if status != http.StatusOK || err != nil || got != tc.want {
			t.Errorf("%s %s: %d, %v: %s", tc.kind, tc.dialect, status, err, got)
		}
		if isCLI := strings.HasPrefix(agent, claudeAgent); isCLI != (tc.kind == provider.KindClaudeCLI) {
			t.Errorf("%s %s: sent by %s", tc.kind, tc.dialect, agent)
		}
	}
}

var userID = regexp.MustCompile(`"user_id":"[^"]*"`)

func TestProbeOfANameThatIsNoPath(t *testing.T) {
	t.Parallel()
	c, target := target(t, "gemini", "", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.RequestURI) })
	if _, _, err := c.Probe(t.Context(), target, "../../x"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}
