package gemini

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// TestManyMembers: of many members, a tree finds the same as by looking.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.Custom(func(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(0, 2*few).Draw(t, "name")) })
		tree, plain := &tree{object: true}, []member{}
		for range rapid.IntRange(1, 4*few).Draw(t, "steps") {
			name := names.Draw(t, "name")
			at := slices.IndexFunc(plain, func(m member) bool { return m.name == name })
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				if tree.drop(name); at >= 0 {
					plain = slices.Delete(plain, at, at+1)
				}
			case 1, 2:
				got := tree.get(name)
				if at < 0 && got != nil || at >= 0 && got != plain[at].value {
					t.Fatalf("%s is %v", name, got)
				}
			default:
				value := textTree(name)
				if tree.set(name, value); at >= 0 {
					plain[at].value = value
				} else {
					plain = append(plain, member{name, value})
				}
			}
		}
		if !slices.Equal(tree.members, plain) {
			t.Fatalf("the members are %v, want %v", tree.members, plain)
		}
	})
}

// TestManyPieces: the arguments of a call that come in very many pieces are put together once.
func TestManyPieces(t *testing.T) {
	t.Parallel()
	const n = 120_000 // looked through for each, or put behind all before it each time, they would take a minute
	text := strings.Repeat("t", 64)
	for name, path := range map[string]func(int) string{
		"names":          func(i int) string { return "$.a" + strconv.Itoa(i) },
		"texts by turns": func(i int) string { return "$.a" + strconv.Itoa(i%2) },
	} {
		var pieces strings.Builder
		for i := range n {
			fmt.Fprintf(&pieces, `,{"jsonPath":"%s","stringValue":"%s","willContinue":true}`, path(i), text)
		}
		call := `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}},{"functionCall":{"partialArgs":[` + pieces.String()[1:] + `]}}]},"finishReason":"STOP"}]}`
		r, err := Dialect{}.DecodeResponse([]byte(call))
		if err != nil {
			t.Fatal(err)
		}
		input := r.Candidates[0].Blocks[0].Call.Input
		if got := strings.Count(input, text); got != n {
			t.Errorf("%s: %d of %d pieces are there", name, got, n)
		}
		if got := strings.Count(input, `"a1":"`+text); got != 1 {
			t.Errorf("%s: a1 is there %d times", name, got)
		}
	}
}

// TestLongNames: what a path or an event repeats has a bound.
func TestLongNames(t *testing.T) {
	t.Parallel()
	for length, fine := range map[int]bool{maxFunctionName: true, maxFunctionName + 1: false} {
		body := `{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"` + strings.Repeat("n", length) + `","x":1}]}]}`
		_, err := Dialect{}.DecodeRequest([]byte(body), dialect.At{Model: "m"})
		if _, refused := errors.AsType[*llm.RequestError](err); refused == fine {
			t.Errorf("%d bytes: %v", length, err)
		}
	}

	const n = 2_000 // an event has the id, and a call looks at it
	long := strings.Repeat("i", 4<<20)
	e, told, size := Dialect{}.Encoder(nil), 0, 0
	_, err := Dialect{}.Decoder().Decode([]byte(`{"responseId":"`+long+`","modelVersion":"`+long+`","candidates":[{"content":{"parts":[`+
		strings.Repeat(`{"functionCall":{"name":"f","args":{}}},`, n)+`{"text":"x"}]}}]}`), func(ev *llm.Event) error {
		event, err := e.Append(nil, ev)
		told, size = told+1, size+len(event)
		return err
	})
	if err != nil || told < n || size > told<<10 {
		t.Errorf("%d events are %d bytes, %v", told, size, err)
	}
}
