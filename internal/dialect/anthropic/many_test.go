package anthropic

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// many is so many that what looks through all of them for each takes seconds.
const many = 30_000

// A choice among many tools leaves the others out.
func TestManyNames(t *testing.T) {
	t.Parallel()
	r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}}}}
	r.Choice.Mode = llm.Auto
	for i := range 2 * many {
		r.Tools = append(r.Tools, llm.Tool{Name: "f" + strconv.Itoa(i)})
		if i < many {
			r.Choice.Names = append(r.Choice.Names, "f"+strconv.Itoa(2*many-1-i))
		}
	}
	body, _, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "m"})
	if got := strings.Count(string(body), `"name":"f`); err != nil || got != many || strings.Contains(string(body), `"f`+strconv.Itoa(many-1)+`"`) {
		t.Errorf("%d tools are offered, want %d, %v", got, many, err)
	}
}

// A vendor that leaves as many blocks open as it may is read as one that leaves few: calls stand side by side, what is told as a whole is
// told at its end, and the rest ends before the next begins.
func TestManyOpenBlocks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ block, piece string }{
		"calls":       {`{"type":"tool_use","id":"%d","name":"f","input":{}}`, `{"type":"input_json_delta","partial_json":"{\"a\":1}"}`},
		"told whole":  {`{"type":"server_tool_use","id":"%d","name":"web_search","input":{}}`, `{"type":"input_json_delta","partial_json":"{\"a\":1}"}`},
		"and between": {`{"type":"weird","id":"%d"}`, ""},
	} {
		const open = dialect.MaxOpen - 1 // and a text between them
		for _, stops := range []int{0, open} {
			d := decoder{}
			told := map[llm.EventKind]int{}
			decode := func(event string, values ...any) {
				if _, err := d.Decode(fmt.Appendf(nil, event, values...), func(e *llm.Event) error {
					told[e.Kind]++
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range open {
				decode(`{"type":"content_block_start","index":%d,"content_block":`+tt.block+`}`, i, i)
				if tt.piece == "" {
					decode(`{"type":"content_block_start","index":%d,"content_block":{"type":"text","text":""}}`, open+i)
				}
			}
			for i := range open {
				if tt.piece == "" {
					break
				}
				decode(`{"type":"content_block_delta","index":%d,"delta":`+tt.piece+`}`, open-1-i)
			}
			for i := range stops {
				decode(`{"type":"content_block_stop","index":%d}`, (i*7)%open)
			}
			decode(`{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`)
			want, wantPieces := open, 0
			switch name {
			case "calls":
				wantPieces = open
			case "and between":
				want = 2 * open
			}
			if told[llm.Open] != want || told[llm.Close] != want || told[llm.Delta] != wantPieces {
				t.Errorf("%s, %d of them ended: %d opened, %d pieces, %d closed; want %d and %d pieces", name, stops, told[llm.Open], told[llm.Delta], told[llm.Close], want, wantPieces)
			}
		}
	}
}

// TestTooManyOpenBlocks: encoders look through those that are open.
func TestTooManyOpenBlocks(t *testing.T) {
	t.Parallel()
	d := decoder{}
	for i := range dialect.MaxOpen + 1 {
		_, err := d.Decode(fmt.Appendf(nil, `{"type":"content_block_start","index":%d,"content_block":{"type":"tool_use","id":"%[1]d","name":"f","input":{}}}`, i), func(*llm.Event) error { return nil })
		if bad := errors.Is(err, dialect.ErrMalformed); bad != (i == dialect.MaxOpen) {
			t.Fatalf("block %d: %v", i, err)
		}
	}
}

// TestManyAlikeTools: what only this dialect says of a tool is not written for each of very many that share its name.
func TestManyAlikeTools(t *testing.T) {
	t.Parallel()
	const n = 5_000 // were all written for each, they would be 25 million
	var tools strings.Builder
	for i := range n {
		fmt.Fprintf(&tools, `,{"name":"f","input_schema":{"type":"object"},"only_%d":true}`, i)
	}
	r, err := Dialect{}.DecodeRequest([]byte(`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"tools":[`+tools.String()[1:]+`]}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	body, drops, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(body), `"only_`); got != n*maxAlike {
		t.Errorf("%d fields are written, want %d", got, n*maxAlike)
	}
	if len(drops) != 1 || drops[0] != llm.FieldExtra.With("tools[]") {
		t.Errorf("%v is told to be left out", drops)
	}
}
