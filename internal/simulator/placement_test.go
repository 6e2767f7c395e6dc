package simulator_test

import (
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/simulator"
)

// TestSystemMessagesWithinAConversation: Claude Code sends them, with the name of the beta in a header.
func TestSystemMessagesWithinAConversation(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	plain := http.Header{"X-Api-Key": {"k"}, "Anthropic-Version": {"2023-06-01"}}
	beta := plain.Clone()
	beta.Set("Anthropic-Beta", "effort-2025-11-24,mid-conversation-system-2026-04-07")
	const user, system, assistant = `{"role":"user","content":"sim: say hello"}`, `{"role":"system","content":"s"}`, `{"role":"assistant","content":"a"}`
	for _, tt := range []struct {
		model, messages string
		header          http.Header
		want            string // of the refusal, or of the answer
	}{
		{"m", user + "," + system, beta, `"text":"hello"`},
		{"m", user + "," + system + "," + assistant + "," + user, beta, `"text":"hello"`},
		{"claude-opus-4-8", user + "," + system, plain, `"text":"hello"`},
		{"m", user + "," + system, plain, "Input should be 'user' or 'assistant'"},
		{"m", system + "," + user, beta, "must come after a user message"},
		{"m", user + "," + assistant + "," + system, beta, "must come after a user message"},
		{"m", user + "," + system + "," + user, beta, "be followed by an assistant message"},
	} {
		got := post(t, v, "/v1/messages", `{"model":"`+tt.model+`","max_tokens":50,"messages":[`+tt.messages+`]}`, tt.header)
		if refused := strings.Contains(tt.want, "must") || strings.Contains(tt.want, "should") || strings.Contains(tt.want, "followed"); (got.status == 400) != refused || !strings.Contains(got.text, tt.want) {
			t.Errorf("%s: %d %s\nwant %s", tt.messages, got.status, got.text, tt.want)
		}
	}
}

// TestGeminiResponsesInSeveralContents: LangChain sends the response of each call as a content of its own.
func TestGeminiResponsesInSeveralContents(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	const user, calls = `{"role":"user","parts":[{"text":"hi"}]}`, `{"role":"model","parts":[{"functionCall":{"name":"a","args":{}}},{"functionCall":{"name":"b","args":{}}}]}`
	response := func(name string) string {
		return `{"role":"function","parts":[{"functionResponse":{"name":"` + name + `","response":{"result":"r"}}}]}`
	}
	for contents, status := range map[string]int{
		user + "," + calls + "," + response("a") + "," + response("b"):                                                           200,
		user + "," + calls + "," + response("a") + "," + response("b") + "," + user:                                              200,
		user + "," + calls + "," + response("a"):                                                                                 400,
		user + "," + calls + "," + response("a") + "," + response("b") + "," + response("c"):                                     400,
		user + "," + calls + "," + user:                                                                                          400,
		user + "," + response("a"):                                                                                               400,
		user + "," + calls + "," + response("a") + "," + calls + "," + response("a") + "," + response("b"):                       400,
		user + "," + calls + "," + response("a") + "," + response("b") + "," + calls + "," + response("a") + "," + response("b"): 200,
	} {
		got := post(t, v, "/v1beta/models/gemini-2.5-sim:generateContent", `{"contents":[`+contents+`]}`, nil)
		if got.status != status {
			t.Errorf("%s: %d %s", contents, got.status, got.text)
		}
	}
}
