package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/simulator"

	"github.com/tidwall/gjson"
)

// A wire is a dialect as these tests write and read it, by plain HTTP.
type wire struct {
	name   string
	path   func(model string, stream bool) string
	body   func(messages, tools string, stream bool) string
	user   func(text string) string
	tool   func(name string) string
	answer func(body string) (said string, calls []string, message string) // what to give back as the model's turn
	result func(call int, name, id, text string) string
	join   func(results []string) string
	ids    string // gjson path of the calls' ids
	done   string // what a healthy stream ends with
	failed string // what a stream's error event has
	token  string // what each token's event of a text has
}

const toolSchema = `{"type":"object","properties":{"a":{"type":"string","enum":["x"]}}}`

var wires = []wire{
	{
		name: "chat",
		path: func(string, bool) string { return "/v1/chat/completions" },
		body: func(messages, tools string, stream bool) string {
			return fmt.Sprintf(`{"model":"MODEL","messages":[{"role":"system","content":"sim: say not for the system prompt"},%s],"tools":[%s],"stream":%v}`, messages, tools, stream)
		},
		user: func(text string) string { return `{"role":"user","content":` + text + `}` },
		tool: func(name string) string {
			return `{"type":"function","function":{"name":"` + name + `","parameters":` + toolSchema + `}}`
		},
		answer: func(body string) (string, []string, string) {
			return pick(body, "choices.0.message.content", "choices.0.message.tool_calls.#.function.name", "choices.0.message.tool_calls.#.function.arguments", "choices.0.message")
		},
		result: func(_ int, _, id, text string) string {
			return `{"role":"tool","tool_call_id":"` + id + `","content":"` + text + `"}`
		},
		join: func(results []string) string {
			return strings.Join(results, ",") + `,{"role":"user","content":"<reminder>Be nice.</reminder>"}`
		},
		ids:    "choices.0.message.tool_calls.#.id",
		done:   "data: [DONE]\n\n",
		failed: `data: {"error":{"message":"The server had an error`,
		token:  `"delta":{"content":"`,
	}, {
		name: "responses",
		path: func(string, bool) string { return "/v1/responses" },
		body: func(messages, tools string, stream bool) string {
			return fmt.Sprintf(`{"model":"MODEL","instructions":"sim: say not for the system prompt","input":[%s],"tools":[%s],"stream":%v}`, messages, tools, stream)
		},
		user: func(text string) string {
			return `{"role":"user","content":[{"type":"input_text","text":` + text + `}]}`
		},
		tool: func(name string) string {
			return `{"type":"function","name":"` + name + `","parameters":` + toolSchema + `}`
		},
		answer: func(body string) (string, []string, string) {
			said, calls, items := pick(body, "output.#(type==message).content.0.text", "output.#.name", "output.#.arguments", "output")
			return said, calls, strings.Trim(items, "[]")
		},
		result: func(_ int, _, id, text string) string {
			return `{"type":"function_call_output","call_id":"` + id + `","output":"` + text + `"}`
		},
		join:   func(results []string) string { return strings.Join(results, ",") },
		ids:    "output.#.call_id",
		done:   "event: response.completed\ndata: ",
		failed: "event: error\ndata: {\"type\":\"error\",\"sequence_number\":8,\"code\":\"server_error\"",
		token:  `"type":"response.output_text.delta"`,
	}, {
		name: "anthropic",
		path: func(string, bool) string { return "/v1/messages" },
		body: func(messages, tools string, stream bool) string {
			return fmt.Sprintf(`{"model":"MODEL","max_tokens":900,"system":"sim: say not for the system prompt","messages":[%s],"tools":[%s],"stream":%v}`, messages, tools, stream)
		},
		user: func(text string) string {
			return `{"role":"user","content":[{"type":"text","text":"<reminder>Be nice.</reminder>"},{"type":"text","text":` + text + `}]}`
		},
		tool: func(name string) string { return `{"name":"` + name + `","input_schema":` + toolSchema + `}` },
		answer: func(body string) (string, []string, string) {
			said, calls, content := pick(body, "content.#(type==text).text", "content.#.name", "content.#.input", "content")
			return said, calls, `{"role":"assistant","content":` + content + `}`
		},
		result: func(_ int, _, id, text string) string {
			return `{"type":"tool_result","tool_use_id":"` + id + `","content":[{"type":"text","text":"` + text + `"}]}`
		},
		join: func(results []string) string {
			return `{"role":"user","content":[` + strings.Join(results, ",") + `,{"type":"text","text":"<reminder>Be nice.</reminder>"}]}`
		},
		ids:    "content.#.id",
		done:   "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		failed: "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"",
		token:  `"type":"text_delta"`,
	}, {
		name: "gemini",
		path: func(model string, stream bool) string {
			path := "/v1beta/models/" + strings.ReplaceAll(model, "?", "%3F") + ":"
			if stream {
				return path + "streamGenerateContent?alt=sse"
			}
			return path + "generateContent"
		},
		body: func(messages, tools string, _ bool) string {
			return fmt.Sprintf(`{"systemInstruction":{"parts":[{"text":"sim: say not for the system prompt"}]},"contents":[%s],"tools":[{"functionDeclarations":[%s]}]}`, messages, tools)
		},
		user: func(text string) string {
			return `{"role":"user","parts":[{"text":` + text + `},{"text":"<reminder>Be nice.</reminder>"}]}`
		},
		tool: func(name string) string { return `{"name":"` + name + `","parametersJsonSchema":` + toolSchema + `}` },
		answer: func(body string) (string, []string, string) {
			return pick(body, "candidates.0.content.parts.#(text).text", "candidates.0.content.parts.#.functionCall.name", "candidates.0.content.parts.#.functionCall.args", "candidates.0.content")
		},
		result: func(_ int, name, id, text string) string {
			return `{"functionResponse":{"name":"` + name + `","id":"` + id + `","response":{"output":"` + text + `"}}}`
		},
		join:   func(results []string) string { return `{"role":"user","parts":[` + strings.Join(results, ",") + `]}` },
		ids:    "candidates.0.content.parts.#.functionCall.id",
		done:   `"finishReason":"STOP"`,
		failed: `data: {"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`,
		token:  `{"content":{"parts":[{"text":"`,
	},
}

// pick reads an answer by the paths of its text, of the calls' names and arguments, and of the turn.
func pick(body, text, names, args, turn string) (string, []string, string) {
	var calls []string
	given := gjson.Get(body, args).Array()
	for i, name := range gjson.Get(body, names).Array() {
		calls = append(calls, name.String()+given[i].String())
	}
	return gjson.Get(body, text).String(), calls, gjson.Get(body, turn).Raw
}

func (w wire) ask(t *testing.T, v *vendor, model, messages string, stream bool, tools ...string) answer {
	t.Helper()
	var list []string
	for _, name := range tools {
		list = append(list, w.tool(name))
	}
	body := strings.Replace(w.body(messages, strings.Join(list, ","), stream), "MODEL", model, 1)
	return post(t, v, w.path(model, stream), body, http.Header{"Anthropic-Version": {"2023-06-01"}})
}

// loop answers the calls of an answer until there are none, and returns what was called in each turn and the last words.
func (w wire) loop(t *testing.T, v *vendor, model, prompt string, tools ...string) (turns []string, said string) {
	t.Helper()
	quoted, err := json.Marshal(prompt)
	if err != nil {
		t.Fatal(err)
	}
	messages := w.user(string(quoted))
	for range 5 {
		got := w.ask(t, v, model, messages, false, tools...)
		if got.status != 200 {
			t.Fatalf("%s: %d %s", w.name, got.status, got.text)
		}
		said, calls, turn := w.answer(got.text)
		if len(calls) == 0 {
			return turns, said
		}
		turns = append(turns, strings.Join(calls, " "))
		var results []string
		for i, id := range gjson.Get(got.text, w.ids).Array() {
			name, _, _ := strings.Cut(calls[i], "{")
			results = append(results, w.result(i, name, id.String(), "result of "+name))
		}
		messages += "," + turn + "," + w.join(results)
	}
	t.Fatalf("%s: the loop does not end: %v", w.name, turns)
	return nil, ""
}

// TestSteering runs the same tool loops in every dialect.
func TestSteering(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for _, w := range wires {
		for _, tt := range []struct {
			model, prompt, turns, said string
		}{
			{"sim-chat", "Please work.", `add{"a":"x"}`, "The tool said: result of add"},
			{"sim-chat?turns=2", "Please work.", `add{"a":"x"} | sub{"a":"x"}`, "The tool said: result of sub"},
			{"sim-chat", "Do it.\n sim: call sub {\"a\":\"z\"}\nsim: call add\nThanks.", `sub{"a":"z"} | add{"a":"x"}`, "The tool said: result of add"},
			{"sim-chat", "sim: call-all\nsim: call sub {\"a\":\"z\"}\nsim: say done: {result}", `sub{"a":"z"}`, "done: result of sub"},
			{"sim-chat", "sim: call-all", `add{"a":"x"} sub{"a":"x"}`, "The tool said: result of sub"},
			{"sim-chat", "sim: say only this", "", "only this"},
			{"sim-chat", "sim: call mul", "", `I was told to call "mul", but no such tool was offered.`},
			{"sim-chat?tools=0&tokens=3", "Please work.", "", ""},
		} {
			turns, said := w.loop(t, v, tt.model, tt.prompt, "add", "sub")
			if got := strings.Join(turns, " | "); got != tt.turns || said != tt.said && tt.said != "" || said == "" {
				t.Errorf("%s, %s, %q:\n%s, then %q\nwant %s, then %q", w.name, tt.model, tt.prompt, got, said, tt.turns, tt.said)
			}
		}
	}
}

// TestFaultsInEveryDialect asks each dialect for each fault.
func TestFaultsInEveryDialect(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for _, w := range wires {
		ask := func(knobs string, stream bool) answer {
			return w.ask(t, v, "sim-chat?tokens=10"+knobs, w.user(`"hi"`), stream)
		}
		whole := ask("&crlf=off", true)
		if whole.err != nil || whole.status != 200 || strings.Count(whole.text, w.token) < 10 || !strings.Contains(whole.text, w.done) {
			t.Fatalf("%s: %v\n%s", w.name, whole.err, whole.text)
		}
		frames := strings.Count(whole.text, "\n\n")
		for _, tt := range []struct {
			knobs  string
			tokens int
			done   bool
			cut    bool
		}{
			{"&cut=0", 0, false, true}, {"&cut=5", 5, false, true}, {"&stream_error=4", 4, false, false}, {"&split=3", 10, true, false},
			{"&comments=2", 10, true, false}, {"&crlf=on", 10, true, false}, {"&usage=off", 10, true, false},
		} {
			got := ask("&crlf=off"+tt.knobs, true)
			if strings.Contains(tt.knobs, "crlf") {
				got = ask(tt.knobs, true)
			}
			text := strings.ReplaceAll(got.text, "\r\n", "\n")
			tokens := strings.Count(text, w.token)
			if w.name == "gemini" && tt.done {
				tokens-- // the last chunk has an empty text
			}
			if tokens != tt.tokens || strings.Contains(text, w.done) != tt.done || (got.err != nil) != tt.cut {
				t.Errorf("%s %s: %d tokens, error %v:\n%s", w.name, tt.knobs, tokens, got.err, got.text)
			}
			if bad := strings.Contains(tt.knobs, "stream_error") != strings.Contains(text, w.failed); bad {
				t.Errorf("%s %s: error event:\n%s", w.name, tt.knobs, got.text)
			}
			if bad := strings.Contains(tt.knobs, "usage") && (strings.Contains(text, `"usage":{`) || strings.Contains(text, "usageMetadata")); bad {
				t.Errorf("%s %s: usage:\n%s", w.name, tt.knobs, got.text)
			}
		}
		broken := ask("&crlf=off&malformed=2", true)
		bad := 0
		for line := range strings.SplitSeq(broken.text, "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]" && !json.Valid([]byte(data)) {
				bad++
			}
		}
		if bad != 1 || strings.Count(broken.text, "\n\n") != frames {
			t.Errorf("%s: malformed=2 broke %d frames:\n%s", w.name, bad, broken.text)
		}
		if got := ask("&cut=5", false); got.err == nil || len(got.text) != 5 {
			t.Errorf("%s: cut body %q, %v", w.name, got.text, got.err)
		}
		if got := ask("&error=drop", true); got.err == nil || got.status != 0 {
			t.Errorf("%s: dropped: %d", w.name, got.status)
		}
		if got := ask("&error=429&retry_after=7", true); got.status != 429 || got.header.Get("Retry-After") != "7" || !strings.Contains(got.text, map[string]string{
			"chat": `"code":"rate_limit_exceeded"`, "responses": `"code":"rate_limit_exceeded"`, "anthropic": `"type":"rate_limit_error"`, "gemini": `"status":"RESOURCE_EXHAUSTED"`,
		}[w.name]) {
			t.Errorf("%s: 429: %d %v %s", w.name, got.status, got.header, got.text)
		}
	}
}

func TestBenchModelInEveryDialect(t *testing.T) {
	t.Parallel()
	v := start(t, simulator.Options{})
	for _, w := range wires {
		first, again := w.ask(t, v, "sim-bench", w.user(`"hi"`), true), w.ask(t, v, "sim-bench", w.user(`"other"`), true)
		if first.text != again.text || !strings.Contains(first.text, w.token) {
			t.Errorf("%s: the streams differ or say nothing:\n%s", w.name, first.text)
		}
		whole := w.ask(t, v, "sim-bench", w.user(`"hi"`), false)
		if said, _, _ := w.answer(whole.text); len(strings.Fields(said)) != 16 {
			t.Errorf("%s: %s", w.name, whole.text)
		}
	}
}

func BenchmarkDialects(b *testing.B) {
	s := simulator.New(simulator.Options{})
	for _, w := range wires {
		for _, model := range []string{"sim-bench", "sim-chat?tokens=64"} {
			b.Run(w.name+"/"+model, func(b *testing.B) {
				b.ReportAllocs()
				body := strings.Replace(w.body(w.user(`"hi"`), "", true), "MODEL", model, 1)
				for b.Loop() {
					req := httptest.NewRequest(http.MethodPost, w.path(model, true), strings.NewReader(body))
					req.Header.Set("Authorization", "Bearer k")
					req.Header.Set("Anthropic-Version", "2023-06-01")
					s.ServeHTTP(discard{http.Header{}}, req)
				}
			})
		}
	}
}
