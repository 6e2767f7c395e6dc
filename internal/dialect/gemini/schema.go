package gemini

import (
	"slices"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// subset are the fields of Google's Schema, its selection of OpenAPI 3.0 (ai.google.dev, API reference, Schema).
var subset = []string{"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
	"minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default",
	"items", "minimum", "maximum"}

// cleaner turns one schema into the subset.
type cleaner struct {
	root  *tree
	made  int  // members and elements
	alone bool // references are not followed
	lost  bool // something was left out for the size
}

// schema cleans one schema. Within holds the references that led here.
func (c *cleaner) schema(t *tree, within []string) *tree {
	if c.made++; c.made > maxInlined || !t.object {
		c.lost = c.lost || t.object
		return &tree{object: true, members: []member{{"type", textTree("STRING")}}} // true, false, or too much
	}
	in, within := c.resolve(t, within)
	if in == nil {
		return &tree{object: true, members: []member{{"type", textTree("OBJECT")}, {"description", textTree("nested once more")}}}
	}
	for _, m := range in.members {
		c.made += 1 + len(m.value.elements) + long(len(m.value.scalar))
		for _, e := range m.value.elements {
			c.made += long(len(e.scalar))
		}
	}
	out := &tree{object: true}
	var notes []string
	kinds, nullable := c.types(in)
	variants, null := c.variants(in, within)
	nullable = nullable || null
	if len(kinds) > 1 && len(variants) == 0 {
		for _, kind := range kinds {
			one := &tree{object: true, members: slices.Clone(in.members)}
			one.drop("description", "title")
			one.set("type", textTree(kind))
			variants = append(variants, c.schema(one, within))
		}
	}
	if len(variants) > 1 {
		return c.union(in, variants, nullable)
	}
	if len(variants) == 1 {
		out = variants[0]
		if d := in.get("description"); d != nil && out.get("description") == nil && out.get("anyOf") == nil {
			out.set("description", d)
		}
		if nullable && out.get("anyOf") == nil {
			out.set("nullable", &tree{scalar: llm.JSON("true")})
		}
		return out
	}
	kind := infer(in, kinds)
	out.set("type", textTree(kind))
	c.annotate(in, out)
	notes = append(notes, c.limits(in, out, kind)...)
	switch kind {
	case "OBJECT":
		c.properties(in, out, within)
	case "ARRAY":
		c.items(in, out, within)
	}
	if nullable {
		out.set("nullable", &tree{scalar: llm.JSON("true")})
	}
	c.note(out, notes)
	return out
}

// long is as how many members a text of so many bytes counts that is looked at again wherever a reference leads to it.
func long(text int) int { return text >> 8 }

// note adds to a description.
func (c *cleaner) note(out *tree, notes []string) {
	if len(notes) == 0 {
		return
	}
	said, _ := out.get("description").text()
	said = strings.TrimSpace(said + " " + strings.Join(notes, " "))
	c.made += long(len(said))
	out.set("description", textTree(said))
}

// union is a schema of several variants, beside which nothing else may stand: what is said of all is said of each.
func (c *cleaner) union(in *tree, variants []*tree, nullable bool) *tree {
	description := in.get("description")
	for _, v := range variants {
		if v.get("anyOf") != nil {
			continue
		}
		if _, ok := description.text(); ok && v.get("description") == nil {
			v.set("description", description)
		}
		if nullable {
			v.set("nullable", &tree{scalar: llm.JSON("true")})
		}
	}
	return &tree{object: true, members: []member{{"anyOf", &tree{array: true, elements: variants}}}}
}

// resolve follows $ref and merges allOf, so that one schema is left; nil where it refers to itself.
func (c *cleaner) resolve(t *tree, within []string) (*tree, []string) {
	for {
		ref, ok := t.get("$ref").text()
		if !ok {
			break
		}
		c.made += long(len(ref))
		target := c.find(ref)
		c.lost = c.lost || c.alone
		if c.alone || slices.Contains(within, ref) || len(within) > maxTreeDepth || target == nil || !target.object {
			return nil, within
		}
		within = append(slices.Clip(within), ref)
		merged := &tree{object: true, members: slices.Clone(t.members)}
		merged.drop("$ref")
		c.merge(merged, target)
		t = merged
	}
	all := t.get("allOf")
	if all == nil {
		return t, within
	}
	merged := &tree{object: true, members: slices.Clone(t.members)}
	merged.drop("allOf")
	for _, part := range all.elements {
		if !part.object {
			continue
		}
		if c.made++; c.made > maxInlined {
			c.lost = true
			break
		}
		one, through := c.resolve(part, within)
		if one == nil {
			return nil, within
		}
		within = through
		c.merge(merged, one)
	}
	return merged, within
}

// merge adds what another schema says; properties and required names are united, and for the rest the first word counts.
func (c *cleaner) merge(into, from *tree) {
	for _, m := range from.members {
		have := into.get(m.name)
		switch {
		case have == nil:
			into.set(m.name, m.value)
		case m.name == "properties" && have.object && m.value.object:
			c.made += len(m.value.members)
			if !have.merged {
				have = &tree{object: true, members: slices.Clone(have.members), merged: true}
				into.set(m.name, have)
			}
			for _, p := range m.value.members {
				if have.get(p.name) == nil {
					have.set(p.name, p.value)
				}
			}
		case m.name == "required" && have.array && m.value.array:
			c.made += len(m.value.elements)
			if !have.merged {
				have = &tree{array: true, elements: slices.Clone(have.elements), merged: true}
				into.set(m.name, have)
			}
			have.elements = append(have.elements, m.value.elements...)
		}
	}
	c.made += len(from.members)
}

// find is what a reference within the document points to.
func (c *cleaner) find(ref string) *tree {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	t := c.root
	for _, key := range strings.Split(path, "/")[1:] {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		if t = t.get(key); t == nil {
			return nil
		}
	}
	if t == c.root {
		return nil // the schema within itself
	}
	return t
}

// types are the types of a schema in Google's spelling, and whether null is one.
func (c *cleaner) types(in *tree) (kinds []string, nullable bool) {
	t := in.get("type")
	list := []*tree{t}
	if t != nil && t.array {
		list = t.elements
	}
	for _, e := range list {
		word, _ := e.text()
		switch kind := strings.ToUpper(word); kind {
		case "NULL":
			nullable = true
		case "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT":
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	if n := in.get("nullable"); n != nil && string(n.scalar) == "true" {
		nullable = true
	}
	return kinds, nullable
}

// variants are the cleaned schemas of anyOf or oneOf, and whether null is one of them.
func (c *cleaner) variants(in *tree, within []string) (variants []*tree, nullable bool) {
	any := in.get("anyOf")
	if any == nil {
		any = in.get("oneOf")
	}
	if any == nil {
		return nil, false
	}
	for _, e := range any.elements {
		if word, _ := e.get("type").text(); strings.EqualFold(word, "null") {
			nullable = true
			continue
		}
		if v := c.schema(e, within); v.get("anyOf") != nil {
			variants = append(variants, v.get("anyOf").elements...)
		} else {
			variants = append(variants, v)
		}
	}
	return variants, nullable
}

// infer is the one type of a schema that may not name it.
func infer(in *tree, kinds []string) string {
	if len(kinds) > 0 {
		return kinds[0]
	}
	switch {
	case in.get("properties") != nil || in.get("additionalProperties") != nil:
		return "OBJECT"
	case in.get("items") != nil || in.get("prefixItems") != nil:
		return "ARRAY"
	}
	values := in.get("enum")
	first := in.get("const")
	if values != nil && len(values.elements) > 0 {
		first = values.elements[0]
	}
	if first != nil {
		switch first.scalar.Kind() {
		case '0':
			return "NUMBER"
		case 't', 'f':
			return "BOOLEAN"
		}
	}
	return "STRING"
}

// annotate copies what needs no change.
func (c *cleaner) annotate(in, out *tree) {
	for _, name := range []string{"title", "description", "pattern"} {
		if t := in.get(name); t != nil && t.scalar.Kind() == '"' {
			out.set(name, t)
		}
	}
	for _, name := range []string{"default", "example"} {
		if t := in.get(name); t != nil && t.scalar.Kind() != 'n' {
			out.set(name, t)
		}
	}
}

// formats are those that Google takes, by type.
var formats = map[string][]string{
	"STRING": {"date-time", "enum"}, "NUMBER": {"float", "double"}, "INTEGER": {"int32", "int64"},
}

// limits copies bounds and choices. What the subset cannot say comes back in words.
func (c *cleaner) limits(in, out *tree, kind string) (notes []string) {
	if format, ok := in.get("format").text(); ok {
		if slices.Contains(formats[kind], format) {
			out.set("format", in.get("format"))
		} else {
			notes = append(notes, "Format: "+format+".")
		}
	}
	for _, name := range []string{"maxItems", "minItems", "minProperties", "maxProperties", "minLength", "maxLength", "minimum", "maximum"} {
		if t := in.get(name); t != nil && t.scalar.Kind() == '0' {
			out.set(name, t)
		}
	}
	for from, to := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if t := in.get(from); t != nil && t.scalar.Kind() == '0' && out.get(to) == nil {
			out.set(to, t)
			notes = append(notes, strings.ToUpper(to[:1])+to[1:]+" itself excluded.")
		}
	}
	slices.Sort(notes)
	return append(notes, choices(in, out, kind)...)
}

// choices copies enum and const: of strings as they are, of others in words.
func choices(in, out *tree, kind string) []string {
	var values []*tree
	if t := in.get("const"); t != nil {
		values = []*tree{t}
	} else if t := in.get("enum"); t != nil {
		values = t.elements
	}
	var kept []*tree
	var words []string
	for _, v := range values {
		if v.scalar.Kind() == '"' && kind == "STRING" {
			if string(v.scalar) != `""` { // an empty word is refused
				kept = append(kept, v)
			}
		} else if v.scalar.Kind() != 'n' {
			words = append(words, string(v.append(nil)))
		}
	}
	if len(kept) > 0 {
		out.set("enum", &tree{array: true, elements: kept})
	}
	if len(words) > 0 {
		return []string{"One of: " + strings.Join(words, ", ") + "."}
	}
	return nil
}

// properties cleans those of an object; only names that are there can be required.
func (c *cleaner) properties(in, out *tree, within []string) {
	p := in.get("properties")
	if p == nil || !p.object {
		return
	}
	cleaned := &tree{object: true}
	for _, m := range p.members {
		cleaned.set(m.name, c.schema(m.value, within))
	}
	out.set("properties", cleaned)
	for _, list := range []string{"required", "propertyOrdering"} {
		t := in.get(list)
		if t == nil {
			continue
		}
		kept := &tree{array: true}
		var seen set[string]
		for _, e := range t.elements {
			if name, ok := e.text(); ok && cleaned.get(name) != nil && !seen.has(name) {
				kept.elements = append(kept.elements, e)
				seen.list = append(seen.list, name)
			}
		}
		if len(kept.elements) > 0 {
			out.set(list, kept)
		}
	}
}

// items cleans the elements of a list, which Google wants to be told of; those of a tuple become one schema of several.
func (c *cleaner) items(in, out *tree, within []string) {
	tuple, items := in.get("prefixItems"), in.get("items")
	if items != nil && items.array {
		tuple = items
	}
	switch {
	case tuple != nil && len(tuple.elements) > 0:
		items = &tree{object: true, members: []member{{"anyOf", &tree{array: true, elements: tuple.elements}}}}
	case items == nil || !items.object:
		items = &tree{object: true}
	}
	out.set("items", c.schema(items, within))
}

// fromOpenAPI is the JSON schema of one in Google's subset: types in lower case, nullable as a type, enums of numbers as
// numbers, counts that are strings as numbers.
func fromOpenAPI(schema llm.JSON) (llm.JSON, error) {
	out, ok := fromSchemas.get(schema)
	if !ok {
		t, err := parseTree(schema)
		if err != nil {
			return nil, err
		}
		plain(t)
		out = t.append(nil)
		fromSchemas.put(schema, out)
	}
	return slices.Clone(out), nil // which is the caller's
}

// plain changes a schema of the subset to a JSON schema in place.
func plain(t *tree) {
	if t == nil || !t.object {
		return
	}
	for i := range t.members {
		if camelled := camel(t.members[i].name); slices.Contains(subset, camelled) {
			t.members[i].name = camelled
		}
	}
	t.moved()
	kind, _ := t.get("type").text()
	kind = strings.ToLower(kind)
	if kind != "" {
		t.set("type", textTree(kind))
	}
	if n := t.get("nullable"); n != nil {
		if string(n.scalar) == "true" && kind != "" {
			t.set("type", &tree{array: true, elements: []*tree{textTree(kind), textTree("null")}})
		}
		t.drop("nullable")
	}
	t.drop("propertyOrdering")
	for _, name := range []string{"maxItems", "minItems", "minProperties", "maxProperties", "minLength", "maxLength"} {
		unquote(t.get(name))
	}
	if values := t.get("enum"); values != nil && (kind == "integer" || kind == "number") {
		for _, v := range values.elements {
			unquote(v)
		}
	}
	if f, _ := t.get("format").text(); f == "enum" {
		t.drop("format")
	}
	if p := t.get("properties"); p != nil {
		for _, m := range p.members {
			plain(m.value)
		}
	}
	plain(t.get("items"))
	if any := t.get("anyOf"); any != nil {
		for _, e := range any.elements {
			plain(e)
		}
	}
}

// unquote makes a number of a string of one.
func unquote(t *tree) {
	if s, ok := t.text(); ok {
		if v := jsontext.Value(s); v.IsValid() && v.Kind() == '0' {
			t.scalar = llm.JSON(strings.TrimSpace(s))
		}
	}
}
