package simulator

import (
	"strings"

	"github.com/tidwall/gjson"
)

// chatFields are the top-level fields that OpenAI's description of the API has.
var chatFields = fieldSet(`metadata top_logprobs temperature top_p user safety_identifier prompt_cache_key prompt_cache_retention
	prompt_cache_options messages model service_tier modalities verbosity reasoning_effort max_completion_tokens frequency_penalty
	presence_penalty web_search_options response_format audio store moderation stream stop logit_bias logprobs max_tokens n prediction
	seed stream_options tools tool_choice parallel_tool_calls function_call functions`)

// maxCallID is the longest id of a tool call that OpenAI takes in a chat, in bytes.
const maxCallID = 40

// checkStrict refuses what OpenAI refuses and vendors compatible with it mostly do not: fields that it does not know, and
// tool calls that do not match their results.
func (q *chatRequest) checkStrict(body []byte) *failure {
	if name := unknownField(gjson.ParseBytes(body), chatFields); name != "" {
		return badRequest(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
	}
	open := map[string]bool{}
	for i, raw := range q.Messages {
		m := gjson.ParseBytes(raw)
		at := "messages[" + itoa(i) + "]"
		if m.Get("role").String() == "tool" {
			id := m.Get("tool_call_id").String()
			if !open[id] {
				return badRequest(at+".role", "", "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			delete(open, id)
			continue
		}
		if fail := unansweredCalls(open, at); fail != nil {
			return fail
		}
		for j, call := range m.Get("tool_calls").Array() {
			id := call.Get("id").String()
			if len(id) > maxCallID {
				at += ".tool_calls[" + itoa(j) + "].id"
				return badRequest(at, "string_above_max_length", "Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", at, maxCallID, len(id))
			}
			open[id] = true
		}
	}
	return unansweredCalls(open, "messages")
}

func unansweredCalls(open map[string]bool, at string) *failure {
	if len(open) == 0 {
		return nil
	}
	return badRequest(at, "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s",
		strings.Join(sortedNames(open), ", "))
}
