package gemini_test

import (
	"errors"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestImageRequests(t *testing.T) {
	t.Parallel()
	picture := llm.Attachment{Kind: llm.Image, MIMEType: "image/webp", Data: "UE5H"}
	for _, tt := range []struct {
		name, model string
		request     llm.ImageRequest
		want        string
		dropped     []llm.Field
	}{
		{"plain", "gemini-2.5-flash-image", llm.ImageRequest{Prompt: "a cat"},
			`{"contents":[{"role":"user","parts":[{"text":"a cat"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`, nil},
		{"a shape and a size", "gemini-3-pro-image", llm.ImageRequest{Prompt: "a cat", Width: 2048, Height: 2048, Quality: "auto", Format: "png", Background: "auto", N: 1},
			`{"contents":[{"role":"user","parts":[{"text":"a cat"}]}],"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"aspectRatio":"1:1","imageSize":"2K"}}}`, nil},
		{"the nearest shape", "gemini-3-pro-image", llm.ImageRequest{Prompt: "a cat", Width: 1792, Height: 1024},
			`{"contents":[{"role":"user","parts":[{"text":"a cat"}]}],"generationConfig":{"responseModalities":["IMAGE"],"imageConfig":{"aspectRatio":"16:9"}}}`, []llm.Field{llm.FieldSize}},
		{"changed", "gemini-2.5-flash-image", llm.ImageRequest{Prompt: "a hat", Images: []llm.Attachment{picture, picture}, Mask: &picture},
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/webp","data":"UE5H"}},{"inlineData":{"mimeType":"image/webp","data":"UE5H"}},{"text":"a hat"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`,
			[]llm.Field{llm.FieldMask}},
		{"all that it has not", "gemini-2.5-flash-image", llm.ImageRequest{Prompt: "a", N: 2, URL: true, Quality: "high", Format: "webp", Compression: new(int64), Background: "opaque", User: "u", Extra: map[string]llm.JSON{"moderation": llm.JSON(`"low"`)}},
			`{"contents":[{"role":"user","parts":[{"text":"a"}]}],"generationConfig":{"responseModalities":["IMAGE"]}}`,
			[]llm.Field{llm.FieldResponseURL, llm.FieldQuality, llm.FieldOutputFormat, llm.FieldCompression, llm.FieldBackground, llm.FieldUser, llm.FieldN, "extra:moderation"}},
		{"Imagen", "models/imagen-4.0-generate-001", llm.ImageRequest{Prompt: "a cat", N: 4, Width: 3072, Height: 4096},
			`{"instances":[{"prompt":"a cat"}],"parameters":{"sampleCount":4,"aspectRatio":"3:4","sampleImageSize":"2K"}}`, []llm.Field{llm.FieldSize}},
	} {
		body, dropped, err := gemini.Images{}.Encode(&tt.request, dialect.Target{Model: tt.model})
		if string(body) != tt.want || err != nil || !cmp.Equal(dropped, tt.dropped) {
			t.Errorf("%s became\n%s, without %v: %v\nwant\n%s, without %v", tt.name, body, dropped, err, tt.want, tt.dropped)
		}
	}
	for _, tt := range []struct {
		name, model string
		request     llm.ImageRequest
		field       llm.Field
	}{
		{"a stream", "m", llm.ImageRequest{Prompt: "a", Stream: true}, llm.FieldStream},
		{"a picture elsewhere", "m", llm.ImageRequest{Prompt: "a", Images: []llm.Attachment{{Kind: llm.Image, URL: "https://x.example/a"}}}, llm.FieldImage},
		{"Imagen changes none", "imagen-4", llm.ImageRequest{Prompt: "a", Images: []llm.Attachment{picture}}, llm.FieldImage},
	} {
		_, _, err := gemini.Images{}.Encode(&tt.request, dialect.Target{Model: tt.model})
		if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != string(tt.field) {
			t.Errorf("%s: %v, want a refusal that names %q", tt.name, err, tt.field)
		}
	}
}

func TestImageAnswers(t *testing.T) {
	t.Parallel()
	a := func(data string) llm.Attachment {
		return llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: data}
	}
	for _, tt := range []struct {
		name, model, body string
		want              llm.ImageResponse
		code              string // of an error
		malformed         bool
	}{
		{"one, with a draft of it", "m", `{"candidates":[{"content":{"parts":[{"thought":true,"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"text":"here"},{"inlineData":{"mimeType":"image/png","data":"UE5H"}}]},"finishReason":"STOP"}],` +
			`"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":1290,"totalTokenCount":1295,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}`,
			llm.ImageResponse{Images: []llm.Attachment{a("UE5H")}, Usage: llm.Usage{Input: 5, Output: 1290, ImageOutput: 1290}, HasUsage: true}, "", false},
		{"Imagen, one of two filtered", "imagen-4", `{"predictions":[{"bytesBase64Encoded":"UE5H","mimeType":"image/png","prompt":"a red cat"},{"raiFilteredReason":"violence"}]}`,
			llm.ImageResponse{Images: []llm.Attachment{a("UE5H")}, Prompts: []string{"a red cat"}, Filter: "violence"}, "", false},
		{"Imagen, all filtered", "imagen-4", `{}`, llm.ImageResponse{}, "moderation_blocked", false},
		{"refused in the middle", "m", `{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}`, llm.ImageResponse{}, "moderation_blocked", false},
		{"an error", "m", `{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}`, llm.ImageResponse{}, "INVALID_ARGUMENT", false},
		{"text alone", "m", `{"candidates":[{"content":{"parts":[{"text":"no"}]},"finishReason":"STOP"}]}`, llm.ImageResponse{}, "", true},
		{"nonsense", "m", `{"candidates":7}`, llm.ImageResponse{}, "", true},
	} {
		got, err := gemini.Images{}.DecodeResponse([]byte(tt.body), dialect.Target{Model: tt.model})
		switch said, isError := errors.AsType[*llm.Error](err); {
		case tt.malformed:
			if !errors.Is(err, dialect.ErrMalformed) {
				t.Errorf("%s: %v", tt.name, err)
			}
		case tt.code != "":
			if !isError || said.Code != tt.code && said.Type != tt.code {
				t.Errorf("%s: %+v", tt.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		default:
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
}
