package simulator

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

const (
	defaultDimensions = 1536
	maxDimensions     = 3072
	maxInputs         = 2048
)

// embeddingRequest is the part of an embedding request that has a meaning here.
type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	Dimensions     *int            `json:"dimensions"`
	EncodingFormat string          `json:"encoding_format"`
}

// answerEmbeddings answers POST /v1/embeddings.
func answerEmbeddings(x *exchange) outcome {
	var q embeddingRequest
	fail := decode(x.body, &q)
	if fail == nil {
		fail = q.check()
	}
	var inputs []gjson.Result
	if fail == nil {
		inputs, fail = q.inputs()
	}
	if fail != nil {
		x.vendor.fail(x.w, *fail)
		return failed
	}
	dimensions := defaultDimensions
	if q.Dimensions != nil {
		dimensions = *q.Dimensions
	}
	b := append(x.buf[:0], `{"object":"list","data":[`...)
	vector := make([]float32, dimensions)
	for i, in := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		x.prompt += inputTokens(in)
		embed(vector, mix(x.s.seed, x.knobs.seed, xxhash.Sum64String(x.model), xxhash.Sum64String(in.Raw)))
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		b = appendVector(b, vector, q.EncodingFormat == "base64")
		b = append(b, '}')
	}
	b = append(b, `],"model":`...)
	b = appendString(b, x.model)
	if x.knobs.pad > 0 {
		b = appendPad(b, x.knobs.pad)
	}
	if x.knobs.usage != usageOff {
		b = strconv.AppendInt(append(b, `,"usage":{"prompt_tokens":`...), int64(x.prompt), 10)
		b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(x.prompt), 10)
		b = append(b, '}')
	}
	x.buf = append(b, '}')
	if !x.wait(x.knobs.ttft) {
		return cancelled
	}
	return x.reply(x.buf)
}

func (q *embeddingRequest) check() *failure {
	if q.Model == "" {
		return badRequest("", "", "you must provide a model parameter")
	}
	if d := q.Dimensions; d != nil && *d < 1 {
		return badRequest("", "", "%d is less than the minimum of 1 - 'dimensions'", *d)
	} else if d != nil && *d > maxDimensions {
		return badRequest("", "", "Invalid value for 'dimensions' = %d. Must be less than or equal to %d.", *d, maxDimensions)
	}
	switch q.EncodingFormat {
	case "", "float", "base64":
		return nil
	}
	return badRequest("encoding_format", "invalid_value", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", q.EncodingFormat)
}

// inputs returns what is to be embedded: one text, one list of tokens, or a list of either.
func (q *embeddingRequest) inputs() ([]gjson.Result, *failure) {
	in := gjson.ParseBytes(q.Input)
	list := []gjson.Result{in}
	if in.IsArray() {
		if all := in.Array(); len(all) > 0 && all[0].Type != gjson.Number {
			list = all
		}
	}
	if len(list) > maxInputs {
		return nil, badRequest("input", "", "Invalid 'input': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", maxInputs, len(list))
	}
	for _, item := range list {
		if item.Type != gjson.String && !item.IsArray() || inputTokens(item) == 0 {
			return nil, badRequest("input", "", "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
		}
	}
	return list, nil
}

func inputTokens(in gjson.Result) int {
	if in.IsArray() {
		return len(in.Array())
	}
	return tokensOf(len(in.String()))
}

// embed fills a unit vector that depends on the seed. A shorter one is the beginning of a longer one, scaled.
func embed(v []float32, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 6))
	var sum float64
	for i := range v {
		f := rng.Float64()*2 - 1
		v[i] = float32(f)
		sum += f * f
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= scale
	}
}

func appendVector(dst []byte, v []float32, asBase64 bool) []byte {
	if asBase64 {
		raw := make([]byte, 0, 4*len(v))
		for _, f := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		return append(dst, '"')
	}
	dst = append(dst, '[')
	for i, f := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, ']')
}
