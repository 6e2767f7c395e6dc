package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// What clients of the four dialects read of answers and streams.

type chatMessage struct {
	Content   string
	ToolCalls []struct {
		Function struct{ Name, Arguments string }
		Custom   struct{ Name, Input string }
	} `json:"tool_calls"`
	FunctionCall struct{ Name, Arguments string } `json:"function_call"` // of old
}

type chatAnswer struct {
	Choices []struct {
		Index          int
		Message, Delta chatMessage
		FinishReason   string `json:"finish_reason"`
	}
	Usage *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	}
	Error *struct{ Message string }
}

func (r *reply) addChat(m chatMessage) {
	r.text += m.Content
	r.tool += m.FunctionCall.Name
	r.input += m.FunctionCall.Arguments
	for _, c := range m.ToolCalls {
		r.tool += c.Function.Name + c.Custom.Name
		r.input += c.Function.Arguments + c.Custom.Input
	}
}

func readChat(t *testing.T, body string) (r reply) {
	t.Helper()
	var a chatAnswer
	parse(t, body, &a)
	for _, c := range a.Choices {
		if c.Index == 0 {
			r.addChat(c.Message)
		}
	}
	if a.Usage != nil {
		r.in, r.out = a.Usage.PromptTokens, a.Usage.CompletionTokens
	}
	if a.Error != nil {
		r.err = a.Error.Message
	}
	return r
}

func readChatStream(t *testing.T, body string) (r reply) {
	t.Helper()
	for _, d := range dataOf(t, body) {
		if d == "[DONE]" {
			r.ended = true
			continue
		}
		var a chatAnswer
		parse(t, d, &a)
		for _, c := range a.Choices {
			if c.Index == 0 {
				r.addChat(c.Delta)
			}
		}
		if a.Usage != nil {
			r.in, r.out = a.Usage.PromptTokens, a.Usage.CompletionTokens
		}
		if a.Error != nil {
			r.err = a.Error.Message
		}
	}
	return r
}

type responseAnswer struct {
	Status string
	Output []struct {
		Type, Name, Arguments string
		Content               []struct{ Type, Text string }
	}
	Usage *struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
	}
	Error *struct{ Message string }
}

func (a *responseAnswer) reply() (r reply) {
	for _, item := range a.Output {
		if callersTool(item.Type) {
			r.tool += item.Name
			r.input += item.Arguments
		}
		for _, c := range item.Content {
			r.text += c.Text
		}
	}
	if a.Usage != nil {
		r.in, r.out = a.Usage.InputTokens, a.Usage.OutputTokens
	}
	if a.Error != nil {
		r.err = a.Error.Message
	}
	return r
}

// callersTool tells calls of the caller's tools from those that the vendor runs itself.
func callersTool(kind string) bool {
	return kind == "function_call" || kind == "custom_tool_call" || kind == "tool_use"
}

func readResponse(t *testing.T, body string) reply {
	t.Helper()
	var a responseAnswer
	parse(t, body, &a)
	return a.reply()
}

// readResponseStream puts the deltas together, and holds them against what the last event repeats.
func readResponseStream(t *testing.T, body string) (r reply) {
	t.Helper()
	for _, d := range dataOf(t, body) {
		var e struct {
			Type, Delta, Message string
			Item                 struct{ Type, Name string }
			Response             responseAnswer
		}
		parse(t, d, &e)
		switch e.Type {
		case "response.output_text.delta":
			r.text += e.Delta
		case "response.output_item.added":
			if callersTool(e.Item.Type) {
				r.tool += e.Item.Name
			}
		case "response.function_call_arguments.delta":
			r.input += e.Delta
		case "response.failed":
			r.err = e.Response.reply().err
		case "error":
			r.err = e.Message
		case "response.completed", "response.incomplete":
			last := e.Response.reply()
			if last.text != r.text || last.tool != r.tool || last.input != r.input {
				t.Errorf("the last event has %+v, the ones before %+v", last, r)
			}
			r.in, r.out, r.ended = last.in, last.out, true
		}
	}
	return r
}

type messageAnswer struct {
	Content []struct {
		Type, Text, Name string
		Input            json.RawMessage
	}
	Usage struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
	}
	Error *struct{ Message string }
}

func readMessage(t *testing.T, body string) (r reply) {
	t.Helper()
	var a messageAnswer
	parse(t, body, &a)
	for _, c := range a.Content {
		r.text += c.Text
		if callersTool(c.Type) {
			r.tool += c.Name
			r.input += string(c.Input)
		}
	}
	r.in, r.out = a.Usage.InputTokens, a.Usage.OutputTokens
	if a.Error != nil {
		r.err = a.Error.Message
	}
	return r
}

func readMessageStream(t *testing.T, body string) (r reply) {
	t.Helper()
	for _, d := range dataOf(t, body) {
		var e struct {
			Type         string
			Message      messageAnswer
			ContentBlock struct{ Type, Name string } `json:"content_block"`
			Delta        struct {
				Text        string
				PartialJSON string `json:"partial_json"`
			}
			Usage *struct {
				InputTokens  int `json:"input_tokens"`
				OutputTokens int `json:"output_tokens"`
			}
			Error struct{ Message string }
		}
		parse(t, d, &e)
		r.text += e.Delta.Text
		r.input += e.Delta.PartialJSON
		switch e.Type {
		case "message_start":
			r.in = e.Message.Usage.InputTokens
		case "content_block_start":
			if callersTool(e.ContentBlock.Type) {
				r.tool += e.ContentBlock.Name
			}
		case "message_delta":
			r.out = e.Usage.OutputTokens
			if e.Usage.InputTokens > 0 {
				r.in = e.Usage.InputTokens
			}
		case "message_stop":
			r.ended = true
		case "error":
			r.err = e.Error.Message
		}
	}
	return r
}

type contentAnswer struct {
	Candidates []struct {
		Index   int
		Content struct {
			Parts []struct {
				Text         string
				Thought      bool
				FunctionCall *struct {
					Name string
					Args json.RawMessage
				}
			}
		}
		FinishReason string
	}
	UsageMetadata struct{ PromptTokenCount, CandidatesTokenCount int }
	Error         *struct{ Message string }
}

func (r *reply) addContent(t *testing.T, body string) {
	t.Helper()
	var a contentAnswer
	parse(t, body, &a)
	for _, c := range a.Candidates {
		if c.Index > 0 {
			continue
		}
		for _, p := range c.Content.Parts {
			if !p.Thought {
				r.text += p.Text
			}
			if p.FunctionCall != nil {
				r.tool += strings.TrimSuffix(p.FunctionCall.Name, "__text") // of a tool that takes free text
				r.input += string(p.FunctionCall.Args)
			}
		}
		r.ended = r.ended || c.FinishReason != ""
	}
	r.in, r.out = max(r.in, a.UsageMetadata.PromptTokenCount), max(r.out, a.UsageMetadata.CandidatesTokenCount)
	if a.Error != nil {
		r.err, r.ended = a.Error.Message, false
	}
}

func readContent(t *testing.T, body string) (r reply) {
	t.Helper()
	r.addContent(t, body)
	r.ended = false
	return r
}

func readContentStream(t *testing.T, body string) (r reply) {
	t.Helper()
	for _, d := range dataOf(t, body) {
		r.addContent(t, d)
	}
	return r
}
