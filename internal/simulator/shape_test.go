package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"aihigress/internal/simulator"
)

// A spec is a vendor's OpenAPI description, held against what the simulator sends.
type spec map[string]any

func readSpec(t *testing.T, name string) spec {
	t.Helper()
	b, err := os.ReadFile("../../../shared/specs/" + name)
	if os.IsNotExist(err) {
		t.Skip("the vendors' descriptions are not beside the project")
	}
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err == nil {
		err = json.Unmarshal(b, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas
}

// wrong tells what of a value is not as the schema has it, empty for nothing: types, required fields, enums and constants,
// through references and unions.
func (s spec) wrong(schema map[string]any, v any, at string) string {
	if ref, ok := schema["$ref"].(string); ok {
		target, ok := s[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
		if !ok {
			return at + ": no schema " + ref
		}
		return s.wrong(target, v, at)
	}
	if v == nil && (schema["nullable"] == true || len(schema) == 0) {
		return ""
	}
	for _, each := range list(schema["allOf"]) {
		if w := s.wrong(each, v, at); w != "" {
			return w
		}
	}
	for _, union := range []string{"anyOf", "oneOf"} {
		if w := s.none(list(schema[union]), v, at); w != "" {
			return w
		}
	}
	if enum, ok := schema["enum"].([]any); ok && !has(enum, v) {
		return fmt.Sprintf("%s: %v is none of %v", at, v, enum)
	}
	if c, ok := schema["const"]; ok && c != v {
		return fmt.Sprintf("%s: %v is not %v", at, v, c)
	}
	if kind, ok := schema["type"].(string); ok && !isKind(kind, v) {
		return fmt.Sprintf("%s: %T is no %s", at, v, kind)
	}
	return s.wrongInside(schema, v, at)
}

func (s spec) wrongInside(schema map[string]any, v any, at string) string {
	switch v := v.(type) {
	case map[string]any:
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok && !unsent[name.(string)] && !unsent[at+" "+name.(string)] {
				return fmt.Sprintf("%s: %v is missing", at, name)
			}
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, value := range v {
			if (name == "user" || name == "usage") && value == nil {
				continue // recordings of the real vendor have it so, whatever its description says
			}
			if p, ok := properties[name].(map[string]any); ok {
				if w := s.wrong(p, value, at+"."+name); w != "" {
					return w
				}
			}
		}
	case []any:
		if items, ok := schema["items"].(map[string]any); ok {
			for i, each := range v {
				if w := s.wrong(items, each, fmt.Sprintf("%s[%d]", at, i)); w != "" {
					return w
				}
			}
		}
	}
	return ""
}

// unsent are fields that a description demands and recordings of the real vendor do not have.
var unsent = map[string]bool{"container": true, "server_tool_use": true, "citations": true, "stop_details": true,
	"ResponseStreamEvent name": true} // of response.function_call_arguments.done

// none tells why no schema of a union fits; of those whose values have types of their own, it is the one with that type.
func (s spec) none(union []map[string]any, v any, at string) string {
	reason := ""
	for _, each := range union {
		w := s.wrong(each, v, at)
		if w == "" {
			return ""
		}
		if reason == "" || !s.otherType(each, v) {
			reason = w
		}
	}
	return reason
}

// otherType tells whether a schema is of values of another type than this one.
func (s spec) otherType(schema map[string]any, v any) bool {
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = s[ref[strings.LastIndex(ref, "/")+1:]].(map[string]any)
	}
	properties, _ := schema["properties"].(map[string]any)
	kind, ok := properties["type"].(map[string]any)
	value, isObject := v.(map[string]any)
	return ok && isObject && s.wrong(kind, value["type"], "") != ""
}

func list(v any) (all []map[string]any) {
	items, _ := v.([]any)
	for _, each := range items {
		all = append(all, each.(map[string]any))
	}
	return all
}

func has(all []any, v any) bool {
	for _, each := range all {
		if each == v {
			return true
		}
	}
	return false
}

func isKind(kind string, v any) bool {
	switch kind {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "null":
		return v == nil
	}
	_, ok := v.(float64)
	return ok
}

// check holds a body, or every event of a stream, against a schema.
func (s spec) check(t *testing.T, what, schema, body string) {
	t.Helper()
	ref := map[string]any{"$ref": "#/" + schema}
	docs := []string{body}
	if strings.Contains(body, "data: ") {
		docs = nil
		for line := range strings.SplitSeq(body, "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]" && !strings.Contains(data, `"ping"`) {
				docs = append(docs, data)
			}
		}
	}
	for _, doc := range docs {
		var v any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			t.Errorf("%s: %v: %s", what, err, doc)
		} else if w := s.wrong(ref, v, schema); w != "" {
			t.Errorf("%s: %s\n%s", what, w, doc)
		}
	}
}

func TestOpenAIShapes(t *testing.T) {
	t.Parallel()
	s := readSpec(t, "openai-openapi.json")
	v := start(t, simulator.Options{})
	items := `"input":"sim: call-all\nsim: call f\nsim: call g","tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false},{"type":"custom","name":"g"}]`
	for _, tt := range []struct{ path, body, schema string }{
		{"/v1/responses", `{"model":"sim-chat",` + items + `,"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]`, "Response"},
		{"/v1/responses", `{"model":"sim-chat?citations=on","input":"hi"`, "Response"},
		{"/v1/responses", `{"model":"sim-chat?refusal=on","input":"hi"`, "Response"},
		{"/v1/responses", `{"model":"sim-chat?stream_error=2","input":"hi"`, "Response"},
		{"/v1/chat/completions", `{"model":"sim-chat?citations=on&thinking=on&reasoning=2","messages":[{"role":"user","content":"hi"}],"n":2,"logprobs":true,"top_logprobs":2`, "CreateChatCompletionResponse"},
		{"/v1/chat/completions", `{"model":"sim-chat?refusal=on","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]`, "CreateChatCompletionResponse"},
		{"/v1/chat/completions", `{"model":"sim-chat?preamble=2","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]`, "CreateChatCompletionResponse"},
		{"/v1/completions", `{"model":"sim-chat","prompt":"hi"`, "CreateCompletionResponse"},
		{"/v1/images/generations", `{"model":"sim-image","prompt":"a cat","partial_images":2`, "ImagesResponse"},
		{"/v1/moderations", `{"model":"sim-moderation","input":["hi","violence"]`, "CreateModerationResponse"},
	} {
		s.check(t, tt.path+" "+tt.body, tt.schema, post(t, v, tt.path, tt.body+"}", nil).text)
		event := map[string]string{"Response": "ResponseStreamEvent", "CreateChatCompletionResponse": "CreateChatCompletionStreamResponse",
			"ImagesResponse": "ImageGenStreamEvent"}[tt.schema]
		if event != "" {
			s.check(t, tt.path+" streamed "+tt.body, event, post(t, v, tt.path, tt.body+`,"stream":true}`, nil).text)
		}
	}
}

func TestAnthropicShapes(t *testing.T) {
	t.Parallel()
	s := readSpec(t, "anthropic-openapi.tryagi.json")
	v := start(t, simulator.Options{})
	header := http.Header{"Anthropic-Version": {"2023-06-01"}}
	for _, body := range []string{
		`{"model":"sim-chat","max_tokens":4000,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]`,
		`{"model":"sim-chat?citations=on","max_tokens":4000,"messages":[{"role":"user","content":"hi"}]`,
		`{"model":"sim-chat?redacted=on","max_tokens":4000,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}]`,
	} {
		strict := strings.Replace(body, `"messages"`, `"cache_control":{"type":"ephemeral"},"messages"`, 1)
		s.check(t, body, "MessageStreamEvent", post(t, v, "/v1/messages", strict+`,"stream":true}`, header).text)
		// The description demands fields of whole messages that the real vendor leaves out (container), so only blocks are held.
		var message struct{ Content []any }
		if err := json.Unmarshal([]byte(post(t, v, "/v1/messages", strict+"}", header).text), &message); err != nil || len(message.Content) == 0 {
			t.Fatal(err, message)
		}
		for _, block := range message.Content {
			if w := s.wrong(map[string]any{"$ref": "#/ContentBlock"}, block, "ContentBlock"); w != "" {
				t.Errorf("%s: %s", body, w)
			}
		}
	}
	s.check(t, "error", "ErrorResponse", post(t, v, "/v1/messages", `{}`, header).text)
}
