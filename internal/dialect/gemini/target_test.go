package gemini_test

import (
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/gemini"
	"aihigress/internal/llm"
)

// encoded is a request on the wire, and what it had to leave out.
func encoded(t *testing.T, r *llm.Request, model string) (string, []llm.Field) {
	t.Helper()
	body, dropped, err := gemini.Dialect{}.EncodeRequest(r, dialect.Target{Model: model})
	if err != nil {
		t.Fatal(err)
	}
	return string(body), dropped
}

// TestWordsOfTheModelAtTheEnd: later models refuse them.
func TestWordsOfTheModelAtTheEnd(t *testing.T) {
	t.Parallel()
	r := llm.Request{Messages: append(slices.Clone(hi), say(llm.Assistant, words("yo")))}
	const began, goOn = `{"role":"model","parts":[{"text":"yo"}]}`, `,{"role":"user","parts":[{"text":"Continue."}]}`
	for model, want := range map[string]bool{"gemini-2.5-pro": false, "gemini-3-pro-preview": false, "gemini-3.1-pro": false, "gemma-3": false,
		"gemini-3.5-flash-lite": true, "gemini-3.6-flash": true, "gemini-flash-latest": true} {
		if body, _ := encoded(t, &r, model); !strings.Contains(body, began) || strings.Contains(body, began+goOn) != want {
			t.Errorf("%s: %s", model, body)
		}
	}
	r.Dialect = llm.Gemini // who hears from the vendor itself
	if body, _ := encoded(t, &r, "gemini-3.6-flash"); strings.Contains(body, goOn) {
		t.Errorf("a caller of the dialect: %s", body)
	}
}

// TestBesideFiles: what is said beside files goes back to the same dialect, and is reported elsewhere.
func TestBesideFiles(t *testing.T) {
	t.Parallel()
	const parts = `{"fileData":{"mimeType":"video/mp4","fileUri":"gs://b/o"},"videoMetadata":{"fps":1}},{"inlineData":{"mimeType":"image/png","data":"iVBORw=="},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}}`
	const body = `{"contents":[{"role":"user","parts":[` + parts + `]}]}`
	r, err := gemini.Dialect{}.DecodeRequest([]byte(body), dialect.At{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if got, dropped := encoded(t, r, "gemini-2.5-pro"); got != body || len(dropped) > 0 {
		t.Errorf("dropped %v of %s", dropped, got)
	}
	var elsewhere llm.Drops
	elsewhere.Extra(r)
	if got := elsewhere.Fields(); len(got) != 2 {
		t.Errorf("others report %v", got)
	}
}

func TestSettingsThatSomeModelsRefuse(t *testing.T) {
	t.Parallel()
	schema := llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(`{"type":"object"}`)}
	for name, tt := range map[string]struct {
		model   string
		r       llm.Request
		want    string
		dropped []llm.Field
	}{
		"penalties of nothing":   {"gemini-2.5-pro", llm.Request{Messages: hi, Presence: ptr(0.0), Frequency: ptr(0.0)}, `{` + hiWire + `}`, nil},
		"an empty stop sequence": {"gemini-2.5-pro", llm.Request{Messages: hi, Stop: []string{"", "x"}}, `{` + hiWire + `,"generationConfig":{"stopSequences":["x"]}}`, []llm.Field{llm.FieldStop}},
		"a schema beside functions": {"gemini-2.5-pro", llm.Request{Messages: hi, Format: schema, Tools: []llm.Tool{{Name: "f"}}},
			`{` + hiWire + `,"systemInstruction":{"role":"user","parts":[{"text":"As soon as no function needs to be called any more, answer with a single JSON value that satisfies this JSON schema, and with nothing else: {\"type\":\"object\"}"}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}`,
			[]llm.Field{llm.FieldFormat}},
		"thinking of who draws": {"gemini-2.5-flash-image", llm.Request{Messages: hi, Reasoning: llm.Reasoning{Effort: "low"}}, `{` + hiWire + `}`, []llm.Field{llm.FieldReasoning}},
	} {
		if got, dropped := encoded(t, &tt.r, tt.model); got != tt.want || !slices.Equal(dropped, tt.dropped) {
			t.Errorf("%s: dropped %v of %s\nwant %s", name, dropped, got, tt.want)
		}
	}
}

// TestPromptsThatAreTooLong in the words of the Gemini API and of Vertex AI.
func TestPromptsThatAreTooLong(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]llm.Class{
		"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).":                                    llm.TooLarge,
		"Unable to submit request because the input token count is 1200000 but model only supports up to 1048576. Reduce the input.": llm.TooLarge,
		"Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is from 1 to 8193.":        llm.InvalidRequest,
	} {
		e := gemini.Dialect{}.DecodeError(400, []byte(`{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"`+message+`"}}`))
		if e.Class != want {
			t.Errorf("%s: class %d, want %d", message, e.Class, want)
		}
	}
}

// TestServiceTierOfAnAnswer in Google's words.
func TestServiceTierOfAnAnswer(t *testing.T) {
	t.Parallel()
	for tier, want := range map[string]string{"default": `"serviceTier":"standard"`, "flex": `"serviceTier":"flex"`, "": `"totalTokenCount":2}`} {
		body := gemini.Dialect{}.EncodeResponse(&llm.Response{HasUsage: true, Usage: llm.Usage{Input: 1, Output: 1}, ServiceTier: tier}, nil)
		if !strings.Contains(string(body), want) {
			t.Errorf("%q: %s", tier, body)
		}
	}
}
