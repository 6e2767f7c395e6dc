package e2e

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// chatSDK is openai-go with chat completions.
type chatSDK struct{}

func (s setup) openai() openai.Client {
	return openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey(s.key), option.WithMaxRetries(0), option.WithHTTPClient(s.http))
}

// chatTalk is a conversation by chat completions.
type chatTalk struct {
	client openai.Client
	params openai.ChatCompletionNewParams
	onText func()
}

func (chatSDK) begin(_ context.Context, s setup) (conversation, error) {
	c := &chatTalk{client: s.openai(), params: openai.ChatCompletionNewParams{Model: s.model}, onText: s.onText}
	if s.system != "" {
		c.add(openai.SystemMessage(s.system))
	}
	for _, f := range s.tools {
		c.params.Tools = append(c.params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: f.name, Description: openai.String("Looks it up."), Parameters: f.schema(),
		}))
	}
	if s.schema != nil {
		c.params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "person", Schema: s.schema, Strict: openai.Bool(true)},
		}
	}
	if s.think {
		c.params.ReasoningEffort = shared.ReasoningEffortLow
	}
	if s.maxTokens > 0 {
		c.params.MaxCompletionTokens = openai.Int(s.maxTokens)
	}
	c.params.Stop.OfStringArray = s.stop
	return c, nil
}

func (c *chatTalk) add(m openai.ChatCompletionMessageParamUnion) {
	c.params.Messages = append(c.params.Messages, m)
}

func (c *chatTalk) say(text string, pictures ...picture) {
	if len(pictures) == 0 {
		c.add(openai.UserMessage(text))
		return
	}
	parts := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(text)}
	for _, p := range pictures {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: p.address()}))
	}
	c.add(openai.UserMessage(parts))
}

// address is a picture as OpenAI takes it.
func (p picture) address() string {
	if p.url != "" {
		return p.url
	}
	return "data:" + p.mime + ";base64," + p.base64
}

func (c *chatTalk) instruct(text string) bool {
	c.add(openai.DeveloperMessage(text))
	return true
}

func (c *chatTalk) answer(to call, result string) { c.add(openai.ToolMessage(result, to.id)) }

func (c *chatTalk) send(ctx context.Context, stream bool) (*reply, error) {
	if stream {
		return c.stream(ctx)
	}
	c.params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	answer, err := c.client.Chat.Completions.New(ctx, c.params)
	if err != nil {
		return &reply{}, err
	}
	if len(answer.Choices) != 1 {
		return &reply{}, errors.New("no choice: " + answer.RawJSON())
	}
	message := answer.Choices[0].Message
	return c.read(answer, &reply{thought: textField(message.JSON.ExtraFields["reasoning_content"].Raw())}), nil
}

func (c *chatTalk) stream(ctx context.Context) (*reply, error) {
	c.params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.client.Chat.Completions.NewStreaming(ctx, c.params)
	defer stream.Close()
	var sum openai.ChatCompletionAccumulator
	got := &reply{}
	for stream.Next() {
		chunk := stream.Current()
		if !sum.AddChunk(chunk) {
			return got, errors.New("the client cannot add " + chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			got.thought += textField(choice.Delta.JSON.ExtraFields["reasoning_content"].Raw())
			if choice.Delta.Content != "" {
				got.text += choice.Delta.Content
				got.piece(c.onText)
			}
		}
	}
	if err := stream.Err(); err != nil {
		return got, err
	}
	if len(sum.Choices) != 1 {
		return got, errors.New("no choice")
	}
	return c.read(&sum.ChatCompletion, got), nil
}

// piece counts a piece of text.
func (r *reply) piece(tell func()) {
	r.pieces++
	if tell != nil {
		tell()
	}
}

// read completes a reply and keeps the answer.
func (c *chatTalk) read(a *openai.ChatCompletion, got *reply) *reply {
	choice := a.Choices[0]
	c.add(choice.Message.ToParam())
	got.text, got.refusal, got.finish = choice.Message.Content, choice.Message.Refusal, choice.FinishReason
	for _, each := range choice.Message.ToolCalls {
		got.calls = append(got.calls, call{each.ID, each.Function.Name, each.Function.Arguments})
	}
	u := a.Usage
	got.usage = tally{u.PromptTokens, u.PromptTokensDetails.CachedTokens, u.PromptTokensDetails.CacheWriteTokens,
		u.CompletionTokens, u.CompletionTokensDetails.ReasoningTokens}
	return got
}

// textField reads a field that the client does not know; empty where it is not there.
func textField(raw string) (text string) {
	if json.Unmarshal([]byte(raw), &text) != nil {
		return ""
	}
	return text
}

func (chatSDK) refusal(err error) (complaint, bool) { return openaiRefusal(err) }

func openaiRefusal(err error) (complaint, bool) {
	var e *openai.Error
	if !errors.As(err, &e) {
		return complaint{}, false
	}
	return complaint{e.StatusCode, e.Type + "/" + e.Code, e.Message}, true
}

func (chatSDK) embed(ctx context.Context, s setup, texts []string) ([][]float64, bool, error) {
	client := s.openai()
	answer, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{
		Model: s.model, Dimensions: openai.Int(16), Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
	})
	if err != nil {
		return nil, true, err
	}
	var vectors [][]float64
	for _, d := range answer.Data {
		vectors = append(vectors, d.Embedding)
	}
	return vectors, true, nil
}

func (chatSDK) word(end string) string {
	return map[string]string{"stop": "stop", "length": "length", "sequence": "stop", "tools": "tool_calls", "refusal": "stop", "filter": "content_filter"}[end]
}
