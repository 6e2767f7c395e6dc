package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// Where a caller sets no limit but the vendor wants one, the answer may get as long as the translation says: that much is
// held.
func TestHoldCoversTheLimitOfATranslation(t *testing.T) {
	t.Parallel()
	thinking := map[string]string{
		llm.OpenAI:    `,"reasoning_effort":"high"`,
		llm.Responses: `,"reasoning":{"effort":"high"}`,
		llm.Gemini:    `,"generationConfig":{"thinkingConfig":{"thinkingBudget":20000}}`,
	}
	for _, caller := range speakers {
		if caller.name == llm.Anthropic {
			continue // whose callers always set one
		}
		for _, extra := range []string{"", thinking[caller.name]} {
			for _, most := range []int64{0, 1000, 64_000} {
				t.Run(fmt.Sprintf("%s of %d%s", caller.name, most, extra), func(t *testing.T) {
					t.Parallel()
					var got seen
					w := newWorld(t, []vendor{{handler: recorded(&got, speakerOf(llm.Anthropic).answers(false))}}, speaking(llm.Anthropic), func(_ *proxy.Options, c *snapshot.Contents) {
						p := c.Providers[0]
						p.Models["up-m"].MaxOutput = most
						c.Models[0].Routes[0].UpstreamID = "claude-sonnet-4-5" // which thinks within a budget
					})
					w.says(caller, false, extra)
					var sent struct {
						MaxTokens int64 `json:"max_tokens"`
					}
					if err := json.Unmarshal([]byte(got.body), &sent); err != nil || sent.MaxTokens == 0 || most > 0 && sent.MaxTokens > most {
						t.Fatalf("%v: the vendor got %s", err, got.body)
					}
					if hold := w.only().Hold; hold < money.Amount(sent.MaxTokens*10_000) || most > 0 && hold > money.Amount(sent.MaxTokens*10_000+200_000) {
						t.Errorf("%v is held for %d tokens", hold, sent.MaxTokens)
					}
				})
			}
		}
	}
}

// silentAnswers are what a vendor says who tells no usage.
func (s *speaker) silentAnswers(stream bool) http.HandlerFunc {
	quiet := strings.NewReplacer(tokens, "",
		`,"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120}`, "",
		`,"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":0},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":120}`, "",
		`,"usage":{"input_tokens":100,"output_tokens":20,"total_tokens":120}`, "",
		`,"usage":{"input_tokens":100,"output_tokens":20}`, "", `,"usage":{"input_tokens":100,"output_tokens":1}`, "", `,"usage":{"output_tokens":20}`, `,"usage":{}`,
		`,"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":120}`, "", `,"usageMetadata":{"promptTokenCount":100,"totalTokenCount":100}`, "")
	if stream {
		return events(quiet.Replace(s.head), quiet.Replace(s.word), quiet.Replace(s.tail))
	}
	return answer(quiet.Replace(s.answer))
}

// Where a vendor tells no usage, a translated answer shows what is booked: an estimate, and marked as one in the books.
func TestPairsWithoutUsage(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: target.silentAnswers(stream)}}, speaking(target.name))
		a := w.says(caller, stream, "")
		r, e := caller.reads(t, stream, a.body), w.only()
		if r.text != "Hello" || r.ended != stream || e.Outcome != usage.OK || !e.Usage.Estimated || e.Usage.Input != 9 || e.Usage.Output != 1 || *e.Charge != 19_000 {
			t.Errorf("%+v %+v", r, e)
		}
		if caller != target && (r.in != int(e.Usage.Input) || r.out != int(e.Usage.Output)) {
			t.Errorf("the caller sees %d and %d, booked is %+v: %s", r.in, r.out, e.Usage, a.body)
		}
	})
}

// Clients of Anthropic's read the prompt's tokens from the first event, when most vendors have told none yet.
func TestFirstEventTellsThePrompt(t *testing.T) {
	t.Parallel()
	caller := speakerOf(llm.Anthropic)
	for _, target := range speakers {
		for _, whole := range []bool{false, true} {
			w := newWorld(t, []vendor{{handler: target.answers(!whole)}}, speaking(target.name))
			a := w.says(caller, true, "")
			var first struct {
				Message struct {
					Usage struct {
						Input  int `json:"input_tokens"`
						Output int `json:"output_tokens"`
					}
				}
			}
			parse(t, dataOf(t, a.body)[0], &first)
			want := 10 // by the rule of thumb
			if whole || target == caller || target.name == llm.Gemini {
				want = 100
			}
			if got := first.Message.Usage; got.Input != want || got.Output > 1 {
				t.Errorf("%s, whole %v: %+v, want %d: %s", target.name, whole, got, want, a.body)
			}
			if e := w.only(); e.Usage.Estimated || *e.Charge != charged {
				t.Errorf("%s: %+v", target.name, e)
			}
		}
	}
}

// unreachable is an upstream whose second call finds nobody, when its caller goes.
type unreachable struct {
	proxy.Upstream
	calls *int
	leave func()
}

func (u unreachable) Do(ctx context.Context, c upstream.Call) (*http.Response, error) {
	if *u.calls++; *u.calls > 1 {
		base := *c.Provider
		base.BaseURL = nowhere
		c.Provider = &base
		u.leave()
	}
	return u.Upstream.Do(ctx, c)
}

var nowhere = mustURL("http://192.0.2.1:9/v1")

// What was sent to a vendor that failed is not booked for the next one, which was never reached.
func TestSentToTheVendorBefore(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	calls := 0
	fails := vendor{handler: script(500, "application/json", `{"error":{"message":"no"}}`)}
	w := newWorld(t, []vendor{fails, fails}, func(o *proxy.Options, _ *snapshot.Contents) { o.Upstream = unreachable{o.Upstream, &calls, leave} })
	r := w.request("/chat/completions", chat, "Authorization", "Bearer "+w.key).WithContext(ctx)
	proxy.New(w.o).ServeHTTP(httptest.NewRecorder(), r)
	if e := w.only(); calls != 2 || e.Outcome != usage.Cancelled || !e.Usage.IsZero() || *e.Charge != 0 {
		t.Errorf("%d calls, %+v", calls, e)
	}
}

// A body of the smallest objects takes many times its size in the neutral form. It meets the budget, and gives back all.
func TestManySmallObjectsMeetTheBudget(t *testing.T) {
	t.Parallel()
	caller := speakerOf(llm.OpenAI)
	w := newWorld(t, []vendor{{handler: speakerOf(llm.Gemini).answers(false)}}, speaking(llm.Gemini), func(o *proxy.Options, _ *snapshot.Contents) { o.MaxBodies = 4 << 20 })
	many := `{"model":"m","messages":[` + strings.Repeat(`{"role":"user","content":"a"},`, 10_000) + `{"role":"user","content":"a"}]}`
	if a := w.post("/chat/completions", many); a.StatusCode != 503 || readError(t, a).Code != "gateway_overloaded" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	for range 20 { // each of a tenth of the budget
		if a := w.post("/chat/completions", strings.Replace(chat, "hello", strings.Repeat("word ", 30<<10), 1)); caller.read(t, a.body).text != "Hello" {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
}
