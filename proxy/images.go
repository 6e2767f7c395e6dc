package proxy

import (
	"fmt"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/formdata"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"
	"aihigress/internal/upstream"
)

var (
	generateImages = imaging(upstream.ImagesGenerate, "/images/generations", noForm)
	editImages     = imaging(upstream.ImagesEdit, "/images/edits", formToo)
)

// imaging is an endpoint for pictures. Its callers speak OpenAI's dialect alone.
func imaging(operation upstream.Operation, path string, form formUse) endpoint {
	o := reports(nil, false, false)
	o.scan, o.fieldName = openai.Images{}.Scan, openai.Images{}.FieldName
	return endpoint{dialect: o, operation: operation, path: path, streams: true, output: true, beside: true, form: form,
		usual: pictureTokens, others: map[string]translator{llm.Gemini: geminiImages}}
}

// pictureTokens is what the dearest picture takes: one of gpt-image-1, of high quality and 1024 by 1536 pixels
// (platform.openai.com, "Image generation").
const pictureTokens = 6240

// geminiImages translates for Google, where Imagen has an operation of its own.
func geminiImages(c *call, w *way) error {
	request, err := c.imageRequest()
	if err != nil {
		return err
	}
	operation := upstream.Generate
	if gemini.Imagen(w.route.UpstreamID) {
		operation = upstream.ImagesGenerate
	}
	if err := w.locate(operation); err != nil {
		return err
	}
	t := dialect.Target{Model: w.route.UpstreamID}
	body, dropped, err := gemini.Images{}.Encode(request, t)
	if err != nil {
		return c.inWords(err)
	}
	if err := c.tolerates(dropped); err != nil {
		return err
	}
	w.body, w.dropped = [][]byte{body}, c.worded(dropped)
	w.reply = func(answer []byte, _ func([]byte) ([]byte, error)) ([]byte, llm.Usage, error) {
		r, err := gemini.Images{}.DecodeResponse(answer, t)
		if err != nil {
			return nil, llm.Usage{}, err
		}
		r.Created = time.Now().Unix()
		if !r.HasUsage {
			made := int64(len(r.Images)) * llm.PictureTokens
			r.Usage = llm.Usage{Input: c.promptCount(), Output: made, ImageOutput: made, Estimated: true}
		}
		r.Usage.Images = int64(len(r.Images))
		return openai.Images{}.EncodeResponse(r, request), r.Usage, nil
	}
	return nil
}

// imageRequest is the request in the neutral form. What a form takes in memory is counted with the bodies.
func (c *call) imageRequest() (*llm.ImageRequest, error) {
	if c.upload == nil {
		return openai.Images{}.Decode(c.body.bytes, c.at)
	}
	size := 2 * c.upload.size.Load() // base64, and what it is made of
	if c.decodedSize == 0 {
		if !c.p.bodies.take(size) {
			return nil, c.p.bodies.full(size, tooManyLarge)
		}
		c.decodedSize = size
	}
	boundary, err := formdata.Boundary(c.r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	r, err := openai.Images{}.DecodeForm(c.upload.content(), boundary)
	if err != nil {
		return nil, fmt.Errorf("read the form: %w", err)
	}
	return r, nil
}
