package anthropic

import (
	"bytes"
	"slices"
	"strconv"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// objectSchema is a schema for a tool's input, which must say that it is an object.
func objectSchema(schema llm.JSON) llm.JSON {
	if bytes.HasPrefix(schema, []byte(`{"type":`)) {
		return schema // whatever it says
	}
	inner, ok := bytes.CutPrefix(bytes.TrimSpace(schema), []byte("{"))
	if !ok || string(bytes.TrimSpace(inner)) == "}" {
		return llm.JSON(`{"type":"object","properties":{}}`)
	}
	if kind, ok := schemaType(schema); ok && len(kind) == 0 {
		return slices.Concat(llm.JSON(`{"type":"object",`), inner)
	}
	return schema
}

// schemaType is what a schema says at its root of its type, if it can be read.
func schemaType(schema llm.JSON) (llm.JSON, bool) {
	var s wireSchema
	if jsonread.Plain(schema, &s, jsonread.Repeats, (*wireSchema).readPlain) {
		return s.Type, true
	}
	s = wireSchema{}
	ok := json.Unmarshal(schema, &s, lenient) == nil
	return s.Type, ok
}

// strictSchema makes a schema such as structured outputs take it, as Anthropic's own SDKs do: every object closed, anyOf for
// oneOf, and none of the limits on numbers, lengths, sizes and formats that are refused there. That a limit went is
// reported. The schema of a caller of this dialect stays as it is.
func (w *requestWriter) strictSchema(schema llm.JSON) llm.JSON {
	if w.native() {
		return schema
	}
	var out bytes.Buffer
	s := schemaCopy{from: jsontext.NewDecoder(bytes.NewReader(schema), lenient), to: jsontext.NewEncoder(&out, lenient)}
	if s.schema() != nil {
		return schema // the vendor will say what is wrong with it
	}
	w.drops.If(s.limits, llm.FieldStrict)
	return bytes.TrimSpace(out.Bytes())
}

// schemaCopy copies a schema and keeps the order of its members, which is the order in which models write.
type schemaCopy struct {
	from   *jsontext.Decoder
	to     *jsontext.Encoder
	limits bool
}

// schema copies a schema, or whatever stands in the place of one.
func (s *schemaCopy) schema() error {
	if s.from.PeekKind() != '{' {
		return s.value()
	}
	if err := s.token(); err != nil {
		return err
	}
	object, closed := false, false
	for s.from.PeekKind() != '}' {
		t, err := s.from.ReadToken()
		if err != nil {
			return err
		}
		key := t.String()
		switch key {
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
			"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format", "not", "if", "then", "else",
			"patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "contains", "minContains", "maxContains",
			"prefixItems", "unevaluatedItems", "unevaluatedProperties":
			if err = s.limit(key); err != nil {
				return err
			}
			continue
		case "additionalProperties":
			if err = s.from.SkipValue(); err != nil {
				return err
			}
			closed = true
			if err = s.write(jsontext.String(key), jsontext.False); err != nil {
				return err
			}
			continue
		case "$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly":
			if err = s.from.SkipValue(); err != nil { // which limit nothing
				return err
			}
			continue
		case "properties":
			object = true
		case "oneOf":
			key = "anyOf"
		}
		if err = s.to.WriteToken(jsontext.String(key)); err != nil {
			return err
		}
		if err = s.keyword(key, &object); err != nil {
			return err
		}
	}
	if object && !closed {
		if err := s.write(jsontext.String("additionalProperties"), jsontext.False); err != nil {
			return err
		}
	}
	return s.token()
}

// formats are those that are taken (Anthropic's SDKs, transform of JSON schemas).
var formats = []string{"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}

// limit leaves a limit out, but for formats and the least numbers of items that are taken.
func (s *schemaCopy) limit(key string) error {
	v, err := s.from.ReadValue()
	if err != nil {
		return err
	}
	n, bad := strconv.Atoi(string(v))
	word, _ := jsontext.AppendUnquote(nil, v)
	if bad == nil && key == "minItems" && n <= 1 || key == "format" && slices.Contains(formats, string(word)) {
		if err := s.to.WriteToken(jsontext.String(key)); err != nil {
			return err
		}
		return s.to.WriteValue(v)
	}
	s.limits = true
	return nil
}

// keyword copies the value of a keyword.
func (s *schemaCopy) keyword(key string, object *bool) error {
	switch key {
	case "type":
		v, err := s.from.ReadValue()
		if err != nil {
			return err
		}
		*object = *object || string(v) == `"object"`
		return s.to.WriteValue(v)
	case "properties", "$defs", "definitions":
		return s.each('{', '}')
	case "anyOf", "oneOf", "allOf":
		return s.each('[', ']')
	case "items":
		return s.schema()
	}
	return s.value()
}

// each copies a container whose elements are schemas.
func (s *schemaCopy) each(begin, end jsontext.Kind) error {
	if s.from.PeekKind() != begin {
		return s.value()
	}
	if err := s.token(); err != nil {
		return err
	}
	for s.from.PeekKind() != end {
		if begin == '{' {
			if err := s.token(); err != nil {
				return err
			}
		}
		if err := s.schema(); err != nil {
			return err
		}
	}
	return s.token()
}

func (s *schemaCopy) token() error {
	t, err := s.from.ReadToken()
	if err != nil {
		return err
	}
	return s.to.WriteToken(t)
}

func (s *schemaCopy) value() error {
	v, err := s.from.ReadValue()
	if err != nil {
		return err
	}
	return s.to.WriteValue(v)
}

func (s *schemaCopy) write(tokens ...jsontext.Token) error {
	for _, t := range tokens {
		if err := s.to.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}
