package proxy_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/provider"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// Every caller reaches vendors that are addressed in ways of their own: Gemini, Claude and open models on Vertex AI, and
// relays that take nothing but Claude Code.
func TestKinds(t *testing.T) {
	t.Parallel()
	const location = "/v1/projects/p/locations/global"
	for name, tt := range map[string]struct {
		kind, dialect, base string
		whole, stream       string // the address, with its query
		key                 string
		has                 string // what must be in the body
		hasNot              string
	}{
		"Gemini on Vertex": {provider.KindVertex, llm.Gemini, location, location + "/publishers/google/models/up-m:generateContent",
			location + "/publishers/google/models/up-m:streamGenerateContent?alt=sse", "X-Goog-Api-Key", `"contents":\[`, `"model":"`},
		"Claude on Vertex": {provider.KindVertex, llm.Anthropic, location, location + "/publishers/anthropic/models/up-m:rawPredict",
			location + "/publishers/anthropic/models/up-m:streamRawPredict", "X-Goog-Api-Key", `"anthropic_version":"vertex-2023-10-16"`, `"model":"`},
		"open models on Vertex": {provider.KindVertex, llm.OpenAI, location, location + "/endpoints/openapi/chat/completions",
			location + "/endpoints/openapi/chat/completions", "X-Goog-Api-Key", `"model":"up-m"`, `anthropic_version`},
		"Claude Code": {provider.KindClaudeCLI, llm.Anthropic, "/relay", "/relay/v1/messages?beta=true", "/relay/v1/messages?beta=true", "Authorization",
			`"system":\[\{"type":"text","text":"You are Claude Code, .*"user_id":"`, `anthropic_version`},
	} {
		for _, caller := range speakers {
			for _, stream := range []bool{false, true} {
				t.Run(name+" for "+caller.name+map[bool]string{true: " stream", false: " whole"}[stream], func(t *testing.T) {
					t.Parallel()
					target := speakerOf(tt.dialect)
					var got seen
					var address string
					w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
						address = r.RequestURI
						recorded(&got, target.answers(stream))(w, r)
					}}}, speaking(tt.dialect), func(_ *proxy.Options, c *snapshot.Contents) {
						c.Providers[0].Kind, c.Providers[0].BaseURL.Path = tt.kind, tt.base
					})
					a := w.says(caller, stream, "")
					if r := caller.reads(t, stream, a.body); a.StatusCode != 200 || r != (reply{text: "Hello", in: 100, out: 20, ended: stream}) {
						t.Errorf("%d %+v %s", a.StatusCode, r, a.body)
					}
					want := tt.whole
					if stream {
						want = tt.stream
					}
					if address != want || !strings.HasSuffix(got.header.Get(tt.key), "secret-of-v0") {
						t.Errorf("asked for %s, want %s, with %v", address, want, got.header)
					}
					if !regexp.MustCompile(tt.has).MatchString(got.body) || strings.Contains(got.body, tt.hasNot) || !strings.Contains(got.body, "hello there") {
						t.Errorf("the vendor got %s", got.body)
					}
					if cli := strings.HasPrefix(got.header.Get("User-Agent"), "claude-cli/"); cli != (tt.kind == provider.KindClaudeCLI) {
						t.Errorf("sent by %q", got.header.Get("User-Agent"))
					}
					if e := w.only(); e.Outcome != usage.OK || *e.Charge != charged {
						t.Errorf("%+v", e)
					}
				})
			}
		}
	}
}
