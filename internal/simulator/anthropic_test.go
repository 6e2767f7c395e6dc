package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"
)

func (v *vendor) anthropic() anthropic.Client {
	return anthropic.NewClient(option.WithBaseURL(v.url), option.WithAPIKey("sk-ant-test"), option.WithMaxRetries(0),
		option.WithHTTPClient(&http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}))
}

func greet(model string, text string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: model, MaxTokens: 4096,
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))},
	}
}

func messageTool(name string) anthropic.ToolUnionParam {
	return anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{Name: name, InputSchema: anthropic.ToolInputSchemaParam{
		Properties: map[string]any{"a": map[string]any{"type": "integer", "enum": []int{3, 4}}},
	}}}
}

// fold streams a message and puts it together.
func foldMessage(t *testing.T, ctx context.Context, client anthropic.Client, params anthropic.MessageNewParams) anthropic.Message {
	t.Helper()
	stream := client.Messages.NewStreaming(ctx, params)
	var m anthropic.Message
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			t.Fatalf("the SDK refuses %s: %v", stream.Current().RawJSON(), err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// plain is what of a message does not depend on when it was asked for.
func plainMessage(t *testing.T, m anthropic.Message) string {
	t.Helper()
	var out []string
	for _, b := range m.Content {
		signed := b.Signature != ""
		out = append(out, b.Type, b.Text, b.Thinking, b.Name, string(b.Input))
		if b.Type == "thinking" && !signed {
			out = append(out, "(unsigned)")
		}
	}
	usage, err := json.Marshal([]int64{m.Usage.InputTokens, m.Usage.CacheReadInputTokens, m.Usage.CacheCreationInputTokens, m.Usage.OutputTokens})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(out, string(m.StopReason), m.StopSequence, string(usage)), "|")
}

func TestMessages(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.anthropic()
	thinking := anthropic.ThinkingConfigParamOfEnabled(1024)
	for name, params := range map[string]anthropic.MessageNewParams{
		"plain":    greet("sim-chat", "Hello!"),
		"say":      greet("sim-chat", "Hello!\nsim: say All is well."),
		"thinking": func() anthropic.MessageNewParams { p := greet("sim-chat", "Hi"); p.Thinking = thinking; return p }(),
		"redacted": func() anthropic.MessageNewParams {
			p := greet("sim-chat?redacted=on", "Hi")
			p.Thinking = thinking
			return p
		}(),
		"limit": func() anthropic.MessageNewParams { p := greet("sim-chat?tokens=50", "Hi"); p.MaxTokens = 5; return p }(),
		"stop": func() anthropic.MessageNewParams {
			p := greet("sim-chat", "sim: say one two three")
			p.StopSequences = []string{"three"}
			return p
		}(),
		"citations": greet("sim-chat?citations=on", "Hi"),
		"two tools": func() anthropic.MessageNewParams {
			p := greet("sim-chat?tools=2&preamble=3", "Hi")
			p.Tools = []anthropic.ToolUnionParam{messageTool("add"), messageTool("sub")}
			return p
		}(),
		"refusal": greet("sim-chat?refusal=on", "Hi"),
		"paused":  greet("sim-chat?finish=pause", "Hi"),
		"structured": func() anthropic.MessageNewParams {
			p := greet("sim-chat", "Hi")
			p.OutputConfig.Format.Schema = map[string]any{"type": "object", "properties": map[string]any{"n": map[string]any{"const": 7}}}
			return p
		}(),
	} {
		whole, err := client.Messages.New(t.Context(), params)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		streamed := foldMessage(t, t.Context(), client, params)
		if diff := cmp.Diff(plainMessage(t, *whole), plainMessage(t, streamed)); diff != "" {
			t.Errorf("%s: at once and streamed differ:\n%s", name, diff)
		}
		want := map[string]string{
			"say": "text|All is well.||||end_turn|", "limit": "|max_tokens|", "stop": "text|one two ||||stop_sequence|three|",
			"two tools": `tool_use|||sub|{"a":3}|tool_use|`, "redacted": "redacted_thinking|", "refusal": "refusal|", "paused": "pause_turn|",
			"structured": `text|{"n":7}||||end_turn|`, "thinking": "thinking||",
		}[name]
		if got := plainMessage(t, *whole); !strings.Contains(got, want) {
			t.Errorf("%s: %s\nwant %s in it", name, got, want)
		}
		if name == "citations" && (len(whole.Content[0].Citations) != 1 || len(streamed.Content[0].Citations) != 1) {
			t.Errorf("citations: %+v, streamed %+v", whole.Content[0].Citations, streamed.Content[0].Citations)
		}
	}
}

// TestMessagesThinkingLoop gives thinking back, as it must be and as it must not.
func TestMessagesThinkingLoop(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.anthropic()
	params := greet("sim-chat", "sim: call add {\"a\":9}\nsim: call sub\nsim: say got {result}")
	params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	params.Tools = []anthropic.ToolUnionParam{messageTool("add"), messageTool("sub")}
	var names []string
	for turn := range 3 {
		m := foldMessage(t, t.Context(), client, params)
		last := m.Content[len(m.Content)-1]
		if m.Content[0].Type != "thinking" || m.Content[0].Signature == "" {
			t.Fatalf("turn %d begins with %+v", turn, m.Content[0])
		}
		if turn == 2 {
			if last.Text != "got result sub" || m.StopReason != "end_turn" {
				t.Errorf("the loop ends with %q, %s", last.Text, m.StopReason)
			}
			break
		}
		names = append(names, last.Name+string(last.Input))
		next := params
		for what, spoil := range map[string]func(*anthropic.MessageParam){
			"Expected `thinking`":               func(p *anthropic.MessageParam) { p.Content = p.Content[1:] },
			"Invalid `signature`":               func(p *anthropic.MessageParam) { p.Content[0].OfThinking.Signature = "AAAA" },
			"cannot be modified":                func(p *anthropic.MessageParam) { p.Content[0].OfThinking.Thinking = "other words" },
			"String should match pattern":       func(p *anthropic.MessageParam) { p.Content[1].OfToolUse.ID = "call:1" },
			"unexpected `tool_use_id`":          func(p *anthropic.MessageParam) { p.Content[1].OfToolUse.ID = "other" },
			"blocks can only be in `assistant`": func(p *anthropic.MessageParam) { p.Role = "user" },
		} {
			bad := m.ToParam()
			spoil(&bad)
			next.Messages = append(params.Messages[:len(params.Messages):len(params.Messages)], bad,
				anthropic.NewUserMessage(anthropic.NewToolResultBlock(last.ID, "result "+last.Name, false)))
			var e *anthropic.Error
			if _, err := client.Messages.New(t.Context(), next); !errors.As(err, &e) || e.StatusCode != 400 || !strings.Contains(e.RawJSON(), what) {
				t.Errorf("turn %d: want %q, got %v", turn, what, err)
			}
		}
		params.Messages = append(params.Messages, m.ToParam(), anthropic.NewUserMessage(
			anthropic.NewToolResultBlock(last.ID, "result "+last.Name, false), anthropic.NewTextBlock("A reminder that steers nothing.")))
	}
	if diff := cmp.Diff([]string{`add{"a":9}`, `sub{"a":3}`}, names); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMessagesCache(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.anthropic()
	params := greet("sim-chat?cache=on", "Hello!")
	params.System = []anthropic.TextBlockParam{{Text: strings.Repeat("rule ", 50), CacheControl: anthropic.CacheControlEphemeralParam{TTL: "1h"}}}
	var got [][4]int64
	for range 2 {
		m, err := client.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		u := m.Usage
		got = append(got, [4]int64{u.InputTokens, u.CacheCreationInputTokens, u.CacheCreation.Ephemeral1hInputTokens, u.CacheReadInputTokens})
	}
	if diff := cmp.Diff([][4]int64{{4, 65, 65, 0}, {4, 0, 0, 65}}, got); diff != "" {
		t.Errorf("input, written, written for an hour, read (-want +got):\n%s", diff)
	}
	n, err := client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{Model: "sim-chat", Messages: params.Messages})
	if err != nil || n.InputTokens != 4 {
		t.Errorf("count_tokens: %+v, %v", n, err)
	}
	list, err := client.Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil || len(list.Data) < 3 || list.Data[0].Type != "model" {
		t.Errorf("models: %+v, %v", list, err)
	}
}

const messagesHead = `{"model":"sim-chat","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]`

func TestMessagesRefusals(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	header := http.Header{"X-Api-Key": {"k"}, "Anthropic-Version": {"2023-06-01"}}
	for body, want := range map[string]string{
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"x":1}`:                             "x: Extra inputs are not permitted",
		`{"model":"m","messages":[{"role":"user","content":"hi"}]}`:                                                  "max_tokens: Field required",
		`{"model":"m","max_tokens":5,"messages":[]}`:                                                                 "at least one message is required",
		`{"model":"m","max_tokens":5,"messages":[{"role":"system","content":"hi"}]}`:                                 "role: Input should be 'user' or 'assistant'",
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}`:            "text content blocks must be non-empty",
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"a","index":0}]}]}`: "messages.0.content.0.text.index: Extra inputs",
		`{"model":"m","max_tokens":"5","messages":[{"role":"user","content":"hi"}]}`:                                 "max_tokens: Input should be",
		messagesHead + `,"thinking":{"type":"enabled","budget_tokens":1000}}`:                                        "greater than or equal to 1024",
		messagesHead + `,"thinking":{"type":"enabled","budget_tokens":2000}}`:                                        "must be greater than `thinking.budget_tokens`",
		messagesHead + `,"thinking":{"type":"enabled","budget_tokens":1024},"temperature":0.5}`:                      "may only be set to 1 when thinking",
		messagesHead + `,"temperature":1.5}`:                                                                         "temperature: range: 0..1",
		messagesHead + `,"tool_choice":{"type":"any"}}`:                                                              "only be specified while providing tools",
		messagesHead + `,"tools":[{"name":"a b","input_schema":{"type":"object"}}]}`:                                 "String should match pattern",
		messagesHead + `,"tools":[{"name":"a"}]}`:                                                                    "input_schema: Field required",
		`{"model":`: "not valid JSON",
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"a","input":{}}]},{"role":"user","content":[{"type":"text","text":"first"},{"type":"tool_result","tool_use_id":"t1"}]}]}`: "without `tool_result` blocks immediately after: t1",
	} {
		got := post(t, v, "/v1/messages", body, header)
		if got.status != 400 || !strings.Contains(got.text, want) || !strings.HasPrefix(got.text, `{"type":"error","error":{"type":"invalid_request_error"`) ||
			!strings.Contains(got.text, `"request_id":"`+got.header.Get("Request-Id")) {
			t.Errorf("%s\n%d %s\nwant %q", body, got.status, got.text, want)
		}
	}
	if got := post(t, v, "/v1/messages", messagesHead+"}", http.Header{"X-Api-Key": {"k"}}); got.status != 400 || !strings.Contains(got.text, "anthropic-version") {
		t.Errorf("without a version: %d %s", got.status, got.text)
	}
}
