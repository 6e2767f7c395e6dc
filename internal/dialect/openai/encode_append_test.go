package openai

import (
	"testing"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// What is written by hand is what reflection would write.
func TestAppendRequest(t *testing.T) {
	t.Parallel()
	text := rapid.SampledFrom([]string{"", "a", "\"quoted\"\n\t<é \u2028", "\xff"})
	some := rapid.SampledFrom([]*string{nil, nil, pointer(""), pointer("x\ny")})
	rapid.Check(t, func(t *rapid.T) {
		w := request{Model: text.Draw(t, "model"), Stream: rapid.Bool().Draw(t, "stream")}
		if rapid.Bool().Draw(t, "extra") {
			w.Extra = map[string]jsontext.Value{"x": jsontext.Value(`{"a": 1}`)}
		}
		if n := rapid.IntRange(-1, 3).Draw(t, "messages"); n >= 0 {
			w.Messages = make(messages, n)
		}
		for i := range w.Messages {
			w.Messages[i] = drawMessage(t, text, some)
		}
		want, err := json.Marshal(&w, jsonOut)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendRequest(nil, &w)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s, %v, want\n%s", got, err, want)
		}
	})
}

func drawMessage(t *rapid.T, text *rapid.Generator[string], some *rapid.Generator[*string]) message {
	m := message{Role: rapid.SampledFrom([]string{"user", "assistant", "tool"}).Draw(t, "role"), Name: text.Draw(t, "name"),
		Content:    content{set: rapid.Bool().Draw(t, "content"), text: text.Draw(t, "text")},
		ToolCallID: text.Draw(t, "id"), Refusal: some.Draw(t, "refusal"), ReasoningContent: some.Draw(t, "reasoning")}
	for range rapid.IntRange(0, 2).Draw(t, "parts") {
		p := part{Type: rapid.SampledFrom([]string{"text", "refusal"}).Draw(t, "type"), Text: some.Draw(t, "part")}
		if rapid.Bool().Draw(t, "marked") {
			p.CacheControl = &cacheControl{Type: "ephemeral"}
		}
		m.Content.parts = append(m.Content.parts, p)
	}
	for range rapid.IntRange(0, 2).Draw(t, "calls") {
		c := toolCall{ID: loose(text.Draw(t, "call")), Type: "function",
			Function: &functionCall{Name: text.Draw(t, "function"), Arguments: arguments(text.Draw(t, "arguments"))}}
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			c = toolCall{ID: "c", Type: "custom", Custom: &customCall{Name: "n", Input: "x"}}
		case 1:
			c.ExtraContent = jsontext.Value(`{"google": {}}`)
		}
		m.ToolCalls = append(m.ToolCalls, c)
	}
	if rapid.Bool().Draw(t, "detailed") {
		m.ReasoningDetails = []reasoningDetail{detailOf("t", llm.State{Origin: llm.OpenAI, Data: `{"type":"reasoning.text"}`})}
	}
	return m
}
