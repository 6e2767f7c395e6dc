package openai

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/form"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Embeddings is POST /embeddings. What is given as tokens passes through, but no other dialect can take it.
type Embeddings struct{}

var _ dialect.Embedder = Embeddings{}

var embedForm = form.New("", map[string]form.Role{
	"model": form.Model, "input": form.Text, "input[]": form.Text, "input[][]": form.Text,
})

// Scan implements dialect.Operation.
func (Embeddings) Scan(body []byte, at dialect.At) (dialect.Scanned, error) {
	return embedForm.Scan(body, at)
}

// Watch implements dialect.Operation.
func (Embeddings) Watch() dialect.Watch { return newWatch(nil) }

// FieldName implements dialect.Operation.
func (Embeddings) FieldName(f llm.Field) string {
	return llm.FieldNames(nil).Of(f)
}

type embedRequest struct {
	Model      string                    `json:"model"`
	Input      jsontext.Value            `json:"input"`
	Format     string                    `json:"encoding_format,omitzero"`
	Dimensions int64                     `json:"dimensions,omitzero"`
	User       string                    `json:"user,omitzero"`
	Rest       map[string]jsontext.Value `json:",unknown"`
}

// Decode implements dialect.Operation.
func (Embeddings) Decode(body []byte, _ dialect.At) (*llm.EmbedRequest, error) {
	var in embedRequest
	if err := form.Decode(body, &in); err != nil {
		return nil, err
	}
	r := &llm.EmbedRequest{Model: in.Model, Dimensions: in.Dimensions, User: in.User, Base64: in.Format == "base64", Extra: in.Rest}
	switch in.Format {
	case "", "float", "base64":
	default:
		return nil, &llm.RequestError{Param: "encoding_format", Code: "invalid_value", Message: "Invalid value for 'encoding_format': expected 'float' or 'base64'."}
	}
	if in.Dimensions < 0 {
		return nil, &llm.RequestError{Param: "dimensions", Code: "integer_below_min_value", Message: "Invalid 'dimensions': expected a value >= 1."}
	}
	var err error
	r.Inputs, err = inputs(in.Input)
	return r, err
}

// inputs reads a text or a list of them.
func inputs(raw jsontext.Value) ([]string, error) {
	refuse := func(code, message string) ([]string, error) {
		return nil, &llm.RequestError{Param: "input", Code: code, Message: message}
	}
	var list []string
	switch raw.Kind() {
	case '"':
		list = make([]string, 1)
		if json.Unmarshal(raw, &list[0]) != nil {
			return refuse("invalid_type", "Invalid type for 'input'.")
		}
	case '[':
		if err := json.Unmarshal(raw, &list); err != nil {
			return refuse("unsupported_input", "The 'input' is not a list of texts. Tokens are of one vendor's vocabulary, which this model does not have.")
		}
	case 0, 'n':
		return refuse("missing_required_parameter", "You must provide an input parameter.")
	default:
		return refuse("invalid_type", "Invalid type for 'input': expected a text or a list of texts.")
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return refuse("invalid_value", "Invalid 'input': it is empty, or has an empty text in it.")
	}
	return list, nil
}

// Encode implements dialect.Operation. Vectors are asked for as numbers: not all that speak the dialect can pack them.
func (Embeddings) Encode(r *llm.EmbedRequest, t dialect.Target) ([]byte, []llm.Field, error) {
	out := embedRequest{Model: t.Model, Dimensions: r.Dimensions, User: r.User}
	var err error
	if out.Input, err = json.Marshal(r.Inputs, form.Lenient); err != nil {
		return nil, nil, fmt.Errorf("encode embedding request: %w", err)
	}
	body, err := json.Marshal(out, form.Lenient)
	if err != nil {
		return nil, nil, fmt.Errorf("encode embedding request: %w", err)
	}
	var drops llm.Drops
	drops.Extra(&llm.Request{Extra: r.Extra})
	return body, drops.Fields(), nil
}

// DecodeResponse implements dialect.Operation.
func (Embeddings) DecodeResponse(body []byte, _ dialect.Target) (*llm.EmbedResponse, error) {
	var in struct {
		Model string `json:"model"`
		Data  []struct {
			Index     *int           `json:"index"`
			Embedding jsontext.Value `json:"embedding"`
		} `json:"data"`
		Error jsontext.Value `json:"error"`
	}
	if err := json.Unmarshal(body, &in, form.Lenient); err != nil {
		return nil, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if in.Error != nil && in.Error.Kind() != 'n' {
		return nil, Dialect{}.DecodeError(0, body)
	}
	if len(in.Data) == 0 {
		return nil, fmt.Errorf("%w: no embeddings", dialect.ErrMalformed)
	}
	r := &llm.EmbedResponse{Model: in.Model, Vectors: make([][]float32, len(in.Data))}
	for i, d := range in.Data {
		at := i
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= len(r.Vectors) || r.Vectors[at] != nil {
			return nil, fmt.Errorf("%w: embedding %d is out of place", dialect.ErrMalformed, at)
		}
		vector, err := vectorOf(d.Embedding)
		if err != nil {
			return nil, fmt.Errorf("%w: embedding %d: %w", dialect.ErrMalformed, at, err)
		}
		r.Vectors[at] = vector
	}
	w := newWatch(nil)
	if _, err := w.Write(body); err == nil && w.End() == nil {
		r.Usage, r.HasUsage = w.Usage()
	}
	return r, nil
}

// vectorOf reads a vector, packed or not. It has at least one number.
func vectorOf(raw jsontext.Value) ([]float32, error) {
	var vector []float32
	if raw.Kind() != '"' {
		if err := json.Unmarshal(raw, &vector); err != nil {
			return nil, err
		}
	} else {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, err
		}
		packed, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		if len(packed)%4 != 0 {
			return nil, fmt.Errorf("%d bytes are no list of float32", len(packed))
		}
		vector = make([]float32, len(packed)/4)
		for i := range vector {
			vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(packed[4*i:]))
			if f := float64(vector[i]); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, fmt.Errorf("number %d is none", i)
			}
		}
	}
	if len(vector) == 0 {
		return nil, fmt.Errorf("no numbers")
	}
	return vector, nil
}

// EncodeResponse implements dialect.Operation.
func (Embeddings) EncodeResponse(r *llm.EmbedResponse, to *llm.EmbedRequest) []byte {
	model := r.Model
	if model == "" {
		model = to.Model
	}
	size := 256
	for _, v := range r.Vectors {
		size += 64 + 13*len(v)
	}
	b := append(make([]byte, 0, size), `{"object":"list","data":[`...)
	var packed []byte
	for i, vector := range r.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"object":"embedding","index":`...), int64(i), 10)
		b = append(b, `,"embedding":`...)
		if to.Base64 {
			packed = packed[:0]
			for _, f := range vector {
				packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(f))
			}
			b = append(base64.StdEncoding.AppendEncode(append(b, '"'), packed), '"')
		} else {
			b = form.AppendVector(b, vector)
		}
		b = append(b, '}')
	}
	b = jsonwrite.String(append(b, `],"model":`...), model)
	b = strconv.AppendInt(append(b, `,"usage":{"prompt_tokens":`...), r.Usage.TotalInput(), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), r.Usage.TotalInput(), 10)
	return append(b, "}}"...)
}
