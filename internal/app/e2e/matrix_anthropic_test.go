package e2e

import (
	"context"
	"errors"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/tidwall/gjson"
)

// anthropicSDK is anthropic-sdk-go.
type anthropicSDK struct{}

// messagesTalk is a conversation by the Messages API.
type messagesTalk struct {
	client anthropic.Client
	params anthropic.MessageNewParams
	onText func()
}

func (anthropicSDK) begin(_ context.Context, s setup) (conversation, error) {
	c := &messagesTalk{onText: s.onText, params: anthropic.MessageNewParams{Model: s.model, MaxTokens: 4096, StopSequences: s.stop},
		client: anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey(s.key), option.WithMaxRetries(0), option.WithHTTPClient(s.http))}
	if s.system != "" {
		c.params.System = []anthropic.TextBlockParam{{Text: s.system}}
		if s.cached {
			c.params.System[0].CacheControl = anthropic.NewCacheControlEphemeralParam()
		}
	}
	for _, f := range s.tools {
		c.params.Tools = append(c.params.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: f.name, Description: anthropic.String("Looks it up."),
			InputSchema: anthropic.ToolInputSchemaParam{Properties: f.properties(), Required: []string{f.argument}},
		}})
	}
	if s.schema != nil {
		c.params.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: s.schema}
	}
	if s.think {
		c.params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	}
	if s.maxTokens > 0 {
		c.params.MaxTokens = s.maxTokens
	}
	return c, nil
}

// add adds blocks of the user's: to the turn that is open, since results and words make one.
func (c *messagesTalk) add(blocks ...anthropic.ContentBlockParamUnion) {
	if n := len(c.params.Messages); n > 0 && c.params.Messages[n-1].Role == anthropic.MessageParamRoleUser {
		c.params.Messages[n-1].Content = append(c.params.Messages[n-1].Content, blocks...)
		return
	}
	c.params.Messages = append(c.params.Messages, anthropic.NewUserMessage(blocks...))
}

func (c *messagesTalk) say(text string, pictures ...picture) {
	c.add(anthropic.NewTextBlock(text))
	for _, p := range pictures {
		if p.url != "" {
			c.add(anthropic.NewImageBlock(anthropic.URLImageSourceParam{URL: p.url}))
		} else {
			c.add(anthropic.NewImageBlockBase64(p.mime, p.base64))
		}
	}
}

func (*messagesTalk) instruct(string) bool { return false }

func (c *messagesTalk) answer(to call, result string) {
	c.add(anthropic.NewToolResultBlock(to.id, result, false))
}

func (c *messagesTalk) send(ctx context.Context, stream bool) (*reply, error) {
	got := &reply{}
	if !stream {
		m, err := c.client.Messages.New(ctx, c.params)
		if err != nil {
			return got, err
		}
		c.read(m, got)
		return got, nil
	}
	events := c.client.Messages.NewStreaming(ctx, c.params)
	defer events.Close()
	var sum anthropic.Message
	stopped := false
	for events.Next() {
		e := events.Current()
		if err := sum.Accumulate(e); err != nil {
			return got, err
		}
		switch v := e.AsAny().(type) {
		case anthropic.ContentBlockDeltaEvent:
			if v.Delta.Type == "text_delta" {
				got.text += v.Delta.Text
				got.piece(c.onText)
			}
		case anthropic.MessageStopEvent:
			stopped = true
		}
	}
	if err := events.Err(); err != nil {
		return got, err
	}
	if !stopped {
		return got, errors.New("the stream ended without message_stop")
	}
	c.read(&sum, got)
	return got, nil
}

// read completes a reply and keeps the answer.
func (c *messagesTalk) read(m *anthropic.Message, got *reply) {
	c.params.Messages = append(c.params.Messages, m.ToParam())
	got.finish = string(m.StopReason)
	var text strings.Builder
	for _, block := range m.Content {
		switch v := block.AsAny().(type) {
		case anthropic.TextBlock:
			text.WriteString(v.Text)
		case anthropic.ThinkingBlock:
			got.thought += v.Thinking
		case anthropic.ToolUseBlock:
			got.calls = append(got.calls, call{v.ID, v.Name, string(v.Input)})
		}
	}
	got.text = text.String()
	if m.StopReason == anthropic.StopReasonRefusal {
		got.refusal, got.text = got.text, ""
	}
	u := m.Usage
	got.usage = tally{u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens, u.CacheReadInputTokens, u.CacheCreationInputTokens,
		u.OutputTokens, u.OutputTokensDetails.ThinkingTokens}
}

func (anthropicSDK) refusal(err error) (complaint, bool) {
	var e *anthropic.Error
	if !errors.As(err, &e) {
		return complaint{}, false
	}
	return complaint{e.StatusCode, string(e.Type()), gjson.Get(e.RawJSON(), "error.message").String()}, true
}

func (anthropicSDK) embed(context.Context, setup, []string) ([][]float64, bool, error) {
	return nil, false, nil
}

func (anthropicSDK) word(end string) string {
	return map[string]string{"stop": "end_turn", "length": "max_tokens", "sequence": "stop_sequence", "tools": "tool_use", "refusal": "refusal", "filter": "refusal"}[end]
}
