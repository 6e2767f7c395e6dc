package simulator_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vendor is a simulator on a listener of its own with an SDK client that does not retry.
type vendor struct {
	*simulator.Server
	url    string
	client openai.Client
}

func start(t *testing.T, o simulator.Options) *vendor {
	t.Helper()
	s := simulator.New(o)
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		srv.Close()
	})
	return &vendor{Server: s, url: srv.URL, client: openai.NewClient(
		option.WithBaseURL(srv.URL+"/v1"), option.WithAPIKey("sk-test"), option.WithMaxRetries(0), option.WithHTTPClient(srv.Client()))}
}

func hello(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("Hello!")},
	}
}

func addTool(name string) openai.ChatCompletionToolUnionParam {
	return openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: name,
		Parameters: shared.FunctionParameters{
			"type": "object",
			"properties": map[string]any{
				"a":    map[string]any{"type": "integer", "minimum": 1, "maximum": 5},
				"unit": map[string]any{"enum": []string{"celsius", "fahrenheit"}},
			},
		},
	})
}

func TestChat(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	got, err := v.client.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Model != "gpt-4o" || !strings.HasPrefix(got.ID, "chatcmpl-") || len(got.Choices) != 1 {
		t.Fatalf("completion %+v", got)
	}
	words := len(strings.Fields(got.Choices[0].Message.Content))
	if got.Choices[0].FinishReason != "stop" || int64(words) != got.Usage.CompletionTokens {
		t.Errorf("%d words, finish %q, usage %+v; want a token a word", words, got.Choices[0].FinishReason, got.Usage)
	}
	if got.Usage.PromptTokens < 10 || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
		t.Errorf("usage %+v", got.Usage)
	}
	again, err := v.client.Chat.Completions.New(t.Context(), hello("gpt-4o"))
	if err != nil {
		t.Fatal(err)
	}
	if again.Choices[0].Message.Content != got.Choices[0].Message.Content || again.ID == got.ID {
		t.Error("the same request: want the same words under another id")
	}
}

func TestChatIsDeterministic(t *testing.T) {
	t.Parallel()
	content := func(seed uint64, model string) string {
		got, err := start(t, simulator.Options{Seed: seed}).client.Chat.Completions.New(t.Context(), hello(model))
		if err != nil {
			t.Fatal(err)
		}
		return got.ID + got.Choices[0].Message.Content
	}
	first := content(7, "sim-chat")
	if again := content(7, "sim-chat"); again != first {
		t.Errorf("two servers of one seed: %q and %q", first, again)
	}
	if first == content(8, "sim-chat") {
		t.Error("two seeds agree")
	}
	if content(7, "sim-chat?seed=1") == content(7, "sim-chat?seed=2") {
		t.Error("two seed knobs agree")
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for _, knobs := range []string{"", "&split=1", "&crlf=on&comments=2", "&pad=200000"} {
		params := hello("sim-chat?tokens=20" + knobs)
		whole, err := v.client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		params.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := v.client.Chat.Completions.NewStreaming(t.Context(), params)
		var acc openai.ChatCompletionAccumulator
		deltas, usageChunks := 0, 0
		for stream.Next() {
			chunk := stream.Current()
			if !acc.AddChunk(chunk) {
				t.Fatalf("%s: the SDK refuses chunk %s", knobs, chunk.RawJSON())
			}
			switch {
			case len(chunk.Choices) == 0:
				usageChunks++
			case chunk.JSON.Usage.Raw() != "null":
				t.Errorf("%s: usage of a chunk with choices is %q, want null", knobs, chunk.JSON.Usage.Raw())
			case chunk.Choices[0].Delta.Content != "":
				deltas++
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatalf("%s: %v", knobs, err)
		}
		if deltas != 20 || usageChunks != 1 || acc.Usage.CompletionTokens != 20 || acc.Usage.PromptTokens != whole.Usage.PromptTokens {
			t.Errorf("%s: %d deltas, %d usage chunks, usage %+v", knobs, deltas, usageChunks, acc.Usage)
		}
		if acc.Choices[0].Message.Content != whole.Choices[0].Message.Content || acc.Choices[0].FinishReason != "stop" {
			t.Errorf("%s: streamed %q, at once %q", knobs, acc.Choices[0].Message.Content, whole.Choices[0].Message.Content)
		}
	}
}

func TestTools(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := hello("sim-chat?tools=3")
	params.Tools = []openai.ChatCompletionToolUnionParam{addTool("add"), addTool("multiply")}
	whole, err := v.client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	stream := v.client.Chat.Completions.NewStreaming(t.Context(), params)
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]openai.ChatCompletionChoice{"at once": whole.Choices[0], "streamed": acc.Choices[0]} {
		if got.FinishReason != "tool_calls" || len(got.Message.ToolCalls) != 3 || got.Message.Content != "" {
			t.Fatalf("%s: finish %q, %d calls, content %q", name, got.FinishReason, len(got.Message.ToolCalls), got.Message.Content)
		}
		for i, call := range got.Message.ToolCalls {
			if want := []string{"add", "multiply", "add"}[i]; call.Function.Name != want || call.ID != whole.Choices[0].Message.ToolCalls[i].ID {
				t.Errorf("%s: call %d is %s %s, want %s", name, i, call.ID, call.Function.Name, want)
			}
			var args struct {
				A    int
				Unit string
			}
			if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || args.A < 1 || args.A > 5 ||
				(args.Unit != "celsius" && args.Unit != "fahrenheit") {
				t.Errorf("%s: arguments %q do not follow the schema: %v", name, call.Function.Arguments, err)
			}
		}
	}
	params.Messages = append(params.Messages, whole.Choices[0].Message.ToParam(), openai.ToolMessage("5", whole.Choices[0].Message.ToolCalls[0].ID))
	answer, err := v.client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Choices[0].Message.Content == "" || answer.Choices[0].FinishReason != "stop" {
		t.Errorf("a tool's result is answered with %+v, want text", answer.Choices[0])
	}
}

func TestToolChoice(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	named := openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "multiply"})
	tests := []struct {
		name, model string
		choice      openai.ChatCompletionToolChoiceOptionUnionParam
		parallel    bool
		want        []string
	}{
		{"auto", "sim-chat", openai.ChatCompletionToolChoiceOptionUnionParam{}, true, []string{"add"}},
		{"none", "sim-chat", openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}, true, nil},
		{"knob off", "sim-chat?tools=0", openai.ChatCompletionToolChoiceOptionUnionParam{}, true, nil},
		{"required", "sim-chat?tools=0", openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}, true, []string{"add"}},
		{"named", "sim-chat", named, true, []string{"multiply"}},
		{"one at a time", "sim-chat?tools=2", openai.ChatCompletionToolChoiceOptionUnionParam{}, false, []string{"add"}},
	}
	for _, tt := range tests {
		params := hello(tt.model)
		params.Tools = []openai.ChatCompletionToolUnionParam{addTool("add"), addTool("multiply")}
		params.ToolChoice = tt.choice
		params.ParallelToolCalls = openai.Bool(tt.parallel)
		got, err := v.client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var names []string
		for _, c := range got.Choices[0].Message.ToolCalls {
			names = append(names, c.Function.Name)
		}
		if strings.Join(names, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: calls %v, want %v", tt.name, names, tt.want)
		}
	}
}

func TestLimitsAndChoices(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for name, set := range map[string]func(*openai.ChatCompletionNewParams){
		"max_tokens":            func(p *openai.ChatCompletionNewParams) { p.MaxTokens = openai.Int(5) },
		"max_completion_tokens": func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(5) },
	} {
		params := hello("sim-chat?tokens=50")
		set(&params)
		got, err := v.client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		if got.Usage.CompletionTokens != 5 || got.Choices[0].FinishReason != "length" {
			t.Errorf("%s: %d tokens, finish %q", name, got.Usage.CompletionTokens, got.Choices[0].FinishReason)
		}
	}
	params := hello("sim-chat?tokens=8&reasoning=4")
	params.N = openai.Int(3)
	got, err := v.client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Choices) != 3 || got.Choices[0].Message.Content == got.Choices[1].Message.Content {
		t.Errorf("n=3: %d choices %+v", len(got.Choices), got.Choices)
	}
	if got.Usage.CompletionTokens != 36 || got.Usage.CompletionTokensDetails.ReasoningTokens != 12 {
		t.Errorf("n=3: usage %+v; want 3 x (8 + 4), 12 of them reasoning", got.Usage)
	}
	stream := v.client.Chat.Completions.NewStreaming(t.Context(), params)
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	if stream.Err() != nil || len(acc.Choices) != 3 || acc.Choices[2].Message.Content != got.Choices[2].Message.Content {
		t.Errorf("n=3 streamed: %v, %+v", stream.Err(), acc.Choices)
	}
}

func TestStructuredOutput(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := hello("sim-chat")
	params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
		Name: "steps",
		Schema: map[string]any{
			"type": "object",
			"properties": map[string]any{
				"steps":  map[string]any{"type": "array", "minItems": 2, "items": map[string]any{"$ref": "#/$defs/step"}},
				"answer": map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "null"}}},
			},
			"$defs": map[string]any{"step": map[string]any{"type": "object", "properties": map[string]any{
				"done": map[string]any{"type": "boolean"}, "next": map[string]any{"$ref": "#/$defs/step"},
			}}},
		},
	}}
	got, err := v.client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Steps  []struct{ Done *bool }
		Answer *string
	}
	if err := json.Unmarshal([]byte(got.Choices[0].Message.Content), &doc); err != nil || len(doc.Steps) != 2 || doc.Answer == nil || doc.Steps[0].Done == nil {
		t.Errorf("content %s does not follow the schema: %v", got.Choices[0].Message.Content, err)
	}
	params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}}
	if got, err = v.client.Chat.Completions.New(t.Context(), params); err != nil || !json.Valid([]byte(got.Choices[0].Message.Content)) {
		t.Errorf("json_object: %v, %v", got, err)
	}
}

func TestPromptCache(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := hello("sim-chat?cache=on&reasoning=3")
	var cached []int64
	for range 2 {
		got, err := v.client.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		cached = append(cached, got.Usage.PromptTokensDetails.CachedTokens, got.Usage.PromptTokens)
		params.Messages = append(params.Messages, openai.AssistantMessage("Hi."), openai.UserMessage("Go on."))
	}
	if cached[0] != 0 || cached[2] != cached[1] || cached[3] <= cached[2] {
		t.Errorf("cached, prompt by turn: %v; want all of the first prompt cached in the second", cached)
	}
	if c := v.Stats().Models["sim-chat"]; c.CachedTokens != cached[2] || c.PromptTokens != cached[1]+cached[3] || c.ReasoningTokens != 6 || c.CacheWriteTokens != 0 {
		t.Errorf("counted %+v, told %v", c, cached)
	}
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	params := openai.EmbeddingNewParams{
		Model:      "sim-embedding",
		Input:      openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two", "one"}},
		Dimensions: openai.Int(64),
	}
	floats, err := v.client.Embeddings.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(floats.Data) != 3 || len(floats.Data[0].Embedding) != 64 || floats.Usage.PromptTokens != 3 {
		t.Fatalf("got %d vectors, usage %+v", len(floats.Data), floats.Usage)
	}
	var norm float64
	for i, f := range floats.Data[0].Embedding {
		norm += f * f
		if f != floats.Data[2].Embedding[i] {
			t.Fatal("the same text has two vectors")
		}
	}
	if math.Abs(norm-1) > 1e-3 || floats.Data[0].Embedding[0] == floats.Data[1].Embedding[0] {
		t.Errorf("norm %v, or two texts share a vector", norm)
	}
	body := post(t, v, "/v1/embeddings", `{"model":"e","input":[1,2,3],"encoding_format":"base64","dimensions":8}`, nil)
	var doc struct {
		Data  []struct{ Embedding string }
		Usage struct {
			PromptTokens int `json:"prompt_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(body.text), &doc); err != nil || doc.Usage.PromptTokens != 3 {
		t.Fatalf("%v: %s", err, body.text)
	}
	if bytes, err := base64.StdEncoding.DecodeString(doc.Data[0].Embedding); err != nil || len(bytes) != 32 {
		t.Errorf("%d bytes of base64, %v; want 8 float32", len(bytes), err)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	list, err := v.client.Models.List(t.Context())
	if err != nil || len(list.Data) < 3 || list.Data[0].ID != "sim-chat" {
		t.Errorf("list: %+v, %v", list, err)
	}
	one, err := v.client.Models.Get(t.Context(), "any-model")
	if err != nil || one.ID != "any-model" {
		t.Errorf("get: %+v, %v", one, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	tests := []struct {
		model, kind, code string
		status            int
	}{
		{"sim-chat?error=400", "invalid_request_error", "", 400},
		{"sim-chat?error=400&error_code=context_length_exceeded", "invalid_request_error", "context_length_exceeded", 400},
		{"sim-chat?error=401", "invalid_request_error", "invalid_api_key", 401},
		{"sim-chat?error=404", "invalid_request_error", "model_not_found", 404},
		{"sim-chat?error=429", "requests", "rate_limit_exceeded", 429},
		{"sim-chat?error=429&error_code=insufficient_quota", "insufficient_quota", "insufficient_quota", 429},
		{"sim-chat?error=500", "server_error", "", 500},
		{"sim-chat?error=503", "server_error", "", 503},
		{"sim-chat?eror=503", "invalid_request_error", "", 400},
		{"sim-chat?ttft=fast", "invalid_request_error", "", 400},
	}
	for _, tt := range tests {
		_, err := v.client.Chat.Completions.New(t.Context(), hello(tt.model))
		var e *openai.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is not the SDK's error", tt.model, err)
			continue
		}
		if e.StatusCode != tt.status || e.Type != tt.kind || e.Code != tt.code || e.Message == "" {
			t.Errorf("%s: %d %q %q %q", tt.model, e.StatusCode, e.Type, e.Code, e.Message)
		}
	}
	if _, err := v.client.Chat.Completions.New(t.Context(), hello("gpt?error=503")); err != nil {
		t.Errorf("a name that is not the simulator's is opaque, got %v", err)
	}
}
