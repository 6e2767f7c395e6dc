package responses_test

import (
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// The local shell of Codex works with any model: a function there, items of its own here.
func TestLocalShell(t *testing.T) {
	t.Parallel()
	to := &llm.Request{Dialect: llm.Responses, Tools: []llm.Tool{shell}}
	r := &llm.Response{ID: "r", Model: "m", Created: 7, Candidates: []llm.Candidate{{Finish: llm.FinishTools, Blocks: []llm.Block{
		{Kind: llm.ToolCall, Call: llm.Call{ID: "toolu_1", Name: "local_shell", Input: `{"command":["ls","-l"],"working_directory":"/tmp","timeout_ms":5}`}, State: llm.State{Origin: llm.Gemini, Data: "sig"}},
		{Kind: llm.ToolCall, Call: llm.Call{ID: "toolu_2", Name: "local_shell", Input: `{"command":"ls | wc"}`}},
		{Kind: llm.ToolCall, Call: llm.Call{ID: "toolu_3", Name: "local_shell", Input: `{"comm`}}}}}}
	body := string(responses.Dialect{}.EncodeResponse(r, to))
	for _, action := range []string{`"action":{"type":"exec","command":["ls","-l"],"env":{},"timeout_ms":5,"working_directory":"/tmp"}`,
		`"call_id":"toolu_2","action":{"type":"exec","command":["bash","-lc","ls | wc"],"env":{}}`, `"call_id":"toolu_3","action":{"type":"exec","command":[],"env":{}}`} {
		if !strings.Contains(body, action) {
			t.Errorf("no %s in\n%s", action, body)
		}
	}
	stream := encode(t, r, to)
	for _, e := range events(t, stream, 100) {
		if strings.Contains(string(e), "arguments") {
			t.Errorf("a command in pieces: %s", e)
		}
	}

	// The client brings the call and its output back.
	item := body[strings.Index(body, `{"type":"local_shell_call"`):]
	item = item[:strings.Index(item, `}}`)+2]
	callID := item[strings.Index(item, `"call_id":"`)+len(`"call_id":"`):]
	callID = callID[:strings.IndexByte(callID, '"')]
	for _, output := range []string{`{"type":"local_shell_call_output","id":"` + callID + `","output":"done"}`, `{"type":"function_call_output","call_id":"` + callID + `","output":"done"}`} {
		got, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[`+item+`,`+output+`],"tools":[{"type":"local_shell"}]}`), dialect.At{})
		if err != nil {
			t.Fatal(err)
		}
		want := []llm.Message{
			turn(llm.Assistant, llm.Block{Kind: llm.ToolCall, State: llm.State{Origin: llm.Gemini, Data: "sig"},
				Call: llm.Call{ID: "toolu_1", Name: "local_shell", Input: `{"command":["ls","-l"],"env":{},"timeout_ms":5,"working_directory":"/tmp"}`}}),
			turn(llm.User, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "toolu_1", Name: "local_shell", Content: []llm.Block{text("done")}}}),
		}
		if diff := cmp.Diff(want, got.Messages); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		back, _, err := responses.Dialect{}.EncodeRequest(got, dialect.Target{Model: "m"})
		if err != nil || !strings.Contains(string(back), `{"type":"function_call","call_id":"toolu_1"`) || !strings.Contains(string(back), `{"type":"function_call_output","call_id":"toolu_1"`) {
			t.Errorf("another's call at OpenAI: %s, %v", back, err)
		}
	}
}

// OpenAI's own calls of the shell go back to it as they were, and to others as calls of a function.
func TestLocalShellOfOpenAI(t *testing.T) {
	t.Parallel()
	const items = `{"type":"local_shell_call","id":"lsh_1","call_id":"call_1","status":"completed","action":{"type":"exec","command":["ls"],"env":{}}},` +
		`{"type":"local_shell_call_output","id":"call_1","output":"{\"output\":\"a\"}"}`
	r, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[`+items+`],"tools":[{"type":"local_shell"}],"tool_choice":{"type":"local_shell"}}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	body, dropped, err := responses.Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
	if err != nil || len(dropped) > 0 || !strings.Contains(string(body), items) || !strings.Contains(string(body), `"tools":[{"type":"local_shell"}],"tool_choice":{"type":"local_shell"}`) {
		t.Errorf("%s, dropped %v, %v", body, dropped, err)
	}
	call, result := r.Messages[0].Blocks[0], r.Messages[1].Blocks[0]
	if call.Kind != llm.ToolCall || call.Call.ID != "call_1" || call.Call.Input != `{"command":["ls"],"env":{}}` || result.Result.CallID != "call_1" || result.Result.Name != "local_shell" {
		t.Errorf("%+v\n%+v", call, result)
	}
}

// What a message is for is kept from turn to turn, and in answers that are written anew.
func TestPhase(t *testing.T) {
	t.Parallel()
	const items = `{"type":"message","role":"assistant","phase":"commentary","content":"I look."},{"type":"message","role":"assistant","phase":"final_answer","content":"Done."}`
	r, err := responses.Dialect{}.DecodeRequest([]byte(`{"model":"m","input":[`+items+`]}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	if body, _, err := (responses.Dialect{}).EncodeRequest(r, dialect.Target{Model: "m"}); err != nil || !strings.Contains(string(body), items) {
		t.Errorf("%s, %v", body, err)
	}
	answer, err := responses.Dialect{}.DecodeResponse([]byte(`{"id":"resp_1","status":"completed","output":[
		{"type":"message","id":"msg_1","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"I look."}]},
		{"type":"message","id":"msg_2","role":"assistant","phase":"final_answer","content":[{"type":"output_text","text":"Done."}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for form, out := range map[string]string{"whole": string(responses.Dialect{}.EncodeResponse(answer, r)), "streamed": encode(t, answer, r)} {
		for _, want := range []string{`"role":"assistant","phase":"commentary","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"I look."}]}`,
			`"role":"assistant","phase":"final_answer","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Done."}]}`} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %s in\n%s", form, want, out)
			}
		}
	}
	streamed, err := decodeEvents(events(t, encode(t, answer, r), 100))
	if err != nil || !streamed.whole {
		t.Fatal(err)
	}
	if diff := cmp.Diff(answer.Candidates[0].Blocks, streamed.response.Candidates[0].Blocks); diff != "" {
		t.Errorf("read from the stream (-want +got):\n%s", diff)
	}
}

// What stands within fields of another dialect has no place among the fields of this one.
func TestNestedExtrasOfOthers(t *testing.T) {
	t.Parallel()
	r := &llm.Request{Dialect: llm.Anthropic, Messages: []llm.Message{turn(llm.User, text("x"))}, Extra: map[string]llm.JSON{"tools[].eager_input_streaming": llm.JSON("{}"), "speed": llm.JSON(`"fast"`)}}
	body, dropped, err := responses.Dialect{}.EncodeRequest(r, dialect.Target{Model: "m", KeepExtra: true})
	if err != nil || strings.Contains(string(body), "eager") || !strings.Contains(string(body), `"speed":"fast"`) || len(dropped) != 1 {
		t.Errorf("%s, dropped %v, %v", body, dropped, err)
	}
}
