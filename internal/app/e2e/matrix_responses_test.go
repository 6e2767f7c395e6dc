package e2e

import (
	"context"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// responsesSDK is openai-go with the Responses API, without state at the vendor.
type responsesSDK struct{}

// responsesTalk is a conversation by the Responses API.
type responsesTalk struct {
	client openai.Client
	params responses.ResponseNewParams
	onText func()
}

func (responsesSDK) begin(_ context.Context, s setup) (conversation, error) {
	c := &responsesTalk{client: s.openai(), onText: s.onText, params: responses.ResponseNewParams{
		Model: s.model, Store: openai.Bool(false), Include: []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent},
	}}
	if s.system != "" {
		c.params.Instructions = openai.String(s.system)
	}
	for _, f := range s.tools {
		c.params.Tools = append(c.params.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{
			Name: f.name, Description: openai.String("Looks it up."), Parameters: f.schema(), Strict: openai.Bool(false),
		}})
	}
	if s.schema != nil {
		c.params.Text.Format = responses.ResponseFormatTextConfigUnionParam{OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{
			Name: "person", Schema: s.schema, Strict: openai.Bool(true),
		}}
	}
	if s.think {
		c.params.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortLow, Summary: shared.ReasoningSummaryAuto}
	}
	if s.maxTokens > 0 {
		c.params.MaxOutputTokens = openai.Int(s.maxTokens)
	}
	return c, nil
}

func (c *responsesTalk) add(items ...responses.ResponseInputItemUnionParam) {
	c.params.Input.OfInputItemList = append(c.params.Input.OfInputItemList, items...)
}

func (c *responsesTalk) say(text string, pictures ...picture) {
	parts := responses.ResponseInputMessageContentListParam{responses.ResponseInputContentParamOfInputText(text)}
	for _, p := range pictures {
		parts = append(parts, responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{
			Detail: responses.ResponseInputImageDetailAuto, ImageURL: openai.String(p.address()),
		}})
	}
	c.add(responses.ResponseInputItemParamOfMessage(parts, responses.EasyInputMessageRoleUser))
}

func (c *responsesTalk) instruct(text string) bool {
	c.add(responses.ResponseInputItemParamOfMessage(text, responses.EasyInputMessageRoleDeveloper))
	return true
}

func (c *responsesTalk) answer(to call, result string) {
	item := responses.ResponseInputItemParamOfFunctionCallOutput(result)
	item.OfFunctionCallOutput.CallID = openai.String(to.id)
	c.add(item)
}

func (c *responsesTalk) send(ctx context.Context, stream bool) (*reply, error) {
	got := &reply{}
	if !stream {
		answer, err := c.client.Responses.New(ctx, c.params)
		if err != nil {
			return got, err
		}
		return got, c.read(answer, got)
	}
	events := c.client.Responses.NewStreaming(ctx, c.params)
	defer events.Close()
	var last *responses.Response
	for events.Next() {
		e := events.Current()
		switch e.Type {
		case "response.output_text.delta":
			got.text += e.Delta
			got.piece(c.onText)
		case "response.completed", "response.incomplete", "response.failed":
			last = &e.Response
		}
	}
	if err := events.Err(); err != nil {
		return got, err
	}
	if last == nil {
		return got, errors.New("the stream ended without a word")
	}
	streamed := got.text
	if err := c.read(last, got); err != nil {
		return got, err
	}
	if got.text != streamed {
		return got, fmt.Errorf("streamed %q, in the end %q", streamed, got.text)
	}
	return got, nil
}

// read completes a reply and keeps the items of the answer.
func (c *responsesTalk) read(a *responses.Response, got *reply) error {
	got.text, got.finish = a.OutputText(), string(a.Status)
	if a.IncompleteDetails.Reason != "" {
		got.finish = a.IncompleteDetails.Reason
	}
	for _, item := range a.Output {
		switch v := item.AsAny().(type) {
		case responses.ResponseOutputMessage:
			for _, part := range v.Content {
				got.refusal += part.Refusal
			}
			p := v.ToParam()
			c.add(responses.ResponseInputItemUnionParam{OfOutputMessage: &p})
		case responses.ResponseReasoningItem:
			for _, s := range v.Summary {
				got.thought += s.Text
			}
			p := v.ToParam()
			c.add(responses.ResponseInputItemUnionParam{OfReasoning: &p})
		case responses.ResponseFunctionToolCall:
			got.calls = append(got.calls, call{v.CallID, v.Name, v.Arguments})
			p := v.ToParam()
			c.add(responses.ResponseInputItemUnionParam{OfFunctionCall: &p})
		default:
			return errors.New("an item that nobody asked for: " + item.RawJSON())
		}
	}
	u := a.Usage
	got.usage = tally{u.InputTokens, u.InputTokensDetails.CachedTokens, u.InputTokensDetails.CacheWriteTokens,
		u.OutputTokens, u.OutputTokensDetails.ReasoningTokens}
	return nil
}

func (responsesSDK) refusal(err error) (complaint, bool) { return openaiRefusal(err) }

func (responsesSDK) embed(context.Context, setup, []string) ([][]float64, bool, error) {
	return nil, false, nil
}

func (responsesSDK) word(end string) string {
	return map[string]string{"stop": "completed", "length": "max_output_tokens", "sequence": "completed", "tools": "completed", "refusal": "completed", "filter": "content_filter"}[end]
}
