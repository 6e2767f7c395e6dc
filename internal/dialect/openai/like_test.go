package openai

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// chunks are what a stream may say, with %s for a text.
var chunks = []string{
	`{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`,
	`{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}],"usage":null,"obfuscation":"%d"}`,
	`{"id":"c","created":1,"model":"m","choices":[{"index":1,"delta":{"content":%s}}]}`,
	`{"id":"c","created":%d,"model":"m","choices":[{"index":0,"delta":{"content":%s}}]}`,
	`{"id":"c","model":%s,"choices":[{"index":0,"delta":{"content":"\u0061"}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s,"content":"a"}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s},"message":{"content":%s}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":%s}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"reasoning":%s,"reasoning_details":[{"type":"reasoning.text","text":"t","index":0}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.text","text":%s,"index":%d}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"refusal":%s}}]}`,
	`{"id":"c","choices":[{"index":0,"text":%s}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":%s}]}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":%s}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":%s}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s,"tool_calls":[{"index":0,"function":{"arguments":"b"}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":3,"function":{"arguments":%s}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"function":{"name":%s,"arguments":"b"}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":%s,"function":{"name":"f","arguments":"b"}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"function_call":{"arguments":%s}}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s},"finish_reason":"stop"}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":%s}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s},"logprobs":{"content":[{"token":"a","logprob":-1}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s,"audio":{"data":"AA"}}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":"a","audio":{"data":%s}}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s,"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}}]}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s}}],"usage":{"prompt_tokens":%d,"completion_tokens":1}}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s}}],"error":null}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s}}],"x":[%d],"y":%s}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s}},{"index":1,"delta":{"audio":{"data":"AA"}}}]}`,
	`{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":%s`,
}

// pieces are texts as they stand in a document, some of which are none.
var pieces = []string{`"a"`, `"a"`, `"b"`, `"c"`, `"Look here"`, `" "`, `"\n"`, `"\u0061"`, `"{\"a\""`, `""`, `"é"`, `null`, `"a","x":"b"`, `"a"}],"y":[{"z":"b"`, "\"\xff\"", `"stop"`, `"m"`, `"0"`}

// Documents that are like the ones before are told of as they are when each is read.
func TestLike(t *testing.T) {
	t.Parallel()
	proven := 0
	rapid.Check(t, func(t *rapid.T) {
		read, compared := newDecoder(), newDecoder()
		var want, got []llm.Event
		kinds := rapid.SliceOfN(rapid.SampledFrom(chunks), 1, 3).Draw(t, "kinds")
		for range rapid.IntRange(1, 12).Draw(t, "length") {
			document := rapid.SampledFrom(kinds).Draw(t, "kind")
			for strings.Contains(document, "%s") {
				document = strings.Replace(document, "%s", rapid.SampledFrom(pieces).Draw(t, "piece"), 1)
			}
			document = strings.ReplaceAll(document, "%d", strconv.Itoa(rapid.IntRange(0, 1).Draw(t, "number")))
			read.like = like{}
			wantDone, wantErr := read.Decode([]byte(document), keepIn(&want))
			gotDone, gotErr := compared.Decode([]byte(document), keepIn(&got))
			if wantDone != gotDone || fmt.Sprint(wantErr) != fmt.Sprint(gotErr) {
				t.Fatalf("%s: %t, %v, want %t, %v", document, gotDone, gotErr, wantDone, wantErr)
			}
			if compared.like.proven {
				proven++
			}
			if gotErr != nil {
				break
			}
		}
		_, _ = read.Decode([]byte(done), keepIn(&want))
		_, _ = compared.Decode([]byte(done), keepIn(&got))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
	if proven == 0 {
		t.Error("no documents were alike")
	}
}

func keepIn(list *[]llm.Event) func(*llm.Event) error {
	return func(e *llm.Event) error {
		*list = append(*list, *e)
		return nil
	}
}

// A stream is compared once it has said two texts.
func TestLikeIsUsed(t *testing.T) {
	t.Parallel()
	for _, i := range []int{0, 1, 7, 13, 14} {
		d := newDecoder()
		for j, piece := range slices.Repeat([]string{"start", "one", "two", "three \\n \\\"quoted\\\"", "fóur"}, 2) {
			if i == 14 && j == 0 {
				if _, err := d.Decode([]byte(strings.Replace(chunks[13], "%s", `""`, 1)), keepIn(new([]llm.Event))); err != nil {
					t.Fatal(err)
				}
			}
			document := strings.Replace(chunks[i], "%s", `"`+piece+`"`, 1)
			document = strings.ReplaceAll(document, "%d", strings.Repeat("x", j))
			if _, err := d.Decode([]byte(document), keepIn(new([]llm.Event))); err != nil || d.like.proven != (j > 1 || j > 0 && i == 14) {
				t.Errorf("%s: %v, proven is %t", document, err, d.like.proven)
			}
		}
	}
}
