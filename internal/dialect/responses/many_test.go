package responses

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// TestManyCalls: a call that is far from its result is found by an index, and is the one that is found by looking. A turn
// ends where it would if all of it were looked at each time.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SampledFrom([]string{"a", "b", "c", ""})
		var in input
		for range rapid.IntRange(1, 30).Draw(t, "items") {
			var blocks []llm.Block
			for range rapid.IntRange(0, 3).Draw(t, "blocks") {
				blocks = append(blocks, rapid.SampledFrom([]llm.Block{
					{Kind: llm.Text}, {Kind: llm.Opaque}, {Kind: llm.ToolResult}, {Kind: llm.ToolCall, Call: llm.Call{ID: ids.Draw(t, "id")}},
				}).Draw(t, "block"))
			}
			role := rapid.SampledFrom([]llm.Role{llm.User, llm.Assistant}).Draw(t, "role")
			n, begins := len(in.turns), true
			if n > 0 && in.turns[n-1].role == role {
				begins = role == llm.User
				said := false
				for _, b := range in.blocks[in.turns[n-1].from:] {
					said = said || b.Kind != llm.ToolResult && b.Kind != llm.Opaque
				}
				begins = begins && said
			}
			if in.add(role, blocks...); (len(in.turns) > n) != begins {
				t.Fatalf("behind %d turns a turn begins: %t, want %t", n, !begins, begins)
			}
			if id := ids.Draw(t, "asked"); rapid.Bool().Draw(t, "asks") {
				if want, got := in.callBy(id), in.callFar(id); got != want {
					t.Fatalf("the call is %p, want %p", got, want)
				}
			}
		}
	})

	const n = 50_000 // looked for one by one, they would take a minute
	var calls, results, again strings.Builder
	for i := range n {
		fmt.Fprintf(&calls, `{"type":"function_call","call_id":"%d","name":"f%[1]d","arguments":""},`, i)
		fmt.Fprintf(&results, `{"type":"function_call_output","call_id":"%d","output":""},`, n-1-i)
		again.WriteString(`{"role":"assistant","content":[]},{"role":"user","content":[]},`)
	}
	r, err := (Dialect{}).DecodeRequest([]byte(`{"model":"m","input":[`+calls.String()+again.String()+results.String()+`{"role":"user","content":"x"}]}`), dialect.At{})
	if err != nil {
		t.Fatal(err)
	}
	last := r.Messages[len(r.Messages)-1].Blocks
	if len(last) != n+1 {
		t.Fatalf("the last turn has %d blocks, want %d", len(last), n+1)
	}
	for i := range last[:n] {
		if want := "f" + strconv.Itoa(n-1-i); last[i].Result.Name != want {
			t.Fatalf("result %d is of %s, want %s", i, last[i].Result.Name, want)
		}
	}
}

// TestManyTools: what only this dialect says of tools is read once for all of them, and not written for each of very many
// that share a name.
func TestManyTools(t *testing.T) {
	t.Parallel()
	const n = 5_000 // read for each tool, they would take minutes
	for name, want := range map[string]int{"t%d": n, "t": n * maxAlike} {
		var tools strings.Builder
		for i := range n {
			of := name
			if strings.Contains(name, "%") {
				of = fmt.Sprintf(name, i)
			}
			fmt.Fprintf(&tools, `,{"type":"function","name":"%s","only_%d":true}`, of, i)
		}
		r, err := (Dialect{}).DecodeRequest([]byte(`{"model":"m","input":"x","tools":[`+tools.String()[1:]+`]}`), dialect.At{})
		if err != nil {
			t.Fatal(err)
		}
		body, drops, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(body), `"only_`); got != want {
			t.Errorf("%s: %d fields are written, want %d", name, got, want)
		}
		if told := len(drops) > 0; told != (want > n) {
			t.Errorf("%s: %v is told to be left out", name, drops)
		}
	}
}
