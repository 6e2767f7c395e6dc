package gemini

import (
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawnEvent is an event of a stream: usually one with a text and counts, now and then anything.
func drawnEvent(t *rapid.T) string {
	usually := func(usual string, others ...string) string {
		if rapid.IntRange(0, 15).Draw(t, "odds") < 15 {
			return usual
		}
		return rapid.SampledFrom(append(others, usual)).Draw(t, "other")
	}
	count := func() string {
		return usually(fmt.Sprint(rapid.IntRange(0, 2000).Draw(t, "count")), "1e2", "-1", "01", "1.5", "100000001", "99999999999999999999", "null", `"7"`, "", "1 ", strings.Repeat("1", 70))
	}
	text := usually(`"`+rapid.SampledFrom([]string{"a", "some words", "é", `\n\n`, `a \"quoted\" word`, `\u00e9`, ""}).Draw(t, "text")+`"`,
		"\"\xff\"", `"\ud83d"`, `"\x"`, "null", `"unfinished`, `"a""b"`, `["a"]`, "\"\n\"", "1", "")
	part := usually(`{"text":`+text+`}`, `{"text":`+text+`,"thought":true}`, `{"thought":true,"text":`+text+`}`, `{"text":`+text+`,"thoughtSignature":"c2ln"}`, `{"text":`+text+`},{"text":"b"}`, ``,
		`{"functionCall":{"name":"f","args":{}}}`, `{"inlineData":{"data":"AA=="}}`, `{"text":"a","text":"b"}`, `{"executableCode":{"code":"x"}}`, `{"Text":`+text+`}`)
	usage := usually(`"usageMetadata":{"promptTokenCount":`+usually("7", count())+`,"candidatesTokenCount":`+count()+`,"totalTokenCount":`+count()+`,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":`+usually("3", count())+`}]`+
		usually("", `,"thoughtsTokenCount":`+count(), `,"serviceTier":"flex"`, `,"totalTokenCount":1`)+`},`, "", `"usageMetadata":null,`, `"usageMetadata":{},`)
	return `{"candidates":[{"content":{"parts":[` + part + `],"role":"model"}` + usually("", `,"finishReason":"STOP"`, `,"finishReason":null`, `,"groundingMetadata":{"webSearchQueries":["q"]}`) +
		`,"index":` + usually("0", "1", "-1") + `}` + usually("", `,{"index":1}`) + `],` + usage + usually("", `"promptFeedback":{"blockReason":"SAFETY"},`, `"error":{"code":1},`) +
		`"modelVersion":"m"` + usually("", ` `, `,"extra":1`) + `}` + usually("", " ", "}")
}

// Events that are like the one before say what they would say if all of each was read.
func TestAlike(t *testing.T) {
	t.Parallel()
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		quick, whole := &decoder{}, &decoder{}
		var got, want []llm.Event
		for _, data := range rapid.SliceOfN(rapid.Custom(drawnEvent), 1, 12).Draw(t, "events") {
			taking := func(e *llm.Event) error {
				got = append(got, *e)
				return nil
			}
			done, err := quick.Decode([]byte(data), taking)
			if quick.alike.known && quick.alike.learned == 0 {
				taken++
			}
			whole.alike = alike{learned: maxLearned} // and learns no more
			wantDone, wantErr := whole.Decode([]byte(data), func(e *llm.Event) error {
				want = append(want, *e)
				return nil
			})
			if done != wantDone || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%s is told as %v, %v, want %v, %v", data, done, err, wantDone, wantErr)
			}
			u, ok := quick.Usage()
			if wantUsage, wantOK := whole.Usage(); u != wantUsage || ok != wantOK || quick.tier != whole.tier {
				t.Fatalf("behind %s the usage is %+v, %v, want %+v, %v", data, u, ok, wantUsage, wantOK)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s is told otherwise (-want +got):\n%s", data, diff)
			}
			if done || err != nil {
				break
			}
		}
	})
	if taken == 0 {
		t.Error("no event was like the one before")
	}
}
