package responses_test

import (
	"reflect"
	"strings"
	"testing"

	"aihigress/internal/dialect/gemini"
	"aihigress/internal/dialect/responses"
	"aihigress/internal/llm"
)

// TestPictures holds that callers of any dialect get a picture that the vendor's tool made, and those of this one its item.
func TestPictures(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]llm.Block{
		`{"id":"ig_1","type":"image_generation_call","status":"completed","output_format":"webp","result":"UklGRg=="}`: {
			Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/webp", Data: "UklGRg=="}},
		`{"id":"ig_1","type":"image_generation_call","status":"completed","result":"iVBORw=="}`: {
			Kind: llm.Media, Media: &llm.Attachment{Kind: llm.Image, MIMEType: "image/png", Data: "iVBORw=="}},
		`{"id":"ig_1","type":"image_generation_call","status":"failed","result":null}`: {Kind: llm.Opaque},
	} {
		whole := `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[` + item + `]}`
		r, err := responses.Dialect{}.DecodeResponse([]byte(whole))
		if err != nil {
			t.Fatal(err)
		}
		streamed, err := decodeEvents([][]byte{[]byte(`{"type":"response.output_item.done","output_index":0,"item":` + item + `}`),
			[]byte(`{"type":"response.completed","response":` + whole + `}`)})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*llm.Response{r, streamed.response} {
			b := r.Candidates[0].Blocks[0]
			if b.Kind != want.Kind || !reflect.DeepEqual(b.Media, want.Media) || string(b.Raw) != item {
				t.Errorf("%s is read as %+v", item, b)
			}
			if got := string(responses.Dialect{}.EncodeResponse(r, nil)); !strings.Contains(got, item) {
				t.Errorf("no %s in %s", item, got)
			}
			if got := string(gemini.Dialect{}.EncodeResponse(r, nil)); want.Kind == llm.Media && !strings.Contains(got, `"data":"`+want.Media.Data+`"`) {
				t.Errorf("no picture in %s", got)
			}
		}
	}
}
