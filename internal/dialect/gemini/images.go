package gemini

import (
	"fmt"
	"math"
	"net/http"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Images makes pictures: by generateContent with models whose answers may be pictures, by predict with Imagen. Callers of
// the Gemini dialect have no such endpoint, so there is no more of the codec than upstreams need.
type Images struct{}

// Imagen reports whether a model is of the kind that is asked by predict.
func Imagen(model string) bool {
	return strings.HasPrefix(model[strings.LastIndexByte(model, '/')+1:], "imagen-")
}

// The shapes of pictures that each kind of model makes (ai.google.dev, "Image generation", "Imagen").
var (
	imageShapes  = []string{"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
	imagenShapes = []string{"1:1", "3:4", "4:3", "9:16", "16:9"}
)

// shape is the one of shapes that is nearest to a size; exact is false where it is another. Empty is unsaid.
func shape(width, height int64, shapes []string) (nearest string, exact bool) {
	if width <= 0 || height <= 0 {
		return "", true
	}
	want, best := math.Log(float64(width)/float64(height)), math.Inf(1)
	for _, s := range shapes {
		var w, h float64
		_, _ = fmt.Sscanf(s, "%g:%g", &w, &h) // the shapes above
		if off := math.Abs(math.Log(w/h) - want); off < best {
			nearest, best = s, off
		}
	}
	return nearest, best < 1e-9
}

// resolution is the class of a size; what most models make anyway is unsaid.
func resolution(width, height int64) string {
	switch longest := max(width, height); {
	case longest >= 4096:
		return "4K"
	case longest >= 2048:
		return "2K"
	}
	return ""
}

type imageConfig struct {
	Aspect string `json:"aspectRatio,omitzero"`
	Size   string `json:"imageSize,omitzero"`
}

type imagenParameters struct {
	Count  int64  `json:"sampleCount"`
	Aspect string `json:"aspectRatio,omitzero"`
	Size   string `json:"sampleImageSize,omitzero"`
}

// Encode writes a request for an upstream, and tells what of it cannot be had. The error is an *llm.RequestError whose Param
// is an llm.Field.
func (Images) Encode(r *llm.ImageRequest, t dialect.Target) ([]byte, []llm.Field, error) {
	if r.Stream {
		return nil, nil, &llm.RequestError{Param: string(llm.FieldStream), Code: "unsupported_parameter", Message: "Pictures of this model cannot be streamed."}
	}
	var drops llm.Drops
	drops.If(r.URL, llm.FieldResponseURL)
	drops.If(r.Quality != "" && r.Quality != "auto", llm.FieldQuality)
	drops.If(r.Format != "" && r.Format != "png", llm.FieldOutputFormat)
	drops.If(r.Compression != nil, llm.FieldCompression)
	drops.If(r.Background != "" && r.Background != "auto", llm.FieldBackground)
	drops.If(r.Mask != nil, llm.FieldMask)
	drops.If(r.User != "", llm.FieldUser)
	var out any
	var err error
	if Imagen(t.Model) {
		out, err = imagenRequest(r, &drops)
	} else {
		out, err = pictureRequest(r, &drops)
	}
	if err != nil {
		return nil, nil, err
	}
	drops.Extra(&llm.Request{Extra: r.Extra})
	body, err := json.Marshal(out, form.Lenient)
	if err != nil {
		return nil, nil, fmt.Errorf("encode image request: %w", err)
	}
	return body, drops.Fields(), nil
}

func imagenRequest(r *llm.ImageRequest, drops *llm.Drops) (any, error) {
	if len(r.Images) > 0 {
		return nil, &llm.RequestError{Param: string(llm.FieldImage), Code: "unsupported_parameter", Message: "This model makes pictures and changes none."}
	}
	aspect, exact := shape(r.Width, r.Height, imagenShapes)
	size := resolution(r.Width, r.Height)
	if size == "4K" { // the most is 2K
		size, exact = "2K", false
	}
	drops.If(!exact, llm.FieldSize)
	type instance struct {
		Prompt string `json:"prompt"`
	}
	return struct {
		Instances  []instance       `json:"instances"`
		Parameters imagenParameters `json:"parameters"`
	}{[]instance{{r.Prompt}}, imagenParameters{Count: max(1, r.N), Aspect: aspect, Size: size}}, nil
}

type inlineData struct {
	MIMEType string `json:"mimeType"`
	Data     string `json:"data"`
}

type picturePart struct {
	Text   string      `json:"text,omitzero"`
	Inline *inlineData `json:"inlineData,omitzero"`
}

func pictureRequest(r *llm.ImageRequest, drops *llm.Drops) (any, error) {
	drops.If(r.N > 1, llm.FieldN)
	aspect, exact := shape(r.Width, r.Height, imageShapes)
	drops.If(!exact, llm.FieldSize)
	type content struct {
		Role  string        `json:"role"`
		Parts []picturePart `json:"parts"`
	}
	var out struct {
		Contents []content `json:"contents"`
		Config   struct {
			Modalities []string    `json:"responseModalities"`
			Image      imageConfig `json:"imageConfig,omitzero"`
		} `json:"generationConfig"`
	}
	said := content{Role: "user"}
	for i := range r.Images {
		a := &r.Images[i]
		if a.Data == "" {
			return nil, &llm.RequestError{Param: string(llm.FieldImage), Code: "unsupported_parameter",
				Message: "This model takes pictures by content alone: upload them, or give data: URLs."}
		}
		said.Parts = append(said.Parts, picturePart{Inline: &inlineData{a.MIMEType, a.Data}})
	}
	said.Parts = append(said.Parts, picturePart{Text: r.Prompt})
	out.Contents = []content{said}
	out.Config.Modalities = []string{"IMAGE"}
	out.Config.Image = imageConfig{Aspect: aspect, Size: resolution(r.Width, r.Height)}
	return out, nil
}

type imageAnswer struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				picturePart
				Thought bool `json:"thought"`
			} `json:"parts"`
		} `json:"content"`
		Finish string `json:"finishReason"`
	} `json:"candidates"`
	Feedback struct {
		Block string `json:"blockReason"`
	} `json:"promptFeedback"`
	Predictions []struct {
		Data   string `json:"bytesBase64Encoded"`
		Kind   string `json:"mimeType"`
		Prompt string `json:"prompt"`
		Filter string `json:"raiFilteredReason"`
	} `json:"predictions"`
	Error jsontext.Value `json:"error"`
}

// DecodeResponse reads an upstream's answer. The error wraps dialect.ErrMalformed, or is an *llm.Error: what the upstream
// said, or that it refused the prompt or the pictures.
func (Images) DecodeResponse(body []byte, t dialect.Target) (*llm.ImageResponse, error) {
	var in imageAnswer
	if err := json.Unmarshal(body, &in, form.Lenient); err != nil {
		return nil, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if in.Error != nil && in.Error.Kind() != 'n' {
		return nil, Dialect{}.DecodeError(0, body)
	}
	r := &llm.ImageResponse{Filter: in.Feedback.Block}
	for _, c := range in.Candidates {
		for _, p := range c.Content.Parts {
			if p.Inline != nil && !p.Thought {
				r.Images = append(r.Images, llm.Attachment{Kind: llm.Image, MIMEType: p.Inline.MIMEType, Data: p.Inline.Data})
			}
		}
		if c.Finish != "" && c.Finish != "STOP" {
			r.Filter = c.Finish
		}
	}
	for _, p := range in.Predictions {
		if p.Data != "" {
			r.Images = append(r.Images, llm.Attachment{Kind: llm.Image, MIMEType: p.Kind, Data: p.Data})
			r.Prompts = append(r.Prompts, p.Prompt)
		}
		if p.Filter != "" {
			r.Filter = p.Filter
		}
	}
	if len(r.Images) == 0 {
		// Imagen answers {} where all was filtered.
		if r.Filter == "" && !Imagen(t.Model) {
			return nil, fmt.Errorf("%w: no pictures", dialect.ErrMalformed)
		}
		return nil, &llm.Error{Status: http.StatusBadRequest, Class: llm.InvalidRequest, Type: "image_generation_user_error", Code: "moderation_blocked",
			Message: "The model made no picture: " + strings.TrimSpace(r.Filter+" (filtered)")}
	}
	w := Dialect{}.Watch(nil)
	if _, err := w.Write(body); err == nil && w.End() == nil {
		r.Usage, r.HasUsage = w.Usage()
	}
	return r, nil
}
