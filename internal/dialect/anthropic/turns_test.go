package anthropic_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// said are the blocks of conversations that are made up.
func said() []llm.Block {
	return []llm.Block{
		text("a"), text(" "), {Kind: llm.Text, Text: "b \n", Cache: &llm.Cache{}}, {Kind: llm.Refusal, Text: "no "},
		call("1", "f", `{"a":1}`), call("1", "f", ""), call("2:a", "f", "{}"), call("2_a", "f", "{}"), call("", "f", "{}"), call("1_2", "f", "{}"),
		result("1", text("one")), result("1"), result("2:a", text("two"), text("")), result("2_a"), result("", text("none")), result("1_2"), result("3"),
		{Kind: llm.Thinking, Text: "hm", State: llm.State{Origin: llm.Anthropic, Data: "sig"}}, {Kind: llm.Thinking, Text: "so", State: llm.State{Origin: llm.Gemini, Data: "ts"}},
		{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://example.com/a.png"}},
	}
}

// TestConversations: whatever a conversation is like, the API gets one that it takes, and the caller's stays as it was.
func TestConversations(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	rapid.Check(t, func(t *rapid.T) {
		type message struct {
			role   llm.Role
			blocks []int
		}
		caller := rapid.SampledFrom([]string{llm.OpenAI, llm.Anthropic}).Draw(t, "caller")
		var drawn []message
		for range rapid.IntRange(1, 10).Draw(t, "messages") {
			drawn = append(drawn, message{
				rapid.SampledFrom([]llm.Role{llm.System, llm.User, llm.User, llm.Assistant, llm.Assistant}).Draw(t, "role"),
				rapid.SliceOfN(rapid.IntRange(0, len(said())-1), 0, 4).Draw(t, "blocks"),
			})
		}
		conversation := func() *llm.Request {
			r := &llm.Request{Dialect: caller, Tools: []llm.Tool{{Name: "f"}}}
			for _, m := range drawn {
				var blocks []llm.Block
				for _, i := range m.blocks {
					blocks = append(blocks, said()[i])
				}
				r.Messages = append(r.Messages, say(m.role, blocks...))
			}
			return r
		}
		r := conversation()
		body, _, err := anthropic.Dialect{}.EncodeRequest(r, dialect.Target{Model: "claude-sonnet-4-5"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(conversation(), r); diff != "" {
			t.Fatalf("the request has changed (-before +after):\n%s", diff)
		}
		again, _, err := anthropic.Dialect{}.EncodeRequest(r, dialect.Target{Model: "claude-sonnet-4-5"})
		if string(again) != string(body) || err != nil {
			t.Fatalf("the second time it is %s, %v, the first time %s", again, err, body)
		}
		var w struct {
			Messages []struct {
				Role    string
				Content []struct {
					Type, ID string
					Result   string `json:"tool_use_id"`
				}
			}
		}
		if err := json.Unmarshal(body, &w); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		used := map[string]bool{}
		var due []string
		before := ""
		for _, m := range w.Messages {
			if m.Role == before || before == "" && m.Role == "assistant" || len(m.Content) == 0 {
				t.Fatalf("a turn of %s in the wrong place in %s", m.Role, body)
			}
			before = m.Role
			if len(due) > 0 && m.Role != "user" {
				t.Fatalf("calls without their results in %s", body)
			}
			for _, b := range m.Content {
				switch {
				case b.Type == "tool_use":
					if used[b.ID] || !plain.MatchString(b.ID) {
						t.Fatalf("the id %q in %s", b.ID, body)
					}
					used[b.ID] = true
					due = append(due, b.ID)
				case len(due) > 0 && m.Role == "user":
					if b.Type != "tool_result" || b.Result != due[0] {
						t.Fatalf("%s %q in place of the result of %q in %s", b.Type, b.Result, due[0], body)
					}
					due = due[1:]
				case b.Type == "tool_result":
					t.Fatalf("a result of nothing in %s", body)
				}
			}
		}
		if len(due) > 0 {
			t.Fatalf("calls without their results in %s", body)
		}
	})
}
