package replay_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens anew; every byte of them is to be held against the descriptions")

// written are the streams of a dialect that we wrote ourselves, after the vendors' descriptions.
func written(name string) []string {
	files, err := filepath.Glob(filepath.Join("testdata", "*", name+".sse"))
	if err != nil {
		panic(err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		all = append(all, string(text))
	}
	return all
}

// asked is what the callers of the goldens asked with.
func asked(caller string) *llm.Request {
	return &llm.Request{Dialect: caller, Model: "model", Stream: true, IncludeUsage: true, Reasoning: llm.Reasoning{Effort: "high", Summary: "auto"},
		Tools: []llm.Tool{{Name: "weather", Description: "Tells the weather.", Schema: llm.JSON(`{"type":"object","properties":{"city":{"type":"string"}}}`)}, {Name: "now"}}}
}

// One answer with everything in it, thinking that is signed, a text that cites, two calls side by side and cached input,
// from each dialect to a caller of each: every byte is known.
func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, from := range dialects {
		stream := written(from.Name())[0]
		for _, to := range dialects {
			t.Run(from.Name()+"/"+to.Name(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // whose clock stands still
					got := tell(from, stream, len(stream), to.Encoder(asked(to.Name())))
					if got.err != nil || got.form != nil || !got.whole {
						t.Fatalf("whole is %v, %v, %v", got.whole, got.err, got.form)
					}
					validStream(t, to.Name(), string(got.out))
					whole := to.EncodeResponse(got.answer, asked(to.Name()))
					valid(t, to.Name(), whole)
					name := filepath.Join("testdata", "full", from.Name()+"-"+to.Name()+".golden")
					golden(t, name, string(whole)+"\n\n"+string(got.out))
				})
			})
		}
	}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// failures are what vendors answer when they fail, by the name of the golden.
var failures = []struct {
	name   string
	from   string
	status int // 0 is in the middle of a stream
	body   string
}{
	{"anthropic-400", llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"},"request_id":"req_1"}`},
	{"anthropic-401", llm.Anthropic, 401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_1"}`},
	{"anthropic-404", llm.Anthropic, 404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"},"request_id":"req_1"}`},
	{"anthropic-413-long", llm.Anthropic, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`},
	{"anthropic-429", llm.Anthropic, 429, `{"type":"error","error":{"type":"rate_limit_error","message":"Number of request tokens has exceeded your per-minute rate limit"},"request_id":"req_1"}`},
	{"anthropic-529", llm.Anthropic, 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`},
	{"anthropic-stream", llm.Anthropic, 0, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`},
	{"openai-400", llm.OpenAI, 400, `{"error":{"message":"Invalid value: 'x'.","type":"invalid_request_error","param":"messages[0].role","code":"invalid_value"}}`},
	{"openai-401", llm.OpenAI, 401, `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`},
	{"openai-404", llm.OpenAI, 404, `{"error":{"message":"The model 'x' does not exist.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`},
	{"openai-429", llm.OpenAI, 429, `{"error":{"message":"Rate limit reached.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`},
	{"openai-429-quota", llm.OpenAI, 429, `{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`},
	{"openai-503", llm.OpenAI, 503, `{"error":{"message":"The engine is currently overloaded.","type":"server_error","param":null,"code":null}}`},
	{"openai-stream", llm.OpenAI, 0, `{"error":{"message":"The server had an error.","type":"server_error","param":null,"code":null}}`},
	{"responses-stream", llm.Responses, 0, `{"type":"error","code":"rate_limit_exceeded","message":"Rate limit reached.","param":null,"sequence_number":3}`},
	{"gemini-400", llm.Gemini, 400, `{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}`},
	{"gemini-403", llm.Gemini, 403, `{"error":{"code":403,"message":"Permission denied.","status":"PERMISSION_DENIED"}}`},
	{"gemini-404", llm.Gemini, 404, `{"error":{"code":404,"message":"models/x is not found.","status":"NOT_FOUND"}}`},
	{"gemini-429", llm.Gemini, 429, `{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"7s"}]}}`},
	{"gemini-503", llm.Gemini, 503, `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`},
	{"gateway-503", "", 503, ""},
}

// What a vendor says when it fails reaches every caller as an error body and as the event that ends a stream, both in the
// words of the caller's dialect.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := &llm.Error{Status: f.status, Class: llm.Overloaded, Type: "server_error", Code: "no_upstream", Message: "No upstream answers.", RequestID: "req_1"}
				if f.from != "" {
					e = failureOf(t, named(f.from), f.status, f.body)
				}
				var out strings.Builder
				for _, to := range dialects {
					body := to.EncodeError(e)
					holds(t, to.Name(), "error", body)
					out.WriteString("-- " + to.Name() + " --\n" + string(body) + "\n" + string(to.AppendErrorEvent(nil, e)))
				}
				golden(t, filepath.Join("testdata", "errors", f.name+".golden"), out.String())
			})
		})
	}
}

// failureOf is a failure as a dialect reads it.
func failureOf(t *testing.T, from dialect.Dialect, status int, body string) *llm.Error {
	t.Helper()
	if status != 0 {
		return from.DecodeError(status, []byte(body))
	}
	got := tell(from, "data: "+body+"\n\n", len(body)+20, nil)
	if got.failed == nil || got.err != nil || got.form != nil {
		t.Fatalf("%+v, %v, %v", got.failed, got.err, got.form)
	}
	return got.failed
}

// geminiClasses are those that Google has no words for, by what it calls them.
var geminiClasses = map[llm.Class]llm.Class{llm.TooLarge: llm.InvalidRequest, llm.OutOfQuota: llm.RateLimited}

// Recorded errors keep their message, or its class at least where the dialect has its own words, and are what each
// dialect's description says.
func TestRecordedErrors(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, r := range recordings(t) {
		var e *llm.Error
		switch {
		case r.Status >= 400:
			e = r.dialect.DecodeError(r.Status, r.Body)
		case r.Lines != nil:
			e = tell(r.dialect, r.stream(), 7, nil).failed
		}
		if e == nil {
			continue
		}
		seen++
		for _, to := range dialects {
			body := to.EncodeError(e)
			holds(t, to.Name(), "error", body)
			again := to.DecodeError(e.HTTPStatus(), body)
			if e.Message == "" || !strings.Contains(again.Message, e.Message) {
				t.Errorf("%s to %s: %q became %q", r.file, to.Name(), e.Message, again.Message)
			}
			if from, now := e.Kind(), again.Kind(); from != now && (to.Name() != llm.Gemini || geminiClasses[from] != now) {
				t.Errorf("%s to %s: class %d became %d: %s", r.file, to.Name(), from, now, body)
			}
			event := string(to.AppendErrorEvent(nil, e))
			if got := tell(to, event, 1, nil); got.failed == nil || got.form != nil || got.failed.Message != again.Message {
				t.Errorf("%s to %s: the event is read as %+v, %v: %s", r.file, to.Name(), got.failed, got.form, event)
			}
		}
	}
	if seen < 19 {
		t.Errorf("only %d errors", seen)
	}
}
