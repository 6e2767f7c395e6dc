package e2e

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/llm"
	"aihigress/internal/simulator"
)

// A feature is a column of the table.
type feature struct {
	name  string
	test  func(*cell)
	whole bool // there is nothing to stream
	has   func(caller, upstream string) bool
}

var features = []feature{
	{name: "text", test: testText},
	{name: "roles", test: testRoles},
	{name: "tools", test: testTools},
	{name: "parallel tools", test: testParallel},
	{name: "thinking", test: testThinking},
	{name: "images", test: testImages},
	{name: "structured", test: testStructured},
	{name: "ends", test: testEnds},
	{name: "usage", test: testUsage},
	{name: "error", test: testError},
	{name: "cut", test: testCut},
	{name: "abort", test: testAbort},
	{name: "embeddings", test: testEmbeddings, whole: true, has: func(caller, upstream string) bool {
		embeds := []string{llm.OpenAI, llm.Gemini}
		return slices.Contains(embeds, caller) && slices.Contains(embeds, upstream)
	}},
}

var (
	weather = function{"get_weather", "city"}
	clock   = function{"get_time", "zone"}
)

// words are a text that is not easy: quotes, a backslash, a tab, letters of several bytes.
const words = `Grüße, "Wörld": 你好 \n	and 🐉 done.`

// holds compares an answer with what it must be, usage and pieces aside.
func (c *cell) holds(got *reply, want reply) {
	c.Helper()
	is := reply{text: got.text, refusal: got.refusal, finish: got.finish}
	want.finish = c.sdk().word(want.finish)
	if diff := cmp.Diff(want, is, cmp.AllowUnexported(reply{}, tally{}, call{})); diff != "" {
		c.Errorf("answered %s\nthe vendor got %s", diff, c.last())
	}
}

// calls holds the calls of an answer against those that were ordered: name and argument by turns.
func (c *cell) calls(got *reply, want ...string) []call {
	c.Helper()
	c.holds(got, reply{finish: "tools"})
	var is []string
	for _, each := range got.calls {
		var args map[string]string
		if err := json.Unmarshal([]byte(each.args), &args); err != nil || len(args) != 1 || each.id == "" && c.caller != llm.Gemini {
			c.Errorf("call %q of %s with %s: %v", each.id, each.name, each.args, err)
		}
		is = append(is, each.name)
		for name, value := range args {
			is = append(is, name+"="+value)
		}
	}
	if !slices.Equal(is, want) {
		c.Fatalf("calls %q, want %q", is, want)
	}
	return got.calls
}

// paired holds that the vendor got its calls back under their ids, and the results under the same.
func (c *cell) paired(calls []call) *request {
	c.Helper()
	got := readRequest(c.T, c.upstream, c.last())
	if len(got.calls) != len(calls) || !slices.Equal(got.calls, got.results) || slices.Contains(got.calls, "") {
		c.Errorf("calls %q, results of %q", got.calls, got.results)
	}
	for i, each := range calls {
		id, _, _ := strings.Cut(each.id, llm.Mark) // what is behind it is for the gateway
		if i < len(got.calls) && got.calls[i] != id {
			c.Errorf("the caller knows call %q, the vendor %q", id, got.calls[i])
		}
	}
	return got
}

// strict has chat vendors refuse results that do not match, as OpenAI does and others do not.
func (c *cell) strict() string {
	if c.upstream == llm.OpenAI {
		return "&strict=on"
	}
	return ""
}

func testText(c *cell) {
	talk := c.begin(common(""), setup{system: "Be brief."})
	talk.say("sim: say " + words)
	got := c.ask(talk)
	c.holds(got, reply{text: words, finish: "stop"})
	if c.stream && got.pieces < 3 {
		c.Errorf("streamed in %d pieces", got.pieces)
	}
}

// testRoles goes on over turns, with a word of the developer's in the middle where the API has that.
func testRoles(c *cell) {
	talk := c.begin(common(""), setup{system: "Be brief."})
	talk.say("sim: say The first.")
	c.holds(c.ask(talk), reply{text: "The first.", finish: "stop"})
	instructed := talk.instruct("Be polite.")
	talk.say("sim: say The second.")
	c.holds(c.ask(talk), reply{text: "The second.", finish: "stop"})
	got := readRequest(c.T, c.upstream, c.last())
	assistant, developer := "assistant", "developer"
	want := []string{"system: Be brief.", "user: sim: say The first."}
	switch c.upstream {
	case llm.OpenAI:
		if c.caller != llm.OpenAI {
			developer = "system" // vendors of this API other than OpenAI know no developer
		}
	case llm.Anthropic:
		developer = "user"
	case llm.Gemini:
		assistant, developer = "model", "user"
	}
	want = append(want, assistant+": The first.")
	if instructed && developer == "user" {
		want = append(want, "user: <system>\nBe polite.\n</system>")
	} else if instructed {
		want = append(want, developer+": Be polite.")
	}
	want = append(want, "user: sim: say The second.")
	if diff := cmp.Diff(want, joined(got.said, assistant+": ")); diff != "" {
		c.Errorf("the vendor heard %s", diff)
	}
}

// joined puts pieces together that one spoke after another: a client may leave a stream in pieces.
func joined(said []string, speaker string) (turns []string) {
	for _, s := range said {
		last := len(turns) - 1
		if piece, ok := strings.CutPrefix(s, speaker); ok && last >= 0 && strings.HasPrefix(turns[last], speaker) {
			turns[last] += piece
		} else {
			turns = append(turns, s)
		}
	}
	return turns
}

func testTools(c *cell) {
	talk := c.begin(common(c.strict()), setup{tools: []function{weather, clock}})
	talk.say("What is it like?\nsim: call get_weather {\"city\":\"Paris\"}\nsim: say It is {result}.")
	calls := c.calls(c.ask(talk), "get_weather", "city=Paris")
	talk.answer(calls[0], "18 degrees")
	c.holds(c.ask(talk), reply{text: "It is 18 degrees.", finish: "stop"})
	c.paired(calls)
}

func testParallel(c *cell) {
	talk := c.begin(common(c.strict()), setup{tools: []function{weather, clock}})
	talk.say("sim: call-all\nsim: call get_weather {\"city\":\"Paris\"}\nsim: call get_time {\"zone\":\"CET\"}\nsim: say It is {result}.")
	calls := c.calls(c.ask(talk), "get_weather", "city=Paris", "get_time", "zone=CET")
	talk.answer(calls[0], "18 degrees")
	talk.answer(calls[1], "noon")
	c.holds(c.ask(talk), reply{text: "It is noon.", finish: "stop"})
	got := c.paired(calls)
	if diff := cmp.Diff([]string{"18 degrees", "noon"}, got.with("tool")); diff != "" {
		c.Errorf("results %s", diff)
	}
}

// testThinking thinks before a call and before an answer, and goes on after both. The vendor refuses signatures that are
// not its own or of another text, and calls without one.
func testThinking(c *cell) {
	talk := c.begin(common("&thinking=on&reasoning=12&signatures=strict"), setup{tools: []function{weather}, think: true})
	talk.say("sim: call get_weather {\"city\":\"Paris\"}\nsim: say It is {result}.")
	first := c.ask(talk)
	calls := c.calls(first, "get_weather", "city=Paris")
	if len(strings.Fields(first.thought)) != 12 {
		c.Errorf("thought %q, want 12 words", first.thought)
	}
	talk.answer(calls[0], "18 degrees")
	second := c.ask(talk)
	c.holds(second, reply{text: "It is 18 degrees.", finish: "stop"})
	if second.thought == "" {
		c.Error("no thought before the answer")
	}
	got := c.paired(calls)
	switch {
	case c.upstream != llm.OpenAI:
		if len(got.signatures) != 1 || len(got.signatures[0]) < 20 {
			c.Errorf("signatures %q came back to the vendor, want one", got.signatures)
		}
	case c.caller != llm.OpenAI: // these vendors sign nothing, and want the text again
		if diff := cmp.Diff([]string{first.thought}, got.signatures); diff != "" {
			c.Errorf("thinking that came back: %s", diff)
		}
	}
	talk.say("sim: say Bye.")
	c.holds(c.ask(talk), reply{text: "Bye.", finish: "stop"})
}

func testImages(c *cell) {
	const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	const url = "https://example.com/picture.png"
	talk := c.begin(common(""), setup{})
	talk.say("sim: say A dot.", picture{mime: "image/png", base64: png}, picture{mime: "image/png", url: url})
	c.holds(c.ask(talk), reply{text: "A dot.", finish: "stop"})
	got := readRequest(c.T, c.upstream, c.last())
	if diff := cmp.Diff([]string{"image/png;" + png, url}, got.pictures); diff != "" {
		c.Errorf("pictures %s", diff)
	}
}

func testStructured(c *cell) {
	schema := map[string]any{"type": "object", "additionalProperties": false, "required": []string{"name", "age"}, "properties": map[string]any{
		"name": map[string]any{"type": "string"}, "age": map[string]any{"type": "integer"},
	}}
	talk := c.begin(common(""), setup{schema: schema})
	talk.say("Who is it?")
	got := c.ask(talk) // the simulator makes up what the schema says that it got
	var person struct {
		Name *string
		Age  *int
	}
	d := json.NewDecoder(strings.NewReader(got.text))
	d.DisallowUnknownFields()
	if err := d.Decode(&person); err != nil || person.Name == nil || person.Age == nil || d.More() {
		c.Errorf("%q does not follow the schema: %v", got.text, err)
	}
	c.holds(got, reply{text: got.text, finish: "stop"})
	const ada = `{"name":"Ada","age":36}`
	talk.say("sim: call aih_answer_json " + ada + "\nsim: say " + ada) // the former is for a vendor who is given a tool for it
	c.holds(c.ask(talk), reply{text: ada, finish: "stop"})
}

// testEnds tries what an answer may end with: its limit, a stop sequence, a refusal.
func testEnds(c *cell) {
	const limit = 16 // the least that Responses takes
	long := strings.Repeat("abc ", limit)
	talk := c.begin(common(""), setup{maxTokens: limit})
	talk.say("sim: say " + long + "and more.")
	c.holds(c.ask(talk), reply{text: long, finish: "length"})

	talk = c.begin(common(""), setup{stop: []string{"END"}})
	talk.say("sim: say One two END three.")
	cut, end := "One two ", "sequence"
	if c.caller == llm.Responses || c.upstream == llm.Responses { // this API has no stop sequences
		cut, end = "One two END three.", "stop"
	}
	if c.upstream == llm.OpenAI && c.caller == llm.Anthropic {
		end = "stop" // chat does not say which of the two it was
	}
	if c.upstream == llm.Gemini && c.caller == llm.Anthropic {
		end = "stop" // neither does Gemini
	}
	c.holds(c.ask(talk), reply{text: cut, finish: end})
	if c.upstream == llm.Responses {
		c.drops = map[string][]string{llm.OpenAI: {"stop"}, llm.Anthropic: {"stop_sequences"}, llm.Gemini: {"generationConfig.stopSequences"}}[c.caller]
	}

	talk = c.begin(common("&refusal=on"), setup{})
	talk.say("Hello!")
	got := c.ask(talk)
	end = "refusal"
	if c.upstream == llm.Gemini {
		end = "filter"
	}
	c.holds(got, reply{refusal: got.refusal, finish: end})
}

// uncached is what callers are told where a vendor takes no marks for its cache.
func (c *cell) uncached() []string {
	if c.caller == llm.Anthropic && c.upstream != llm.Anthropic {
		return []string{"cache_control"}
	}
	return nil
}

// testUsage asks twice, the second time with the beginning in the vendor's cache, and holds what the client makes of the
// usage against what the vendor counted.
func testUsage(c *cell) {
	vendors := c.unique("cache=on&reasoning=7&thinking=on&tokens=9")
	var before simulator.Counts
	for range 2 {
		talk := c.begin(vendors, setup{system: strings.Repeat("A long prompt. ", 40), cached: true, think: true})
		talk.say("Hello!")
		got := c.ask(talk)
		c.await("the vendor has counted", func(s simulator.Counts) bool { return s.Completed > before.Completed })
		now := c.counted()
		want := tally{
			prompt: now.PromptTokens - before.PromptTokens, cached: now.CachedTokens - before.CachedTokens, written: now.CacheWriteTokens - before.CacheWriteTokens,
			completion: now.CompletionTokens - before.CompletionTokens, reasoning: now.ReasoningTokens - before.ReasoningTokens,
		}
		if want.completion != 16 || want.reasoning != 7 || want.prompt < 100 || (want.cached > 100) != (before.Completed > 0) {
			c.Errorf("the vendor counted %+v", want)
		}
		if c.caller == llm.Gemini {
			want.written = 0 // has no word for it
		}
		if diff := cmp.Diff(want, got.usage, cmp.AllowUnexported(tally{})); diff != "" {
			c.Errorf("usage %s", diff)
		}
		before = now
	}
	c.drops = c.uncached()
}

// testError has the vendor refuse: status, Retry-After and message are the vendor's, kind and form the caller's.
func testError(c *cell) {
	talk := c.begin(c.unique("error=429&retry_after=1"), setup{})
	talk.say("Hello!")
	_, err := talk.send(c.Context(), c.stream)
	got, ok := c.sdk().refusal(err)
	if !ok {
		c.Fatalf("not an error of the client's: %v", err)
	}
	message := map[string]string{llm.OpenAI: "Rate limit reached for", llm.Responses: "Rate limit reached for",
		llm.Anthropic: "rate limit", llm.Gemini: "You exceeded your current quota"}[c.upstream]
	if got.status != 429 || !strings.Contains(got.message, message) {
		c.Errorf("%+v, want 429 and %q", got, message)
	}
	if !strings.Contains(got.kind, "rate_limit") && got.kind != "RESOURCE_EXHAUSTED" {
		c.Errorf("kind %q", got.kind)
	}
	if after := c.headers[len(c.headers)-1].Get("Retry-After"); after != "1" {
		c.Errorf("Retry-After %q", after)
	}
	if n := c.counted().Requests; n != 1 {
		c.Errorf("the vendor was asked %d times", n)
	}
}

// testCut has the vendor break off in the middle: the client must see that the answer is not whole.
func testCut(c *cell) {
	talk := c.begin(common("&cut=5&tokens=20"), setup{})
	talk.say("Hello!")
	got, err := talk.send(c.Context(), c.stream)
	if err == nil {
		c.Fatalf("a clean end of %+v", got)
	}
	if !c.stream {
		if e, ok := c.sdk().refusal(err); !ok || e.status != 502 {
			c.Errorf("%v, want the client's error with 502", err)
		}
	} else if n := len(strings.Fields(got.text)); n != 5 {
		c.Errorf("%d words before %v, want 5", n, err)
	}
}

// testAbort has the caller leave in the middle: the vendor must notice.
func testAbort(c *cell) {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	knobs := "tps=20&tokens=1000"
	if !c.stream {
		knobs = "latency=5m"
	}
	talk := c.begin(c.unique(knobs), setup{onText: cancel})
	talk.say("Hello!")
	asked := make(chan error, 1)
	go func() {
		asked <- c.waits("the vendor is asked", func(s simulator.Counts) bool { return s.Requests == 1 })
		if !c.stream {
			cancel()
		}
	}()
	got, err := talk.send(ctx, c.stream)
	if err := <-asked; err != nil {
		c.Fatal(err)
	}
	if err == nil {
		c.Fatalf("answered %+v", got)
	}
	c.await("the vendor sees the caller leave", func(s simulator.Counts) bool { return s.Cancelled == 1 })
}

func testEmbeddings(c *cell) {
	s := setup{url: c.m.dev.URL, key: c.m.dev.APIKey, model: c.m.model(c.T, c.upstream, common("")), http: c.http()}
	got, ok, err := c.sdk().embed(c.Context(), s, []string{"one", "two", "one"})
	if err != nil || !ok {
		c.Fatal(err)
	}
	if len(got) != 3 || len(got[0]) != 16 || !reflect.DeepEqual(got[0], got[2]) || reflect.DeepEqual(got[0], got[1]) {
		c.Errorf("vectors %v", got)
	}
}
