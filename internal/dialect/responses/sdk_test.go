package responses_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	sdk "github.com/openai/openai-go/v3/responses"
)

// client is OpenAI's own client of a server that answers all with one body.
func client(t *testing.T, contentType, body string) openai.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body)) // a client that has gone is the test's to report
	}))
	t.Cleanup(s.Close)
	return openai.NewClient(option.WithBaseURL(s.URL), option.WithAPIKey("none"), option.WithMaxRetries(0))
}

func ask() sdk.ResponseNewParams {
	return sdk.ResponseNewParams{Model: "m", Input: sdk.ResponseNewParamsInputUnion{OfString: openai.String("x")}}
}

func TestSDKReadsAnswers(t *testing.T) {
	t.Parallel()
	c := client(t, "application/json", string(responses.Dialect{}.EncodeResponse(answer(), asked())))
	got, err := c.Responses.New(t.Context(), ask())
	if err != nil {
		t.Fatal(err)
	}
	checkSDK(t, got)
}

func TestSDKReadsStreams(t *testing.T) {
	t.Parallel()
	c := client(t, "text/event-stream", string(responses.Dialect{}.KeepAlive())+encode(t, answer(), asked()))
	stream := c.Responses.NewStreaming(t.Context(), ask())
	var last sdk.Response
	var deltas strings.Builder
	types := map[string]bool{}
	for stream.Next() {
		ev := stream.Current()
		types[ev.Type] = true
		if ev.Type == "response.output_text.delta" {
			deltas.WriteString(ev.Delta)
		}
		if ev.Type == "response.completed" {
			last = ev.AsResponseCompleted().Response
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	checkSDK(t, &last)
	if deltas.String() != last.OutputText() {
		t.Errorf("deltas %q, text %q", deltas.String(), last.OutputText())
	}
	for name := range schemas {
		switch name {
		case "response.failed", "response.incomplete", "error":
		default:
			if !types[name] {
				t.Errorf("the client saw no %s", name)
			}
		}
	}
}

func checkSDK(t *testing.T, r *sdk.Response) {
	t.Helper()
	if r.Status != "completed" || r.ID != "resp_msg_01" || r.OutputText() != `see "this"and that` || r.Usage.InputTokens != 36 || r.Usage.OutputTokensDetails.ReasoningTokens != 7 {
		t.Errorf("%s, id %s, text %q, usage %+v", r.Status, r.ID, r.OutputText(), r.Usage)
	}
	var calls []string
	for _, it := range r.Output {
		switch v := it.AsAny().(type) {
		case sdk.ResponseFunctionToolCall:
			calls = append(calls, v.Namespace+"/"+v.Name+v.Arguments)
		case sdk.ResponseCustomToolCall:
			calls = append(calls, v.Name+":"+v.Input)
		case sdk.ResponseReasoningItem:
			if blocks, ok := llm.Uncarry(v.EncryptedContent); v.EncryptedContent != "" && (!ok || len(blocks) != 1) {
				t.Errorf("sealed thinking %q", v.EncryptedContent)
			}
		}
	}
	if diff := cmp.Diff([]string{`/f{"a":1}`, `mail/send{}`, `apply_patch:*** Begin Patch`}, calls); diff != "" {
		t.Error(diff)
	}
}

func TestSDKRaisesErrors(t *testing.T) {
	t.Parallel()
	full := encode(t, answer(), asked())
	cut := full[:strings.Index(full, "event: response.output_item.done")]
	c := client(t, "text/event-stream", string(responses.Dialect{}.AppendErrorEvent([]byte(cut), &llm.Error{Class: llm.Overloaded, Message: "busy"})))
	stream := c.Responses.NewStreaming(t.Context(), ask())
	for stream.Next() {
	}
	if err := stream.Err(); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("the client raised %v", err)
	}
}
