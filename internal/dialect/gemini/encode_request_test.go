package gemini_test

import (
	"encoding/json"
	"slices"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

func say(role llm.Role, blocks ...llm.Block) llm.Message {
	return llm.Message{Role: role, Blocks: blocks}
}

func words(s string) llm.Block { return llm.Block{Kind: llm.Text, Text: s} }

func call(id, name, input string, state llm.State) llm.Block {
	return llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: id, Name: name, Input: input}, State: state}
}

func result(id string, isError bool, content ...llm.Block) llm.Block {
	return llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: id, IsError: isError, Content: content}}
}

var hi = []llm.Message{say(llm.User, words("hi"))}

const hiWire = `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`

func TestEncodeRequest(t *testing.T) {
	t.Parallel()
	schema := llm.JSON(`{"type":"object","properties":{"a":{"type":["integer","null"],"const":1}},"additionalProperties":false}`)
	tools := []llm.Tool{{Name: "f", Description: "d", Schema: schema, Strict: ptr(true)}, {Name: "none"}}
	native := llm.State{Origin: llm.Gemini, Data: "AAAA"}
	other := llm.State{Origin: llm.Anthropic, Data: "sig"}
	png := llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "iVBORw=="}}
	named := llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, MIMEType: "application/pdf", Data: "JVBERg==", Name: "a.pdf"}}
	tests := []struct {
		name    string
		in      llm.Request
		target  dialect.Target
		want    string
		dropped []llm.Field
	}{
		{"system messages", llm.Request{Messages: []llm.Message{say(llm.System, words("a")), say(llm.Developer, words("b")), say(llm.User, words("hi")),
			say(llm.Assistant, words("yo")), say(llm.System, words("now")), say(llm.User, words("go"))}}, dialect.Target{Model: "gemini-2.5-pro"},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"yo"}]},
				{"role":"user","parts":[{"text":"<system>\nnow\n</system>"},{"text":"go"}]}],"systemInstruction":{"role":"user","parts":[{"text":"a"},{"text":"b"}]}}`, nil},
		{"system alone", llm.Request{Messages: []llm.Message{say(llm.System, words("hi"))}}, dialect.Target{}, `{` + hiWire + `}`, nil},
		{"model first", llm.Request{Messages: []llm.Message{say(llm.Assistant, words("yo"))}}, dialect.Target{},
			`{"contents":[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":"yo"}]}]}`, nil},
		{"sampling", llm.Request{Messages: hi, Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(int64(3)), N: 2, MaxTokens: 7, Seed: ptr(int64(1) << 32), Presence: ptr(1.0),
			Frequency: ptr(-1.0), Stop: []string{"a", "b", "c", "d", "e", "f"}, Logprobs: true, TopLogprobs: 3}, dialect.Target{},
			`{` + hiWire + `,"generationConfig":{"temperature":0.5,"topP":0.9,"topK":3,"candidateCount":2,"maxOutputTokens":7,"stopSequences":["a","b","c","d","e"],
				"seed":0,"presencePenalty":1,"frequencyPenalty":-1,"responseLogprobs":true,"logprobs":3}}`, []llm.Field{llm.FieldStop}},
		{"what has no place", llm.Request{Messages: hi, Parallel: ptr(false), User: "u", LogitBias: llm.JSON(`{}`), MinP: ptr(0.1), Verbosity: "low", CacheKey: "k", ServiceTier: "scale",
			Metadata: map[string]string{"a": "b"}, Extra: map[string]llm.JSON{"thing": llm.JSON("1")}}, dialect.Target{Host: "generativelanguage.googleapis.com"}, `{` + hiWire + `}`,
			[]llm.Field{llm.FieldServiceTier, llm.FieldMetadata, llm.FieldParallel, llm.FieldMinP, llm.FieldLogitBias, llm.FieldVerbosity, llm.FieldUser, llm.FieldCacheKey, "extra:thing"}},
		{"vertex labels", llm.Request{Messages: hi, Metadata: map[string]string{"a": "b"}, ServiceTier: "flex"}, dialect.Target{Host: "us-east5-aiplatform.googleapis.com"},
			`{` + hiWire + `,"serviceTier":"flex","labels":{"a":"b"}}`, nil},
		{"JSON schema", llm.Request{Messages: hi, Tools: tools, Choice: llm.Choice{Mode: llm.Required, Names: []string{"f"}}}, dialect.Target{Model: "gemini-2.5-flash"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":` + string(schema) + `},{"name":"none"}]}],
				"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`, []llm.Field{llm.FieldStrict}},
		{"schema of old", llm.Request{Messages: hi, Tools: tools, Choice: llm.Choice{Mode: llm.None}}, dialect.Target{Model: "gemini-2.0-flash"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":
				{"a":{"type":"INTEGER","nullable":true,"description":"One of: 1."}}}},{"name":"none"}]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`, []llm.Field{llm.FieldStrict}},
		{"auto among some", llm.Request{Messages: hi, Tools: tools, Choice: llm.Choice{Mode: llm.Auto, Names: []string{"none"}}}, dialect.Target{Model: "gemini-2.5-flash"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"none"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`, []llm.Field{llm.FieldStrict}},
		{"vendors' tools", llm.Request{Messages: hi, Tools: []llm.Tool{{Vendor: llm.Gemini, Type: "googleSearch", Raw: llm.JSON(`{"googleSearch":{"x":1}}`)}, {Vendor: llm.Anthropic, Type: "web_search_20250305"}}},
			dialect.Target{}, `{` + hiWire + `,"tools":[{"googleSearch":{"x":1}}]}`, []llm.Field{"tool.vendor:web_search_20250305"}},
		{"free text tool", llm.Request{Messages: hi, Tools: []llm.Tool{{Name: "patch", Grammar: llm.JSON(`{"type": "text"}`)}}}, dialect.Target{Model: "gemini-3-flash"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"patch__text","parametersJsonSchema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]}]}`, nil},
		{"format", llm.Request{Messages: hi, Format: llm.Format{Mode: llm.FormatSchema, Schema: schema}}, dialect.Target{Model: "gemini-2.5-flash"},
			`{` + hiWire + `,"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":` + string(schema) + `}}`, nil},
		{"format of old", llm.Request{Messages: hi, Format: llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(`{"type":"string"}`)}}, dialect.Target{Model: "gemini-1.5-pro"},
			`{` + hiWire + `,"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"STRING"}}}`, nil},
		{"format beside tools", llm.Request{Messages: hi, Tools: tools[1:], Format: llm.Format{Mode: llm.FormatJSON}}, dialect.Target{Model: "gemini-2.5-flash"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"none"}]}]}`, []llm.Field{llm.FieldFormat}},
		{"format beside tools since 3", llm.Request{Messages: hi, Tools: tools[1:], Format: llm.Format{Mode: llm.FormatJSON}}, dialect.Target{Model: "gemini-3-flash-preview"},
			`{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"none"}]}],"generationConfig":{"responseMimeType":"application/json"}}`, nil},
		{"files", llm.Request{Messages: []llm.Message{say(llm.User, png,
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, URL: "https://example.com/a.webp?x=1"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, URL: "gs://bucket/doc"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, Text: "plain"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Video, FileID: "https://generativelanguage.googleapis.com/v1beta/files/x", Origin: llm.Gemini, MIMEType: "video/mp4"}},
			llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Document, FileID: "file-1", Origin: llm.OpenAI}})}}, dialect.Target{},
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw=="}},{"fileData":{"mimeType":"image/webp","fileUri":"https://example.com/a.webp?x=1"}},
				{"fileData":{"mimeType":"application/pdf","fileUri":"gs://bucket/doc"}},{"inlineData":{"mimeType":"text/plain","data":"cGxhaW4="}},
				{"fileData":{"mimeType":"video/mp4","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}]}]}`, []llm.Field{llm.FieldFile}},
		{"tool loop", llm.Request{Messages: append(slices.Clone(hi), say(llm.Assistant, words("on it"), llm.Block{Kind: llm.Thinking, State: native}, call("c1", "f", `{"a":1}`, native), call("c2", "g", "", llm.State{})),
			say(llm.User, result("c1", false, words("ok"), png), result("c2", true, words("bad")), words("and?")))}, dialect.Target{Model: "gemini-2.5-flash"},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"on it","thoughtSignature":"AAAA"},
				{"functionCall":{"id":"c1","name":"f","args":{"a":1}},"thoughtSignature":"AAAA"},{"functionCall":{"id":"c2","name":"g","args":{}}}]},
				{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"output":"ok"}}},{"inlineData":{"mimeType":"image/png","data":"iVBORw=="}},
				{"functionResponse":{"id":"c2","name":"g","response":{"error":"bad"}}},{"text":"and?"}]}]}`, nil},
		{"foreign history on 3", llm.Request{Messages: append(slices.Clone(hi), say(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "t", State: other}, call("c1", "f", "{}", llm.State{}), call("c2", "f", "{}", llm.State{})),
			say(llm.User, result("c1", false, png), result("c2", false, words(`{"x":1}`))))}, dialect.Target{Model: "models/gemini-3-pro-preview"},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},
				{"functionCall":{"id":"c2","name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"output":""},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw=="}}]}},
				{"functionResponse":{"id":"c2","name":"f","response":{"x":1}}}]}]}`, []llm.Field{llm.FieldThinking}},
		{"unsigned thinking", llm.Request{Messages: append(slices.Clone(hi), say(llm.Assistant, llm.Block{Kind: llm.Thinking, Text: "t"}, words("x")), hi[0]), Include: []string{"reasoning.encrypted_content"}},
			dialect.Target{}, `{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"x"}]},{"role":"user","parts":[{"text":"hi"}]}]}`, nil},
		{"voice", llm.Request{Messages: hi, Modalities: []string{"audio"}, AudioOut: llm.AudioOut{Voice: "Kore"}}, dialect.Target{},
			`{` + hiWire + `,"generationConfig":{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}}`, nil},
		{"a voice in a format", llm.Request{Messages: hi, Modalities: []string{"audio"}, AudioOut: llm.AudioOut{Format: "mp3"}}, dialect.Target{},
			`{` + hiWire + `,"generationConfig":{"responseModalities":["AUDIO"]}}`, []llm.Field{llm.FieldAudioFormat}},
		{"thinking at length", llm.Request{Messages: hi, Reasoning: llm.Reasoning{Budget: 2000, Summary: "detailed"}}, dialect.Target{Model: "gemini-2.5-flash"},
			`{` + hiWire + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingBudget":2000}}}`, []llm.Field{llm.FieldSummary}},
		{"a file with a name", llm.Request{Messages: []llm.Message{say(llm.User, named)}}, dialect.Target{Host: "generativelanguage.googleapis.com"},
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERg=="}}]}]}`, []llm.Field{llm.FieldFileName}},
		{"a file with a name on Vertex", llm.Request{Messages: []llm.Message{say(llm.User, named)}}, dialect.Target{Host: "us-east5-aiplatform.googleapis.com"},
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERg==","displayName":"a.pdf"}}]}]}`, nil},
		{"a file of Google's own caller", llm.Request{Dialect: llm.Gemini, Messages: []llm.Message{say(llm.User, named)}}, dialect.Target{Host: "generativelanguage.googleapis.com"},
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"JVBERg==","displayName":"a.pdf"}}]}]}`, nil},
		{"own fields go back", llm.Request{Messages: hi, Extra: map[string]llm.JSON{"cachedContent": llm.JSON(`"c"`), "generationConfig.mediaResolution": llm.JSON(`"X"`), "toolConfig.retrievalConfig": llm.JSON(`{}`)},
			Safety: llm.JSON(`[{"category":1}]`)}, dialect.Target{},
			`{` + hiWire + `,"toolConfig":{"retrievalConfig":{}},"generationConfig":{"mediaResolution":"X"},"safetySettings":[{"category":1}],"cachedContent":"c"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body, dropped, err := gemini.Dialect{}.EncodeRequest(&tt.in, tt.target)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.dropped, dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
		})
	}
	if _, _, err := (gemini.Dialect{}).EncodeRequest(&llm.Request{}, dialect.Target{}); err == nil {
		t.Error("a request without messages is written")
	}
}

func TestThinkingConfig(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in      llm.Reasoning
		model   string
		want    string
		dropped bool
	}{
		{llm.Reasoning{}, "gemini-3-pro-preview", `null`, false},
		{llm.Reasoning{Effort: "high"}, "gemini-3-pro-preview", `{"includeThoughts":true,"thinkingLevel":"HIGH"}`, false},
		{llm.Reasoning{Effort: "minimal"}, "gemini-3-pro-preview", `{"includeThoughts":true,"thinkingLevel":"LOW"}`, false},
		{llm.Reasoning{Effort: "medium"}, "gemini-3-pro-preview", `{"includeThoughts":true,"thinkingLevel":"HIGH"}`, false},
		{llm.Reasoning{Effort: "medium"}, "gemini-3.1-pro-preview", `{"includeThoughts":true,"thinkingLevel":"MEDIUM"}`, false},
		{llm.Reasoning{Effort: "minimal"}, "gemini-3-flash-preview", `{"includeThoughts":true,"thinkingLevel":"MINIMAL"}`, false},
		{llm.Reasoning{Budget: 2000}, "gemini-4-x", `{"includeThoughts":true,"thinkingLevel":"MEDIUM"}`, false},
		{llm.Reasoning{Off: true}, "gemini-3-flash-preview", `{"thinkingLevel":"MINIMAL"}`, true},
		{llm.Reasoning{Budget: llm.Dynamic, Summary: "none"}, "gemini-flash-latest", `null`, false},
		{llm.Reasoning{Effort: "low", Summary: "none"}, "gemini-2.5-flash", `{"thinkingBudget":1024}`, false},
		{llm.Reasoning{Effort: "max"}, "gemini-2.5-pro", `{"includeThoughts":true,"thinkingBudget":32768}`, false},
		{llm.Reasoning{Budget: 5}, "gemini-2.5-pro", `{"includeThoughts":true,"thinkingBudget":128}`, false},
		{llm.Reasoning{Budget: 5}, "gemini-2.5-flash-lite", `{"includeThoughts":true,"thinkingBudget":512}`, false},
		{llm.Reasoning{Off: true}, "gemini-2.5-flash", `{"thinkingBudget":0}`, false},
		{llm.Reasoning{Effort: "none"}, "gemini-2.5-pro", `{"thinkingBudget":128}`, true},
		{llm.Reasoning{Adaptive: true}, "gemini-2.5-pro", `{"includeThoughts":true,"thinkingBudget":-1}`, false},
		{llm.Reasoning{Effort: "odd"}, "gemini-2.5-pro", `{"includeThoughts":true}`, true},
		{llm.Reasoning{Effort: "high"}, "gemini-2.0-flash", `null`, true},
		{llm.Reasoning{Off: true}, "gemini-1.5-pro", `null`, false},
		{llm.Reasoning{Effort: "high"}, "some-tuned-model", `{"includeThoughts":true,"thinkingBudget":24576}`, false},
	}
	for _, tt := range tests {
		body, dropped, err := gemini.Dialect{}.EncodeRequest(&llm.Request{Messages: hi, Reasoning: tt.in}, dialect.Target{Model: tt.model})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			GenerationConfig struct{ ThinkingConfig any }
		}
		var want any
		if json.Unmarshal(body, &got) != nil || json.Unmarshal([]byte(tt.want), &want) != nil {
			t.Fatalf("%s", body)
		}
		if diff := cmp.Diff(want, got.GenerationConfig.ThinkingConfig); diff != "" || slices.Contains(dropped, llm.FieldReasoning) != tt.dropped {
			t.Errorf("%+v for %s: dropped %v, (-want +got):\n%s", tt.in, tt.model, dropped, diff)
		}
	}
}
