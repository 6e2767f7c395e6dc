package gemini

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// many is so many that what looks through all of them for each takes many seconds.
const many = 50_000

// Of many calls, results find the same as of few.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids, names := rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.SampledFrom([]string{"f", "g"})
		var near, far waitingCalls
		for range rapid.IntRange(1, few).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "call") {
				call := llm.Call{ID: ids.Draw(t, "id"), Name: names.Draw(t, "name"), Input: rapid.StringMatching("[a-z]{4}").Draw(t, "input")}
				near.list, far.list = append(near.list, call), append(far.list, call)
				continue
			}
			id, name := "", names.Draw(t, "name")
			if rapid.Bool().Draw(t, "by id") {
				id = ids.Draw(t, "id")
			}
			want, found := near.take(id, name)
			if got, ok := far.takeFar(id, name); got != want || ok != found {
				t.Fatalf("the call of the result %q of %q is %v, %v; want %v, %v", id, name, got, ok, want, found)
			}
		}
	})

	for _, results := range []string{`"id":"%d","name":"f"`, `"name":"f%d"`} { // the last call is the first that is answered
		var calls, answers strings.Builder
		for i := range many {
			fmt.Fprintf(&calls, `{"functionCall":{"id":"%d","name":"f%[1]d"}},`, i)
			fmt.Fprintf(&answers, `{"functionResponse":{`+results+`,"response":{}}},`, many-1-i)
		}
		r := decodedRequest(t, `{"contents":[{"role":"model","parts":[`+strings.TrimSuffix(calls.String(), ",")+`]},{"parts":[`+strings.TrimSuffix(answers.String(), ",")+`]}]}`)
		for i, b := range r.Messages[1].Blocks {
			if id := strconv.Itoa(many - 1 - i); b.Result.CallID != id || b.Result.Name != "f"+id {
				t.Fatalf("%s: result %d is of the call %q of %q, want %s", results, i, b.Result.CallID, b.Result.Name, id)
			}
		}
	}
}

// Of many signatures, each is kept once in a turn, and again in the next.
func TestManySignatures(t *testing.T) {
	t.Parallel()
	var parts strings.Builder
	for i := range many {
		packed := pack(llm.Block{Kind: llm.Thinking, Text: "t", State: llm.State{Origin: llm.Anthropic, Data: strconv.Itoa(i / 2)}})
		fmt.Fprintf(&parts, `{"text":"x","thoughtSignature":%q},`, packed)
	}
	turn := `{"role":"model","parts":[` + strings.TrimSuffix(parts.String(), ",") + `]}`
	r := decodedRequest(t, `{"contents":[`+turn+`,{"parts":[{"text":"go on"}]},`+turn+`]}`)
	for _, at := range []int{0, 2} {
		thinking := 0
		for i := range r.Messages[at].Blocks {
			if b := &r.Messages[at].Blocks[i]; b.Kind == llm.Thinking {
				if want := strconv.Itoa(thinking); b.State.Data != want {
					t.Fatalf("thinking %d is signed with %q", thinking, b.State.Data)
				}
				thinking++
			}
		}
		if thinking != many/2 {
			t.Errorf("thinking stands %d times in message %d, want %d", thinking, at, many/2)
		}
	}
}

func decodedRequest(t *testing.T, body string) *llm.Request {
	t.Helper()
	r, err := (Dialect{}).DecodeRequest([]byte(body), dialect.At{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Of many calls, the responses are the same as of few.
func TestManyResponses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SampledFrom([]string{"a", "b", "c", ""})
		var near, far responses
		for range rapid.IntRange(1, 8).Draw(t, "contents") {
			var one, other wireContent
			for range rapid.IntRange(0, 6).Draw(t, "parts") {
				id := ids.Draw(t, "id")
				switch rapid.IntRange(0, 2).Draw(t, "part") {
				case 0:
					one.Parts, other.Parts = append(one.Parts, textPart("t")), append(other.Parts, textPart("t"))
				case 1:
					p := wirePart{FunctionCall: &wireCall{ID: id}}
					one.Parts, other.Parts = append(one.Parts, p), append(other.Parts, p)
				default:
					one.Parts = append(one.Parts, wirePart{FunctionResponse: &wireResult{ID: id}})
					other.Parts = append(other.Parts, wirePart{FunctionResponse: &wireResult{ID: id}})
				}
			}
			near.in, far.in = append(near.in, one), append(far.in, other)
		}
		for i := range near.in {
			for _, p := range near.in[i].Parts {
				if p.FunctionCall == nil {
					continue
				}
				want, found := near.find(p.FunctionCall.ID, i+1)
				if got, ok := far.findFar(p.FunctionCall.ID, i+1); ok != found || ok && got != want {
					t.Fatalf("the response to a call of content %d is %v, %v; want %v, %v", i, got, ok, want, found)
				}
				if found {
					near.in[want.content].Parts[want.part].FunctionResponse.taken = true
					far.in[want.content].Parts[want.part].FunctionResponse.taken = true
				}
			}
		}
	})

	calls, disorder := llm.Message{Role: llm.Assistant}, llm.Message{Role: llm.User}
	for i := range many {
		calls.Blocks = append(calls.Blocks, llm.Block{Kind: llm.ToolCall, Call: llm.Call{ID: strconv.Itoa(i), Name: "f"}})
		disorder.Blocks = append(disorder.Blocks, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: strconv.Itoa(many - 1 - i)}})
	}
	words, lost := llm.Message{Role: llm.User}, llm.Message{Role: llm.User}
	for i := range many {
		words.Blocks = append(words.Blocks, llm.Block{Kind: llm.Text, Text: "t"})
		lost.Blocks = append(lost.Blocks, llm.Block{Kind: llm.ToolResult, Result: &llm.Result{CallID: "z" + strconv.Itoa(i)}})
	}
	for name, tt := range map[string]struct {
		second       llm.Message
		made, intext int
	}{
		"in disorder":                   {disorder, 0, 0},
		"without responses":             {words, many, 0},
		"with responses to other calls": {lost, many, many},
	} {
		body, _, err := (Dialect{}).EncodeRequest(&llm.Request{Messages: []llm.Message{calls, tt.second}}, dialect.Target{Model: "gemini-2.5-pro"})
		made, intext := strings.Count(string(body), "gave no result"), strings.Count(string(body), "Result of ")
		if err != nil || made != tt.made || intext != tt.intext {
			t.Errorf("%s: %d made up, %d in words, %v; want %d and %d", name, made, intext, err, tt.made, tt.intext)
		}
	}
}

// Of many tools, a choice by many names is the same as of few.
func TestManyNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SampledFrom([]string{"a", "b", "c", "d" + customSuffix, "d", "e"})
		names := rapid.SliceOfN(some, 0, 2*few).Draw(t, "names")
		var declared list[wireFunction]
		for _, name := range rapid.SliceOfN(some, 0, 2*few).Draw(t, "declared") {
			declared = append(declared, wireFunction{Name: name})
		}
		var want []string
		for _, name := range names {
			for i := range declared {
				want = append(want, allowed([]string{name}, declared[i:i+1])...)
			}
		}
		if diff := cmp.Diff(want, allowed(names, declared)); diff != "" {
			t.Fatal(diff)
		}
		all := set[string]{}
		for i, name := range names {
			if want, got := slices.Contains(names[:i], name), all.has(name); got != want {
				t.Fatalf("%q is in %q: %v", name, names[:i], got)
			}
			all.list = append(all.list, name)
		}
	})

	r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}}}}
	for i := range 2 * many {
		r.Tools = append(r.Tools, llm.Tool{Name: "f" + strconv.Itoa(i)})
		if i < many {
			r.Choice.Names = append(r.Choice.Names, "f"+strconv.Itoa(2*many-1-i))
		}
	}
	for mode, want := range map[llm.ChoiceMode]int{llm.Auto: many, llm.Required: 3 * many} {
		r.Choice.Mode = mode
		body, _, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "gemini-2.5-pro"})
		if got := strings.Count(string(body), `"f`) - strings.Count(string(body), `"functionDec`) - strings.Count(string(body), `"functionCall`); err != nil || got != want {
			t.Errorf("mode %v: names stand %d times, want %d, %v", mode, got, want, err)
		}
	}
}

// Names of a choice that come again, of tools that have one name, are no product of both.
func TestChoiceOfOneName(t *testing.T) {
	t.Parallel()
	const n = 5_000
	r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "x"}}}}, Choice: llm.Choice{Mode: llm.Required}}
	for range n {
		r.Tools = append(r.Tools, llm.Tool{Name: "f", Schema: llm.JSON(`{"type":"object"}`)})
		r.Choice.Names = append(r.Choice.Names, "f")
	}
	body, _, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "gemini-2.5-flash"})
	if err != nil || len(body) > 200*n {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
