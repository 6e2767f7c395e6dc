package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"aihigress/internal/llm"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"google.golang.org/genai"
)

// schemas are the vendors' descriptions of what is answered whole, of the events of a stream, of errors, and of requests.
var schemas = map[string]map[string]string{
	llm.OpenAI: {"whole": "openai-openapi.json#CreateChatCompletionResponse", "event": "openai-openapi.json#CreateChatCompletionStreamResponse",
		"error": "openai-openapi.json#ErrorResponse", "request": "openai-openapi.json#CreateChatCompletionRequest"},
	llm.Responses: {"whole": "openai-openapi.json#Response", "event": "openai-openapi.json#ResponseStreamEvent",
		"error": "openai-openapi.json#ErrorResponse", "request": "openai-openapi.json#CreateResponse"},
	llm.Anthropic: {"whole": "anthropic-openapi.tryagi.json#Message", "event": "anthropic-openapi.tryagi.json#MessageStreamEvent",
		"beta whole": "anthropic-openapi.tryagi.json#BetaMessage", "beta event": "anthropic-openapi.tryagi.json#BetaMessageStreamEvent",
		"error": "anthropic-openapi.tryagi.json#ErrorResponse", "request": "anthropic-openapi.tryagi.json#CreateMessageParams"},
}

// compiled are the schemas, or nil where they are not beside the project: AIHIGRESS_SPECS names their folder.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	root := shared("AIHIGRESS_SPECS", "specs")
	if root == "" {
		return nil, nil
	}
	all := map[string]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	for _, file := range []string{"openai-openapi.json", "anthropic-openapi.tryagi.json"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if err := compiler.AddResource("file:///"+file, nullable(doc)); err != nil {
			return nil, err
		}
	}
	for _, forms := range schemas {
		for _, form := range forms {
			file, name, _ := strings.Cut(form, "#")
			s, err := compiler.Compile("file:///" + file + "#/components/schemas/" + name)
			if err != nil {
				return nil, err
			}
			all[form] = s
		}
	}
	return all, nil
})

// nullable turns OpenAPI 3.0's nullable, which both documents still have here and there, into JSON schema, and takes out
// references of an older draft: those of filters within filters, which nothing here has. Of OpenAI's alternatives more than
// one may fit, a message in short and in full, so that oneOf means anyOf.
func nullable(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = nullable(v[i])
		}
	case map[string]any:
		delete(v, "$recursiveAnchor")
		delete(v, "$recursiveRef")
		if one, ok := v["oneOf"]; ok && v["anyOf"] == nil {
			delete(v, "oneOf")
			v["anyOf"] = one
		}
		for name := range v {
			v[name] = nullable(v[name])
		}
		if v["nullable"] == true {
			delete(v, "nullable")
			return map[string]any{"anyOf": []any{v, map[string]any{"type": "null"}}}
		}
	}
	return v
}

// A deviation is where an answer is not as its description says, and may be so.
type deviation struct {
	schema    string // whose mistake it is: the end of its name
	at        string // where in the value, numbers of elements as N
	says      string // the beginning of what is wrong
	recording string // whose answer, as its vendor gave it, has the same mistake; "" where none does
	reason    string
}

var deviations = []deviation{
	{"Message", "/", "missing properties 'stop_details', 'container'", "008", "both are null but in answers of rare kinds, and the vendor leaves them out"},
	{"MessageStreamEvent", "/message", "missing properties 'stop_details', 'container'", "017", "the same"},
	{"MessageStreamEvent", "/delta", "missing properties 'container', 'stop_details'", "017", "the same"},
	{"Message", "/usage", "missing properties 'inference_geo', 'server_tool_use'", "013", "the vendor leaves out what there was none of"},
	{"MessageStreamEvent", "/message/usage", "missing properties 'inference_geo', 'server_tool_use'", "023", "the same"},
	{"MessageStreamEvent", "/usage", "missing property 'server_tool_use'", "017", "the same"},
	{"Message", "/content/N", "missing property 'citations'", "005", "the vendor leaves it out of texts that cite nothing"},
	{"MessageStreamEvent", "/content_block", "missing property 'citations'", "019", "the same"},
	{"Message", "/content/N", "missing property 'caller'", "169", "the vendor leaves it out where the model itself calls"},
	{"MessageStreamEvent", "/content_block", "missing property 'caller'", "172", "the same"},
	{"Message", "/content/N/id", "'functions.", "", "ids of calls are as their vendor gave them, since it wants them back, and clients take any"},
	{"MessageStreamEvent", "/content_block/id", "'functions.", "", "the same"},
	{"ErrorResponse", "/", "missing property 'request_id'", "", "the vendor leaves it out of errors within streams (902), and there is none where no vendor answered"},
	{"CreateChatCompletionResponse", "/service_tier", "value must be one of 'auto'", "073", "other vendors of the dialect have tiers of their own"},
	{"CreateChatCompletionStreamResponse", "/service_tier", "value must be one of 'auto'", "074", "the same"},
	{"CreateChatCompletionStreamResponse", "/choices/N/delta/tool_calls/N/type", "value must be 'function'", "", "the description has custom tools in whole answers alone; clients read both"},
}

// holds checks JSON against one of a dialect's schemas.
func holds(t *testing.T, name, form string, raw []byte) {
	t.Helper()
	if name == llm.Gemini {
		if err := genaiHolds(form, raw); err != nil {
			t.Errorf("%s %s: %v in %.3000s", name, form, err, raw)
		}
		return
	}
	all, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	if all == nil {
		return // the rest of a test holds without them
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in %.3000s", err, raw)
	}
	schema := schemas[name][form]
	for _, w := range mistakes(t, all[schema], v) {
		if beta := all[schemas[name]["beta "+form]]; beta != nil && len(mistakes(t, beta, inBeta(v))) == 0 {
			return // what only the newer description has
		}
		if !known(schema, w) {
			t.Errorf("%s: %s in %.3000s", schema, w, raw)
		}
	}
}

// inBeta adds to an answer what the beta's description wants and the vendor leaves out, as deviations say.
func inBeta(v any) any {
	add := func(v any, fields ...string) {
		if m, ok := v.(map[string]any); ok {
			for _, f := range fields {
				if _, there := m[f]; !there {
					m[f] = nil
				}
			}
		}
	}
	m, ok := v.(map[string]any)
	if block, _ := m["content_block"].(map[string]any); block["type"] == "compaction" {
		add(block, "encrypted_content")
	}
	if !ok || m["role"] == nil {
		return v
	}
	add(m, "stop_details", "container", "context_management", "diagnostics")
	add(m["usage"], "inference_geo", "server_tool_use", "service_tier", "iterations", "speed", "output_tokens_details")
	content, _ := m["content"].([]any)
	for _, b := range content {
		switch block := b.(map[string]any); block["type"] {
		case "text":
			add(b, "citations")
		case "compaction":
			add(b, "encrypted_content")
		}
	}
	return v
}

func mistakes(t *testing.T, schema *jsonschema.Schema, v any) []mistake {
	t.Helper()
	var wrong *jsonschema.ValidationError
	switch err := schema.Validate(v); {
	case errors.As(err, &wrong):
		return worst(wrong)
	case err != nil:
		t.Fatal(err)
	}
	return nil
}

func known(schema string, wrong mistake) bool {
	at := numbers.ReplaceAllString(wrong.at, "/N")
	for i, d := range deviations {
		if strings.HasSuffix(schema, "#"+d.schema) && at == d.at && strings.HasPrefix(wrong.says, d.says) {
			metDeviations[i].Store(true)
			return true
		}
	}
	return false
}

var (
	numbers       = regexp.MustCompile(`/[0-9]+`)
	metDeviations = make([]atomic.Bool, len(deviations))
)

// mistake is where something is wrong, and what.
type mistake struct{ at, says string }

func (m mistake) String() string { return m.at + ": " + m.says }

// worst are the mistakes of the alternative that comes nearest: the one that fails deepest in the value, where others
// fail at their type field.
func worst(e *jsonschema.ValidationError) []mistake {
	if len(e.Causes) == 0 {
		return []mistake{{"/" + strings.Join(e.InstanceLocation, "/"), fmt.Sprint(e.ErrorKind.LocalizedString(english))}}
	}
	{
		path := e.ErrorKind.KeywordPath()
		if n := len(path); n > 0 && (path[n-1] == "anyOf" || path[n-1] == "oneOf") {
			return nearest(e.Causes)
		}
	}
	var list []mistake
	for _, c := range e.Causes {
		list = append(list, worst(c)...)
	}
	return list
}

func nearest(alternatives []*jsonschema.ValidationError) []mistake {
	var best []mistake
	bestScore := -1 << 30
	for _, a := range alternatives {
		list := worst(a)
		score := -len(list)
		for _, m := range list {
			if strings.HasSuffix(m.at, "/type") || strings.HasSuffix(m.at, "/object") || strings.Contains(m.says, "want null") {
				score -= 100
			}
		}
		if score > bestScore {
			best, bestScore = list, score
		}
	}
	return best
}

var english = message.NewPrinter(language.English)

// genaiHolds reads JSON into the structs of Google's own client, which must know every member.
func genaiHolds(form string, raw []byte) error {
	var into any = new(genai.GenerateContentResponse)
	switch form {
	case "error":
		into = new(struct {
			Error genai.APIError `json:"error"`
		})
	case "request":
		into = new(geminiRequest)
	}
	// What Google tells to send where there is no signature ("Thought signatures") is base64 for addresses, which the client
	// does not read.
	raw = bytes.ReplaceAll(raw, []byte(`"skip_thought_signature_validator"`), []byte(`"c2tpcA=="`))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// geminiRequest is the body of generateContent, which the client puts together of these.
type geminiRequest struct {
	Contents          []*genai.Content        `json:"contents"`
	SystemInstruction *genai.Content          `json:"systemInstruction"`
	Tools             []*genai.Tool           `json:"tools"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig"`
	SafetySettings    []*genai.SafetySetting  `json:"safetySettings"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig"`
	CachedContent     string                  `json:"cachedContent"`
	Labels            map[string]string       `json:"labels"`
	ServiceTier       string                  `json:"serviceTier"`
}

// valid holds a whole answer against the description of its dialect.
func valid(t *testing.T, name string, raw []byte) {
	t.Helper()
	holds(t, name, "whole", raw)
}

// validStream holds every event of a stream against the description of its dialect.
func validStream(t *testing.T, name, stream string) {
	t.Helper()
	each(stream, len(stream), func(data []byte) bool {
		switch {
		case name == llm.OpenAI && string(data) == "[DONE]":
		case name == llm.Anthropic && string(data) == `{"type":"ping"}`: // which the description leaves out
		default:
			holds(t, name, "event", data)
		}
		return true
	})
}

// Where a recording is named for a deviation, its vendor really deviates so.
func TestDeviations(t *testing.T) {
	t.Parallel()
	all, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	if all == nil {
		t.Skip("no specs: set AIHIGRESS_SPECS to their folder")
	}
	byNumber := map[string]*recording{}
	list := recordings(t)
	for i := range list {
		byNumber[list[i].file[:3]] = &list[i]
	}
	for _, d := range deviations {
		if d.recording == "" {
			continue
		}
		r := byNumber[d.recording]
		if r == nil {
			t.Errorf("%s %s: no recording %s", d.schema, d.at, d.recording)
			continue
		}
		form, documents := "whole", [][]byte{r.Body}
		if r.Lines != nil {
			form, documents = "event", nil
			each(r.stream(), len(r.stream()), func(data []byte) bool {
				documents = append(documents, bytes.Clone(data))
				return true
			})
		}
		met := false
		for _, raw := range documents {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
			if err != nil {
				continue // [DONE]
			}
			met = met || slices.ContainsFunc(mistakes(t, all[schemas[r.dialect.Name()][form]], v), func(w mistake) bool {
				return numbers.ReplaceAllString(w.at, "/N") == d.at && sameMistake(w.says, d.says)
			})
		}
		if !met {
			t.Errorf("%s %s: recording %s does not deviate so", d.schema, d.at, d.recording)
		}
	}
}

// sameMistake reports whether a vendor's mistake has all that is missing in ours.
func sameMistake(theirs, ours string) bool {
	if strings.HasPrefix(theirs, ours) {
		return true
	}
	for _, name := range regexp.MustCompile(`'[a-z_]+'`).FindAllString(ours, -1) {
		if !strings.Contains(theirs, name) {
			return false
		}
	}
	return strings.HasPrefix(ours, "missing") && strings.HasPrefix(theirs, "missing")
}
