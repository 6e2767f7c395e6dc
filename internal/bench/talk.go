package main

import (
	"fmt"
	"net/url"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// dialects are the vendor APIs, each for callers and for upstreams.
var dialects = []dialect.Dialect{openai.Dialect{}, responses.Dialect{}, anthropic.Dialect{}, gemini.Dialect{}}

// path is where a model is asked in a dialect, at the gateway and at the simulator alike.
func path(d dialect.Dialect, model string, stream bool) string {
	switch d.Name() {
	case llm.Responses:
		return "/v1/responses"
	case llm.Anthropic:
		return "/v1/messages"
	case llm.Gemini:
		if stream {
			return "/v1beta/models/" + url.PathEscape(model) + ":streamGenerateContent?alt=sse"
		}
		return "/v1beta/models/" + url.PathEscape(model) + ":generateContent"
	}
	return "/v1/chat/completions"
}

// ending is what only a whole answer has.
func ending(d dialect.Dialect, stream bool) string {
	switch {
	case d.Name() == llm.Gemini:
		return `"finishReason"`
	case !stream && d.Name() == llm.OpenAI:
		return `"finish_reason"`
	case !stream:
		return `"output_tokens"`
	case d.Name() == llm.Responses:
		return "event: response.completed"
	case d.Name() == llm.Anthropic:
		return "event: message_stop"
	}
	return "data: [DONE]"
}

// encoded is a request as a caller of the dialect writes it.
func encoded(d dialect.Dialect, r *llm.Request, model string, stream bool) ([]byte, error) {
	body, dropped, err := d.EncodeRequest(r, dialect.Target{Model: model, Stream: stream, AskUsage: true, MaxOutput: r.MaxTokens})
	if err != nil {
		return nil, fmt.Errorf("request in %s: %w", d.Name(), err)
	}
	if len(dropped) > 0 {
		return nil, fmt.Errorf("request in %s: it has no %s", d.Name(), dropped)
	}
	return body, nil
}

// conversation is what a coding agent sends: instructions, tools, turns with calls and their results, texts with line
// ends and quotes. It has about size bytes as a chat request; each tool returns a fortieth of that, or a short file.
func conversation(size int) (*llm.Request, error) {
	r := &llm.Request{MaxTokens: 4096, Messages: []llm.Message{said(llm.System, instructions)}}
	for i := range 1 + size/(8<<10) {
		r.Tools = append(r.Tools, llm.Tool{
			Name: fmt.Sprintf("read_file_%d", i), Description: "Reads a part of a file.\nPaths are relative to the \"root\".",
			Schema: llm.JSON(`{"type":"object","properties":{"path":{"type":"string","description":"where it is"},"offset":{"type":"integer"},"limit":{"type":"integer"}},"required":["path"]}`),
		})
	}
	last := said(llm.User, "Now say in one sentence what \"main\" does,\nand what is missing.")
	for turn := 0; ; turn++ {
		r.Messages = append(r.Messages, last)
		body, err := encoded(openai.Dialect{}, r, "m", false)
		if err != nil || len(body) >= size {
			return r, err
		}
		r.Messages = append(r.Messages[:len(r.Messages)-1], exchange(turn, size/40)...)
	}
}

func said(role llm.Role, text string) llm.Message {
	return llm.Message{Role: role, Blocks: []llm.Block{{Kind: llm.Text, Text: text}}}
}

// exchange is one turn: a question, a call, its result of about so many bytes, and the answer.
func exchange(turn, size int) []llm.Message {
	id := fmt.Sprintf("call_%08d", turn)
	return []llm.Message{
		said(llm.User, fmt.Sprintf("Look at step %d: does it close what it opens?", turn)),
		{Role: llm.Assistant, Blocks: []llm.Block{{Kind: llm.ToolCall, Call: llm.Call{
			ID: id, Name: "read_file_0", Input: fmt.Sprintf(`{"path":"cmd/step_%d/main.go","offset":%d,"limit":40}`, turn, turn),
		}}}},
		{Role: llm.User, Blocks: []llm.Block{{Kind: llm.ToolResult, Result: &llm.Result{
			CallID: id, Name: "read_file_0", Content: []llm.Block{{Kind: llm.Text, Text: strings.Repeat(fmt.Sprintf(source, turn), 1+size/len(source))}},
		}}}},
		said(llm.Assistant, fmt.Sprintf("Step %d opens \"in.txt\" and closes it in a deferred call.", turn)),
	}
}

var instructions = "You are a careful engineer.\n" + strings.Repeat("- Read before you write, and say \"I do not know\" where you do not.\n", 6)

const source = `package main

import "os"

// Step %d copies.
func main() {
	f, err := os.Open("in.txt")
	if err != nil {
		panic(err)
	}
	defer f.Close()
}
`
