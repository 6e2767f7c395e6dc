package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// TestSDK drives the gateway with the vendor's official client, as an app does that had the vendor's own address before.
func TestSDK(t *testing.T) {
	t.Parallel()
	d := startDev(t, newDir(t))
	g := d.admin(t)
	run := func(name string, test func(*testing.T, *sdkCase)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &sdkCase{dev: d, admin: g})
		})
	}
	run("chat", testSDKChat)
	run("stream", testSDKStream)
	run("tools", testSDKTools)
	run("embeddings", testSDKEmbeddings)
	run("models", testSDKModels)
	run("headers", testSDKHeaders)
	run("unknown model", testSDKUnknownModel)
	run("bad key", testSDKBadKey)
	run("invalid body", testSDKInvalidBody)
	run("over the limit", testSDKOverLimit)
	run("no credit", testSDKNoCredit)
	run("retries", testSDKRetries)
	run("vendor errors", testSDKVendorErrors)
}

// A sdkCase is what each of the tests has to begin with.
type sdkCase struct {
	dev   *dev
	admin *graph
}

func (s *sdkCase) tenant(t *testing.T, its terms) *tenant {
	t.Helper()
	return newTenant(t, s.admin, s.dev.Simulator, its)
}

func testSDKChat(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{vendor: "sim-chat?tokens=12"})
	answer := c.chat(t)
	if len(answer.Choices) != 1 || len(strings.Fields(answer.Choices[0].Message.Content)) != 12 || answer.Choices[0].FinishReason != "stop" {
		t.Errorf("choices %+v, want one of 12 words", answer.Choices)
	}
	if answer.Model != "sim-chat" || !strings.HasPrefix(answer.ID, "chatcmpl-") {
		t.Errorf("model %q, id %q; want the vendor's own, since an answer passes as it is", answer.Model, answer.ID)
	}
	if answer.Usage.CompletionTokens != 12 || answer.Usage.PromptTokens == 0 || answer.Usage.TotalTokens != answer.Usage.PromptTokens+12 {
		t.Errorf("usage %+v", answer.Usage)
	}
	// A name of the form slug/model picks the provider.
	client := c.sdk()
	direct, err := client.Chat.Completions.New(t.Context(), hello(c.slug+"/sim-chat?tokens=12"))
	if err != nil || direct.Choices[0].Message.Content != answer.Choices[0].Message.Content {
		t.Errorf("by slug/model: %v, %+v", err, direct)
	}
}

func testSDKStream(t *testing.T, s *sdkCase) {
	for _, knobs := range []string{"", "&split=1", "&crlf=on&comments=2", "&usage=last"} {
		c := s.tenant(t, terms{vendor: "sim-chat?tokens=12" + knobs})
		whole := c.chat(t)
		for _, asked := range []bool{false, true} {
			params := hello(c.model)
			if asked {
				params.StreamOptions.IncludeUsage = openai.Bool(true)
			}
			client := c.sdk()
			stream := client.Chat.Completions.NewStreaming(t.Context(), params)
			var sum openai.ChatCompletionAccumulator
			deltas, withoutChoices := 0, 0
			for stream.Next() {
				chunk := stream.Current()
				if !sum.AddChunk(chunk) {
					t.Fatalf("%q: the client cannot add %s", knobs, chunk.RawJSON())
				}
				switch {
				case len(chunk.Choices) == 0:
					withoutChoices++
				case chunk.Choices[0].Delta.Content != "":
					deltas++
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatalf("%q: %v", knobs, err)
			}
			if deltas != 12 || sum.Choices[0].Message.Content != whole.Choices[0].Message.Content || sum.Choices[0].FinishReason != "stop" {
				t.Errorf("%q: %d deltas, %q, finish %q", knobs, deltas, sum.Choices[0].Message.Content, sum.Choices[0].FinishReason)
			}
			// The gateway asks for usage in any case, and keeps the chunk from a caller who did not.
			if knobs != "&usage=last" && (withoutChoices == 1) != asked {
				t.Errorf("%q: usage asked: %t, chunks of usage: %d", knobs, asked, withoutChoices)
			}
			if asked && sum.Usage.CompletionTokens != 12 {
				t.Errorf("%q: usage %+v", knobs, sum.Usage)
			}
		}
	}
}

func testSDKTools(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{vendor: "sim-chat?tools=3"})
	params := hello(c.model)
	for _, name := range []string{"add", "multiply"} {
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name,
			Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{
				"a": map[string]any{"type": "integer", "minimum": 1, "maximum": 5}, "note": map[string]any{"type": "string"},
			}},
		}))
	}
	client := c.sdk()
	whole, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	var sum openai.ChatCompletionAccumulator
	pieces := 0 // of arguments
	for stream.Next() {
		chunk := stream.Current()
		sum.AddChunk(chunk)
		for _, choice := range chunk.Choices {
			for _, call := range choice.Delta.ToolCalls {
				if call.Function.Arguments != "" {
					pieces++
				}
			}
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if pieces <= 3 {
		t.Errorf("the arguments of 3 calls came in %d pieces: they were not streamed", pieces)
	}
	for how, got := range map[string]openai.ChatCompletionChoice{"at once": whole.Choices[0], "streamed": sum.Choices[0]} {
		var names []string
		for _, call := range got.Message.ToolCalls {
			names = append(names, call.Function.Name)
			var args struct{ A int }
			if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || args.A < 1 || args.A > 5 || call.ID == "" {
				t.Errorf("%s: call %q with %s: %v", how, call.ID, call.Function.Arguments, err)
			}
		}
		if got.FinishReason != "tool_calls" || !slices.Equal(names, []string{"add", "multiply", "add"}) {
			t.Errorf("%s: finish %q, calls %v", how, got.FinishReason, names)
		}
	}
	params.Messages = append(params.Messages, whole.Choices[0].Message.ToParam())
	for _, call := range whole.Choices[0].Message.ToolCalls {
		params.Messages = append(params.Messages, openai.ToolMessage("5", call.ID))
	}
	answer, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil || answer.Choices[0].FinishReason != "stop" || answer.Choices[0].Message.Content == "" {
		t.Errorf("the tools' results are answered with %v, %+v", err, answer)
	}
}

func testSDKEmbeddings(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{vendor: "sim-embedding"})
	client := c.sdk()
	got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: c.model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two", "one"}}, Dimensions: openai.Int(64),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 3 || len(got.Data[0].Embedding) != 64 || got.Usage.PromptTokens == 0 || got.Model != "sim-embedding" {
		t.Fatalf("%d vectors of model %q, usage %+v", len(got.Data), got.Model, got.Usage)
	}
	if !slices.Equal(got.Data[0].Embedding, got.Data[2].Embedding) || slices.Equal(got.Data[0].Embedding, got.Data[1].Embedding) {
		t.Error("the vectors are not those of their texts")
	}
}

func testSDKModels(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{})
	client := c.sdk()
	var names []string
	pages := client.Models.ListAutoPaging(t.Context())
	for pages.Next() {
		names = append(names, pages.Current().ID)
	}
	if err := pages.Err(); err != nil || !slices.Contains(names, c.model) || !slices.Contains(names, s.dev.Model) {
		t.Errorf("models %v, %v; want %s and %s among them", names, err, c.model, s.dev.Model)
	}
	for _, name := range []string{c.model, c.slug + "/sim-chat"} {
		got, err := client.Models.Get(t.Context(), name)
		if err != nil || got.ID != name || got.Object != "model" {
			t.Errorf("model %s: %v, %+v", name, err, got)
		}
	}
	refuses(t, func() error { _, err := client.Models.Get(t.Context(), "no-such-model"); return err }, refusal{http.StatusNotFound, "model_not_found", "model"})

	// A key that is for one model sees no other.
	var made struct{ CreateAPIKey struct{ Secret string } }
	s.admin.do(t, `mutation($key: CreateApiKeyInput!) { createApiKey(input: $key) { secret userErrors { code message } } }`,
		vars{"key": vars{"name": "for one model", "userId": c.userID, "models": []string{c.model}}}, &made)
	one := &tenant{url: c.url, key: made.CreateAPIKey.Secret}
	eventually(t, patience(testLag), "the key for one model works", func() bool { return one.status(t, "/v1/models") == http.StatusOK })
	only := newSDK(c.url, one.key)
	list, err := only.Models.List(t.Context())
	if err != nil || len(list.Data) != 1 || list.Data[0].ID != c.model {
		t.Errorf("a key for one model sees %v, %v", list, err)
	}
}

func testSDKHeaders(t *testing.T, s *sdkCase) {
	c := s.tenant(t, terms{vendor: "sim-chat?tokens=5", limits: vars{"requestsPerMinute": 60, "tokensPerMinute": 100_000}})
	for _, streamed := range []bool{false, true} {
		var resp *http.Response
		id := "header-test-" + strconv.FormatBool(streamed)
		client := c.sdk()
		o := []option.RequestOption{option.WithHeader("X-Request-Id", id), option.WithResponseInto(&resp)}
		if streamed {
			stream := client.Chat.Completions.NewStreaming(t.Context(), hello(c.model), o...)
			for stream.Next() {
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
		} else if _, err := client.Chat.Completions.New(t.Context(), hello(c.model), o...); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"X-Request-Id": id, "X-Aihigress-Provider": c.slug, "X-Aihigress-Model": "sim-chat?tokens=5", "X-Aihigress-Attempts": "1",
			"X-Ratelimit-Limit-Requests": "60", "X-Ratelimit-Limit-Tokens": "100000",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("streamed %t: %s is %q, want %q", streamed, name, got, want)
			}
		}
		for _, name := range []string{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Remaining-Tokens"} {
			if n, err := strconv.Atoi(resp.Header.Get(name)); err != nil || n < 0 {
				t.Errorf("streamed %t: %s is %q", streamed, name, resp.Header.Get(name))
			}
		}
		for _, name := range []string{"X-Ratelimit-Reset-Requests", "X-Ratelimit-Reset-Tokens"} {
			if resp.Header.Get(name) == "" {
				t.Errorf("streamed %t: no %s", streamed, name)
			}
		}
	}
	// Without limits there is nothing to tell.
	free := s.tenant(t, terms{})
	var resp *http.Response
	free.chat(t, option.WithResponseInto(&resp))
	if got := resp.Header.Get("X-Ratelimit-Limit-Requests"); got != "" {
		t.Errorf("a key without limits is told one of %q", got)
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Error("no x-request-id where the caller sent none")
	}
}
