package responses

import (
	"math"
	"slices"
	"testing"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

var (
	drawText  = rapid.SampledFrom([]string{"", "a", "\"quoted\"\n\t<é \u2028", "\xff"})
	drawValue = rapid.SampledFrom([]jsontext.Value{nil, nil, jsontext.Value(`{}`), jsontext.Value("{\"a\" : [1,\n\"\\u0041\"]}"), jsontext.Value(`null`), jsontext.Value(`"x"`)})
)

func drawRest(t *rapid.T, name string) map[string]jsontext.Value {
	return rapid.SampledFrom([]map[string]jsontext.Value{nil, nil, {}, {"ré\"st": jsontext.Value(`[ 1 ]`)}}).Draw(t, name)
}

// What is written by hand is what reflection would write.
func TestAppendHead(t *testing.T) {
	t.Parallel()
	number := rapid.SampledFrom([]*float64{nil, pointer(0.0), pointer(0.5), pointer(1e21), pointer(-1e-7)})
	flag := rapid.SampledFrom([]*bool{nil, pointer(false), pointer(true)})
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return drawText.Draw(t, name) }
		q := request{
			Model: text("model"), Stream: rapid.Bool().Draw(t, "stream"), Instructions: text("instructions"), Choice: drawValue.Draw(t, "choice"),
			Parallel: flag.Draw(t, "parallel"), MaxTokens: rapid.Int64Range(0, 2).Draw(t, "max"), Temperature: number.Draw(t, "temperature"),
			TopP: number.Draw(t, "top_p"), TopLogprobs: rapid.IntRange(0, 2).Draw(t, "logprobs"),
			Include: rapid.SliceOfN(drawText, 0, 3).Draw(t, "include"), Tier: text("tier"), User: text("user"), Safety: text("safety"),
			CacheKey: text("key"), CacheFor: text("for"), Store: flag.Draw(t, "store"), Previous: text("previous"), Truncation: text("truncation"), Rest: drawRest(t, "rest"),
		}
		if rapid.Bool().Draw(t, "text") {
			q.Text = &textSettings{Verbosity: text("verbosity"), Rest: drawRest(t, "text's rest")}
		}
		if rapid.Bool().Draw(t, "reasoning") {
			q.Reasoning = &reasoningSettings{Effort: text("effort"), Summary: text("summary"), Older: text("older"), Rest: drawRest(t, "reasoning's rest")}
		}
		if rapid.Bool().Draw(t, "metadata") {
			q.Metadata = map[string]string{"k": text("metadata")}
		}
		if got, want := string(append(q.appendSettings(q.appendBegin(nil)), '}')), string(marshal(&q)); got != want {
			t.Fatalf("%s, want\n%s", got, want)
		}
	})
}

func TestAppendTool(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := tool{Type: drawText.Draw(t, "type"), Name: drawText.Draw(t, "name"), Description: drawText.Draw(t, "description"),
			Parameters: drawValue.Draw(t, "parameters"), Strict: rapid.SampledFrom([]*bool{nil, pointer(false), pointer(true)}).Draw(t, "strict"),
			Format: drawValue.Draw(t, "format"), Rest: drawRest(t, "rest")}
		if got, want := string(w.append(nil)), string(marshal(&w)); got != want {
			t.Fatalf("%s, want\n%s", got, want)
		}
	})
}

func TestAppendNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 0.7, 1e21, 1e-6, 1e-7})).Draw(t, "number")
		if got, want := string(appendNumber(nil, f)), string(marshal(f)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// A value that is taken as it is, is as package json writes it.
func FuzzCompact(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"b\n\"\\",true,null,-0,1.5E+3]}`, `{"a" :1}`, `"\/"`, `"\u0041"`, `"é "`, "\"\xff\"", `""`, ` 1`, `{"a":"b","a":"c"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if !jsontext.Value(v).IsValid(upstreams) {
			jsonwrite.Compact(v) // and does not panic
			return
		}
		want, err := jsontext.AppendFormat(nil, v, upstreams)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendValue(nil, v); string(got) != string(want) {
			t.Errorf("%q is written as %q, want %q", v, got, want)
		}
	})
}

// Tools are written one by one as they are in a list of values.
func TestAppendTools(t *testing.T) {
	t.Parallel()
	in := llm.Namespace{Name: "n", Description: "d\n"}
	all := []llm.Tool{
		{Name: "f", Description: "says \"so\"", Schema: llm.JSON("{\"a\" :\n1}"), Cache: &llm.Cache{}},
		{Name: "n__g", Namespace: in}, {Name: "n__h", Namespace: in, Grammar: llm.JSON(`{}`)}, {Name: "m__g", Namespace: llm.Namespace{Name: "m"}},
		{Vendor: llm.Responses, Type: "web_search", Raw: llm.JSON(`{"type": "web_search"}`)}, {Vendor: llm.Anthropic, Type: "bash_1", Raw: llm.JSON(`{}`)},
	}
	for _, tt := range []struct {
		tools []llm.Tool
		want  string
		left  []llm.Field
	}{
		{all, `{"type":"function","name":"f","description":"says \"so\"","parameters":{"a":1}},{"type":"namespace","name":"n","description":"d\n","tools":[{"type":"function","name":"g"},{"type":"custom","name":"h"}]},` +
			`{"type":"namespace","name":"m","tools":[{"type":"function","name":"g"}]},{"type":"web_search"}`, []llm.Field{llm.FieldCache, llm.FieldVendorTool.With("bash_1")}},
		{all[5:], "", []llm.Field{llm.FieldVendorTool.With("bash_1")}},
		{nil, "", nil},
	} {
		var left llm.Drops
		got := string(appendTools(nil, &llm.Request{Dialect: llm.Responses, Tools: tt.tools}, left.Add, appendTool))
		if got != tt.want || !slices.Equal(left.Fields(), tt.left) {
			t.Errorf("%s without %s, want\n%s without %s", got, left.Fields(), tt.want, tt.left)
		}
	}
}

// What was written keeps its bytes when its memory is used again.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, maxKept, maxKept + 1} {
		m := takeMemory(size)
		m.b = append(m.b, make([]byte, size)...)
		written := m.free()
		for range 4 {
			again := takeMemory(1)
			again.b = append(again.b, slices.Repeat([]byte{'x'}, size)...)
			again.free()
		}
		if slices.Contains(written, 'x') || len(written) != size {
			t.Errorf("%d bytes were written over", size)
		}
	}
}

func pointer[T any](v T) *T { return &v }
