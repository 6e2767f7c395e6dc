package upstream

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"

	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	const direct, vertex, cli = provider.KindDirect, provider.KindVertex, provider.KindClaudeCLI
	for _, tc := range []struct {
		kind, dialect string
		op            Operation
		model         string
		stream        bool
		want          string // path and query, with what the body needs behind it; "" is no such operation
	}{
		{direct, "openai", Generate, "m", true, "/chat/completions"},
		{direct, "responses", Generate, "m", false, "/responses"},
		{direct, "openai", CountTokens, "m", false, "/responses/input_tokens"},
		{direct, "responses", Complete, "m", false, "/completions"},
		{direct, "responses", Embed, "m", false, "/embeddings"},
		{direct, "openai", BatchEmbed, "m", false, ""},
		{direct, "openai", Moderate, "m", false, "/moderations"},
		{direct, "openai", ImagesGenerate, "m", false, "/images/generations"},
		{direct, "openai", ImagesEdit, "m", false, "/images/edits"},
		{direct, "openai", Speech, "m", false, "/audio/speech"},
		{direct, "openai", Transcribe, "m", true, "/audio/transcriptions"},
		{direct, "openai", TranslateAudio, "m", false, "/audio/translations"},
		{direct, "openai", Rerank, "m", false, "/rerank"},
		{direct, "openai", ListModels, "", false, "/models"},
		{direct, "anthropic", Generate, "m", true, "/v1/messages"},
		{direct, "anthropic", CountTokens, "m", false, "/v1/messages/count_tokens"},
		{direct, "anthropic", ListModels, "", false, "/v1/models"},
		{direct, "anthropic", Embed, "m", false, ""},
		{direct, "gemini", Generate, "gemini-3-pro", false, "/models/gemini-3-pro:generateContent"},
		{direct, "gemini", Generate, "models/gemini-3-pro", true, "/models/gemini-3-pro:streamGenerateContent?alt=sse"},
		{direct, "gemini", CountTokens, "m", true, "/models/m:countTokens"},
		{direct, "gemini", Embed, "m", false, "/models/m:embedContent"},
		{direct, "gemini", BatchEmbed, "m", false, "/models/m:batchEmbedContents"},
		{direct, "gemini", ImagesGenerate, "imagen-4", false, "/models/imagen-4:predict"},
		{direct, "gemini", Speech, "m", false, ""},
		{direct, "gemini", ListModels, "", false, "/models"},
		{cli, "anthropic", Generate, "m", true, "/v1/messages?beta=true cli"},
		{cli, "anthropic", CountTokens, "m", false, "/v1/messages/count_tokens?beta=true"},
		{vertex, "gemini", Generate, "gemini-3-pro", false, "/publishers/google/models/gemini-3-pro:generateContent"},
		{vertex, "gemini", Generate, "publishers/google/models/gemini-3-pro", true, "/publishers/google/models/gemini-3-pro:streamGenerateContent?alt=sse"},
		{vertex, "gemini", CountTokens, "google/m", false, "/publishers/google/models/m:countTokens"},
		{vertex, "gemini", ImagesGenerate, "imagen-4", false, "/publishers/google/models/imagen-4:predict"},
		{vertex, "gemini", Embed, "gemini-embedding-2", false, "/publishers/google/models/gemini-embedding-2:embedContent"},
		{vertex, "gemini", BatchEmbed, "m", false, ""},
		{vertex, "anthropic", Generate, "claude-sonnet-4@20250514", false, "/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict vertex-2023-10-16"},
		{vertex, "anthropic", Generate, "anthropic/claude-x", true, "/publishers/anthropic/models/claude-x:streamRawPredict vertex-2023-10-16"},
		{vertex, "anthropic", CountTokens, "claude-x", false, "/publishers/anthropic/models/count-tokens:rawPredict vertex-2023-10-16"},
		{vertex, "openai", Generate, "google/gemini-3-pro", true, "/endpoints/openapi/chat/completions"},
		{vertex, "openai", Speech, "m", false, ""},
		{vertex, "openai", ListModels, "", false, ""},
	} {
		a, err := Locate(&snapshot.Provider{Kind: tc.kind, Dialect: tc.dialect}, tc.op, tc.model, tc.stream)
		got := a.Path
		if len(a.Query) > 0 {
			got += "?" + a.Query.Encode()
		}
		if a.ClaudeCLI {
			got += " cli"
		}
		if a.AnthropicVersion != "" {
			got += " " + a.AnthropicVersion
		}
		if a.OmitModel != (tc.kind == vertex && tc.dialect == "anthropic" && tc.op == Generate) {
			t.Errorf("%s %s %s: without the model: %v", tc.kind, tc.dialect, tc.op, a.OmitModel)
		}
		if got != tc.want {
			t.Errorf("%s %s %s of %q: %q, want %q", tc.kind, tc.dialect, tc.op, tc.model, got, tc.want)
		}
		if failure, ok := fault.As(err); ok != (tc.want == "") || ok && failure.Code != CodeNoOperation {
			t.Errorf("%s %s %s: %v", tc.kind, tc.dialect, tc.op, err)
		}
	}
}

func TestLocateTakesAProvidersOwnPaths(t *testing.T) {
	t.Parallel()
	p := &snapshot.Provider{Kind: provider.KindDirect, Dialect: "gemini", Paths: map[string]string{
		"generate": "/run/{model}", "generate_stream": "/stream/{model}/{model}", "speech": "/speak",
	}}
	for _, tc := range []struct {
		op     Operation
		stream bool
		want   string
	}{
		{Generate, false, "/run/a%2Fb"}, {Generate, true, "/stream/a%2Fb/a%2Fb"}, {Speech, false, "/speak"}, {CountTokens, false, "/models/a%2Fb:countTokens"},
	} {
		if a, err := Locate(p, tc.op, "a/b", tc.stream); a.Path != tc.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tc.op, a.Path, err, tc.want)
		}
	}
	p.Dialect = "openai" // whose streams have no path of their own
	if a, err := Locate(p, Generate, "a", true); a.Path != "/run/a" || err != nil {
		t.Errorf("%q, %v", a.Path, err)
	}
}

func TestModelInAPathStaysWithinItsSegment(t *testing.T) {
	t.Parallel()
	var got string
	c, p := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	p.Dialect = "gemini"
	for model, want := range map[string]string{
		"a/b":       "/models/a%2Fb:generateContent",
		"a:predict": "/models/a%3Apredict:generateContent",
		"glm-5;x=1": "/models/glm-5%3Bx=1:generateContent",
		"modèle":    "/models/mod%C3%A8le:generateContent",
		"a...b":     "/models/a...b:generateContent",
		"a&key=b":   "/models/a&key=b:generateContent",
		"a?x=1":     "/models/a%3Fx=1:generateContent", // as the simulator's knobs
		"models/m":  "/models/m:generateContent",
		"":          "", "..": "", "../x": "", "a/../b": "", "a/./b": "", "/a": "", "a/": "", "a//b": "", `..\x`: "", "a#b": "",
		"..%2f..%2fx": "", "%2e%2e/x": "", "a b": "", "a\nb": "", "models/": "", "models/..": "",
		strings.Repeat("x", 300): "",
	} {
		a, err := Locate(p, Generate, model, false)
		if failure, ok := fault.As(err); ok != (want == "") || ok && failure.Code != CodeModelName {
			t.Errorf("%q: %v", model, err)
		}
		if err != nil {
			continue
		}
		response, err := c.Do(t.Context(), Call{Provider: p, Path: a.Path})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if got != want {
			t.Errorf("%q: asked for %s, want %s", model, got, want)
		}
	}
}

func FuzzLocate(f *testing.F) {
	for _, model := range []string{"m", "a/b", "..", "%2e%2e%2f", "a:b", "publishers/google/models/x", "é?#"} {
		f.Add(model)
	}
	f.Fuzz(func(t *testing.T, model string) {
		p := &snapshot.Provider{Kind: provider.KindDirect, Dialect: "gemini"}
		a, err := Locate(p, Generate, model, false)
		if err != nil {
			return
		}
		u := at(t, "https://vendor.example.com/v1beta").BaseURL
		if err := extend(u, a.Path); err != nil {
			t.Fatal(err)
		}
		back, err := url.Parse(u.String())
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(model, "models/")
		if back.Host != "vendor.example.com" || back.RawQuery != "" || back.Fragment != "" || back.Path != "/v1beta/models/"+name+":generateContent" ||
			strings.Count(back.EscapedPath(), "/") != 3 {
			t.Fatalf("%q became %s", model, u)
		}
	})
}

func TestOperationsAreThoseThatAProviderMayName(t *testing.T) {
	t.Parallel()
	all := []string{generateStream}
	for _, op := range []Operation{
		Generate, CountTokens, Embed, BatchEmbed, ImagesGenerate, ImagesEdit, Speech, Transcribe, TranslateAudio, Moderate, Rerank, Complete, ListModels,
	} {
		all = append(all, string(op))
	}
	slices.Sort(all)
	if diff := cmp.Diff(all, slices.Sorted(slices.Values(provider.Operations()))); diff != "" {
		t.Errorf("(-here +provider):\n%s", diff)
	}
}
