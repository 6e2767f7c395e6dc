package responses_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// spec is OpenAI's OpenAPI description, as far as a check of values goes.
type spec struct{ schemas map[string]any }

var loadSpec = sync.OnceValues(func() (*spec, error) {
	root := os.Getenv("AIHIGRESS_SPECS")
	for dir, _ := os.Getwd(); root == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if at := filepath.Join(dir, "shared", "specs"); exists(at) {
			root = at
		}
	}
	if root == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(root, "openai-openapi.json"))
	if err != nil {
		return nil, err
	}
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return &spec{doc.Components.Schemas}, nil
})

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// holds checks JSON against a schema of the description: types, required fields, constants and alternatives.
func holds(t *testing.T, schema string, raw []byte) {
	t.Helper()
	s, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		t.Skip("no specs: set AIHIGRESS_SPECS to their folder")
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if s.schemas[schema] == nil {
		t.Fatalf("the description has no %s", schema)
	}
	if err := s.check(s.schemas[schema], v, schema); err != nil {
		t.Errorf("%v in %s", err, raw)
	}
}

func (s *spec) check(schema, v any, at string) error {
	m, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	if ref, ok := m["$ref"].(string); ok {
		return s.check(s.schemas[strings.TrimPrefix(ref, "#/components/schemas/")], v, at)
	}
	for _, all := range list(m["allOf"]) {
		if err := s.check(all, v, at); err != nil {
			return err
		}
	}
	if alternatives := append(list(m["anyOf"]), list(m["oneOf"])...); len(alternatives) > 0 {
		if err := s.oneOf(alternatives, v, at); err != nil {
			return err
		}
	}
	if words := list(m["enum"]); len(words) > 0 && !slices.Contains(words, v) {
		return fmt.Errorf("%s is %v, none of %v", at, v, words)
	}
	return s.checkType(m, v, at)
}

// oneOf tells what the alternative that comes nearest misses: the one of the same type field.
func (s *spec) oneOf(alternatives []any, v any, at string) error {
	var first error
	for _, a := range alternatives {
		err := s.check(a, v, at)
		if err == nil {
			return nil
		}
		if first == nil || !strings.Contains(err.Error(), at+".type is ") && !strings.HasPrefix(err.Error(), at+" is ") {
			first = err
		}
	}
	return first
}

func (s *spec) checkType(m map[string]any, v any, at string) error {
	kind, _ := m["type"].(string)
	ok := true
	switch kind {
	case "string":
		_, ok = v.(string)
	case "integer", "number":
		var f float64
		f, ok = v.(float64)
		ok = ok && (kind == "number" || f == float64(int64(f)))
	case "boolean":
		_, ok = v.(bool)
	case "null":
		ok = v == nil
	case "array":
		var a []any
		a, ok = v.([]any)
		for i, element := range a {
			if err := s.check(m["items"], element, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "object":
		_, ok = v.(map[string]any)
	}
	if !ok {
		return fmt.Errorf("%s is %T, no %s", at, v, kind)
	}
	object, isObject := v.(map[string]any)
	if !isObject {
		return nil
	}
	properties, _ := m["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		value, there := object[name]
		if !there {
			continue
		}
		if err := s.check(properties[name], value, at+"."+name); err != nil {
			return err
		}
	}
	for _, name := range list(m["required"]) {
		if _, there := object[name.(string)]; !there {
			return fmt.Errorf("%s has no %s", at, name)
		}
	}
	return nil
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
