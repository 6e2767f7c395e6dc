package gemini

import (
	"math"
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawnJSON is a value, or nearly one, with spaces and escapes here and there.
func drawnJSON(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", "", " ", "\n"}).Draw(t, "space")
	one := func() string { return drawnJSON(t, depth-1) }
	switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case kind == 0:
		return rapid.SampledFrom([]string{"0", "-1.5e3", "1E+2", "01", "true", "null", "nul", "", "9223372036854775808"}).Draw(t, "scalar") + space
	case kind < 3 || depth == 0:
		pieces := []string{"words", "é", `\n`, `\"`, `\\`, `\/`, `\u00e9`, `\u000a`, `\ud83d\ude00`, `\ud83d`, "\xff", "\n", `\x`, "\u2028", strings.Repeat("long", 40)}
		return space + `"` + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 4).Draw(t, "string"), "") + `"`
	case kind == 3:
		return "[" + space + strings.Join(rapid.SliceOfN(rapid.Custom(func(*rapid.T) string { return one() }), 0, 3).Draw(t, "elements"), ",") + "]"
	}
	names := rapid.SliceOfN(rapid.SampledFrom([]string{`"a"`, `"b"`, `"a"`, `"\u0061"`, ` "c" `, `d`}), 0, 3).Draw(t, "names")
	for i, name := range names {
		names[i] = name + ":" + one()
	}
	return "{" + strings.Join(names, ","+space) + "}" + rapid.SampledFrom([]string{"", "", "", "", "}"}).Draw(t, "end")
}

// What is written by hand is what packages json and jsontext write.
func TestWrittenByHand(t *testing.T) {
	t.Parallel()
	tights, rares := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		value := jsontext.Value(drawnJSON(t, 3))
		want, err := jsontext.AppendFormat(nil, value, written)
		var o output
		if o.raw("", value); (o.err != nil) != (err != nil) || err == nil && string(o.b) != string(want) {
			t.Fatalf("%s is written as %s (%v), want %s (%v)", value, o.b, o.err, want, err)
		}
		if tight(value) {
			tights++
		}

		call := &llm.Call{Input: string(value), Custom: rapid.IntRange(0, 9).Draw(t, "custom") == 0}
		switch {
		case call.Custom || strings.TrimSpace(call.Input) != "" && (!value.IsValid(written) || value.Kind() != '{'):
			want = append(jsonwrite.String([]byte(`{"input":`), call.Input), '}')
		case strings.TrimSpace(call.Input) == "":
			want = []byte("{}")
		}
		o = output{}
		if o.input(call); o.err != nil || string(o.b) != string(want) {
			t.Fatalf("the input %s is written as %s (%v), want %s", value, o.b, o.err, want)
		}

		config := drawnConfig(t)
		want, err = json.Marshal(config, written)
		o = output{}
		if o.config(config); (o.err != nil) != (err != nil) || err == nil && string(o.b) != string(want) {
			t.Fatalf("the config is written as %s (%v), want %s (%v)", o.b, o.err, want, err)
		}
		if config.SpeechConfig != nil {
			rares++
		}
	})
	if tights == 0 || rares == 0 {
		t.Errorf("%d values are tight, %d configs rare", tights, rares)
	}
}

func drawnConfig(t *rapid.T) *wireConfig {
	maybe := func(name string) bool { return rapid.Bool().Draw(t, name) }
	number := func(name string) *float {
		if !maybe(name) {
			return nil
		}
		f := float(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 0.7, 0.001, 1e-7, 1e6, 999_999.5, 1e21, -2, 40, math.NaN(), math.Inf(1), rapid.Float64().Draw(t, "any")}).Draw(t, "number"))
		return &f
	}
	whole := func(name string) integer {
		return integer(rapid.SampledFrom([]int64{0, 1, -1, 4096, math.MaxInt32}).Draw(t, name))
	}
	w := &wireConfig{Temperature: number("temperature"), TopP: number("topP"), TopK: number("topK"), CandidateCount: whole("n"), MaxOutputTokens: whole("most"),
		PresencePenalty: number("presence"), FrequencyPenalty: number("frequency")}
	if maybe("stops") {
		w.StopSequences = rapid.SliceOfN(rapid.SampledFrom([]string{"", "stop", "\n"}), 0, 3).Draw(t, "stops")
	}
	if seed := whole("seed"); maybe("seeded") {
		w.Seed = &seed
	}
	if maybe("format") {
		w.ResponseMIMEType, w.ResponseSchema = mimeJSON, llm.JSON(`{"type" : "STRING"}`)
	}
	if maybe("schema") {
		w.ResponseJSONSchema = llm.JSON(`{"a":1,"a":"\u00e9"}`)
	}
	if maybe("thinks") {
		w.ThinkingConfig = &wireThinking{IncludeThoughts: maybe("shows"), ThinkingLevel: rapid.SampledFrom([]string{"", "LOW"}).Draw(t, "level")}
		if budget := whole("budget"); maybe("budgeted") {
			w.ThinkingConfig.ThinkingBudget = &budget
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "rare") {
	case 0:
		w.SpeechConfig = llm.JSON(`{}`)
	case 1:
		w.ResponseLogprobs, w.Logprobs = true, 3
	case 2:
		w.Unknown = jsontext.Value(`{"x":1}`)
	case 3:
		w.ResponseModalities = list[string]{"AUDIO"}
	}
	return w
}

// What is found to be paired would be left as it is.
func TestPairedStays(t *testing.T) {
	t.Parallel()
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"a", "a", "b"})
		words, picture := textPart("words"), wirePart{InlineData: &wireBlob{Data: "AA=="}}
		var all list[wireContent]
		for i := range rapid.IntRange(0, 6).Draw(t, "turns") {
			turn := wireContent{Role: []string{"user", "model"}[i%2]}
			if i > 0 && turn.Role == "user" && rapid.IntRange(0, 3).Draw(t, "good") > 0 {
				for _, p := range all[i-1].Parts {
					if p.FunctionCall != nil {
						turn.Parts = append(turn.Parts, wirePart{FunctionResponse: &wireResult{ID: p.FunctionCall.ID}})
						if rapid.Bool().Draw(t, "file") {
							turn.Parts = append(turn.Parts, picture)
						}
					}
				}
			}
			for range rapid.IntRange(0, 2).Draw(t, "parts") {
				p := []wirePart{words, words, picture, {FunctionResponse: &wireResult{ID: id.Draw(t, "id")}}}[rapid.IntRange(0, 3).Draw(t, "part")]
				if turn.Role == "model" && rapid.Bool().Draw(t, "call") {
					p = wirePart{FunctionCall: &wireCall{ID: id.Draw(t, "id")}}
				}
				turn.Parts = append(turn.Parts, p)
			}
			if len(turn.Parts) == 0 {
				turn.Parts = list[wirePart]{words}
			}
			all = append(all, turn)
		}
		if !paired(all) {
			return
		}
		found++
		e := requestEncoder{in: &llm.Request{}, out: wireRequest{Contents: all}}
		e.repair()
		if diff := cmp.Diff(all, e.out.Contents, cmpopts.EquateEmpty(), cmp.AllowUnexported(wireCall{}, wireResult{})); diff != "" {
			t.Fatalf("what was paired is changed (-before +after):\n%s", diff)
		}
	})
	if found == 0 {
		t.Error("nothing is paired")
	}
}
