package anthropic

import (
	"bytes"
	"strconv"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// objectSchema is a schema for a tool's input, which must say that it is an object.
func objectSchema(schema llm.JSON) llm.JSON {
	inner, ok := strings.CutPrefix(strings.TrimSpace(string(schema)), "{")
	if !ok || strings.TrimSpace(inner) == "}" {
		return llm.JSON(`{"type":"object","properties":{}}`)
	}
	var s struct {
		Type llm.JSON `json:"type"`
	}
	if json.Unmarshal(schema, &s, lenient) == nil && len(s.Type) == 0 {
		return llm.JSON(`{"type":"object",` + inner)
	}
	return schema
}

// strictSchema makes a schema such as structured outputs take it: every object closed, and none of the limits on numbers,
// lengths and sizes, which are refused there. That a limit went is reported.
func (w *requestWriter) strictSchema(schema llm.JSON) llm.JSON {
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
			"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties":
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
		case "properties":
			object = true
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

// limit leaves a limit out, but for the least numbers of items that are taken.
func (s *schemaCopy) limit(key string) error {
	v, err := s.from.ReadValue()
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(string(v)); err == nil && key == "minItems" && n <= 1 {
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
	case "items", "not":
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
