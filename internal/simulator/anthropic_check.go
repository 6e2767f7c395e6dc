package simulator

import (
	"strings"

	"github.com/tidwall/gjson"
)

// blockFields are the fields of the content blocks that callers send, as the vendor's OpenAPI description has them. Blocks
// of other types (of tools that the vendor runs) are taken as they are.
var blockFields = map[string]map[string]bool{
	"text":              fieldSet("type text cache_control citations"),
	"image":             fieldSet("type source cache_control"),
	"document":          fieldSet("type source cache_control citations context title"),
	"thinking":          fieldSet("type thinking signature"),
	"redacted_thinking": fieldSet("type data"),
	"tool_use":          fieldSet("type id name input cache_control caller"),
	"tool_result":       fieldSet("type tool_use_id content is_error cache_control"),
}

func (q *messagesRequest) checkSystem() *failure {
	if len(q.System) == 0 || string(q.System) == "null" {
		return nil
	}
	system := gjson.ParseBytes(q.System)
	if system.Type != gjson.String && !system.IsArray() {
		return badRequest("", "", "system: Input should be a valid string or list")
	}
	for i, b := range system.Array() {
		if system.IsArray() && (b.Get("type").String() != "text" || b.Get("text").String() == "") {
			return badRequest("", "", "system: text content blocks must be non-empty (block %d)", i)
		}
	}
	return nil
}

// checkMessages refuses a conversation that does not fit together.
func (q *messagesRequest) checkMessages(x *exchange) *failure {
	open := map[string]bool{} // calls of the last turn that have no result yet
	marks := 0
	for i, m := range q.Messages {
		switch {
		case m.Role == "system" && knowsMidSystem(x):
			if fail := q.checkMidSystem(i); fail != nil {
				return fail
			}
		case m.Role != "user" && m.Role != "assistant":
			return badRequest("", "", "messages.%d.role: Input should be 'user' or 'assistant'", i)
		}
		content := gjson.ParseBytes(m.Content)
		last := i == len(q.Messages)-1
		switch {
		case content.Type == gjson.String && content.Str == "" && (!last || m.Role != "assistant"):
			return badRequest("", "", "messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		case content.Type != gjson.String && !content.IsArray():
			return badRequest("", "", "messages.%d.content: Input should be a valid string or list", i)
		case content.IsArray() && len(content.Array()) == 0 && !last:
			return badRequest("", "", "messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		calls := open
		if m.Role == "assistant" {
			calls = map[string]bool{}
		}
		if content.IsArray() {
			for j, b := range content.Array() {
				if fail := checkBlock(x, m.Role, i, j, b); fail != nil {
					return fail
				}
				if fail := follow(calls, m.Role, i, j, b); fail != nil {
					return fail
				}
				if b.Get("cache_control").IsObject() {
					marks++
				}
			}
		}
		goesOn := !last && q.Messages[i+1].Role == "user" // turns of one role are one turn
		if m.Role == "user" && len(calls) > 0 && !goesOn || m.Role == "assistant" && len(open) > 0 {
			return unanswered(i-1, open)
		}
		open = calls
	}
	if len(open) > 0 {
		return unanswered(len(q.Messages)-1, open)
	}
	if marks > 4 {
		return badRequest("", "", "A maximum of 4 blocks with cache_control may be provided. Found %d.", marks)
	}
	return q.checkLastLoop()
}

// knowsMidSystem tells whether system messages may stand in a conversation: where the caller asks for the beta, as Claude
// Code does, and with models from Opus 4.8 on.
func knowsMidSystem(x *exchange) bool {
	return strings.Contains(strings.Join(x.r.Header.Values("Anthropic-Beta"), ","), "mid-conversation-system-") || strings.Contains(x.model, "opus-4-8")
}

// checkMidSystem refuses a system message in a place that the vendor does not take it in: anywhere but behind the user's
// words and before an answer.
func (q *messagesRequest) checkMidSystem(i int) *failure {
	if i == 0 || q.Messages[i-1].Role != "user" {
		return badRequest("", "", "messages.%d: a system message must come after a user message", i)
	}
	if i+1 < len(q.Messages) && q.Messages[i+1].Role != "assistant" {
		return badRequest("", "", "messages.%d: a system message must be the last message or be followed by an assistant message", i)
	}
	return nil
}

// follow keeps account of calls and results.
func follow(calls map[string]bool, role string, i, j int, b gjson.Result) *failure {
	switch b.Get("type").String() {
	case "tool_use":
		id := b.Get("id").String()
		if calls[id] {
			return badRequest("", "", "messages.%d.content.%d: `tool_use` ids must be unique", i, j)
		}
		calls[id] = true
	case "tool_result":
		id := b.Get("tool_use_id").String()
		if !calls[id] {
			return badRequest("", "", "messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", i, j, id)
		}
		delete(calls, id)
	default:
		if role == "user" && len(calls) > 0 { // results come first
			return unanswered(i-1, calls)
		}
	}
	return nil
}

func unanswered(i int, calls map[string]bool) *failure {
	return badRequest("", "", "messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
		i, strings.Join(sortedNames(calls), ", "))
}

// checkBlock refuses a block that is not valid in itself.
func checkBlock(x *exchange, role string, i, j int, b gjson.Result) *failure {
	kind := b.Get("type").String()
	refuse := func(field, message string, args ...any) *failure {
		f := badRequest("", "", message, args...)
		at := "messages." + itoa(i) + ".content." + itoa(j)
		if field != "" {
			at += "." + field
		}
		f.message = at + ": " + f.message
		return f
	}
	if known := blockFields[kind]; known != nil {
		if name := unknownField(b, known); name != "" {
			return refuse(kind+"."+name, "Extra inputs are not permitted")
		}
	}
	switch kind {
	case "":
		return refuse("type", "Field required")
	case "text":
		if b.Get("text").String() == "" {
			return refuse("text", "text content blocks must be non-empty")
		}
	case "tool_use":
		if id := b.Get("id").String(); !toolID.MatchString(id) {
			return refuse("tool_use.id", "String should match pattern '%s'", toolID)
		}
		if !b.Get("input").IsObject() {
			return refuse("tool_use.input", "Input should be a valid dictionary")
		}
		if role != "assistant" {
			return refuse("", "`tool_use` blocks can only be in `assistant` messages")
		}
	case "tool_result":
		if role != "user" {
			return refuse("", "`tool_result` blocks can only be in `user` messages")
		}
		if id := b.Get("tool_use_id").String(); !toolID.MatchString(id) {
			return refuse("tool_result.tool_use_id", "String should match pattern '%s'", toolID)
		}
	case "thinking", "redacted_thinking":
		if role != "assistant" {
			return refuse("", "`%s` blocks can only be in `assistant` messages", kind)
		}
		if x.knobs.signatures == signaturesOff {
			return nil
		}
		return x.s.checkThought(b, refuse)
	case "image", "document":
		if kind := b.Get("source.type").String(); kind == "" {
			return refuse(b.Get("type").Str+".source", "Field required")
		}
	}
	return nil
}

// checkThought refuses thinking that was not made here, or was changed. Its text may be left out.
func (s *Server) checkThought(b gjson.Result, refuse func(field, message string, args ...any) *failure) *failure {
	if b.Get("type").Str == "redacted_thinking" {
		if made, _ := s.signed(sealRedacted, b.Get("data").String(), ""); !made {
			return refuse("", "Invalid `data` in `redacted_thinking` block")
		}
		return nil
	}
	thought := b.Get("thinking").String()
	made, same := s.signed(sealThinking, b.Get("signature").String(), thought)
	switch {
	case !made:
		return refuse("", "Invalid `signature` in `thinking` block")
	case !same && thought != "":
		return refuse("", "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must remain as they were in the original response.")
	}
	return nil
}

// checkLastLoop demands, where thinking has a budget, that the turn whose tools are being answered begins with thinking.
func (q *messagesRequest) checkLastLoop() *failure {
	n := len(q.Messages)
	if q.Thinking == nil || q.Thinking.Type != "enabled" || n < 2 || q.Messages[n-2].Role != "assistant" {
		return nil
	}
	if !strings.Contains(string(q.Messages[n-1].Content), `"tool_result"`) {
		return nil
	}
	first := gjson.GetBytes(q.Messages[n-2].Content, "0.type").String()
	if first == "thinking" || first == "redacted_thinking" {
		return nil
	}
	return badRequest("", "", "messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceding the lastmost set of `tool_use` and `tool_result` blocks). To avoid this requirement, disable `thinking`.", n-2, first)
}
