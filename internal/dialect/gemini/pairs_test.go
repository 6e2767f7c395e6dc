package gemini_test

import (
	"slices"
	"strings"
	"testing"

	"aihigress/internal/llm"
)

// TestCallsAndTheirResponses: Google refuses contents in which they do not fit together.
func TestCallsAndTheirResponses(t *testing.T) {
	t.Parallel()
	asked := say(llm.Assistant, call("a", "f", "", llm.State{}), call("b", "g", "", llm.State{}))
	const calls = `{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}}},{"functionCall":{"id":"b","name":"g","args":{}}}]}`
	response := func(id, name, output string) string {
		return `{"functionResponse":{"id":"` + id + `","name":"` + name + `","response":{"output":"` + output + `"}}}`
	}
	const none = `{"functionResponse":{"id":"b","name":"g","response":{"error":"The function gave no result."}}}`
	png := llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "iVBORw=="}}
	const picture = `{"inlineData":{"mimeType":"image/png","data":"iVBORw=="}}`
	for name, tt := range map[string]struct {
		messages []llm.Message
		want     string // behind the first words of the user
	}{
		"in another order, with words between": {[]llm.Message{asked, say(llm.User, result("b", false, words("B"), png)), say(llm.User, words("wait")), say(llm.User, result("a", false, words("A")))},
			calls + `,{"role":"user","parts":[` + response("a", "f", "A") + `,` + response("b", "g", "B") + `,` + picture + `,{"text":"wait"}]}`},
		"one is missing": {[]llm.Message{asked, say(llm.User, result("a", false, words("A")), words("go on"))},
			calls + `,{"role":"user","parts":[` + response("a", "f", "A") + `,` + none + `,{"text":"go on"}]}`},
		"all are missing at the end": {[]llm.Message{say(llm.Assistant, call("b", "g", "", llm.State{}))},
			`{"role":"model","parts":[{"functionCall":{"id":"b","name":"g","args":{}}}]},{"role":"user","parts":[` + none + `]}`},
		"one comes late": {[]llm.Message{asked, say(llm.User, result("a", false, words("A"))), say(llm.Assistant, words("so")), say(llm.User, result("b", false, words("B")))},
			calls + `,{"role":"user","parts":[` + response("a", "f", "A") + `,` + response("b", "g", "B") + `]},{"role":"model","parts":[{"text":"so"}]}`},
		"an id used anew": {[]llm.Message{say(llm.Assistant, call("b", "g", "", llm.State{})), say(llm.User, result("b", false, words("1"))), say(llm.Assistant, call("b", "g", "", llm.State{})), say(llm.User, result("b", false, words("2")))},
			`{"role":"model","parts":[{"functionCall":{"id":"b","name":"g","args":{}}}]},{"role":"user","parts":[` + response("b", "g", "1") + `]},` +
				`{"role":"model","parts":[{"functionCall":{"id":"b","name":"g","args":{}}}]},{"role":"user","parts":[` + response("b", "g", "2") + `]}`},
		"a call that is not there": {[]llm.Message{say(llm.Assistant, words("so")), say(llm.User, result("z", false, words("Z")))},
			`{"role":"model","parts":[{"text":"so"}]},{"role":"user","parts":[{"text":"Result of z:\nZ"}]}`},
	} {
		r := &llm.Request{Messages: append(slices.Clone(hi), tt.messages...)}
		got, dropped := encoded(t, r, "gemini-2.5-pro")
		if want := `{"contents":[{"role":"user","parts":[{"text":"hi"}]},` + tt.want + `]}`; got != want || len(dropped) > 0 {
			t.Errorf("%s: dropped %v of %s\nwant %s", name, dropped, got, want)
		}
	}
	// The calls of Gemini's own callers stay as they are.
	own := &llm.Request{Dialect: llm.Gemini, Messages: append(slices.Clone(hi), asked, say(llm.User, words("wait")))}
	if got, _ := encoded(t, own, "gemini-2.5-pro"); strings.Contains(got, "functionResponse") {
		t.Errorf("a caller of the dialect: %s", got)
	}
}
