package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"

	"google.golang.org/genai"
)

// geminiSDK is Google's genai.
type geminiSDK struct{}

// geminiTalk is a conversation by generateContent.
type geminiTalk struct {
	client   *genai.Client
	model    string
	contents []*genai.Content
	config   *genai.GenerateContentConfig
	onText   func()
}

func (s setup) genai(ctx context.Context) (*genai.Client, error) {
	return genai.NewClient(ctx, &genai.ClientConfig{
		APIKey: s.key, Backend: genai.BackendGeminiAPI, HTTPClient: s.http, HTTPOptions: genai.HTTPOptions{BaseURL: s.url},
	})
}

func (geminiSDK) begin(ctx context.Context, s setup) (conversation, error) {
	client, err := s.genai(ctx)
	c := &geminiTalk{client: client, model: s.model, onText: s.onText, config: &genai.GenerateContentConfig{
		MaxOutputTokens: int32(s.maxTokens), StopSequences: s.stop,
	}}
	if s.system != "" {
		c.config.SystemInstruction = genai.NewContentFromText(s.system, genai.RoleUser)
	}
	if len(s.tools) > 0 {
		c.config.Tools = []*genai.Tool{{}}
	}
	for _, f := range s.tools {
		c.config.Tools[0].FunctionDeclarations = append(c.config.Tools[0].FunctionDeclarations, &genai.FunctionDeclaration{
			Name: f.name, Description: "Looks it up.",
			Parameters: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{f.argument: {Type: genai.TypeString}}, Required: []string{f.argument}},
		})
	}
	if s.schema != nil {
		c.config.ResponseMIMEType, c.config.ResponseJsonSchema = "application/json", s.schema
	}
	if s.think {
		c.config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingBudget: genai.Ptr[int32](1024)}
	}
	return c, err
}

// add adds parts of the user's: to the turn that is open, since all results belong to one.
func (c *geminiTalk) add(parts ...*genai.Part) {
	if n := len(c.contents); n > 0 && c.contents[n-1].Role == genai.RoleUser {
		c.contents[n-1].Parts = append(c.contents[n-1].Parts, parts...)
		return
	}
	c.contents = append(c.contents, genai.NewContentFromParts(parts, genai.RoleUser))
}

func (c *geminiTalk) say(text string, pictures ...picture) {
	c.add(genai.NewPartFromText(text))
	for _, p := range pictures {
		if p.url != "" {
			c.add(genai.NewPartFromURI(p.url, p.mime))
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(p.base64)
		if err != nil {
			panic(err) // the test's own picture
		}
		c.add(genai.NewPartFromBytes(raw, p.mime))
	}
}

func (*geminiTalk) instruct(string) bool { return false }

func (c *geminiTalk) answer(to call, result string) {
	part := genai.NewPartFromFunctionResponse(to.name, map[string]any{"output": result})
	part.FunctionResponse.ID = to.id
	c.add(part)
}

func (c *geminiTalk) send(ctx context.Context, stream bool) (*reply, error) {
	got := &reply{}
	turn := &genai.Content{Role: genai.RoleModel}
	if stream {
		for chunk, err := range c.client.Models.GenerateContentStream(ctx, c.model, c.contents, c.config) {
			if err != nil {
				return got, err
			}
			before := got.text
			if err := got.gemini(chunk, turn); err != nil {
				return got, err
			}
			if got.text != before {
				got.piece(c.onText)
			}
		}
		if got.finish == "" {
			return got, errors.New("the stream ended without a reason")
		}
	} else {
		answer, err := c.client.Models.GenerateContent(ctx, c.model, c.contents, c.config)
		if err != nil {
			return got, err
		}
		if err := got.gemini(answer, turn); err != nil {
			return got, err
		}
	}
	c.contents = append(c.contents, turn)
	if got.finish == string(genai.FinishReasonSafety) {
		got.refusal, got.text = got.text, ""
	}
	return got, nil
}

// gemini takes in one answer or one piece of it.
func (r *reply) gemini(a *genai.GenerateContentResponse, turn *genai.Content) error {
	if u := a.UsageMetadata; u != nil {
		r.usage = tally{int64(u.PromptTokenCount), int64(u.CachedContentTokenCount), 0,
			int64(u.CandidatesTokenCount + u.ThoughtsTokenCount), int64(u.ThoughtsTokenCount)}
	}
	if len(a.Candidates) == 0 {
		return nil
	}
	candidate := a.Candidates[0]
	if candidate.FinishReason != "" {
		r.finish = string(candidate.FinishReason)
	}
	if candidate.Content == nil {
		return nil
	}
	for _, part := range candidate.Content.Parts {
		keep(turn, part)
		switch {
		case part.FunctionCall != nil:
			args, err := json.Marshal(part.FunctionCall.Args)
			if err != nil {
				return err
			}
			r.calls = append(r.calls, call{part.FunctionCall.ID, part.FunctionCall.Name, string(args)})
		case part.Thought:
			r.thought += part.Text
		default:
			r.text += part.Text
		}
	}
	return nil
}

// keep adds a part to a turn. One with nothing, or with nothing but a signature, the client would send without its empty
// text, which the API does not take: the signature is that of the text before.
func keep(turn *genai.Content, part *genai.Part) {
	bare := *part
	bare.ThoughtSignature = nil
	if n := len(turn.Parts); n == 0 || !reflect.DeepEqual(bare, genai.Part{}) {
		turn.Parts = append(turn.Parts, part)
	} else if part.ThoughtSignature != nil {
		turn.Parts[n-1].ThoughtSignature = part.ThoughtSignature
	}
}

func (geminiSDK) refusal(err error) (complaint, bool) {
	var e genai.APIError
	if !errors.As(err, &e) {
		return complaint{}, false
	}
	return complaint{e.Code, e.Status, e.Message}, true
}

func (geminiSDK) embed(ctx context.Context, s setup, texts []string) ([][]float64, bool, error) {
	client, err := s.genai(ctx)
	if err != nil {
		return nil, true, err
	}
	var contents []*genai.Content
	for _, text := range texts {
		contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
	}
	answer, err := client.Models.EmbedContent(ctx, s.model, contents, &genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](16)})
	if err != nil {
		return nil, true, err
	}
	var vectors [][]float64
	for _, e := range answer.Embeddings {
		vector := make([]float64, len(e.Values))
		for i, v := range e.Values {
			vector[i] = float64(v)
		}
		vectors = append(vectors, vector)
	}
	return vectors, true, nil
}

func (geminiSDK) word(end string) string {
	return map[string]string{"stop": "STOP", "length": "MAX_TOKENS", "sequence": "STOP", "tools": "STOP", "refusal": "SAFETY", "filter": "SAFETY"}[end]
}
