package openai_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestImageRequests(t *testing.T) {
	t.Parallel()
	compression := int64(50)
	for body, want := range map[string]llm.ImageRequest{
		`{"model":"m","prompt":"a cat"}`: {Model: "m", Prompt: "a cat"},
		`{"model":"m","prompt":"a cat","n":2,"size":"1536x1024","quality":"high","response_format":"url","output_format":"webp","output_compression":50,"background":"transparent","user":"u","stream":true,"moderation":"low"}`: {
			Model: "m", Prompt: "a cat", N: 2, Width: 1536, Height: 1024, Quality: "high", URL: true, Format: "webp", Compression: &compression,
			Background: "transparent", User: "u", Stream: true, Extra: map[string]llm.JSON{"moderation": llm.JSON(`"low"`)}},
		`{"model":"m","prompt":"a hat","size":"auto","images":[{"image_url":"data:image/png;base64,UE5H"},{"image_url":"https://x.example/a.png"},{"file_id":"f"}],"mask":{"file_id":"g"}}`: {
			Model: "m", Prompt: "a hat", Images: []llm.Attachment{
				{Kind: llm.Image, MIMEType: "image/png", Data: "UE5H", Origin: llm.OpenAI},
				{Kind: llm.Image, URL: "https://x.example/a.png", Origin: llm.OpenAI},
				{Kind: llm.Image, FileID: "f", Origin: llm.OpenAI},
			}, Mask: &llm.Attachment{Kind: llm.Image, FileID: "g", Origin: llm.OpenAI}},
	} {
		got, err := openai.Images{}.Decode([]byte(body), dialect.At{})
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	for body, param := range map[string]string{
		`{"model":"m"}`: "prompt", `{"model":"m","prompt":7}`: "prompt", `{"model":"m","prompt":"a","size":"big"}`: "size",
		`{"model":"m","prompt":"a","size":"0x10"}`: "size", `{"model":"m","prompt":"a","size":"99999x1"}`: "size", `{"model":"m","prompt":"a","n":"x"}`: "n",
		`{"model":"m","prompt":"a","prompt":"b"}`: "prompt", `{"model":"m","prompt":"a","images":"x"}`: "images",
	} {
		_, err := openai.Images{}.Decode([]byte(body), dialect.At{})
		if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != param {
			t.Errorf("%s: %v, want a refusal that names %q", body, err, param)
		}
	}
}

const png = "\x89PNG\r\n\x1a\n\x00"

// imageForm is a form: "name=value" is a field, "name@type" a picture.
func imageForm(parts ...string) string {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("b")
	for _, p := range parts {
		if name, value, ok := strings.Cut(p, "="); ok {
			_ = w.WriteField(name, value)
			continue
		}
		name, kind, _ := strings.Cut(p, "@")
		h := map[string][]string{"Content-Disposition": {`form-data; name="` + name + `"; filename="a.png"`}}
		if kind != "" {
			h["Content-Type"] = []string{kind}
		}
		part, _ := w.CreatePart(h)
		_, _ = io.WriteString(part, png)
	}
	_ = w.Close()
	return b.String()
}

func TestImageForms(t *testing.T) {
	t.Parallel()
	picture := llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: base64.StdEncoding.EncodeToString([]byte(png)), Name: "a.png"}
	webp := picture
	webp.MIMEType = "image/webp"
	for _, tt := range []struct {
		parts []string
		want  llm.ImageRequest
	}{
		{[]string{"image@image/png", "model=m", "prompt=a hat", "size=1024x1024", "n=3", "stream=true"},
			llm.ImageRequest{Model: "m", Prompt: "a hat", Images: []llm.Attachment{picture}, N: 3, Width: 1024, Height: 1024, Stream: true}},
		{[]string{"model=m", "prompt=a hat", "image[]@application/octet-stream", "image[]@image/webp", "mask@", "input_fidelity=high"},
			llm.ImageRequest{Model: "m", Prompt: "a hat", Images: []llm.Attachment{picture, webp}, Mask: &picture, Extra: map[string]llm.JSON{"input_fidelity": llm.JSON(`"high"`)}}},
	} {
		got, err := openai.Images{}.DecodeForm(strings.NewReader(imageForm(tt.parts...)), "b")
		if err != nil {
			t.Errorf("%v: %v", tt.parts, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.parts, diff)
		}
	}
	for _, tt := range []struct {
		parts []string
		param string
	}{
		{[]string{"model=m", "image@image/png"}, "prompt"}, {[]string{"prompt=a", "n=x"}, "n"}, {[]string{"prompt=a", "stream=perhaps"}, "stream"},
		{[]string{"prompt=a", "output_compression=1e9"}, "output_compression"}, {[]string{"prompt=" + strings.Repeat("a", 2<<20)}, "prompt"},
	} {
		_, err := openai.Images{}.DecodeForm(strings.NewReader(imageForm(tt.parts...)), "b")
		if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != tt.param {
			t.Errorf("%.40v: %v, want a refusal that names %q", tt.parts, err, tt.param)
		}
	}
}

func TestImageAnswers(t *testing.T) {
	t.Parallel()
	r := &llm.ImageResponse{Created: 7, Images: []llm.Attachment{{MIMEType: "image/png", Data: "UE5H"}, {URL: "https://x.example/a"}}, Prompts: []string{"a \"cat\""},
		Usage: llm.Usage{Input: 10, ImageInput: 3, Output: 20, ImageOutput: 20}}
	const want = `{"created":7,"data":[{"b64_json":"UE5H","revised_prompt":"a \"cat\""},{"url":"https://x.example/a"}],` +
		`"usage":{"input_tokens":10,"input_tokens_details":{"image_tokens":3,"text_tokens":7},"output_tokens":20,"output_tokens_details":{"image_tokens":20,"text_tokens":0},"total_tokens":30}}`
	if got := string((openai.Images{}).EncodeResponse(r, &llm.ImageRequest{})); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// A form is read or refused, and what was read has all its pictures.
func FuzzImageForm(f *testing.F) {
	f.Add([]byte(imageForm("model=m", "prompt=a hat", "n=2", "image@image/png", "mask@")))
	f.Add([]byte(imageForm("prompt=a", "image[]@", "image[]@", "x=y")))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := openai.Images{}.DecodeForm(bytes.NewReader(body), "b")
		if err != nil {
			return
		}
		if r.Prompt == "" {
			t.Fatalf("%q has no prompt", body)
		}
		for _, a := range r.Images {
			if _, err := base64.StdEncoding.DecodeString(a.Data); err != nil || a.Kind != llm.Image || a.MIMEType == "" {
				t.Fatalf("%q: %+v", body, a)
			}
		}
		_ = openai.Images{}.EncodeResponse(&llm.ImageResponse{Images: r.Images}, r)
	})
}
