package llm_test

import (
	"testing"

	"aihigress/internal/llm"
)

func TestSplitDataURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ address, kind, data string }{
		{"data:image/png;base64,iVBORw==", "image/png", "iVBORw=="},
		{"DATA:image/png;base64,iVBORw==", "image/png", "iVBORw=="},
		{"data:image/png;base64,iVBORw", "image/png", "iVBORw=="},
		{"data:image/png;base64,iVBORw%3D%3D", "image/png", "iVBORw=="},
		{"data:image/png;base64,-_-_", "image/png", "+/+/"},
		{"data:image/png;base64,iVBO\r\nRw==", "image/png", "iVBORw=="},
		{"data:image/png;base64,%2B%2f++", "image/png", "+/++"},
		{"data:text/plain;charset=utf-8,a%20b+c", "text/plain", "YSBiK2M="},
		{"data:image/svg+xml,%3Csvg/%3E", "image/svg+xml", "PHN2Zy8+"},
		{"data:,x", "", "eA=="},
		{"data:image/png;base64,", "", ""},
		{"data:image/png;base64,?", "", ""},
		{"data:text/plain,%zz", "", ""},
		{"data:image/png", "", ""},
		{"https://example.com/a,b", "", ""},
		{"", "", ""},
	} {
		kind, data, ok := llm.SplitDataURL(c.address)
		if ok != (c.data != "") || ok && (kind != c.kind || data != c.data) {
			t.Errorf("%q is %q, %q, %v", c.address, kind, data, ok)
		}
	}
}
