package llm_test

import (
	"testing"

	"aihigress/internal/llm"
)

func TestFieldNames(t *testing.T) {
	t.Parallel()
	names := llm.FieldNames{llm.FieldTopP: "topP", llm.FieldVendorTool: "tools"}
	for field, want := range map[llm.Field]string{
		llm.FieldTopP: "topP", llm.FieldSeed: "seed", llm.FieldVendorTool.With("web_search"): "tools.web_search",
		llm.FieldVendorBlock.With("x"): "block.vendor.x", llm.FieldExtra.With("a.b"): "a.b",
	} {
		if got := names.Of(field); got != want {
			t.Errorf("%s is called %q, want %q", field, got, want)
		}
	}
}

func TestParseTokens(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"0": 0, "12": 12, "3.0": 3, "100000000": llm.MaxTokens} {
		if n, ok := llm.ParseTokens([]byte(raw)); !ok || n != want {
			t.Errorf("%s is %d, %t", raw, n, ok)
		}
	}
	for _, raw := range []string{"", "-1", "1e300", "100000001", "NaN", "x"} {
		if n, ok := llm.ParseTokens([]byte(raw)); ok {
			t.Errorf("%q is taken for %d", raw, n)
		}
	}
}
