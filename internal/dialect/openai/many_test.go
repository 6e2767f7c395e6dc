package openai

import (
	"errors"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestJoinDetails: pieces come to what they would if each were put behind all before it.
func TestJoinDetails(t *testing.T) {
	t.Parallel()
	few := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	rapid.Check(t, func(t *rapid.T) {
		var list, want []reasoningDetail
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			d := reasoningDetail{
				Type: few(detailText, detailText, detailSummary, detailEncrypted).Draw(t, "type"), Text: few("", "a", "b").Draw(t, "text"),
				Summary: few("", "c").Draw(t, "summary"), Signature: few("", "", "s").Draw(t, "signature"), ID: few("", "i", "j").Draw(t, "id"),
				Format: few("", "f", "g").Draw(t, "format"), Index: position{said: rapid.Bool().Draw(t, "said")},
			}
			list = append(list, d)
			if n := len(want); n > 0 && continues(&want[n-1], &d) {
				last := &want[n-1]
				last.Text, last.Summary, last.Signature = last.Text+d.Text, last.Summary+d.Summary, d.Signature
				if last.Format == "" {
					last.Format = d.Format
				}
				if last.ID == "" {
					last.ID = d.ID
				}
				continue
			}
			want = append(want, d)
		}
		if diff := cmp.Diff(want, joinDetails(list), cmp.AllowUnexported(position{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// TestManyPieces: what comes in very many pieces is put together once.
func TestManyPieces(t *testing.T) {
	t.Parallel()
	const n = 100_000 // each put behind all before it, they would take a minute
	piece := strings.Repeat("x", 16)
	for name, body := range map[string]string{
		"parts":   `"content":[{"type":"thinking","thinking":[` + strings.Repeat(`,{"type":"text","text":"`+piece+`"}`, n)[1:] + `]}]`,
		"details": `"reasoning_details":[` + strings.Repeat(`,{"type":"reasoning.text","index":0,"text":"`+piece+`"}`, n)[1:] + `]`,
	} {
		r, err := (Dialect{}).DecodeRequest([]byte(`{"model":"m","messages":[{"role":"assistant",`+body+`}]}`), dialect.At{})
		if err != nil {
			t.Fatal(name, err)
		}
		if blocks := r.Messages[0].Blocks; len(blocks) != 1 || blocks[0].Text != strings.Repeat(piece, n) {
			t.Errorf("%s: %d blocks, the first has %d bytes", name, len(blocks), len(blocks[0].Text))
		}
	}

	text := strings.Repeat(`,{"type":"refusal","refusal":"x"}`, n)
	notes := strings.Repeat(`,{"type":"url_citation","url_citation":{"url":"u"}}`, n)
	r, err := (Dialect{}).DecodeRequest([]byte(`{"model":"m","messages":[{"role":"assistant","content":[`+text[1:]+`],"annotations":[`+notes[1:]+`]}]}`), dialect.At{})
	if err != nil || len(r.Messages[0].Blocks) != n {
		t.Errorf("annotations without a text: %v", err)
	}
}

// TestEarlyArguments: arguments that come before the name of their call are told with what comes with it, and only so many
// are held.
func TestEarlyArguments(t *testing.T) {
	t.Parallel()
	piece := func(name, input string) []byte {
		return []byte(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"` + name + `","arguments":"` + input + `"}}]}}]}`)
	}
	for _, tt := range []struct {
		pieces, size int
		wrong        error
	}{{20_000, 64, nil}, {dialect.MaxText>>20 + 1, 1 << 20, dialect.ErrTooLong}} {
		d := Dialect{}.Decoder()
		input := strings.Repeat("x", tt.size)
		var told []string
		emit := func(e *llm.Event) error {
			if e.Kind == llm.Delta {
				told = append(told, e.Text)
			}
			return nil
		}
		var err error
		for range tt.pieces {
			if _, err = d.Decode(piece("", input), emit); err != nil {
				break
			}
		}
		if !errors.Is(err, tt.wrong) || tt.wrong != nil && !errors.Is(err, dialect.ErrMalformed) {
			t.Errorf("%d pieces: %v", tt.pieces, err)
		}
		if err != nil {
			continue
		}
		for _, name := range []string{"f", ""} {
			if _, err := d.Decode(piece(name, "y"), emit); err != nil {
				t.Error(err)
			}
		}
		if want := []string{strings.Repeat(input, tt.pieces) + "y", "y"}; !cmp.Equal(told, want) {
			t.Errorf("%d pieces are told as %d", tt.pieces, len(told))
		}
	}
}
