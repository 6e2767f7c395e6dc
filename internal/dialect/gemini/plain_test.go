package gemini

import (
	"reflect"
	"slices"
	"testing"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonread/readtest"
)

var (
	checkRequest = readtest.Of(jsonread.AnyCase, owning((*wireRequest).readPlain), fromCaller)
	checkAnswer  = readtest.Of(jsonread.Repeats|jsonread.AnyCase|jsonread.Small, owning((*wireResponse).readPlain), fromUpstream)
	generateAPIs = []string{"generatecontent", "streamgeneratecontent"}
)

// borrowing are the fields whose values are borrowed from the document.
var borrowing = []string{"Args", "Response", "Parameters", "ParametersJSONSchema", "FinishReason", "BlockReason", "Error", "Modality", "TokenCount",
	"PromptTokenCount", "CachedContentTokenCount", "ToolUsePromptTokenCount", "CandidatesTokenCount", "ThoughtsTokenCount", "TotalTokenCount"}

// owning is a reader whose values are borrowed no more, and have no room for others.
func owning[T any](read func(*T, *jsonread.Reader)) func(*T, *jsonread.Reader) {
	return func(to *T, r *jsonread.Reader) {
		read(to, r)
		release(reflect.ValueOf(to))
	}
}

func release(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			release(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			release(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); !field.IsExported() {
				continue
			} else if value, ok := v.Field(i).Addr().Interface().(*borrowed); ok && slices.Contains(borrowing, field.Name) {
				*value = value.Clone()
			} else {
				release(v.Field(i))
			}
		}
	}
}

var plainRequests = []string{
	`{"contents":[{"role":"user","parts":[{"text":"a\n\"b\""},{"inlineData":{"mimeType":"image/png","data":"AA=="}},{"fileData":{"fileUri":"gs://x"},"videoMetadata":{"fps":1}}]},
		{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"a" : 1}},"thoughtSignature":"c2ln"},{"text":"","thought":true},{"executableCode":{"code":"x"},"other":1}]},
		{"role":"tool","parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}},{"thought":false,"inlineData":{"data":""}}]}],
	"systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT"},"parametersJsonSchema":{}}]},{"googleSearch":{},"x":null}],
	"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"safetySettings":[],"labels":{"a":"b"},"serviceTier":"x","cachedContent":"y",
	"generationConfig":{"temperature":0.5,"maxOutputTokens":7,"stopSequences":["x"],"seed":1.0,"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true},"responseLogprobs":true,"responseSchema":{"type":"STRING"}}}`,
	`{"contents":{"parts":{"text":"alone"}}}`, `{"contents":[{"Parts":[]}],"generation_config":{"topP":"1"}}`, `{"contents":[{"parts":[{"text":null}],"role":null}]}`,
	`{"contents":[{"p\u0061rts":[]}],"a":1,"b":2}`,
}

var plainAnswers = []string{
	`{"candidates":[{"content":{"parts":[{"text":" words"}],"role":"model"},"index":0,"avgLogprobs":-0.1,"safetyRatings":[{"category":"x"}]}],"usageMetadata":{"promptTokenCount":272,"candidatesTokenCount":23,"totalTokenCount":1409,
		"promptTokensDetails":[{"modality":"TEXT","tokenCount":14}],"thoughtsTokenCount":1114,"trafficType":"x"},"modelVersion":"gemini","responseId":"r"}`,
	`{"candidates":[{"finishReason":"STOP","citationMetadata":{"citations":[{"startIndex":1,"uri":"u"}]},"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"u","title":"t"}}],
		"groundingSupports":[{"segment":{"endIndex":5,"text":"x"},"groundingChunkIndices":[0]}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}],"topCandidates":[{"candidates":[]}]}}]}`,
	`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true},{"jsonPath":"$.b","numberValue":1,"boolValue":true}],"willContinue":true}}]}}]}`,
	`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"m"},"createTime":"x"}`, `{"error":{"code":429,"details":[{"retryDelay":"3s"}]}}`,
}

func TestPlain(t *testing.T) {
	t.Parallel()
	readtest.Try(t, readtest.Seeds(t, true, generateAPIs, plainRequests...), 70, checkRequest)
	readtest.Try(t, readtest.Seeds(t, false, generateAPIs, plainAnswers...), 90, checkAnswer)
}

// Requests, and events of a stream, are read into the memory of those before. What is empty is as good as what is not there.
func TestPlainAgain(t *testing.T) {
	t.Parallel()
	readtest.Again(t, readtest.Seeds(t, true, generateAPIs, plainRequests...), jsonread.AnyCase, (*wireRequest).readPlain, func(want, got *wireRequest) {
		if want.SystemInstruction == nil && got.SystemInstruction != nil {
			want.SystemInstruction = &wireContent{}
		}
		if want.GenerationConfig == nil && got.GenerationConfig != nil {
			want.GenerationConfig = &wireConfig{}
		}
	})
	readtest.Again(t, readtest.Seeds(t, false, generateAPIs, plainAnswers...), jsonread.Repeats|jsonread.AnyCase|jsonread.Small, (*wireResponse).readPlain, func(want, got *wireResponse) {
		if want.UsageMetadata == nil && got.UsageMetadata != nil {
			want.UsageMetadata = &wireUsage{}
		}
		got.Candidates = slices.Clone(got.Candidates)
		for i := range got.Candidates {
			if c := got.Candidates[i].Content; c != nil && c.Role == "" && len(c.Parts) == 0 && want.Candidates[i].Content == nil {
				got.Candidates[i].Content = nil
			}
		}
	})
}

func FuzzPlainRequest(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, true, nil, plainRequests...), checkRequest)
}

func FuzzPlainAnswer(f *testing.F) {
	readtest.Fuzz(f, readtest.Seeds(f, false, nil, plainAnswers...), checkAnswer)
}
