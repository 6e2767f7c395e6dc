package gemini_test

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	user := []llm.Message{say(llm.User, words("hi"))}
	media := func(a llm.Attachment) llm.Block { return llm.Block{Kind: llm.Media, Media: &a} }
	tests := []struct {
		name, body string
		want       llm.Request
	}{
		{"config in snake_case", `{` + hiWire + `,"generation_config":{"temperature":"0.5","top_p":1,"top_k":3,"candidate_count":2,"max_output_tokens":7,"stop_sequences":["x"],"seed":4,
			"presence_penalty":1,"frequency_penalty":2,"response_logprobs":true,"logprobs":3,"response_modalities":["TEXT","IMAGE"],"media_resolution":"M"},"safety_settings":[{}],"cached_content":"c",
			"labels":{"a":"b"},"serviceTier":"flex"}`,
			llm.Request{Messages: user, Temperature: ptr(0.5), TopP: ptr(1.0), TopK: ptr(int64(3)), N: 2, MaxTokens: 7, Stop: []string{"x"}, Seed: ptr(int64(4)), Presence: ptr(1.0), Frequency: ptr(2.0),
				Logprobs: true, TopLogprobs: 3, Modalities: []string{"text", "image"}, Safety: llm.JSON(`[{}]`), Metadata: map[string]string{"a": "b"}, ServiceTier: "flex",
				Extra: map[string]llm.JSON{"generationConfig.mediaResolution": llm.JSON(`"M"`), "cachedContent": llm.JSON(`"c"`)}}},
		{"thinking off", `{` + hiWire + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, llm.Request{Messages: user, Reasoning: llm.Reasoning{Off: true}}},
		{"thinking shown", `{` + hiWire + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`, llm.Request{Messages: user, Reasoning: llm.Reasoning{Budget: llm.Dynamic, Summary: "auto"}}},
		{"thinking level", `{` + hiWire + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW"}}}`, llm.Request{Messages: user, Reasoning: llm.Reasoning{Effort: "low", Summary: "none"}}},
		{"thinking budget", `{` + hiWire + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":9,"includeThoughts":true}}}`, llm.Request{Messages: user, Reasoning: llm.Reasoning{Budget: 9, Summary: "auto"}}},
		{"JSON", `{` + hiWire + `,"generationConfig":{"responseMimeType":"application/json"}}`, llm.Request{Messages: user, Format: llm.Format{Mode: llm.FormatJSON}}},
		{"schema", `{` + hiWire + `,"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"STRING","nullable":true}}}`,
			llm.Request{Messages: user, Format: llm.Format{Mode: llm.FormatSchema, Name: "response", Schema: llm.JSON(`{"type":["string","null"]}`)}}},
		{"enum", `{` + hiWire + `,"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"enum":["a"]}}}`,
			llm.Request{Messages: user, Extra: map[string]llm.JSON{"generationConfig.responseMimeType": llm.JSON(`"text/x.enum"`), "generationConfig.responseSchema": llm.JSON(`{"enum":["a"]}`)}}},
		{"voice", `{` + hiWire + `,"generationConfig":{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}}`,
			llm.Request{Messages: user, Modalities: []string{"audio"}, AudioOut: llm.AudioOut{Voice: "Kore"}}},
		{"tools", `{` + hiWire + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{"a":{"type":"INTEGER"}}}},{"name":"p__text"}]},{"google_search":{},"codeExecution":{}}],
			"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["p__text"]}}}`,
			llm.Request{Messages: user, Choice: llm.Choice{Mode: llm.Required, Names: []string{"p"}}, Tools: []llm.Tool{
				{Name: "f", Description: "d", Schema: llm.JSON(`{"type":"object","properties":{"a":{"type":"integer"}}}`)}, {Name: "p", Grammar: llm.JSON("{}")},
				{Vendor: llm.Gemini, Type: "codeExecution", Raw: llm.JSON(`{"codeExecution":{}}`)}, {Vendor: llm.Gemini, Type: "googleSearch", Raw: llm.JSON(`{"google_search":{}}`)}}}},
		{"files", `{"systemInstruction":{"parts":{"text":"sys"}},"contents":{"parts":[{"inline_data":{"mime_type":"image/png","data":"-_8"}},{"fileData":{"fileUri":"gs://b/o","mimeType":"video/mp4"},"videoMetadata":{"fps":1}},
			{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}},{"inlineData":{"mimeType":"text/plain","data":"aGk="}}]}}`,
			llm.Request{Extra: map[string]llm.JSON{"contents[0].parts[1].videoMetadata": llm.JSON(`{"fps":1}`)}, Messages: []llm.Message{say(llm.System, words("sys")), say(llm.User,
				media(llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "+/8="}), llm.Block{Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Video, MIMEType: "video/mp4", URL: "gs://b/o"}, Vendor: llm.Gemini, Raw: llm.JSON(`{"videoMetadata":{"fps":1}}`)},
				media(llm.Attachment{Kind: llm.Document, FileID: "https://generativelanguage.googleapis.com/v1beta/files/x", Origin: llm.Gemini}),
				media(llm.Attachment{Kind: llm.Document, MIMEType: "text/plain", Text: "hi"}))}}},
		{"calls without ids", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"}}]},
			{"role":"function","parts":[{"text":"so"},{"functionResponse":{"name":"g","response":{"error":"e"}}},{"functionResponse":{"name":"f","response":{"result":"one"}}},{"functionResponse":{"name":"f","response":{"k":2}}}]}]}`,
			llm.Request{Messages: []llm.Message{user[0], say(llm.Assistant, call("call_0", "f", `{"n":1}`, llm.State{}), call("call_1", "f", "", llm.State{}), call("call_2", "g", "", llm.State{})),
				say(llm.User, named(result("call_2", true, words("e")), "g"), named(result("call_0", false, words("one")), "f"), named(result("call_1", false, words(`{"k":2}`)), "f"), words("so"))}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := gemini.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{Model: "m", Stream: true})
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Model, tt.want.Stream, tt.want.Dialect, tt.want.IncludeUsage = "m", true, llm.Gemini, true
			if diff := cmp.Diff(&tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func named(b llm.Block, name string) llm.Block {
	b.Result.Name = name
	return b
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, param string }{
		{"empty", `{"contents":[]}`, "contents"},
		{"role", `{"contents":[{"role":"robot","parts":[{"text":"x"}]}]}`, "contents[0].role"},
		{"part of a wrong type", `{"contents":[{"parts":[{"text":"x"},{"text":7}]}]}`, "contents[0].parts[1].text"},
		{"call without a name", `{"contents":[{"parts":[{"functionCall":{}}]}]}`, "contents[0].parts[0].functionCall.name"},
		{"arguments", `{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}`, "contents[0].parts[0].functionCall.args"},
		{"result without a name", `{"contents":[{"parts":[{"functionResponse":{}}]}]}`, "contents[0].parts[0].functionResponse.name"},
		{"empty data", `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png"}}]}]}`, "contents[0].parts[0].inlineData.data"},
		{"empty file", `{"contents":[{"parts":[{"fileData":{}}]}]}`, "contents[0].parts[0].fileData.fileUri"},
		{"mode", `{` + hiWire + `,"toolConfig":{"functionCallingConfig":{"mode":"WILD"}}}`, "toolConfig.functionCallingConfig.mode"},
		{"schema without its type", `{` + hiWire + `,"generationConfig":{"responseSchema":{}}}`, "generationConfig.responseMimeType"},
		{"temperature", `{` + hiWire + `,"generationConfig":{"temperature":"hot"}}`, "generationConfig.temperature"},
		{"duplicate", `{` + hiWire + `,"labels":{"a":"1","a":"2"}}`, ""},
		{"odd spelling", `{` + hiWire + `,"generationConfig":{"MAXOUTPUTTOKENS":7}}`, ""},
		{"function without a name", `{` + hiWire + `,"tools":[{"functionDeclarations":[{}]}]}`, "tools"},
	}
	for _, tt := range tests {
		_, err := gemini.Dialect{}.DecodeRequest([]byte(tt.body), dialect.At{Model: "m"})
		var refused *llm.RequestError
		if !errors.As(err, &refused) || refused.Param != tt.param || strings.TrimSpace(refused.Message) == "" {
			t.Errorf("%s: %#v, want %q", tt.name, err, tt.param)
		}
	}
}
