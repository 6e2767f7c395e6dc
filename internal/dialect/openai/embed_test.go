package openai_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEmbeddingRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		body string
		want llm.EmbedRequest
		out  string
	}{
		{`{"model":"m","input":"a\u00e9"}`, llm.EmbedRequest{Model: "m", Inputs: []string{"aé"}}, `{"model":"up","input":["aé"]}`},
		{`{"model":"m","input":["a","b"],"dimensions":8,"encoding_format":"base64","user":"u"}`,
			llm.EmbedRequest{Model: "m", Inputs: []string{"a", "b"}, Dimensions: 8, Base64: true, User: "u"},
			`{"model":"up","input":["a","b"],"dimensions":8,"user":"u"}`},
	} {
		r, err := openai.Embeddings{}.Decode([]byte(tt.body), dialect.At{})
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
		body, dropped, err := openai.Embeddings{}.Encode(r, dialect.Target{Model: "up"})
		if string(body) != tt.out || err != nil || dropped != nil {
			t.Errorf("%s became %s, without %v: %v", tt.body, body, dropped, err)
		}
	}
}

func TestEmbeddingRequestsThatCannotBeTranslated(t *testing.T) {
	t.Parallel()
	for body, param := range map[string]string{
		`{"model":"m","input":[1,2]}`: "input", `{"model":"m","input":[[1],[2]]}`: "input", `{"model":"m","input":["a",1]}`: "input",
		`{"model":"m","input":[]}`: "input", `{"model":"m","input":""}`: "input", `{"model":"m","input":["a",""]}`: "input",
		`{"model":"m"}`: "input", `{"model":"m","input":null}`: "input", `{"model":"m","input":7}`: "input", `{"model":"m","input":{}}`: "input",
		`{"model":"m","input":"a","dimensions":"8"}`: "dimensions", `{"model":"m","input":"a","dimensions":-1}`: "dimensions",
		`{"model":"m","input":"a","encoding_format":"int8"}`: "encoding_format", `{"model":"m","input":"a","input":"b"}`: "input", `[]`: "", `{`: "",
	} {
		_, err := openai.Embeddings{}.Decode([]byte(body), dialect.At{})
		if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != param {
			t.Errorf("%s: %#v, want a refusal that names %q", body, err, param)
		}
	}
}

func TestEmbeddingResponses(t *testing.T) {
	t.Parallel()
	const floats = `{"object":"list","data":[{"object":"embedding","index":1,"embedding":[1e-7,2]},{"object":"embedding","index":0,"embedding":[-0.5,0.1]}],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}`
	r, err := openai.Embeddings{}.DecodeResponse([]byte(floats), dialect.Target{})
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.EmbedResponse{Model: "up", Vectors: [][]float32{{-0.5, 0.1}, {1e-7, 2}}, Usage: llm.Usage{Input: 7}, HasUsage: true}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		to   llm.EmbedRequest
		want string
	}{
		{llm.EmbedRequest{}, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.5,0.1]},{"object":"embedding","index":1,"embedding":[1e-07,2]}],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}`},
		{llm.EmbedRequest{Base64: true}, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAv83MzD0="},{"object":"embedding","index":1,"embedding":"lb/WMwAAAEA="}],"model":"up","usage":{"prompt_tokens":7,"total_tokens":7}}`},
	} {
		got := openai.Embeddings{}.EncodeResponse(r, &tt.to)
		if string(got) != tt.want {
			t.Errorf("%+v:\n%s\nwant\n%s", tt.to, got, tt.want)
		}
		if again, err := (openai.Embeddings{}).DecodeResponse(got, dialect.Target{}); err != nil || !cmp.Equal(again, r) {
			t.Errorf("read again: %+v, %v", again, err)
		}
	}
}

func TestMalformedEmbeddingResponses(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `{}`, `{"data":[]}`, `{"data":[{}]}`, `{"data":[{"embedding":[]}]}`, `{"data":[{"embedding":"AAA"}]}`,
		`{"data":[{"embedding":"AAAA"}]}`, `{"data":[{"embedding":"AADAfw=="}]}`, `{"data":[{"embedding":["x"]}]}`, `{"data":[{"index":4,"embedding":[1]}]}`,
		`{"data":[{"index":-1,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, `{"data":[{"embedding":null}]}`} {
		if _, err := (openai.Embeddings{}).DecodeResponse([]byte(body), dialect.Target{}); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", body, err)
		}
	}
	_, err := openai.Embeddings{}.DecodeResponse([]byte(`{"error":{"message":"no","type":"x"}}`), dialect.Target{})
	if said, ok := errors.AsType[*llm.Error](err); !ok || said.Message != "no" {
		t.Errorf("an error with 200: %v", err)
	}
}

// Vectors survive both packings to the last bit.
func TestEmbeddingVectorsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SliceOfN(rapid.Uint32(), 1, 20).Draw(t, "bits")
		vector := make([]float32, 0, len(bits))
		for _, b := range bits {
			if f := math.Float32frombits(b); !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
				vector = append(vector, f)
			}
		}
		if len(vector) == 0 {
			t.Skip("no numbers")
		}
		for _, packed := range []bool{false, true} {
			body := openai.Embeddings{}.EncodeResponse(&llm.EmbedResponse{Vectors: [][]float32{vector}}, &llm.EmbedRequest{Model: "m", Base64: packed})
			r, err := openai.Embeddings{}.DecodeResponse(body, dialect.Target{})
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			for i, f := range r.Vectors[0] {
				if math.Float32bits(f) != math.Float32bits(vector[i]) {
					t.Fatalf("%x became %x in %s", math.Float32bits(vector[i]), math.Float32bits(f), body)
				}
			}
		}
	})
}

func FuzzDecodeEmbeddings(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":["a"],"data":[{"index":0,"embedding":"AAAAvw=="}]}`))
	f.Add([]byte(`{"input":"a","data":[{"embedding":[1,2e-9]}],"usage":{"prompt_tokens":3}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := (openai.Embeddings{}).Decode(body, dialect.At{}); err == nil {
			if len(r.Inputs) == 0 || strings.Join(r.Inputs, "") == "" {
				t.Fatalf("%q asks for nothing", body)
			}
		} else if _, ok := errors.AsType[*llm.RequestError](err); !ok {
			t.Fatalf("%q: %v is nothing for a caller", body, err)
		}
		r, err := openai.Embeddings{}.DecodeResponse(body, dialect.Target{})
		if err != nil {
			return
		}
		if _, err := (openai.Embeddings{}).DecodeResponse(openai.Embeddings{}.EncodeResponse(r, &llm.EmbedRequest{}), dialect.Target{}); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	})
}
