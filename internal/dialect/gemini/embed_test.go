package gemini_test

import (
	"encoding/json"
	"errors"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/openai"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestEmbeddingRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		want       llm.EmbedRequest
		out        string // to Gemini again
		openai     string // to OpenAI
		dropped    []llm.Field
	}{
		{"one", `{"model":"models/m","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"CLUSTERING","title":"t","outputDimensionality":8}`,
			llm.EmbedRequest{Model: "m", Inputs: []string{"a\nb"}, Dimensions: 8, Single: true,
				Extra: map[string]llm.JSON{"taskType": llm.JSON(`"CLUSTERING"`), "title": llm.JSON(`"t"`)}},
			`{"model":"models/up","content":{"parts":[{"text":"a\nb"}]},"outputDimensionality":8}`,
			`{"model":"up","input":["a\nb"],"dimensions":8}`, []llm.Field{"extra:taskType", "extra:title"}},
		{"several", `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"output_dimensionality":8},{"model":"models/m","content":{"role":"user","parts":[{"text":"b"}]},"outputDimensionality":8}]}`,
			llm.EmbedRequest{Model: "m", Inputs: []string{"a", "b"}, Dimensions: 8},
			`{"requests":[{"model":"models/up","content":{"parts":[{"text":"a"}]},"outputDimensionality":8},{"model":"models/up","content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}`,
			`{"model":"up","input":["a","b"],"dimensions":8}`, nil},
	} {
		r, err := gemini.Embeddings{}.Decode([]byte(tt.body), dialect.At{Model: "m"})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		for _, to := range []struct {
			dialect.Embedder
			want string
		}{{gemini.Embeddings{}, tt.out}, {openai.Embeddings{}, tt.openai}} {
			body, dropped, err := to.Encode(r, dialect.Target{Model: "up"})
			if string(body) != to.want || err != nil || !cmp.Equal(dropped, tt.dropped) {
				t.Errorf("%s became\n%s, without %v: %v\nwant\n%s", tt.name, body, dropped, err, to.want)
			}
		}
	}
	_, dropped, err := gemini.Embeddings{}.Encode(&llm.EmbedRequest{Inputs: []string{"a"}, User: "u"}, dialect.Target{Model: "models/up"})
	if err != nil || len(dropped) != 1 || (openai.Embeddings{}).FieldName(dropped[0]) != "user" {
		t.Errorf("dropped %v, %v", dropped, err)
	}
	if name := (gemini.Embeddings{}).FieldName("extra:taskType"); name != "taskType" {
		t.Errorf("a caller calls it taskType, not %s", name)
	}
}

func TestEmbeddingRequestsThatCannotBeTranslated(t *testing.T) {
	t.Parallel()
	for body, param := range map[string]string{
		`{}`: "requests", `{"requests":[]}`: "requests", `{"requests":7}`: "requests", `[]`: "", `{`: "",
		`{"content":{}}`: "content", `{"content":{"parts":[{"text":""}]}}`: "content", `{"requests":[{}]}`: "requests[0].content",
		`{"content":{"parts":[{"inlineData":{"data":"AA=="}}]}}`:                                                            "content.parts[0].inlineData",
		`{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}`: "requests[1].outputDimensionality",
		`{"content":{"parts":[{"text":7}]}}`:                                                                                "content.parts[0].text",
	} {
		_, err := gemini.Embeddings{}.Decode([]byte(body), dialect.At{Model: "m"})
		if bad, ok := errors.AsType[*llm.RequestError](err); !ok || bad.Param != param {
			t.Errorf("%s: %#v, want a refusal that names %q", body, err, param)
		}
	}
}

func TestEmbeddingRequestsPassThrough(t *testing.T) {
	t.Parallel()
	const body = `{"requests":[{"model":"models/m" , "content":{"parts":[{"text":"ab"}]},"taskType":"X"},{"content":{"parts":[{"text":"c"}]}, "model":"m"}]}`
	s, err := gemini.Embeddings{}.Scan([]byte(body), dialect.At{Model: "m"})
	if err != nil || s.Facts().TextBytes != 3 || s.Facts().Model != "m" {
		t.Fatalf("%+v, %v", s, err)
	}
	var got []byte
	for _, piece := range s.Patch([]byte(body), dialect.Patch{Model: "up"}) {
		got = append(got, piece...)
	}
	const want = `{"requests":[{"model":"models/up" , "content":{"parts":[{"text":"ab"}]},"taskType":"X"},{"content":{"parts":[{"text":"c"}]}, "model":"up"}]}`
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestEmbeddingResponses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, want, openai string }{
		{`{"embedding":{"values":[0.25,-1e-8]}}`, `{"embedding":{"values":[0.25,-1e-08]}}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-1e-08]}],"model":"m","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{`{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":5}}`,
			`{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":5}}`,
			`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}`},
	} {
		r, err := gemini.Embeddings{}.DecodeResponse([]byte(tt.body), dialect.Target{})
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		to := &llm.EmbedRequest{Model: "m", Single: true}
		if got := (gemini.Embeddings{}).EncodeResponse(r, to); string(got) != tt.want {
			t.Errorf("%s became %s", tt.body, got)
		}
		if got := (openai.Embeddings{}).EncodeResponse(r, to); string(got) != tt.openai {
			t.Errorf("%s became %s for OpenAI", tt.body, got)
		}
	}
	for _, body := range []string{``, `{}`, `[]`, `{"embeddings":[]}`, `{"embedding":{}}`, `{"embeddings":[{"values":["x"]}]}`} {
		if _, err := (gemini.Embeddings{}).DecodeResponse([]byte(body), dialect.Target{}); !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What Google recorded reaches a caller of OpenAI's dialect number for number.
func TestRecordedEmbeddings(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, r := range recordingsOf(t, "batchembedcontents") {
		if r.Status != 200 {
			continue
		}
		seen++
		asked, err := gemini.Embeddings{}.Decode(r.Request, dialect.At{Model: "m"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		said, err := gemini.Embeddings{}.DecodeResponse(r.Body, dialect.Target{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var want struct{ Embeddings []struct{ Values []float32 } }
		var got struct {
			Data []struct{ Embedding []float32 }
		}
		if err := json.Unmarshal(r.Body, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(openai.Embeddings{}.EncodeResponse(said, asked), &got); err != nil {
			t.Fatal(err)
		}
		if len(want.Embeddings) != len(asked.Inputs) || len(got.Data) != len(asked.Inputs) || !cmp.Equal(got.Data[0].Embedding, want.Embeddings[0].Values) {
			t.Errorf("%s: %d vectors for %d inputs, or other numbers", name, len(got.Data), len(asked.Inputs))
		}
	}
	if seen == 0 {
		t.Error("no recording has embeddings")
	}
}

func FuzzDecodeEmbeddings(f *testing.F) {
	f.Add([]byte(`{"requests":[{"content":{"parts":[{"text":"a"}]}}],"embeddings":[{"values":[1,2]}]}`))
	f.Add([]byte(`{"content":{"parts":[{"text":"a"}]},"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":2}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := (gemini.Embeddings{}).Decode(body, dialect.At{Model: "m"}); err == nil {
			if _, _, err := (openai.Embeddings{}).Encode(r, dialect.Target{Model: "up"}); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
		} else if _, ok := errors.AsType[*llm.RequestError](err); !ok {
			t.Fatalf("%q: %v is nothing for a caller", body, err)
		}
		if r, err := (gemini.Embeddings{}).DecodeResponse(body, dialect.Target{}); err == nil {
			if !json.Valid((gemini.Embeddings{}).EncodeResponse(r, &llm.EmbedRequest{})) {
				t.Fatalf("%q", body)
			}
		}
	})
}
