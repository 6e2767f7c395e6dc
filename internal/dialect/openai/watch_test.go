package openai_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	delta := func(fields string) string {
		return `{"choices":[{"index":0,"delta":{` + fields + `},"finish_reason":null}],"usage":null}`
	}
	tests := []struct {
		name, data string
		want       dialect.Chunk
		text       string
	}{
		{"done", `[DONE]`, dialect.Chunk{Done: true}, ""},
		{"done with a space", ` [DONE] `, dialect.Chunk{Done: true}, ""},
		{"role", delta(`"role":"assistant","content":""`), dialect.Chunk{}, ""},
		{"null content", delta(`"role":"assistant","content":null,"refusal":null`), dialect.Chunk{}, ""},
		{"content", delta(`"content":"H\u00e9\n"`), dialect.Chunk{Content: true}, "Hé\n"},
		{"content in parts", delta(`"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]},{"type":"text","text":"b"}]`), dialect.Chunk{Content: true}, "ab"},
		{"refusal", delta(`"refusal":"No"`), dialect.Chunk{Content: true}, "No"},
		{"reasoning_content", delta(`"reasoning_content":"so"`), dialect.Chunk{Content: true}, "so"},
		{"reasoning once", delta(`"content":"","reasoning":"so","reasoning_details":[{"text":"so"}]`), dialect.Chunk{Content: true}, "so"},
		{"call begins", delta(`"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]`), dialect.Chunk{Content: true}, "f"},
		{"arguments", delta(`"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]`), dialect.Chunk{Content: true}, `{"a"`},
		{"function_call", delta(`"function_call":{"name":"f"}`), dialect.Chunk{Content: true}, "f"},
		{"sound", delta(`"audio":{"data":"UklG","transcript":"hi"}`), dialect.Chunk{Content: true}, "hi"},
		{"legacy text", `{"choices":[{"text":"x","finish_reason":null}]}`, dialect.Chunk{Content: true}, "x"},
		{"finish", `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, dialect.Chunk{Finish: true}, ""},
		{"usage only", `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, dialect.Chunk{Usage: true, UsageOnly: true}, ""},
		{"usage before choices", `{"usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[ ]}`, dialect.Chunk{Usage: true, UsageOnly: true}, ""},
		{"usage on the finish", `{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, dialect.Chunk{Finish: true, Usage: true}, ""},
		{"usage without choices", `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`, dialect.Chunk{Usage: true}, ""},
		{"filter results", `{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}`, dialect.Chunk{}, ""},
		{"filter results, null usage", `{"choices":[],"usage":null}`, dialect.Chunk{}, ""},
		{"error", `{"error":{"message":"overloaded","type":"server_error","code":null}}`, dialect.Chunk{Error: &llm.Error{Origin: llm.OpenAI, Message: "overloaded", Type: "server_error", Class: llm.ServerError}}, ""},
		{"error as a text", `{"error":"overloaded"}`, dialect.Chunk{Error: &llm.Error{Origin: llm.OpenAI, Message: "overloaded"}}, ""},
		{"null error", `{"error":null,"choices":[]}`, dialect.Chunk{}, ""},
		{"quoted keys in text", delta(`"content":"\"error\":{\"message\":\"x\"}"`), dialect.Chunk{Content: true}, `"error":{"message":"x"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			r := openai.Dialect{}.Watch(func(part []byte) { text.Write(part) })
			got, err := r.Event([]byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if text.String() != tt.text {
				t.Errorf("text %q, want %q", text.String(), tt.text)
			}
		})
	}
}

func TestWatchRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	r := openai.Dialect{}.Watch(nil)
	for _, data := range []string{``, `{`, `{"choices":[{"ind`, `[]`, `"x"`, `{}{}`, `null`, strings.Repeat("[", 5000)} {
		if _, err := r.Event([]byte(data)); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%.20q: %v, want ErrMalformed", data, err)
		}
	}
	if c, err := r.Event([]byte(`{"choices":[{"delta":{"content":"x"}}]}`)); err != nil || !c.Content {
		t.Errorf("a good chunk after bad ones: %+v, %v", c, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, usage string
		want        llm.Usage
		ok, odd     bool
	}{
		{"plain", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`, llm.Usage{Input: 10, Output: 5}, true, false},
		{"details", `{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":64,"audio_tokens":6},"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":3}}`,
			llm.Usage{Input: 36, CachedInput: 64, Output: 50, Reasoning: 20, AudioInput: 6, AudioOutput: 3}, true, false},
		{"DeepSeek", `{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}`, llm.Usage{Input: 36, CachedInput: 64, Output: 5}, true, false},
		{"OpenRouter writes a cache", `{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}`,
			llm.Usage{Input: 10, CachedInput: 60, CacheWrite5m: 30, Output: 5}, true, false},
		{"xAI counts reasoning beside", `{"prompt_tokens":10,"completion_tokens":200,"total_tokens":310,"completion_tokens_details":{"reasoning_tokens":100}}`,
			llm.Usage{Input: 10, Output: 300, Reasoning: 100}, true, false},
		{"embedding", `{"prompt_tokens":4,"total_tokens":4}`, llm.Usage{Input: 4}, true, false},
		{"floats", `{"prompt_tokens":4.0,"completion_tokens":1e1}`, llm.Usage{Input: 4, Output: 10}, true, false},
		{"nulls", `{"prompt_tokens":4,"completion_tokens":null,"prompt_tokens_details":null}`, llm.Usage{Input: 4}, true, false},
		{"nothing in it", `{}`, llm.Usage{}, false, false},
		{"zeros", `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, llm.Usage{}, false, false},
		{"negative", `{"prompt_tokens":-5,"completion_tokens":5}`, llm.Usage{}, false, true},
		{"absurd", `{"prompt_tokens":5,"completion_tokens":1e18}`, llm.Usage{}, false, true},
		{"endless", `{"prompt_tokens":` + strings.Repeat("9", 500) + `}`, llm.Usage{}, false, true},
		{"text", `{"prompt_tokens":"5","completion_tokens":5}`, llm.Usage{}, false, true},
		{"more cached than read", `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":30}}`, llm.Usage{CachedInput: 10, Output: 5}, true, true},
	}
	for _, tt := range tests {
		for _, body := range []string{
			`{"choices":[{"message":{"content":"x"}}],"usage":` + tt.usage + `}`,
			`{"usage":` + tt.usage + `,"choices":[]}`,
			`{"choices":[],"x_groq":{"id":"r","usage":` + tt.usage + `}}`,
			`{"choices":[{"delta":{},"usage":` + tt.usage + `}]}`,
		} {
			r := openai.Dialect{}.Watch(nil)
			for i := range body {
				if _, err := r.Write([]byte{body[i]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.End(); err != nil {
				t.Fatal(err)
			}
			got, ok := r.Usage()
			if got != tt.want || ok != tt.ok || r.OddUsage() != tt.odd {
				t.Errorf("%s: %+v, %v, odd %v; want %+v, %v, odd %v", tt.name, got, ok, r.OddUsage(), tt.want, tt.ok, tt.odd)
			}
		}
	}
}

func TestLaterUsageReplacesEarlier(t *testing.T) {
	t.Parallel()
	r := openai.Dialect{}.Watch(nil)
	for _, data := range []string{
		`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}`,
		`{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}`,
		`{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}`,
		`{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":0}}`,
	} {
		if _, err := r.Event([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := r.Usage(); !ok || got != (llm.Usage{Input: 7, Output: 2}) {
		t.Errorf("usage %+v, %v", got, ok)
	}
}

func TestBodyThatIsCut(t *testing.T) {
	t.Parallel()
	text := ""
	r := openai.Dialect{}.Watch(func(part []byte) { text += string(part) })
	if _, err := r.Write([]byte(`{"choices":[{"message":{"content":"abc`)); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); !errors.Is(err, dialect.ErrMalformed) || text != "abc" {
		t.Errorf("end of a cut body: %v, text %q", err, text)
	}
}

// TestBodyThatSaysNothing holds which whole answers of a model are none. Other endpoints have theirs.
func TestBodyThatSaysNothing(t *testing.T) {
	t.Parallel()
	for body, good := range map[string]bool{
		`{}`: false, `{"object":"error","message":"no such model","code":404}`: false, `{"choices":null}`: false, `{"id":"x","object":"chat.completion"}`: false,
		`{"choices":[]}`: true, `{"choices":[],"prompt_filter_results":[]}`: true, `{"usage":{"prompt_tokens":1}}`: true, `{"error":{"message":"x"}}`: true,
	} {
		for name, w := range map[string]dialect.Watch{"generation": openai.Dialect{}.Watch(nil), "embeddings": openai.Embeddings{}.Watch()} {
			if _, err := w.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
			if err := w.End(); errors.Is(err, dialect.ErrMalformed) == (good || name == "embeddings") {
				t.Errorf("%s by %s: %v", body, name, err)
			}
		}
	}
	if _, err := (openai.Dialect{}).Watch(nil).Event([]byte(`{"id":"x"}`)); err != nil {
		t.Errorf("a chunk may say nothing: %v", err)
	}
}

func TestErrorInABodyWith200(t *testing.T) {
	t.Parallel()
	r := openai.Dialect{}.Watch(nil)
	if _, err := r.Write([]byte(`{"error":{"message":"overloaded","code":503}}`)); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); err != nil || r.Error() == nil || r.Error().Code != "503" {
		t.Errorf("error %+v, %v", r.Error(), err)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	r := openai.Dialect{}.Watch(func([]byte) {})
	data := []byte(`{"id":"c","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := r.Event(data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a chunk", n)
	}
}

func BenchmarkWatch(b *testing.B) {
	r := openai.Dialect{}.Watch(func([]byte) {})
	data := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1731368640,"model":"gpt-4o-mini",` +
		`"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Event(data); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzWatch(f *testing.F) {
	f.Add(`{"choices":[{"message":{"content":"a\u00e9"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, uint8(1))
	f.Add(`{"error":{"message":"x","code":429},"x_groq":{"usage":{"prompt_tokens":-1}}}`, uint8(3))
	f.Add(`{"choices":[],"usage":{"prompt_tokens":1e99,"completion_tokens_details":{"reasoning_tokens":5}}}`, uint8(7))
	f.Fuzz(func(t *testing.T, body string, n uint8) {
		var text, textParts strings.Builder
		whole := openai.Dialect{}.Watch(func(part []byte) { text.Write(part) })
		chunk, chunkErr := whole.Event([]byte(body))
		if chunk.Done {
			return
		}
		parts := openai.Dialect{}.Watch(func(part []byte) { textParts.Write(part) })
		_, err := io.Copy(parts, pieces{strings.NewReader(body), int(n) + 1})
		if err == nil {
			err = parts.End()
		}
		if (err == nil) != (chunkErr == nil) {
			t.Fatalf("whole: %v, in pieces: %v", chunkErr, err)
		}
		if err != nil {
			return
		}
		a, aOK := whole.Usage()
		b, bOK := parts.Usage()
		if a != b || aOK != bOK || text.String() != textParts.String() {
			t.Errorf("whole: %+v, %v; in pieces: %+v, %v", a, aOK, b, bOK)
		}
		if _, changed := a.Clamp(); changed {
			t.Errorf("usage %+v is not within its limits", a)
		}
		if diff := cmp.Diff(chunk.Error, parts.Error()); diff != "" {
			t.Errorf("errors differ:\n%s", diff)
		}
	})
}
