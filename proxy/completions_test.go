package proxy_test

import (
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/usage"
)

// The legacy completions pass to vendors who have them and are served by all others.
func TestCompletions(t *testing.T) {
	t.Parallel()
	const ask = `{"model":"m","prompt":"hello there","max_tokens":50}`
	const own = `{"id":"cmpl-1","object":"text_completion","created":1,"model":"up-m","choices":[{"text":"Hello","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}}`
	var got seen
	w := newWorld(t, []vendor{{handler: recorded(&got, answer(own))}})
	if a := w.post("/completions", ask); a.StatusCode != 200 || a.body != own || got.path != "/v1/completions" || got.body != strings.Replace(ask, `"m"`, `"up-m"`, 1) {
		t.Errorf("%d %s, the vendor got %s at %s", a.StatusCode, a.body, got.body, got.path)
	}
	if e := w.only(); *e.Charge != charged || e.Endpoint != "/completions" || e.Dialect != llm.OpenAI {
		t.Errorf("%+v", e)
	}
	for _, target := range speakers {
		if target.name == llm.OpenAI {
			continue
		}
		for _, stream := range []bool{false, true} {
			w := newWorld(t, []vendor{{handler: recorded(&got, target.answers(stream))}}, speaking(target.name))
			body := ask
			if stream {
				body = strings.Replace(ask, "{", `{"stream":true,`, 1)
			}
			a := w.post("/completions", body)
			if a.StatusCode != 200 || !strings.Contains(a.body, `"text":"Hello"`) || stream != strings.HasSuffix(a.body, "data: [DONE]\n\n") || !strings.Contains(got.body, "hello there") {
				t.Errorf("%s: %d %s", target.name, a.StatusCode, a.body)
			}
			if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged {
				t.Errorf("%s: %+v", target.name, e)
			}
		}
	}
}
