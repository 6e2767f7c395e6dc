package dialect_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
)

func thread(t *testing.T, d dialect.Dialect, body string) dialect.Thread {
	t.Helper()
	s, err := d.Scan([]byte(body), dialect.At{Model: "m"})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return s.Thread()
}

// All turns of a conversation have one lead, and another conversation has another, wherever cache markers and roles stand.
func TestThreadOfTurns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                 string
		dialect              dialect.Dialect
		first, second, other string
	}{
		{
			"openai", openai.Dialect{},
			`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"hello"}]}`,
			`{"model":"m","messages":[{"role":"system","content":[{"type":"text","text":"s"}]},{"content":[{"type":"text","text":"hello"}],"role":"user"},{"role":"assistant","content":"hi"},{"role":"user","content":"more"}]}`,
			`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"hallo"}]}`,
		},
		{
			"responses", responses.Dialect{},
			`{"model":"m","instructions":"s","input":"hello"}`,
			`{"model":"m","instructions":"s","input":[{"role":"user","content":"hello"},{"type":"function_call","name":"f","arguments":"{}"},{"type":"function_call_output","output":"1"}]}`,
			`{"model":"m","instructions":"s","input":"hallo"}`,
		},
		{
			"anthropic", anthropic.Dialect{},
			`{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hello","cache_control":{"type":"ephemeral"}}]}]}`,
			`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"hi"},{"role":"user","content":"more"}],"system":"s"}`,
			`{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":"hallo"}]}`,
		},
		{
			"gemini", gemini.Dialect{},
			`{"contents":[{"parts":[{"text":"hello"}]}],"systemInstruction":{"parts":[{"text":"s"}]}}`,
			`{"system_instruction":{"parts":{"text":"s"}},"contents":[{"role":"user","parts":{"text":"hello"}},{"role":"model","parts":[{"text":"hi"}]},{"role":"user","parts":[{"text":"more"}]}]}`,
			`{"contents":{"parts":{"text":"hallo"}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first, second, other := thread(t, tt.dialect, tt.first), thread(t, tt.dialect, tt.second), thread(t, tt.dialect, tt.other)
			if first.Lead == 0 || first.Lead != second.Lead || first.Lead == other.Lead {
				t.Errorf("leads %x, %x and %x", first.Lead, second.Lead, other.Lead)
			}
			if first.Continues || !second.Continues || other.Continues {
				t.Errorf("continues: %v, %v and %v", first.Continues, second.Continues, other.Continues)
			}
		})
	}
}

func TestThreadNamesAndStates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		dialect dialect.Dialect
		body    string
		want    dialect.Thread
	}{
		{"cache key before user", openai.Dialect{}, `{"model":"m","messages":[{"role":"assistant","content":"a"}],"prompt_cache_key":"k","user":"u"}`, dialect.Thread{Name: "k"}},
		{"cache key after user", openai.Dialect{}, `{"model":"m","user":"u","messages":[{"role":"assistant","content":"a"}],"prompt_cache_key":"k"}`, dialect.Thread{Name: "k"}},
		{"user", openai.Dialect{}, `{"model":"m","user":"u","messages":[{"role":"assistant","content":"a"}]}`, dialect.Thread{Name: "u"}},
		{"user of another type", openai.Dialect{}, `{"model":"m","user":{"a":1},"messages":[{"role":"assistant","content":"a"}]}`, dialect.Thread{}},
		{"long name", openai.Dialect{}, `{"model":"m","user":"` + strings.Repeat("x", 5000) + `","messages":[{"role":"assistant","content":"a"}]}`, dialect.Thread{Name: strings.Repeat("x", 256)}},
		{"file", openai.Dialect{}, `{"model":"m","messages":[{"role":"assistant","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}`, dialect.Thread{State: "file-1"}},
		{"responses", responses.Dialect{}, `{"model":"m","input":[{"role":"developer","content":[{"type":"input_file","file_id":"file-2"}]}],"prompt_cache_key":"k"}`, dialect.Thread{Name: "k", State: "file-2"}},
		{"brings sealed reasoning", responses.Dialect{}, `{"model":"m","input":[{"type":"reasoning","encrypted_content":"gAAA"}]}`, dialect.Thread{Sealed: true}},
		{"asks for sealed reasoning", responses.Dialect{}, `{"model":"m","input":[{"role":"developer","content":"x"}],"include":["reasoning.encrypted_content"]}`, dialect.Thread{Sealed: true}},
		{"no sealed reasoning", responses.Dialect{}, `{"model":"m","input":[{"type":"reasoning","encrypted_content":null}],"include":["x"]}`, dialect.Thread{}},
		{"anthropic", anthropic.Dialect{}, `{"model":"m","max_tokens":9,"metadata":{"user_id":"u"},"messages":[{"role":"assistant","content":[{"type":"document","source":{"type":"file","file_id":"file_3"}}]}]}`, dialect.Thread{Name: "u", State: "file_3"}},
		{"gemini file", gemini.Dialect{}, `{"contents":[{"role":"model","parts":[{"fileData":{"mimeType":"a/b","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x1"}}]}]}`, dialect.Thread{State: "https://generativelanguage.googleapis.com/v1beta/files/x1"}},
		{"gemini address", gemini.Dialect{}, `{"contents":[{"role":"model","parts":[{"file_data":{"mime_type":"a/b","file_uri":"https://www.youtube.com/watch?v=1"}}]}]}`, dialect.Thread{}},
		{"gemini cache", gemini.Dialect{}, `{"cachedContent":"cachedContents/c1","contents":[{"role":"model","parts":[]}]}`, dialect.Thread{State: "cachedContents/c1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := thread(t, tt.dialect, tt.body); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// However long a beginning is, and in whatever pieces it comes, only so much of it is looked at.
func TestThreadOfLongText(t *testing.T) {
	t.Parallel()
	lead := func(text string, size int) uint64 {
		var r dialect.ThreadReader
		r.Open()
		for len(text) > size {
			r.Text([]byte(text[:size]))
			text = text[size:]
		}
		r.Text([]byte(text))
		r.Close(true)
		return r.Lead
	}
	long := strings.Repeat("ab", 1<<14)
	if lead(long, 1) != lead(long, 777) || lead(long, 1) != lead(long+"c", 4096) || lead(long, 1) == lead("c"+long, 1) {
		t.Error("leads depend on what they should not, or not on what they should")
	}
}
