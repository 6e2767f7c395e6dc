package anthropic_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// schema is as much of a JSON schema as the vendor's description uses to say which fields an answer must have.
type schema struct {
	Ref           string            `json:"$ref"`
	Type          string            `json:"type"`
	Const         any               `json:"const"`
	Enum          []any             `json:"enum"`
	Required      []string          `json:"required"`
	Properties    map[string]schema `json:"properties"`
	Items         *schema           `json:"items"`
	AnyOf         []schema          `json:"anyOf"`
	OneOf         []schema          `json:"oneOf"`
	AllOf         []schema          `json:"allOf"`
	Discriminator struct {
		Property string            `json:"propertyName"`
		Mapping  map[string]string `json:"mapping"`
	} `json:"discriminator"`
}

var spec = sync.OnceValues(func() (map[string]schema, error) {
	text, err := os.ReadFile(specPath)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Components struct{ Schemas map[string]schema }
	}
	return doc.Components.Schemas, json.Unmarshal(text, &doc)
})

var specPath string // set by the first test that needs it, under specOnce

var specOnce sync.Once

// optional are fields that the description demands, but that the API itself leaves out in the recordings, as it did before
// it had them.
var optional = []string{"container", "stop_details", "diagnostics", "context_management", "inference_geo", "service_tier", "server_tool_use",
	"output_tokens_details", "cache_creation", "iterations", "speed", "caller", "citations", "input_transformed_reason",
	"cache_read_input_tokens", "cache_creation_input_tokens", "input_tokens", "encrypted_content"}

// checkSchema holds a document against a schema of the vendor's OpenAPI description.
func checkSchema(t testing.TB, name string, document []byte) {
	t.Helper()
	specOnce.Do(func() { specPath = found("AIHIGRESS_ANTHROPIC_SPEC", "specs/anthropic-openapi.tryagi.json") })
	if specPath == "" {
		return // the rest of the test says enough without it
	}
	schemas, err := spec()
	if err != nil {
		t.Fatalf("the vendor's description: %v", err)
	}
	s, ok := schemas[name]
	if !ok {
		t.Fatalf("the vendor's description has no %s", name)
	}
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		t.Fatal(err)
	}
	if err := s.check(schemas, v, name); err != nil {
		t.Errorf("%v in %s", err, document)
	}
}

func (s schema) check(all map[string]schema, v any, at string) error {
	if s.Ref != "" {
		return all[strings.TrimPrefix(s.Ref, "#/components/schemas/")].check(all, v, at)
	}
	for _, part := range s.AllOf {
		if err := part.check(all, v, at); err != nil {
			return err
		}
	}
	if object, ok := v.(map[string]any); ok && s.Discriminator.Property != "" {
		kind, _ := object[s.Discriminator.Property].(string)
		ref, ok := s.Discriminator.Mapping[kind]
		if !ok {
			return fmt.Errorf("%s: unknown type %q", at, kind)
		}
		return schema{Ref: ref}.check(all, v, at)
	}
	if choices := slices.Concat(s.AnyOf, s.OneOf); len(choices) > 0 {
		var first error
		for _, c := range choices {
			err := c.check(all, v, at)
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
		}
		return first
	}
	if s.Const != nil && s.Const != v || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is not allowed", at, v)
	}
	return s.checkType(all, v, at)
}

func (s schema) checkType(all map[string]schema, v any, at string) error {
	ok := true
	switch s.Type {
	case "object":
		_, ok = v.(map[string]any)
	case "array":
		_, ok = v.([]any)
	case "string":
		_, ok = v.(string)
	case "integer", "number":
		_, ok = v.(float64)
	case "boolean":
		_, ok = v.(bool)
	case "null":
		ok = v == nil
	}
	if !ok {
		return fmt.Errorf("%s: %v is no %s", at, v, s.Type)
	}
	if object, ok := v.(map[string]any); ok {
		for _, name := range s.Required {
			if _, ok := object[name]; !ok && !slices.Contains(optional, name) {
				return fmt.Errorf("%s: no %s", at, name)
			}
		}
		for name, property := range s.Properties {
			if value, ok := object[name]; ok {
				if err := property.check(all, value, at+"."+name); err != nil {
					return err
				}
			}
		}
	}
	if list, ok := v.([]any); ok && s.Items != nil {
		for i, element := range list {
			if err := s.Items.check(all, element, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}
