package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// Texts beyond what Google takes at once go out in several calls, whose answers are one: in order, paid together.
func TestEmbeddingsInBatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		vertex        bool
		texts, broken int // the call that fails, from 1
		lack          bool
		calls, status int
	}{
		{"as many as fit", false, 100, 0, false, 1, 200},
		{"one more", false, 101, 0, false, 2, 200},
		{"many", false, 2048, 0, false, 21, 200},
		{"Vertex", true, 3, 0, false, 3, 200},
		{"Vertex, too many", true, 101, 0, false, 0, 400},
		{"the second is refused", false, 101, 2, false, 2, 400},
		{"a vector is missing", false, 101, 0, true, 1, 502},
	} {
		var calls, given atomic.Int64
		vendorOf := func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			n := max(strings.Count(string(body), `"content"`), 1)
			w.Header().Set("Content-Type", "application/json")
			if int(calls.Add(1)) == tt.broken {
				w.WriteHeader(400)
				_, _ = io.WriteString(w, `{"error":{"code":400,"message":"too long","status":"INVALID_ARGUMENT"}}`)
				return
			}
			if tt.lack {
				n--
			}
			var vectors []string
			for range n {
				vectors = append(vectors, fmt.Sprintf(`{"values":[%d]}`, given.Add(1)))
			}
			if strings.HasSuffix(r.URL.Path, ":embedContent") {
				fmt.Fprintf(w, `{"embedding":%s,"usageMetadata":{"promptTokenCount":%d}}`, vectors[0], n)
				return
			}
			fmt.Fprintf(w, `{"embeddings":[%s],"usageMetadata":{"promptTokenCount":%d}}`, strings.Join(vectors, ","), n)
		}
		w := newWorld(t, []vendor{{handler: vendorOf}}, ofDialect("gemini", "/v1beta"), func(_ *proxy.Options, c *snapshot.Contents) {
			if tt.vertex {
				c.Providers[0].Kind = provider.KindVertex
			}
		})
		a := w.post("/embeddings", `{"model":"m","input":["a"`+strings.Repeat(`,"a"`, tt.texts-1)+`]}`)
		if a.StatusCode != tt.status || int(calls.Load()) != tt.calls {
			t.Errorf("%s: %d after %d calls: %.300s", tt.name, a.StatusCode, calls.Load(), a.body)
		}
		e := w.only()
		if w.credit.stillHeld() != 0 || len(e.Attempts) > 1 {
			t.Errorf("%s: %+v", tt.name, e)
		}
		if tt.status != 200 {
			continue
		}
		last := fmt.Sprintf(`"index":%d,"embedding":[%d]}]`, tt.texts-1, tt.texts)
		if !strings.Contains(a.body, last) || e.Outcome != usage.OK || e.Usage.Input != int64(tt.texts) || e.Usage.Estimated || int64(*e.Charge) != 1000*int64(tt.texts) {
			t.Errorf("%s: %+v, %.300s", tt.name, e, a.body)
		}
	}
}
