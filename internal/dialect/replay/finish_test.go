package replay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/llm"
)

// An ending is a vendor's word for why an answer ended, what it means, and what a caller of each dialect reads.
type ending struct {
	word                                 string
	means                                llm.Finish
	openai, responses, anthropic, gemini string
}

// endings are all the words that the vendors' specifications have. Sources: the finish_reason of OpenAI's
// CreateChatCompletionResponse and the status and incomplete_details of its Response, Anthropic's StopReason, the
// FinishReason of google.golang.org/genai; and what compatible vendors say beside.
var endings = map[string][]ending{
	llm.OpenAI: {
		{"stop", llm.FinishStop, "stop", "completed", "end_turn", "STOP"},
		{"length", llm.FinishLength, "length", "incomplete max_output_tokens", "max_tokens", "MAX_TOKENS"},
		{"tool_calls", llm.FinishTools, "tool_calls", "completed", "tool_use", "STOP"},
		{"function_call", llm.FinishTools, "tool_calls", "completed", "tool_use", "STOP"},
		{"content_filter", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "SAFETY"},
		{"model_length", llm.FinishContext, "length", "incomplete max_output_tokens", "model_context_window_exceeded", "MAX_TOKENS"},
		{"insufficient_system_resource", llm.FinishError, "error", "failed", "end_turn", "OTHER"},
		{"a new one", llm.FinishUnknown, "stop", "completed", "end_turn", "OTHER"},
	},
	llm.Responses: {
		{"completed", llm.FinishStop, "stop", "completed", "end_turn", "STOP"},
		{"incomplete max_output_tokens", llm.FinishLength, "length", "incomplete max_output_tokens", "max_tokens", "MAX_TOKENS"},
		{"incomplete content_filter", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "SAFETY"},
	},
	llm.Anthropic: {
		{"end_turn", llm.FinishStop, "stop", "completed", "end_turn", "STOP"},
		{"max_tokens", llm.FinishLength, "length", "incomplete max_output_tokens", "max_tokens", "MAX_TOKENS"},
		{"stop_sequence", llm.FinishStopSequence, "stop", "completed", "stop_sequence", "STOP"},
		{"tool_use", llm.FinishTools, "tool_calls", "completed", "tool_use", "STOP"},
		{"pause_turn", llm.FinishPause, "stop", "completed", "pause_turn", "STOP"},
		{"compaction", llm.FinishPause, "stop", "completed", "pause_turn", "STOP"},
		{"refusal", llm.FinishRefusal, "content_filter", "completed", "refusal", "SAFETY"},
		{"model_context_window_exceeded", llm.FinishContext, "length", "incomplete max_output_tokens", "model_context_window_exceeded", "MAX_TOKENS"},
	},
	llm.Gemini: {
		{"STOP", llm.FinishStop, "stop", "completed", "end_turn", "STOP"},
		{"MAX_TOKENS", llm.FinishLength, "length", "incomplete max_output_tokens", "max_tokens", "MAX_TOKENS"},
		{"SAFETY", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "SAFETY"},
		{"RECITATION", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "RECITATION"},
		{"LANGUAGE", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "LANGUAGE"},
		{"BLOCKLIST", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "BLOCKLIST"},
		{"PROHIBITED_CONTENT", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "PROHIBITED_CONTENT"},
		{"SPII", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "SPII"},
		{"IMAGE_SAFETY", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "IMAGE_SAFETY"},
		{"IMAGE_PROHIBITED_CONTENT", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "IMAGE_PROHIBITED_CONTENT"},
		{"IMAGE_RECITATION", llm.FinishFilter, "content_filter", "incomplete content_filter", "refusal", "IMAGE_RECITATION"},
		{"MALFORMED_FUNCTION_CALL", llm.FinishMalformed, "stop", "failed", "end_turn", "MALFORMED_FUNCTION_CALL"},
		{"UNEXPECTED_TOOL_CALL", llm.FinishMalformed, "stop", "failed", "end_turn", "UNEXPECTED_TOOL_CALL"},
		{"TOO_MANY_TOOL_CALLS", llm.FinishMalformed, "stop", "failed", "end_turn", "TOO_MANY_TOOL_CALLS"},
		{"CONTINUATION", llm.FinishPause, "stop", "completed", "pause_turn", "CONTINUATION"},
		{"OTHER", llm.FinishError, "error", "failed", "end_turn", "OTHER"},
		{"NO_IMAGE", llm.FinishError, "error", "failed", "end_turn", "NO_IMAGE"},
		{"IMAGE_OTHER", llm.FinishError, "error", "failed", "end_turn", "IMAGE_OTHER"},
		{"A_NEW_ONE", llm.FinishUnknown, "stop", "completed", "end_turn", "OTHER"},
	},
}

// endedWith is the least whole answer of a vendor that ended with a word.
func endedWith(vendor, word string) string {
	switch vendor {
	case llm.OpenAI:
		call := ""
		if word == "tool_calls" || word == "function_call" {
			call = `,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`
		}
		return fmt.Sprintf(`{"id":"i","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"%s},"finish_reason":%q}]}`, call, word)
	case llm.Responses:
		status, why, _ := strings.Cut(word, " ")
		details := "null"
		if why != "" {
			details = fmt.Sprintf(`{"reason":%q}`, why)
		}
		return fmt.Sprintf(`{"id":"resp_i","object":"response","created_at":1,"model":"m","status":%q,"incomplete_details":%s,`+
			`"output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[]}]}]}`, status, details)
	case llm.Anthropic:
		call := ""
		if word == "tool_use" {
			call = `,{"type":"tool_use","id":"c","name":"f","input":{}}`
		}
		return fmt.Sprintf(`{"id":"msg_i","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"x"}%s],"stop_reason":%q,"stop_sequence":"END","usage":{"input_tokens":1,"output_tokens":1}}`, call, word)
	}
	return fmt.Sprintf(`{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"x"}]},"finishReason":%q}]}`, word)
}

// wordIn is a caller's word for why a whole answer ended.
func wordIn(t *testing.T, caller string, body []byte) string {
	t.Helper()
	var a struct {
		Choices []struct {
			Word string `json:"finish_reason"`
		}
		Status     string
		Incomplete *struct{ Reason string } `json:"incomplete_details"`
		StopReason string                   `json:"stop_reason"`
		Candidates []struct {
			Word string `json:"finishReason"`
		}
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	switch {
	case caller == llm.OpenAI && len(a.Choices) == 1:
		return a.Choices[0].Word
	case caller == llm.Responses && a.Incomplete != nil:
		return a.Status + " " + a.Incomplete.Reason
	case caller == llm.Responses:
		return a.Status
	case caller == llm.Anthropic:
		return a.StopReason
	case caller == llm.Gemini && len(a.Candidates) == 1:
		return a.Candidates[0].Word
	}
	t.Fatalf("no end in %s", body)
	return ""
}

// TestEveryEnding: every vendor's word for why an answer ended, as every caller reads it, whole and at the end of a stream.
func TestEveryEnding(t *testing.T) {
	t.Parallel()
	for vendor, all := range endings {
		for _, end := range all {
			r, err := named(vendor).DecodeResponse([]byte(endedWith(vendor, end.word)))
			if err != nil || len(r.Candidates) != 1 || r.Candidates[0].Finish != end.means {
				t.Errorf("%s of %s: %+v, %v", end.word, vendor, r, err)
				continue
			}
			for caller, want := range map[string]string{llm.OpenAI: end.openai, llm.Responses: end.responses, llm.Anthropic: end.anthropic, llm.Gemini: end.gemini} {
				to := named(caller)
				if got := wordIn(t, caller, to.EncodeResponse(r, &llm.Request{Model: "m"})); got != want {
					t.Errorf("%s of %s became %s for a caller of %s, not %s", end.word, vendor, got, caller, want)
				}
				if got := streamed(t, to, r, &llm.Request{Model: "m"}); !strings.Contains(got, said(caller, want)) {
					t.Errorf("%s of %s: a stream for a caller of %s has no %s:\n%s", end.word, vendor, caller, said(caller, want), got)
				}
			}
		}
	}
}

// said is how a stream for a caller says a word.
func said(caller, word string) string {
	switch caller {
	case llm.OpenAI:
		return `"finish_reason":"` + word + `"`
	case llm.Anthropic:
		return `"stop_reason":"` + word + `"`
	case llm.Gemini:
		return `"finishReason":"` + word + `"`
	}
	status, why, _ := strings.Cut(word, " ")
	if why != "" {
		return `"incomplete_details":{"reason":"` + why + `"}`
	}
	return `"type":"response.` + status + `"`
}
