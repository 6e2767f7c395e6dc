package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genai"
)

func (v *vendor) gemini(t *testing.T) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		APIKey: "AIza-test", Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: v.url},
		HTTPClient: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func knobs(spec string) *genai.HTTPOptions {
	h := http.Header{}
	for knob := range strings.SplitSeq(spec, "&") {
		name, value, _ := strings.Cut(knob, "=")
		if name != "" {
			h.Set("X-Sim-"+strings.ReplaceAll(name, "_", "-"), value)
		}
	}
	return &genai.HTTPOptions{Headers: h}
}

func geminiTools(names ...string) []*genai.Tool {
	tool := &genai.Tool{}
	for _, name := range names {
		tool.FunctionDeclarations = append(tool.FunctionDeclarations, &genai.FunctionDeclaration{Name: name, Parameters: &genai.Schema{
			Type: genai.TypeObject, Properties: map[string]*genai.Schema{"a": {Type: genai.TypeString, Enum: []string{"x", "y"}}},
		}})
	}
	return []*genai.Tool{tool}
}

// foldGemini streams an answer and puts its parts together.
func foldGemini(t *testing.T, ctx context.Context, client *genai.Client, model string, contents []*genai.Content, config *genai.GenerateContentConfig) *genai.GenerateContentResponse {
	t.Helper()
	var all *genai.GenerateContentResponse
	for chunk, err := range client.Models.GenerateContentStream(ctx, model, contents, config) {
		if err != nil {
			t.Fatal(err)
		}
		if all == nil {
			all = chunk
			continue
		}
		all.UsageMetadata = chunk.UsageMetadata
		into, c := all.Candidates[0], chunk.Candidates[0]
		into.FinishReason = c.FinishReason
		into.GroundingMetadata = c.GroundingMetadata
		for _, p := range c.Content.Parts {
			if n := len(into.Content.Parts); n > 0 && p.FunctionCall == nil && p.InlineData == nil {
				if last := into.Content.Parts[n-1]; last.FunctionCall == nil && last.Thought == p.Thought {
					last.Text += p.Text
					last.ThoughtSignature = append(last.ThoughtSignature, p.ThoughtSignature...)
					continue
				}
			}
			if p.Text != "" || p.FunctionCall != nil || p.InlineData != nil {
				into.Content.Parts = append(into.Content.Parts, p)
			}
		}
	}
	return all
}

func plainGemini(t *testing.T, r *genai.GenerateContentResponse) string {
	t.Helper()
	var out []string
	for _, p := range r.Candidates[0].Content.Parts {
		if p.Text == "" && p.FunctionCall == nil && p.InlineData == nil {
			continue
		}
		what := "text"
		if p.Thought {
			what = "thought"
		}
		if p.FunctionCall != nil {
			args, err := json.Marshal(p.FunctionCall.Args)
			if err != nil {
				t.Fatal(err)
			}
			what = "call " + p.FunctionCall.Name + string(args)
		}
		if p.InlineData != nil {
			what = p.InlineData.MIMEType
		}
		if len(p.ThoughtSignature) > 0 {
			what += " signed"
		}
		out = append(out, what, p.Text)
	}
	u := r.UsageMetadata
	usage, err := json.Marshal([]int32{u.PromptTokenCount, u.CandidatesTokenCount, u.ThoughtsTokenCount, u.TotalTokenCount})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(out, string(r.Candidates[0].FinishReason), string(usage)), "|")
}

func TestGemini(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.gemini(t)
	thinking := &genai.ThinkingConfig{IncludeThoughts: true}
	for name, tt := range map[string]struct {
		text, knobs string
		config      genai.GenerateContentConfig
		want        string
	}{
		"plain":      {text: "hi", want: "text|"},
		"say":        {text: "sim: say Fine.", want: "text|Fine.|STOP|"},
		"thoughts":   {text: "hi", config: genai.GenerateContentConfig{ThinkingConfig: thinking}, want: "|text signed|"},
		"hidden":     {text: "sim: say Fine.", config: genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{}}, want: "text signed|Fine.|STOP|[6,2,12,20]"},
		"unsigned":   {text: "sim: say Fine.", knobs: "unsigned=on", config: genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{}}, want: "text|Fine.|"},
		"tools":      {text: "hi", knobs: "tools=2&preamble=2", config: genai.GenerateContentConfig{Tools: geminiTools("add", "sub")}, want: `|call add{"a":"x"}||call sub{"a":"x"}||STOP|`},
		"limit":      {text: "hi", knobs: "tokens=50", config: genai.GenerateContentConfig{MaxOutputTokens: 5}, want: "|MAX_TOKENS|"},
		"refusal":    {text: "hi", knobs: "refusal=on", want: "SAFETY|"},
		"citations":  {text: "hi", knobs: "citations=on", want: "STOP"},
		"picture":    {text: "hi", config: genai.GenerateContentConfig{ResponseModalities: []string{"TEXT", "IMAGE"}}, want: "|image/png||STOP|"},
		"structured": {text: "hi", config: genai.GenerateContentConfig{ResponseMIMEType: "application/json", ResponseSchema: &genai.Schema{Type: genai.TypeObject, Properties: map[string]*genai.Schema{"n": {Type: genai.TypeInteger, Minimum: genai.Ptr(7.0), Maximum: genai.Ptr(7.0)}}}}, want: `text|{"n":7}|STOP|`},
	} {
		contents := genai.Text(tt.text)
		tt.config.HTTPOptions = knobs(tt.knobs)
		whole, err := client.Models.GenerateContent(t.Context(), "sim-chat", contents, &tt.config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		streamed := foldGemini(t, t.Context(), client, "sim-chat", contents, &tt.config)
		if diff := cmp.Diff(plainGemini(t, whole), plainGemini(t, streamed)); diff != "" {
			t.Errorf("%s: at once and streamed differ:\n%s", name, diff)
		}
		if got := plainGemini(t, whole); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s\nwant %s in it", name, got, tt.want)
		}
		if name == "citations" && (whole.Candidates[0].GroundingMetadata == nil || streamed.Candidates[0].GroundingMetadata == nil) {
			t.Error("no grounding metadata")
		}
		if name == "picture" {
			for _, p := range whole.Candidates[0].Content.Parts {
				if p.InlineData != nil {
					if _, err := png.Decode(bytes.NewReader(p.InlineData.Data)); err != nil {
						t.Errorf("picture: %v", err)
					}
				}
			}
		}
	}
}

// TestGeminiSignatures runs a tool loop with a model that demands the signatures of its calls.
func TestGeminiSignatures(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.gemini(t)
	config := &genai.GenerateContentConfig{Tools: geminiTools("add", "sub")}
	contents := genai.Text("sim: call-all\nsim: call add\nsim: call sub {\"a\":\"y\"}")
	first, err := client.Models.GenerateContent(t.Context(), "gemini-3-sim", contents, config)
	if err != nil {
		t.Fatal(err)
	}
	calls := first.Candidates[0].Content
	if len(calls.Parts) != 2 || len(calls.Parts[0].ThoughtSignature) == 0 || len(calls.Parts[1].ThoughtSignature) != 0 {
		t.Fatalf("want two calls, the first signed: %+v", calls.Parts)
	}
	results := &genai.Content{Role: "user", Parts: []*genai.Part{
		genai.NewPartFromFunctionResponse("add", map[string]any{"output": "five"}), genai.NewPartFromFunctionResponse("sub", map[string]any{"output": "six"}),
	}}
	answer, err := client.Models.GenerateContent(t.Context(), "gemini-3-sim", append(contents, calls, results), config)
	if err != nil || answer.Text() != "The tool said: six" {
		t.Fatalf("going on: %v, %v", answer, err)
	}
	spoilt := func(signature []byte) *genai.Content {
		c := *calls.Parts[0]
		c.ThoughtSignature = signature
		return &genai.Content{Role: "model", Parts: []*genai.Part{&c, calls.Parts[1]}}
	}
	for name, tt := range map[string]struct {
		model   string
		calls   *genai.Content
		results *genai.Content
		want    string
	}{
		"missing":        {"gemini-3-sim", spoilt(nil), results, "missing a thought_signature"},
		"missing before": {"gemini-2.5-sim", spoilt(nil), results, ""},
		"foreign":        {"gemini-2.5-sim", spoilt([]byte("foreign")), results, "Corrupted thought signature"},
		"too few":        {"gemini-3-sim", calls, &genai.Content{Role: "user", Parts: results.Parts[:1]}, "number of function response parts is equal"},
	} {
		_, err := client.Models.GenerateContent(t.Context(), tt.model, append(contents[:1:1], tt.calls, tt.results), config)
		var e genai.APIError
		if errors.As(err, &e) != (tt.want != "") || !strings.Contains(e.Message, tt.want) || tt.want != "" && (e.Code != 400 || e.Status != "INVALID_ARGUMENT") {
			t.Errorf("%s: want %q, got %v", name, tt.want, err)
		}
	}
	dummy := `{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"add","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"name":"add","response":{"result":"seven"}}}]}]}`
	if got := post(t, v, "/v1beta/models/gemini-3-sim:generateContent", dummy, nil); got.status != 200 || !strings.Contains(got.text, "The tool said: seven") {
		t.Errorf("the dummy signature: %d %s", got.status, got.text)
	}
}

func TestGeminiForms(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	body := `{"contents":[{"parts":[{"text":"sim: say a b"}]}]}`
	sse := post(t, v, "/v1beta/models/sim-chat%3Ftokens=1:streamGenerateContent?alt=sse", body, nil)
	if !strings.HasPrefix(sse.text, "data: {") || !strings.HasSuffix(sse.text, "}\r\n\r\n") || strings.Contains(strings.ReplaceAll(sse.text, "\r\n", ""), "\n") {
		t.Errorf("events: %q", sse.text)
	}
	array := post(t, v, "/v1beta/models/sim-chat:streamGenerateContent", body, nil)
	var chunks []genai.GenerateContentResponse
	if err := json.Unmarshal([]byte(array.text), &chunks); err != nil || len(chunks) < 2 || !strings.HasPrefix(array.header.Get("Content-Type"), "application/json") {
		t.Errorf("array: %v\n%s", err, array.text)
	}
	for body, want := range map[string]string{
		`{"contents":[{"parts":[{"text":"a"}]}],"x":1}`:                              `Unknown name \"x\": Cannot find field.`,
		`{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"maxTokens":1}}`: `Unknown name \"maxTokens\" at 'generation_config': Cannot find field.`,
		`{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","additionalProperties":false}}]}]}`: `at 'tools[0].function_declarations[0].parameters'`,
		`{"contents":[{"role":"assistant","parts":[{"text":"a"}]}]}`: `Please use a valid role: user, model.`,
		`{"contents":[]}`: `contents is not specified`,
		`{"contents":[{"parts":[{"thought":true}]}]}`: `required oneof field 'data'`,
		`{"contents"`: `Invalid JSON payload received.`,
	} {
		got := post(t, v, "/v1beta/models/sim-chat:generateContent", body, nil)
		if got.status != 400 || !strings.Contains(got.text, want) || !strings.Contains(got.text, `"status":"INVALID_ARGUMENT"`) {
			t.Errorf("%s\n%d %s\nwant %s", body, got.status, got.text, want)
		}
	}
	snake := `{"contents":[{"parts":[{"text":"a"}]}],"generation_config":{"max_output_tokens":3},"system_instruction":{"parts":[{"text":"b"}]}}`
	if got := post(t, v, "/v1beta/models/sim-chat:generateContent", snake, nil); got.status != 200 || !strings.Contains(got.text, `"MAX_TOKENS"`) {
		t.Errorf("snake_case: %d %s", got.status, got.text)
	}
	for key, want := range map[string]int{"": 403, "sk-sim-invalid": 400, "sk-sim-401-x": 401, "any": 200} {
		if got := post(t, v, "/v1beta/models/sim-chat:generateContent", body, http.Header{"Authorization": nil, "X-Goog-Api-Key": {key}}); got.status != want {
			t.Errorf("key %q: %d %s", key, got.status, got.text)
		}
	}
}

func TestGeminiOthers(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	client := v.gemini(t)
	n, err := client.Models.CountTokens(t.Context(), "sim-chat", genai.Text("hello there"), nil)
	if err != nil || n.TotalTokens != 5 {
		t.Errorf("countTokens: %+v, %v", n, err)
	}
	vectors, err := client.Models.EmbedContent(t.Context(), "sim-embedding", []*genai.Content{genai.NewContentFromText("one", "user"), genai.NewContentFromText("two", "user")},
		&genai.EmbedContentConfig{OutputDimensionality: genai.Ptr[int32](16)})
	if err != nil || len(vectors.Embeddings) != 2 || len(vectors.Embeddings[0].Values) != 16 {
		t.Errorf("embeddings: %+v, %v", vectors, err)
	}
	same := post(t, v, "/v1/embeddings", `{"model":"sim-embedding","input":"one","dimensions":16}`, nil)
	first, err := json.Marshal(vectors.Embeddings[0].Values)
	if err != nil || !strings.Contains(same.text, string(first)) {
		t.Errorf("OpenAI's form has another vector: %s, want %s", same.text, first)
	}
	pictures := post(t, v, "/v1beta/models/imagen-sim:predict", `{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":2}}`, nil)
	var predicted struct {
		Predictions []struct {
			BytesBase64Encoded []byte
			MimeType           string
		}
	}
	if err := json.Unmarshal([]byte(pictures.text), &predicted); err != nil || len(predicted.Predictions) != 2 {
		t.Fatalf("imagen: %s, %v", pictures.text, err)
	}
	if _, err := png.Decode(bytes.NewReader(predicted.Predictions[1].BytesBase64Encoded)); err != nil {
		t.Error(err)
	}
	if got, err := v.get(t, "/v1beta/models?key=k"); err != nil || !strings.Contains(got, `"name":"models/sim-chat"`) {
		t.Errorf("models: %s, %v", got, err)
	}
}

func TestVertex(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	token := post(t, v, "/token", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c", form)
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(token.text), &got); err != nil || got.AccessToken == "" || got.ExpiresIn < 60 {
		t.Fatalf("token: %s, %v", token.text, err)
	}
	if bad := post(t, v, "/token", "grant_type=password", form); bad.status != 400 || !strings.Contains(bad.text, "invalid_grant") {
		t.Errorf("another grant: %d %s", bad.status, bad.text)
	}
	base := "/v1/projects/p/locations/us-east5/publishers/"
	bearer := http.Header{"Authorization": {"Bearer " + got.AccessToken}}
	claude := `{"anthropic_version":"vertex-2023-10-16","max_tokens":50,"messages":[{"role":"user","content":"sim: say Fine."}]}`
	for _, tt := range []struct {
		path, body string
		header     http.Header
		status     int
		want       string
	}{
		{"google/models/gemini-2.5-pro:generateContent", `{"contents":[{"role":"user","parts":[{"text":"sim: say Fine."}]}]}`, bearer, 200, `"text":"Fine."`},
		{"google/models/gemini-2.5-pro:generateContent", `{}`, http.Header{"Authorization": nil, "X-Goog-Api-Key": {"k"}}, 401, `"UNAUTHENTICATED"`},
		{"google/models/text-embedding-005:predict", `{"instances":[{"content":"a"}],"parameters":{"outputDimensionality":2}}`, bearer, 200, `"token_count":1`},
		{"anthropic/models/claude-sonnet-4@20250514:rawPredict", claude, bearer, 200, `"text":"Fine."`},
		{"anthropic/models/claude-sonnet-4@20250514:streamRawPredict", claude, bearer, 200, "event: message_stop"},
		{"anthropic/models/claude-sonnet-4@20250514:rawPredict", strings.Replace(claude, "{", `{"model":"m",`, 1), bearer, 400, "model: Extra inputs are not permitted"},
		{"anthropic/models/claude-sonnet-4@20250514:rawPredict", strings.Replace(claude, `"anthropic_version":"vertex-2023-10-16",`, "", 1), bearer, 400, "anthropic_version: Field required"},
		{"anthropic/models/count-tokens:rawPredict", `{"model":"claude-sonnet-4","messages":[{"role":"user","content":"four"}]}`, bearer, 200, `{"input_tokens":3}`},
		{"anthropic/models/claude:predict", claude, bearer, 404, `"NOT_FOUND"`},
	} {
		if got := post(t, v, base+tt.path, tt.body, tt.header); got.status != tt.status || !strings.Contains(got.text, tt.want) {
			t.Errorf("%s: %d %s\nwant %d %s", tt.path, got.status, got.text, tt.status, tt.want)
		}
	}
}
