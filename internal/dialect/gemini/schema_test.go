package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"pgregory.net/rapid"
)

func TestToOpenAPI(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain", `{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer","minimum":1}},"required":["b","gone","b"]}`,
			`{"type":"OBJECT","properties":{"b":{"type":"STRING"},"a":{"type":"INTEGER","minimum":1}},"required":["b"]}`},
		{"references", `{"$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"}}}},"type":"array","items":{"$ref":"#/$defs/n","description":"d"}}`,
			`{"type":"ARRAY","items":{"type":"OBJECT","description":"d","properties":{"next":{"type":"OBJECT","description":"nested once more"}}}}`},
		{"reference to nowhere", `{"$ref":"#/$defs/x"}`, `{"type":"OBJECT","description":"nested once more"}`},
		{"itself", `{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"type":"OBJECT","properties":{"a":{"type":"OBJECT","description":"nested once more"}}}`},
		{"null", `{"anyOf":[{"type":"string"},{"type":"null"}],"description":"d"}`, `{"type":"STRING","description":"d","nullable":true}`},
		{"several types", `{"type":["string","integer","null"],"description":"d"}`,
			`{"anyOf":[{"type":"STRING","description":"d","nullable":true},{"type":"INTEGER","description":"d","nullable":true}]}`},
		{"one of", `{"oneOf":[{"const":"a"},{"enum":["b","c"]}]}`, `{"anyOf":[{"type":"STRING","enum":["a"]},{"type":"STRING","enum":["b","c"]}]}`},
		{"all of", `{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"boolean"}},"required":["b"]}]}`,
			`{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"BOOLEAN"}},"required":["a","b"]}`},
		{"numbers", `{"type":"number","exclusiveMinimum":0,"enum":[1,2.5],"format":"money"}`,
			`{"type":"NUMBER","minimum":0,"description":"Format: money. Minimum itself excluded. One of: 1, 2.5."}`},
		{"formats", `{"type":"string","format":"date-time","pattern":"^a","default":"x","examples":["y"],"minLength":1}`,
			`{"type":"STRING","pattern":"^a","default":"x","format":"date-time","minLength":1}`},
		{"tuple", `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"minItems":2}`,
			`{"type":"ARRAY","minItems":2,"items":{"anyOf":[{"type":"STRING"},{"type":"INTEGER"}]}}`},
		{"anything", `{}`, `{"type":"STRING"}`},
		{"true", `true`, `{"type":"STRING"}`},
		{"list of anything", `{"type":"array"}`, `{"type":"ARRAY","items":{"type":"STRING"}}`},
	}
	for _, tt := range tests {
		if got := string(new(growth).toOpenAPI(llm.JSON(tt.in))); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
	if got := new(growth).parameters(llm.JSON(`{"type":"object","properties":{}}`)); got != nil {
		t.Errorf("no parameters became %s", got)
	}
}

func TestFromOpenAPI(t *testing.T) {
	t.Parallel()
	got, err := fromOpenAPI(llm.JSON(`{"type":"OBJECT","properties":{"any_of":{"type":"STRING","nullable":true,"format":"enum","enum":["a"]},"n":{"type":"INTEGER","enum":["1"],"nullable":false}},
		"property_ordering":["n"],"any_of":[{"type":"ARRAY","items":{"type":"NUMBER"},"minItems":"2"}]}`))
	want := `{"type":"object","properties":{"any_of":{"type":["string","null"],"enum":["a"]},"n":{"type":"integer","enum":[1]}},"anyOf":[{"type":"array","items":{"type":"number"},"minItems":2}]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want\n%s", got, err, want)
	}
}

// anySchema makes JSON schemas, sensible and not.
func anySchema(t *rapid.T, depth int) any {
	types := []any{"string", "integer", "number", "boolean", "array", "object", "null", "odd", []any{"string", "null"}, []any{"integer", "array"}, 7, nil}
	s := map[string]any{}
	if rapid.Bool().Draw(t, "typed") {
		s["type"] = rapid.SampledFrom(types).Draw(t, "type")
	}
	for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"enum", "const", "required", "format", "minimum", "exclusiveMaximum", "additionalProperties", "title", "default", "$ref", "nullable"}), 0, 4).Draw(t, "keys") {
		s[key] = rapid.SampledFrom([]any{"a", 1, 2.5, true, nil, []any{"a", 1, nil, ""}, map[string]any{"x": 1}, "#", "#/properties/a", "#/$defs/d", "#/$defs/e"}).Draw(t, key)
	}
	if depth > 0 {
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"items", "not"}), 0, 2).Draw(t, "one") {
			s[key] = anySchema(t, depth-1)
		}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"anyOf", "oneOf", "allOf", "prefixItems"}), 0, 2).Draw(t, "many") {
			s[key] = []any{anySchema(t, depth-1), anySchema(t, depth-1)}
		}
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"properties", "$defs"}), 0, 2).Draw(t, "named") {
			s[key] = map[string]any{"a": anySchema(t, depth-1), "d": anySchema(t, depth-1), "e": true}
		}
	}
	return s
}

func TestCleanedSchemasAreWithinTheSubset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in, err := json.Marshal(anySchema(t, 3))
		if err != nil {
			t.Fatal(err)
		}
		var out any
		if err := json.Unmarshal(new(growth).toOpenAPI(in), &out); err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		checkSubset(t, out)
	})
}

func checkSubset(t *rapid.T, v any) {
	s, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%v is no object", v)
	}
	for key := range s {
		if !slices.Contains(subset, key) {
			t.Fatalf("%q in %v", key, s)
		}
	}
	if any, ok := s["anyOf"].([]any); ok {
		if len(s) != 1 || len(any) < 2 {
			t.Fatalf("beside anyOf: %v", s)
		}
		for _, e := range any {
			checkSubset(t, e)
		}
		return
	}
	kind, _ := s["type"].(string)
	if !slices.Contains([]string{"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}, kind) {
		t.Fatalf("type %v", s["type"])
	}
	if (kind == "ARRAY") != (s["items"] != nil) || s["enum"] != nil && kind != "STRING" {
		t.Fatalf("%v", s)
	}
	if s["items"] != nil {
		checkSubset(t, s["items"])
	}
	properties, _ := s["properties"].(map[string]any)
	for _, p := range properties {
		checkSubset(t, p)
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := properties[name.(string)]; !ok {
			t.Fatalf("%v is required in %v", name, s)
		}
	}
}

// TestHostileSchemasStaySmall holds that references that multiply do not.
func TestHostileSchemasStaySmall(t *testing.T) {
	t.Parallel()
	var defs []string
	for c := 'a'; c < 'z'; c++ {
		next := `{"$ref":"#/$defs/` + string(c+1) + `"}`
		defs = append(defs, `"`+string(c)+`":{"properties":{"x":`+next+`,"y":`+next+`,"z":`+next+`}}`)
	}
	bomb := `{"$ref":"#/$defs/a","$defs":{` + strings.Join(defs, ",") + `,"z":{"enum":["` + strings.Repeat(`w","`, 5000) + `v"]}}}`
	if got := new(growth).toOpenAPI(llm.JSON(bomb)); len(got) > 4<<20 || !got.IsValid() {
		t.Errorf("%d bytes", len(got))
	}
	deep := strings.Repeat(`{"items":`, 900) + "{}" + strings.Repeat("}", 900)
	if got := string(new(growth).toOpenAPI(llm.JSON(deep))); got != `{"type":"OBJECT"}` {
		t.Errorf("%.80s", got)
	}
}

// TestHostileToolsStaySmall holds the same of many schemas, which each are as large as one may become, and of long texts that
// references multiply.
func TestHostileToolsStaySmall(t *testing.T) {
	t.Parallel()
	var defs, refs, parts, names []string
	for c := 'a'; c < 'n'; c++ {
		next := `{"$ref":"#/$defs/` + string(c+1) + `"}`
		defs = append(defs, `"`+string(c)+`":{"properties":{"x":`+next+`,"y":`+next+`}}`)
	}
	for i := range 3_000 {
		refs = append(refs, fmt.Sprintf(`"p%d":{"$ref":"#/$defs/a"}`, i))
		parts = append(parts, fmt.Sprintf(`{"properties":{"p%d":{}},"required":["p%[1]d"]}`, i))
		names = append(names, fmt.Sprintf(`"p%d"`, i))
	}
	long := `"` + strings.Repeat("l", 1<<20) + `"`
	for name, tt := range map[string]struct {
		tools  int
		schema string // with a place for a number, since the same schema is not converted twice
	}{
		"references":      {1_000, `{"description":"%d","type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{` + strings.Join(defs, ",") + `}}`},
		"descriptions":    {4, `{"title":"%d","type":"object","properties":{` + strings.Join(refs, ",") + `},"$defs":{"a":{"type":"string","description":` + long + `}}}`},
		"notes":           {4, `{"title":"%d","type":"object","properties":{` + strings.Join(refs, ",") + `},"$defs":{"a":{"type":"string","format":"f","description":` + long + `}}}`},
		"types":           {4, `{"title":"%d","type":"object","properties":{` + strings.Join(refs, ",") + `},"$defs":{"a":{"type":` + long + `}}}`},
		"unknown":         {40, `{"title":"%d","type":"object","properties":{` + strings.Join(refs, ",") + `},"$defs":{"a":{"$ref":` + long + `}}}`},
		"defaults":        {4, `{"title":"%d","type":"object","properties":{` + strings.Join(refs, ",") + `},"$defs":{"a":{"type":"string","default":{"x":{"y":` + long + `}}}}}`},
		"all of many":     {200, `{"description":"%d","type":"object","allOf":[` + strings.Join(parts[:1_500], ",") + `]}`},
		"many properties": {1_000, `{"description":"%d","type":"object","properties":{` + strings.ReplaceAll(strings.Join(refs, ","), `"$ref":"#/$defs/a"`, "") + `},"required":[` + strings.Join(names, ",") + `]}`},
	} {
		r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}}}}
		for i := range tt.tools {
			r.Tools = append(r.Tools, llm.Tool{Name: fmt.Sprintf("f%d", i), Schema: llm.JSON(fmt.Sprintf(tt.schema, i))})
		}
		body, dropped, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "gemini-2.0-flash"})
		if lost := bytes.Count(body, []byte(`"parameters":`)) < tt.tools; lost && !slices.Contains(dropped, llm.FieldSchema) {
			t.Errorf("%s: parameters are left out, and %q are named", name, dropped)
		}
		if most := 2*tt.tools*len(tt.schema) + 16<<20; err != nil || len(body) > most || !llm.JSON(body).IsValid() {
			t.Errorf("%s: %d bytes, want at most %d, %v", name, len(body), most, err)
		}
	}
}

// What a schema loses for its size or depth is named, and nothing where it loses nothing.
func TestLostSchemasAreNamed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"type":"object","properties":{"a":`, 400) + `{}` + strings.Repeat(`}}`, 400)
	doubled := `{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{`
	for c := 'a'; c < 'r'; c++ {
		doubled += fmt.Sprintf(`"%c":{"type":"object","properties":{"x":{"$ref":"#/$defs/%c"},"y":{"$ref":"#/$defs/%[2]c"}}},`, c, c+1)
	}
	doubled += `"r":{"type":"string"}}}`
	for schema, lost := range map[string]bool{deep: true, doubled: true, `{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}`: false, `{"type":"object"}`: false, `true`: false} {
		for range 2 { // what was converted before is remembered
			r := &llm.Request{Messages: []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: "t"}}}},
				Tools: []llm.Tool{{Name: "f", Schema: llm.JSON(schema)}}}
			if _, dropped, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "gemini-2.0-flash"}); err != nil || slices.Contains(dropped, llm.FieldSchema) != lost {
				t.Errorf("%.60s: %q are named, %v", schema, dropped, err)
			}
			r.Tools, r.Format = nil, llm.Format{Mode: llm.FormatSchema, Schema: llm.JSON(schema)}
			if _, dropped, err := (Dialect{}).EncodeRequest(r, dialect.Target{Model: "gemini-2.0-flash"}); err != nil || slices.Contains(dropped, llm.FieldFormat) != lost {
				t.Errorf("an answer of %.60s: %q are named, %v", schema, dropped, err)
			}
		}
	}
}

func TestChars(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		var c chars
		c.add(text[:cut])
		c.add(text[cut:])
		n := 0
		for at := range text {
			if got, ok := c.charsAt(at); !ok || got != n {
				t.Fatalf("%d characters before byte %d of %q, want %d", got, at, text, n)
			}
			if got, ok := c.bytesAt(n); !ok || got != at {
				t.Fatalf("character %d of %q at byte %d, want %d", n, text, got, at)
			}
			n++
		}
		if got, ok := c.bytesAt(n); !ok || got != len(text) {
			t.Fatalf("the end of %q is %d", text, got)
		}
		if _, ok := c.bytesAt(n + 1); ok {
			t.Fatal("a character beyond the end")
		}
		if _, ok := c.charsAt(len(text) + 1); ok {
			t.Fatal("a byte beyond the end")
		}
	})
}
