package replay_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

// texts are events that say text and little else, as vendors write them.
var texts = map[string][]string{
	llm.OpenAI: {
		`{"id":"c-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}],"usage":null}`,
		`{"id":"c-1","service_tier":"default","choices":[{"index":0,"delta":{"content":"word"},"logprobs":null,"finish_reason":null}],"obfuscation":"aBc"}`,
		`{"choices": [{"index": 1, "delta": {"role": "assistant", "content": "word", "reasoning_content": "thought"}, "finish_reason": null}], "error": null}`,
		`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":"{}"}}]}},{"text":"word"}]}`,
		`{"choices":[{"delta":{"content":"word"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		`{"choices":[{"delta":{"content":"word"},"usage":{"prompt_tokens":1}}],"x_groq":{"usage":{"prompt_tokens":1}}}`,
	},
	llm.Responses: {
		`{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"word","logprobs":[],"obfuscation":"x"}`,
		`{"type":"response.audio.delta","sequence_number":7,"delta":"c291bmQ="}`,
		`{"delta":"word","type":"response.audio.delta"}`,
		`{"type":"response.output_item.done","delta":"word","item":{"type":"web_search_call"},"id":"resp_1"}`,
		`{"type":"response.function_call_arguments.delta","delta":"word","error":null,"usage":null,"service_tier":"flex"}`,
		`{"delta":"word"}`,
	},
	llm.Anthropic: {
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word"}   }`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"word"}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":"b"}}}`,
		`{"type":"content_block_delta","delta":{"text":"word","stop_reason":null},"error":null,"request_id":"req_1"}`,
		`{"type":"content_block_delta","delta":{"text":"word"},"usage":{"output_tokens":5,"service_tier":"batch","iterations":[{"input_tokens":1}]}}`,
	},
}

// An event like the one before is not scanned again. What a watch tells must be the same as if it were, whatever vendors send.
func TestAlikeEvents(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			all := texts[d.Name()]
			for _, stream := range written(d.Name()) {
				for _, line := range strings.Split(stream, "\n") {
					if data, ok := strings.CutPrefix(line, "data: "); ok {
						all = append(all, data)
					}
				}
			}
			rapid.Check(t, func(t *rapid.T) {
				var events []string
				for range rapid.IntRange(1, 2).Draw(t, "kinds") {
					event := rapid.SampledFrom(all).Draw(t, "event")
					for range rapid.IntRange(1, 4).Draw(t, "times") {
						events = append(events, event)
						for range rapid.IntRange(0, 2).Draw(t, "edits") {
							event = edited(t, event)
						}
					}
					events = append(events, event)
				}
				if err := alike(d, events); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

var (
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	amount = regexp.MustCompile(`-?[0-9][0-9.eE+-]*`)
	behind = regexp.MustCompile(`[]}"0-9l]`)
)

// edited changes an event at one place.
func edited(t *rapid.T, event string) string {
	change := func(places *regexp.Regexp, to func(old string) string) string {
		all := places.FindAllStringIndex(event, -1)
		if len(all) == 0 {
			return event
		}
		at := rapid.SampledFrom(all).Draw(t, "place")
		return event[:at[0]] + to(event[at[0]:at[1]]) + event[at[1]:]
	}
	switch rapid.IntRange(0, 6).Draw(t, "edit") {
	case 0, 1, 2:
		words := []string{"", "w", "other word", `a\nb`, `\"`, `\ud83d\ude00`, `\ud83d`, "\xff", "é", "\x01", `\`, "message_stop", "response.completed", "flex"}
		return change(quoted, func(string) string { return `"` + rapid.SampledFrom(words).Draw(t, "word") + `"` })
	case 3, 4:
		numbers := []string{"0", "7", "12", "1234567890123", "00", "01", "-0", "-1", "1.5", "1e3", "1.", "", "null", strings.Repeat("9", 70)}
		return change(amount, func(string) string { return rapid.SampledFrom(numbers).Draw(t, "number") })
	case 5:
		return change(behind, func(old string) string { return old + rapid.SampledFrom([]string{" ", "  \t", "\n"}).Draw(t, "space") })
	}
	return ofBytes(t, event)
}

// FuzzAlike is the same for any events, one a line.
func FuzzAlike(f *testing.F) {
	for i, d := range dialects {
		for _, event := range texts[d.Name()] {
			f.Add(byte(i), event+"\n"+strings.Replace(event, "word", "other", 1)+"\n"+strings.Replace(event, "word", "", 1))
		}
	}
	f.Fuzz(func(t *testing.T, selector byte, events string) {
		if err := alike(dialects[selector&3], strings.Split(events, "\n")); err != nil {
			t.Fatal(err)
		}
	})
}

// alike shows events to a watch, and to one that is shown another event, which says nothing, before each.
func alike(d dialect.Dialect, events []string) error {
	var text, want bytes.Buffer
	watch := d.Watch(func(part []byte) { text.Write(part) })
	forgetful := d.Watch(func(part []byte) { want.Write(part) })
	for i, event := range events {
		if _, err := forgetful.Event([]byte(`{}`)); err != nil {
			return err
		}
		got, _ := seen(watch, event)
		expected, over := seen(forgetful, event)
		if got != expected || text.String() != want.String() {
			return fmt.Errorf("event %d: %s, text %q\nwant %s, text %q", i, got, text.String(), expected, want.String())
		}
		if over {
			break
		}
	}
	return nil
}

// seen is all that a watch tells once it has seen an event, and whether the stream is over with that.
func seen(watch dialect.Watch, event string) (all string, over bool) {
	chunk, err := watch.Event([]byte(event))
	failure := chunk.Error
	chunk.Error = nil
	usage, credible := watch.Usage()
	return fmt.Sprintf("%+v, %+v, %v, usage %+v %v, odd %v, id %q", chunk, failure, err, usage, credible, watch.OddUsage(), watch.ResponseID()), err != nil
}
