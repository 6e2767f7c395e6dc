package simulator

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
)

// maxSchemaDepth ends schemas that refer to themselves.
const maxSchemaDepth = 12

// sampler makes up JSON that satisfies a schema in the subset that vendors accept for structured output: types, enum,
// default, example, examples, const, properties, items, minItems, minimum and maximum, the usual formats, anyOf, oneOf, allOf and local $ref.
type sampler struct {
	root gjson.Result
	rng  *rand.Rand
}

// sample returns a JSON text for a schema; no schema at all is an object.
func sample(schema string, seed uint64) string {
	s := sampler{root: gjson.Parse(schema), rng: rand.New(rand.NewPCG(seed, 3))}
	if !s.root.IsObject() {
		return "{}"
	}
	return string(s.value(nil, s.root, 0))
}

func (s *sampler) value(dst []byte, schema gjson.Result, depth int) []byte {
	if depth > maxSchemaDepth {
		return append(dst, "null"...)
	}
	if ref := schema.Get("$ref").String(); strings.HasPrefix(ref, "#") {
		path := strings.ReplaceAll(strings.Trim(ref[1:], "/"), "/", ".")
		target := s.root
		if path != "" {
			target = s.root.Get(path)
		}
		return s.value(dst, target, depth+1)
	}
	if c := schema.Get("const"); c.Exists() {
		return append(dst, c.Raw...)
	}
	for _, given := range []string{"default", "example", "examples.0", "enum.0"} {
		if v := schema.Get(given); v.Exists() && v.Type != gjson.Null {
			return append(dst, v.Raw...)
		}
	}
	for _, union := range []string{"anyOf", "oneOf", "allOf"} {
		if first := schema.Get(union + ".0"); first.Exists() {
			return s.value(dst, first, depth+1)
		}
	}
	kind := schema.Get("type")
	if kind.IsArray() {
		kind = kind.Get("0")
	}
	switch strings.ToLower(kind.String()) { // Gemini has them in capitals
	case "string":
		return s.text(dst, schema)
	case "integer":
		return strconv.AppendInt(dst, int64(s.number(schema)), 10)
	case "number":
		return strconv.AppendFloat(dst, s.number(schema), 'g', -1, 64)
	case "boolean":
		return strconv.AppendBool(dst, s.rng.IntN(2) == 0)
	case "null":
		return append(dst, "null"...)
	case "array":
		return s.array(dst, schema, depth)
	default:
		return s.object(dst, schema, depth)
	}
}

func (s *sampler) object(dst []byte, schema gjson.Result, depth int) []byte {
	dst = append(dst, '{')
	first := true
	schema.Get("properties").ForEach(func(name, property gjson.Result) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, name.Raw...)
		dst = append(dst, ':')
		dst = s.value(dst, property, depth+1)
		return true
	})
	return append(dst, '}')
}

func (s *sampler) array(dst []byte, schema gjson.Result, depth int) []byte {
	n := int(schema.Get("minItems").Int())
	if n == 0 && depth < maxSchemaDepth/2 && schema.Get("maxItems").String() != "0" {
		n = 1
	}
	dst = append(dst, '[')
	for i := range min(n, 100) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.value(dst, schema.Get("items"), depth+1)
	}
	return append(dst, ']')
}

func (s *sampler) text(dst []byte, schema gjson.Result) []byte {
	value := strings.TrimSpace(strings.Join(text(s.rng.Uint64(), 2), ""))
	switch schema.Get("format").String() {
	case "date-time":
		value = "2026-01-02T03:04:05Z"
	case "date":
		value = "2026-01-02"
	case "time":
		value = "03:04:05Z"
	case "email":
		value = "user@example.com"
	case "uuid":
		value = "01890a5d-ac96-774b-bcce-b302099a8057"
	case "uri", "url":
		value = "https://example.com/"
	}
	// The corpus is valid UTF-8, the only thing AppendQuote complains about.
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}

// number picks a whole number within the schema's bounds.
func (s *sampler) number(schema gjson.Result) float64 {
	low, high := 0.0, 100.0
	if m := schema.Get("minimum"); m.Exists() {
		low = m.Float()
		high = max(high, low)
	}
	if m := schema.Get("maximum"); m.Exists() {
		high = m.Float()
		low = min(low, high)
	}
	return low + float64(s.rng.IntN(int(min(high-low, 1000))+1))
}

// anyObject is the form of an answer of which nothing is known but that it is JSON.
const anyObject = `{"type":"object","properties":{"answer":{"type":"string"},"score":{"type":"integer"}}}`
