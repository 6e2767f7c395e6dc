package simulator_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func input(text string) responses.ResponseNewParamsInputUnion {
	return responses.ResponseNewParamsInputUnion{OfString: openai.String(text)}
}

func responseTool(name string) responses.ToolUnionParam {
	return responses.ToolParamOfFunction(name, map[string]any{
		"type": "object", "properties": map[string]any{"a": map[string]any{"type": "integer", "default": 3}},
	}, false)
}

// foldResponse streams a response and checks the order of events; it returns the last event's response.
func foldResponse(t *testing.T, v *vendor, params responses.ResponseNewParams) responses.Response {
	t.Helper()
	stream := v.client.Responses.NewStreaming(t.Context(), params)
	var last responses.Response
	var deltas, whole strings.Builder
	open := map[int64]bool{}
	for n := int64(0); stream.Next(); n++ {
		e := stream.Current()
		if e.SequenceNumber != n {
			t.Fatalf("event %d has the number %d", n, e.SequenceNumber)
		}
		switch e.Type {
		case "response.output_item.added":
			open[e.OutputIndex] = true
		case "response.output_item.done":
			if !open[e.OutputIndex] {
				t.Errorf("item %d ends before it begins", e.OutputIndex)
			}
			delete(open, e.OutputIndex)
		case "response.completed", "response.incomplete":
			last = e.Response
		case "response.output_text.done":
			whole.WriteString(e.Text)
		case "response.function_call_arguments.done":
			whole.WriteString(e.Arguments)
		case "response.refusal.done":
			whole.WriteString(e.Refusal)
		case "response.custom_tool_call_input.done":
			whole.WriteString(e.Input)
		case "response.output_text.delta", "response.function_call_arguments.delta", "response.refusal.delta", "response.custom_tool_call_input.delta":
			deltas.WriteString(e.Delta)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if deltas.String() != whole.String() || len(open) > 0 {
		t.Errorf("deltas %q, at their end %q; items left open: %v", deltas.String(), whole.String(), open)
	}
	return last
}

func plainResponse(r responses.Response) string {
	var out []string
	for _, item := range r.Output {
		out = append(out, item.Type, item.Name, item.Arguments.OfString, item.Input)
		for _, s := range item.Summary {
			out = append(out, s.Text)
		}
		if item.EncryptedContent != "" {
			out = append(out, "encrypted")
		}
		for _, c := range item.Content {
			out = append(out, c.Type, c.Text, c.Refusal)
		}
	}
	usage, _ := json.Marshal([]int64{r.Usage.InputTokens, r.Usage.OutputTokens, r.Usage.OutputTokensDetails.ReasoningTokens})
	return strings.Join(append(out, string(r.Status), r.IncompleteDetails.Reason, string(usage)), "|")
}

func TestResponses(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	base := func(model, text string, more ...func(*responses.ResponseNewParams)) responses.ResponseNewParams {
		p := responses.ResponseNewParams{Model: model, Input: input(text)}
		for _, f := range more {
			f(&p)
		}
		return p
	}
	reason := func(p *responses.ResponseNewParams) {
		p.Reasoning = shared.ReasoningParam{Effort: "low", Summary: "auto"}
		p.Include = []responses.ResponseIncludable{"reasoning.encrypted_content"}
	}
	hidden := func(p *responses.ResponseNewParams) { p.Reasoning = shared.ReasoningParam{Effort: "low"} }
	tools := func(p *responses.ResponseNewParams) {
		p.Tools = []responses.ToolUnionParam{responseTool("add"), responses.ToolParamOfCustom("patch")}
	}
	for name, tt := range map[string]struct {
		params responses.ResponseNewParams
		want   string
	}{
		"plain":     {base("sim-chat", "hi"), "message||||output_text|"},
		"say":       {base("sim-chat", "sim: say Fine."), "output_text|Fine.||completed|"},
		"reasoning": {base("sim-chat", "hi", reason), "|encrypted|message|"},
		"hidden":    {base("sim-chat", "hi", hidden), "reasoning||||message|"},
		"tools":     {base("sim-chat", "sim: call-all\nsim: call add\nsim: call patch {\"input\":\"*** text\"}", tools), `function_call|add|{"a":3}||custom_tool_call|patch||*** text|completed|`},
		"limit":     {base("sim-chat?tokens=50", "hi", func(p *responses.ResponseNewParams) { p.MaxOutputTokens = openai.Int(16) }), "|incomplete|max_output_tokens|"},
		"filter":    {base("sim-chat?finish=filter", "hi"), "|incomplete|content_filter|"},
		"refusal":   {base("sim-chat?refusal=on", "hi"), "|refusal||I'm sorry, but I can't help with that.|"},
		"citations": {base("sim-chat?citations=on", "hi"), "message|"},
	} {
		whole, err := v.client.Responses.New(t.Context(), tt.params)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		streamed := foldResponse(t, v, tt.params)
		if diff := cmp.Diff(plainResponse(*whole), plainResponse(streamed)); diff != "" {
			t.Errorf("%s: at once and streamed differ:\n%s", name, diff)
		}
		if got := plainResponse(*whole); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s\nwant %s in it", name, got, tt.want)
		}
	}
}

// TestResponsesState goes on with a stored response, with the right key and with others.
func TestResponsesState(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := responses.ResponseNewParams{Model: "sim-chat", Input: input("sim: call add"), Tools: []responses.ToolUnionParam{responseTool("add")}}
	first := foldResponse(t, v, params)
	next := responses.ResponseNewParams{Model: "sim-chat", PreviousResponseID: openai.String(first.ID), Tools: params.Tools}
	result := responses.ResponseInputItemParamOfFunctionCallOutput("it is 7")
	result.OfFunctionCallOutput.CallID = openai.String(first.Output[0].CallID)
	next.Input.OfInputItemList = responses.ResponseInputParam{result}
	second, err := v.client.Responses.New(t.Context(), next)
	if err != nil || second.OutputText() != "The tool said: it is 7" || second.PreviousResponseID != first.ID {
		t.Fatalf("going on: %v, %v", second, err)
	}
	if got, err := v.client.Responses.Get(t.Context(), second.ID, responses.ResponseGetParams{}); err != nil || got.OutputText() != second.OutputText() {
		t.Errorf("get: %v, %v", got, err)
	}
	code := func(err error) string {
		var e *openai.Error
		errors.As(err, &e)
		if e == nil {
			return "none"
		}
		return e.Code + " " + e.Param
	}
	if _, err := v.client.Responses.New(t.Context(), next, option.WithAPIKey("sk-other")); code(err) != "previous_response_not_found previous_response_id" {
		t.Errorf("another key: %v", err)
	}
	if err := v.client.Responses.Delete(t.Context(), first.ID); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := v.client.Responses.New(t.Context(), next); code(err) != "previous_response_not_found previous_response_id" {
		t.Errorf("a deleted one: %v", err)
	}
	params.Store = openai.Bool(false)
	loose, err := v.client.Responses.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	next.PreviousResponseID = openai.String(loose.ID)
	if _, err := v.client.Responses.New(t.Context(), next); code(err) != "previous_response_not_found previous_response_id" {
		t.Errorf("one that was not stored: %v", err)
	}
}

func TestResponsesRefusals(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	made, err := v.client.Responses.New(t.Context(), responses.ResponseNewParams{
		Model: "sim-chat", Input: input("hi"), Include: []responses.ResponseIncludable{"reasoning.encrypted_content"}, Reasoning: shared.ReasoningParam{Effort: "low"},
	})
	if err != nil {
		t.Fatal(err)
	}
	with := func(items string) string { return `{"model":"sim-chat","input":[` + items + `]}` }
	message := `{"role":"user","content":"hi"}`
	for body, want := range map[string]string{
		`{"model":"m","input":"hi","x":1}`:                 `"message":"Unknown parameter: 'x'.","type":"invalid_request_error","param":"x","code":"unknown_parameter"`,
		`{"input":"hi"}`:                                   `"param":"model"`,
		`{"model":"m"}`:                                    `must be provided`,
		`{"model":"m","input":5}`:                          `"code":"invalid_type"`,
		`{"model":"m","input":"hi","stream":"1"}`:          `"code":"invalid_type"`,
		`{"model":"m","input":"hi","max_output_tokens":5}`: `Expected a value >= 16`,
		`{"model":"m","input":"hi","include":["all"]}`:     `"param":"include[0]"`,
		`{"model":"m","input":"hi","tools":[{"type":"function","function":{"name":"a"}}]}`:        `"param":"tools[0].function"`,
		with(`{"role":"user","content":[{"type":"text","text":"hi"}]}`):                           `Invalid value: 'text'. Supported values are: 'input_text'`,
		with(`{"role":"user","content":"hi","name":"x"}`):                                         `Unknown parameter: 'input[0].name'.`,
		with(`{"role":"assistant","content":[{"type":"input_text","text":"hi"}]}`):                `'output_text' and 'refusal'`,
		with(`{"type":"function_call","call_id":"c","name":"a","arguments":{}}`):                  `"param":"input[0].arguments"`,
		with(`{"type":"function_call","call_id":"c","name":"a","arguments":"{}"}`):                `No tool output found for function call c.`,
		with(`{"type":"function_call_output","call_id":"c","output":"x"}`):                        `No tool call found for function call output with call_id c.`,
		with(`{"type":"function_call","id":"call_1","call_id":"c","name":"a","arguments":"{}"}`):  `Expected an ID that begins with 'fc'`,
		with(`{"type":"reasoning","summary":[],"encrypted_content":"gAAAAABforeign"},` + message): `"code":"invalid_encrypted_content"`,
		with(`{"type":"reasoning","id":"rs_1","summary":[]}`):                                     `without its required following item`,
	} {
		if got := post(t, v, "/v1/responses", body, nil); got.status != 400 || !strings.Contains(got.text, want) {
			t.Errorf("%s\n%d %s\nwant %s", body, got.status, got.text, want)
		}
	}
	own := with(message + `,` + made.Output[0].RawJSON() + `,` + made.Output[1].RawJSON() + `,` + message)
	if got := post(t, v, "/v1/responses", own, nil); got.status != 200 {
		t.Errorf("its own items given back: %d %s", got.status, got.text)
	}
	if got := post(t, v, "/v1/responses/input_tokens", `{"model":"m","input":"hello there"}`, nil); got.text != `{"object":"response.input_tokens","input_tokens":14}` {
		t.Errorf("input_tokens: %s", got.text)
	}
}
