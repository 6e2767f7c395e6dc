package llm_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCarry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-zé語"\\\n]{0,20}`)
		var blocks []llm.Block
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			b := llm.Block{Kind: llm.Thinking, Text: text.Draw(t, "text"), State: llm.State{
				Origin: llm.Gemini, ID: text.Draw(t, "id"), Data: text.Draw(t, "data"), Redacted: rapid.Bool().Draw(t, "redacted")}}
			if rapid.Bool().Draw(t, "call") {
				b.Kind, b.Text = llm.ToolCall, ""
			}
			blocks = append(blocks, b)
		}
		id := rapid.StringMatching(`[a-zA-Z0-9_-]{0,12}`).Draw(t, "call id")
		if strings.Contains(id, llm.Mark) {
			t.Skip("a vendor's id that looks like ours")
		}
		carried := llm.CarryID(id, blocks...)
		if strings.Trim(carried, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Fatalf("%q is no id", carried)
		}
		gotID, got := llm.UncarryID(carried)
		if gotID != id {
			t.Fatalf("id %q became %q", id, gotID)
		}
		if diff := cmp.Diff(blocks, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(llm.Carry(blocks...)))
		if !strings.HasPrefix(encoded, llm.MarkBase64) || !llm.Carries([]byte(`{"x":"`+encoded+`"}`)) || !llm.Carries([]byte(carried)) {
			t.Fatalf("%s is not recognised", encoded)
		}
	})
}

func TestWhatIsNotCarriedStaysAsItIs(t *testing.T) {
	t.Parallel()
	if got := llm.Carry(llm.Block{Kind: llm.Thinking, Text: "x"}); got != "" {
		t.Errorf("nothing to carry made %q", got)
	}
	for _, text := range []string{"", "toolu_01", llm.Mark, llm.Mark + "%%", llm.Mark + "e30", "EqQBCkYIB" + "xx=="} {
		if blocks, ok := llm.Uncarry(text); ok && len(blocks) > 0 {
			t.Errorf("%q was unpacked to %v", text, blocks)
		}
		if id, blocks := llm.UncarryID(text); id != text || blocks != nil {
			t.Errorf("%q was split into %q and %v", text, id, blocks)
		}
	}
}
