package simulator

import (
	"encoding/base64"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// embedGemini answers :embedContent and :batchEmbedContents.
func (x *exchange) embedGemini(batch bool) outcome {
	known := geminiEmbedFields
	if batch {
		known = message{"requests": geminiEmbedFields}
	}
	body, ok := x.readBody(known)
	if !ok {
		return failed
	}
	requests := []gjson.Result{body}
	open, end := `{"embedding":`, ""
	if batch {
		requests = body.Get("requests").Array()
		open, end = `{"embeddings":[`, "]"
	}
	if len(requests) == 0 || len(requests) > 100 {
		return x.refuse("* BatchEmbedContentsRequest.requests: between 1 and 100 requests can be in one batch\n")
	}
	b := append(x.buf[:0], open...)
	for i, q := range requests {
		text := joinText(q.Get("content.parts"))
		dimensions := field(q, "outputDimensionality")
		n := geminiDimensions
		if dimensions.Exists() {
			n = int(dimensions.Int())
		}
		if text == "" || n < 1 || n > geminiDimensions {
			return x.refuse("* EmbedContentRequest.content: content or output_dimensionality is not valid\n")
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"values":`...)
		b = appendVector(b, x.vector(text, n), false)
		b = append(b, '}')
	}
	b = append(b, end...)
	if x.knobs.usage != usageOff {
		b = strconv.AppendInt(append(b, `,"usageMetadata":{"promptTokenCount":`...), int64(x.prompt), 10)
		b = append(b, '}')
	}
	x.buf = append(b, '}')
	if !x.wait(x.knobs.ttft) {
		return cancelled
	}
	return x.reply(x.buf)
}

// geminiDimensions is how long a vector is by default, and at most.
const geminiDimensions = 3072

// vector returns the embedding of a text and counts its tokens. All dialects have the same for the same text.
func (x *exchange) vector(text string, n int) []float32 {
	x.prompt += tokensOf(len(text))
	v := make([]float32, n)
	quoted := appendString(nil, text)
	embed(v, mix(x.s.seed, x.knobs.seed, xxhash.Sum64String(x.model), xxhash.Sum64(quoted)))
	return v
}

// predict answers :predict, which makes pictures (Imagen) and, on Vertex AI, embeddings.
func (x *exchange) predict() outcome {
	body := gjson.ParseBytes(x.body)
	instances := body.Get("instances").Array()
	if !gjson.ValidBytes(x.body) || len(instances) == 0 {
		return x.refuse("Request contains an invalid argument: instances is empty.")
	}
	b := append(x.buf[:0], `{"predictions":[`...)
	if prompt := instances[0].Get("prompt").String(); prompt != "" {
		n := int(field(body.Get("parameters"), "sampleCount").Int())
		if n > 4 {
			return x.refuse("sampleCount must be between 1 and 4.")
		}
		for i := range max(n, 1) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"mimeType":"image/png","bytesBase64Encoded":"`...)
			b = base64.StdEncoding.AppendEncode(b, picture(mix(xxhash.Sum64String(prompt), uint64(i))))
			b = append(b, `"}`...)
		}
		x.buf = append(b, "]}"...)
		return x.reply(x.buf)
	}
	n := geminiDimensions
	if d := body.Get("parameters.outputDimensionality"); d.Exists() {
		n = int(d.Int())
	}
	for i, instance := range instances {
		text := instance.Get("content").String()
		if text == "" || n < 1 || n > geminiDimensions {
			return x.refuse("Request contains an invalid argument: an instance has neither a prompt nor a content.")
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"embeddings":{"values":`...)
		b = appendVector(b, x.vector(text, n), false)
		b = append(b, `,"statistics":{"truncated":false,"token_count":`+itoa(tokensOf(len(text)))+`}}}`...)
	}
	x.buf = append(b, "]}"...)
	return x.reply(x.buf)
}
