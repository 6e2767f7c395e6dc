package gemini

import (
	"fmt"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Embeddings is models.embedContent, which has one vector for an answer, and models.batchEmbedContents, which has a list.
// One struct reads both: the fields of the one are those of each entry of the other.
type Embeddings struct{}

var _ dialect.Embedder = Embeddings{}

var embedForm = form.New("", map[string]form.Role{
	"model": form.Resource, "requests[].model": form.Resource,
	"content.parts[].text": form.Text, "requests[].content.parts[].text": form.Text,
	"content.parts[].inlineData": form.Picture, "requests[].content.parts[].inlineData": form.Picture,
	"content.parts[].inline_data": form.Picture, "requests[].content.parts[].inline_data": form.Picture,
	"content.parts[].fileData": form.Picture, "requests[].content.parts[].fileData": form.Picture,
	"content.parts[].file_data": form.Picture, "requests[].content.parts[].file_data": form.Picture,
})

// Scan implements dialect.Operation. The model's name stands in the address, and again in every entry of a batch.
func (Embeddings) Scan(body []byte, at dialect.At) (dialect.Scanned, error) {
	return embedForm.Scan(body, at)
}

// Watch implements dialect.Operation.
func (Embeddings) Watch() dialect.Watch { return Dialect{}.Watch(nil) }

// FieldName implements dialect.Operation.
func (Embeddings) FieldName(f llm.Field) string {
	return llm.FieldNames{llm.FieldDimensions: "outputDimensionality"}.Of(f)
}

type embedRequest struct {
	Model      string                    `json:"model,omitzero"`
	Content    *embedContent             `json:"content,omitzero"`
	Requests   []embedRequest            `json:"requests,omitzero"`
	Dimensions int64                     `json:"outputDimensionality,omitzero"`
	Snake      int64                     `json:"output_dimensionality,omitzero"`
	Rest       map[string]jsontext.Value `json:",unknown"`
}

type embedContent struct {
	Parts []embedPart               `json:"parts"`
	Role  string                    `json:"role,omitzero"`
	Rest  map[string]jsontext.Value `json:",unknown"`
}

type embedPart struct {
	Text string                    `json:"text"`
	Rest map[string]jsontext.Value `json:",unknown"`
}

// Decode implements dialect.Operation.
func (Embeddings) Decode(body []byte, at dialect.At) (*llm.EmbedRequest, error) {
	var in embedRequest
	if err := form.Decode(body, &in); err != nil {
		return nil, err
	}
	r := &llm.EmbedRequest{Model: at.Model}
	if in.Content != nil {
		r.Single = true
		return r, in.add(r, "")
	}
	if len(in.Requests) == 0 {
		return nil, &llm.RequestError{Param: "requests", Message: "There is nothing to embed: neither content nor requests is set."}
	}
	for i := range in.Requests {
		if err := in.Requests[i].add(r, fmt.Sprintf("requests[%d].", i)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add takes over one text and what is asked of its vector. Where names the entry.
func (in *embedRequest) add(r *llm.EmbedRequest, where string) error {
	var texts []string
	if in.Content != nil {
		for i := range in.Content.Parts {
			part := &in.Content.Parts[i]
			for name := range part.Rest {
				return &llm.RequestError{Param: fmt.Sprintf("%scontent.parts[%d].%s", where, i, name), Message: "This model takes text alone."}
			}
			texts = append(texts, part.Text)
		}
	}
	text := strings.Join(texts, "\n")
	if text == "" {
		return &llm.RequestError{Param: where + "content", Message: "The content has no text."}
	}
	dimensions := max(in.Dimensions, in.Snake)
	if len(r.Inputs) > 0 && dimensions != r.Dimensions {
		return &llm.RequestError{Param: where + "outputDimensionality", Message: "This model makes all vectors of a request alike: outputDimensionality must be the same everywhere."}
	}
	r.Inputs, r.Dimensions = append(r.Inputs, text), dimensions
	for name, value := range in.Rest {
		if r.Extra == nil {
			r.Extra = map[string]llm.JSON{}
		}
		r.Extra[name] = value
	}
	return nil
}

// Encode implements dialect.Operation. One text is asked for by embedContent, which Vertex has alone, several by
// batchEmbedContents.
func (Embeddings) Encode(r *llm.EmbedRequest, t dialect.Target) ([]byte, []llm.Field, error) {
	model := t.Model
	if !strings.HasPrefix(model, "models/") {
		model = "models/" + model
	}
	entry := func(text string) embedRequest {
		return embedRequest{Model: model, Content: &embedContent{Parts: []embedPart{{Text: text}}}, Dimensions: r.Dimensions}
	}
	out := embedRequest{}
	if len(r.Inputs) == 1 {
		out = entry(r.Inputs[0])
	} else {
		for _, text := range r.Inputs {
			out.Requests = append(out.Requests, entry(text))
		}
	}
	body, err := json.Marshal(out, form.Lenient)
	if err != nil {
		return nil, nil, fmt.Errorf("encode embedding request: %w", err)
	}
	var drops llm.Drops
	drops.If(r.User != "", llm.FieldUser)
	drops.Extra(&llm.Request{Extra: r.Extra})
	return body, drops.Fields(), nil
}

type embedVector struct {
	Values []float32 `json:"values"`
}

// DecodeResponse implements dialect.Operation.
func (Embeddings) DecodeResponse(body []byte, _ dialect.Target) (*llm.EmbedResponse, error) {
	var in struct {
		Embedding  *embedVector   `json:"embedding"`
		Embeddings []embedVector  `json:"embeddings"`
		Error      jsontext.Value `json:"error"`
	}
	if err := json.Unmarshal(body, &in, form.Lenient); err != nil {
		return nil, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if in.Error != nil && in.Error.Kind() != 'n' {
		return nil, Dialect{}.DecodeError(0, body)
	}
	if in.Embedding != nil {
		in.Embeddings = append([]embedVector{*in.Embedding}, in.Embeddings...)
	}
	r := &llm.EmbedResponse{}
	for i, v := range in.Embeddings {
		if len(v.Values) == 0 {
			return nil, fmt.Errorf("%w: embedding %d has no numbers", dialect.ErrMalformed, i)
		}
		r.Vectors = append(r.Vectors, v.Values)
	}
	if len(r.Vectors) == 0 {
		return nil, fmt.Errorf("%w: no embeddings", dialect.ErrMalformed)
	}
	w := Dialect{}.Watch(nil)
	if _, err := w.Write(body); err == nil && w.End() == nil {
		r.Usage, r.HasUsage = w.Usage()
	}
	return r, nil
}

// EncodeResponse implements dialect.Operation.
func (Embeddings) EncodeResponse(r *llm.EmbedResponse, to *llm.EmbedRequest) []byte {
	size := 128
	for _, v := range r.Vectors {
		size += 16 + 13*len(v)
	}
	b := make([]byte, 0, size)
	if to.Single && len(r.Vectors) == 1 {
		b = form.AppendVector(append(b, `{"embedding":{"values":`...), r.Vectors[0])
		b = append(b, '}')
	} else {
		b = append(b, `{"embeddings":[`...)
		for i, vector := range r.Vectors {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(form.AppendVector(append(b, `{"values":`...), vector), '}')
		}
		b = append(b, ']')
	}
	if r.HasUsage {
		b = fmt.Appendf(b, `,"usageMetadata":{"promptTokenCount":%d}`, r.Usage.TotalInput())
	}
	return append(b, '}')
}
