package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// ofDialect makes the first provider of a world one of another dialect.
func ofDialect(name, base string) func(*proxy.Options, *snapshot.Contents) {
	return func(_ *proxy.Options, c *snapshot.Contents) {
		c.Providers[0].Dialect, c.Providers[0].BaseURL.Path, c.Providers[0].AcceptAnyModel = name, base, true
	}
}

// below posts to a path of any dialect.
func (w *world) below(path, body string, headers ...string) answered {
	w.t.Helper()
	r := w.request("", body, headers...)
	r.URL.Path = path
	return w.do(r)
}

// asked is what a vendor was asked.
type asked struct{ path, body, contentType string }

// noting answers like a handler, and notes what was asked.
func noting(to *asked, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		*to = asked{r.URL.Path, string(body), r.Header.Get("Content-Type")}
		then(w, r)
	}
}

const vectors = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"up-m","usage":{"prompt_tokens":7,"total_tokens":7}}`

func TestEmbeddingsPassThrough(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ dialect, base, path, body, vendorPath, vendorBody, answer string }{
		{"openai", "/v1", "/v1/embeddings", `{"model":"m", "input":[[1,2],[3]],"x":0}`, "/v1/embeddings", `{"model":"up-m", "input":[[1,2],[3]],"x":0}`, vectors},
		{"responses", "/v1", "/v1/embeddings", `{"input":"a","model":"m"}`, "/v1/embeddings", `{"input":"a","model":"up-m"}`, vectors},
		{"gemini", "/v1beta", "/v1beta/models/m:embedContent", `{"content":{"parts":[{"text":"a"}]} }`, "/v1beta/models/up-m:embedContent", `{"content":{"parts":[{"text":"a"}]} }`,
			`{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":7}}`},
		{"gemini", "/v1beta", "/v1beta/models/m:batchEmbedContents", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}}]}`, "/v1beta/models/up-m:batchEmbedContents",
			`{"requests":[{"model":"models/up-m","content":{"parts":[{"text":"a"}]}}]}`, `{"embeddings":[{"values":[1]}],"usageMetadata":{"promptTokenCount":7}}`},
	} {
		var got asked
		w := newWorld(t, []vendor{{handler: noting(&got, answer(tt.answer))}}, ofDialect(tt.dialect, tt.base))
		a := w.below(tt.path, tt.body)
		if a.StatusCode != 200 || a.body != tt.answer || got.path != tt.vendorPath || got.body != tt.vendorBody {
			t.Errorf("%s %s: %d %s\nasked %+v", tt.dialect, tt.path, a.StatusCode, a.body, got)
		}
		e := w.only()
		if e.Usage.Input != 7 || e.Usage.Output != 0 || e.Usage.Estimated || e.Charge == nil || *e.Charge != 7_000 || e.Outcome != usage.OK {
			t.Errorf("%s %s: %+v", tt.dialect, tt.path, e)
		}
	}
}

func TestEmbeddingsAcross(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, dialect, base, path, body, vendorPath, vendorBody, vendor, want, dropped string }{
		{"a list to Gemini", "gemini", "/v1beta", "/v1/embeddings", `{"model":"m","input":["one","two"],"dimensions":2,"encoding_format":"base64","user":"u"}`,
			"/v1beta/models/up-m:batchEmbedContents",
			`{"requests":[{"model":"models/up-m","content":{"parts":[{"text":"one"}]},"outputDimensionality":2},{"model":"models/up-m","content":{"parts":[{"text":"two"}]},"outputDimensionality":2}]}`,
			`{"embeddings":[{"values":[0.5,-1]},{"values":[1,2]}]}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="},{"object":"embedding","index":1,"embedding":"AACAPwAAAEA="}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}`, "user"},
		{"one to Gemini", "gemini", "/v1beta", "/v1/embeddings", `{"model":"m","input":"one"}`, "/v1beta/models/up-m:embedContent",
			`{"model":"models/up-m","content":{"parts":[{"text":"one"}]}}`, `{"embedding":{"values":[0.5]}}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`, ""},
		{"one to OpenAI", "openai", "/v1", "/v1beta/models/m:embedContent", `{"content":{"parts":[{"text":"one"}]},"taskType":"CLUSTERING","outputDimensionality":2}`,
			"/v1/embeddings", `{"model":"up-m","input":["one"],"dimensions":2}`, vectors, `{"embedding":{"values":[0.5,-1]},"usageMetadata":{"promptTokenCount":7}}`, "taskType"},
		{"a list to OpenAI", "openai", "/v1", "/v1beta/models/m:batchEmbedContents", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"one"}]}},{"model":"models/m","content":{"parts":[{"text":"two"}]}}]}`,
			"/v1/embeddings", `{"model":"up-m","input":["one","two"]}`, `{"object":"list","data":[{"object":"embedding","index":1,"embedding":[2]},{"object":"embedding","index":0,"embedding":[1]}],"usage":{"prompt_tokens":7,"total_tokens":7}}`,
			`{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":7}}`, ""},
	} {
		var got asked
		w := newWorld(t, []vendor{{handler: noting(&got, answer(tt.vendor))}}, ofDialect(tt.dialect, tt.base))
		a := w.below(tt.path, tt.body)
		if a.StatusCode != 200 || a.body != tt.want || a.Header.Get("X-Aihigress-Dropped") != tt.dropped {
			t.Errorf("%s: %d %s, without %q", tt.name, a.StatusCode, a.body, a.Header.Get("X-Aihigress-Dropped"))
		}
		if got != (asked{tt.vendorPath, tt.vendorBody, "application/json"}) {
			t.Errorf("%s: asked %+v", tt.name, got)
		}
		e := w.only()
		if told := strings.Contains(tt.vendor, "usage"); e.Usage.Estimated == told || e.Usage.Input == 0 || e.Usage.Output != 0 || e.Charge == nil || *e.Charge == 0 || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}

func TestEmbeddingsThatCannotBe(t *testing.T) {
	t.Parallel()
	fine := answer(`{"embedding":{"values":[0.5]}}`)
	for _, tt := range []struct {
		name, dialect, path, body string
		vendor                    http.HandlerFunc
		status                    int
		param, code               string
	}{
		{"tokens to Gemini", "gemini", "/v1/embeddings", `{"model":"m","input":[1,2]}`, fine, 400, "input", "unsupported_input"},
		{"Anthropic has none", "anthropic", "/v1/embeddings", `{"model":"m","input":"a"}`, fine, 400, "model", "model_not_supported"},
		{"Anthropic has none for Gemini's callers", "anthropic", "/v1beta/models/m:embedContent", `{"content":{"parts":[{"text":"a"}]}}`, fine, 400, "model", "model_not_supported"},
		{"nonsense", "gemini", "/v1/embeddings", `{"model":"m","input":"a"}`, answer(`{"embedding":7}`), 502, "", "upstream_malformed"},
		{"refused", "gemini", "/v1/embeddings", `{"model":"m","input":"a"}`, script(400, "application/json", `{"error":{"code":400,"message":"too long","status":"INVALID_ARGUMENT"}}`), 400, "", "INVALID_ARGUMENT"},
		{"not there", "openai", "/v1/embeddings", `{"model":"other","input":"a"}`, fine, 404, "model", "model_not_found"},
	} {
		w := newWorld(t, []vendor{{handler: tt.vendor}}, ofDialect(tt.dialect, "/v1beta"))
		a := w.below(tt.path, tt.body)
		if a.StatusCode != tt.status || !strings.Contains(a.body, tt.code) || !strings.Contains(a.body, tt.param) {
			t.Errorf("%s: %d %s", tt.name, a.StatusCode, a.body)
		}
		if e := w.only(); !e.Usage.IsZero() && tt.status != 502 || w.credit.stillHeld() != 0 {
			t.Errorf("%s: %+v", tt.name, e)
		}
	}
}
