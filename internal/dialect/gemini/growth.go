package gemini

import "aihigress/internal/llm"

const (
	// maxInlined is how large a schema may become when its references are put in their places, in members and elements.
	maxInlined = 20_000
	// maxGrown and maxGrownBytes are how much all schemas of a request may become more than they were.
	maxGrown      = 200_000
	maxGrownBytes = 8 << 20
)

// growth is how much more the schemas of one request have become than they were: references are a few bytes, and what they
// stand for may be as long as the request.
type growth struct {
	made, bytes int
	lost        bool // a schema was left out, or what it refers to
}

// parameters is the schema of a function's arguments; nothing where there are none, since an object without properties is
// refused.
func (g *growth) parameters(schema llm.JSON) llm.JSON {
	out, ok := toSchemas.get(schema)
	if !ok {
		var whole bool
		if out, whole = g.convertParameters(schema); whole {
			toSchemas.put(schema, out)
		}
	}
	if !g.takes(schema, len(out)) {
		g.lost = true
		return nil
	}
	return out
}

// takes counts what a schema has become, and reports whether that may be.
func (g *growth) takes(schema llm.JSON, size int) bool {
	g.bytes += max(0, size-2*len(schema))
	return size <= 2*len(schema) || g.bytes <= maxGrownBytes
}

// append writes what a schema has become, or nothing where that would be too much: what comes then may not grow either.
func (g *growth) append(out *tree, schema llm.JSON) llm.JSON {
	if room := 2*len(schema) + max(0, maxGrownBytes-g.bytes); !out.fits(&room) {
		g.bytes, g.lost = maxGrownBytes, true
		return nil
	}
	return out.append(nil)
}

// convertParameters reports too whether the schema is what it would be in any request.
func (g *growth) convertParameters(schema llm.JSON) (converted llm.JSON, whole bool) {
	t, err := parseTree(schema)
	switch {
	case err != nil:
		g.lost = true
		return nil, false
	case !t.object:
		return nil, true
	}
	out, whole := g.clean(t, schema)
	if p := out.get("properties"); out.get("anyOf") == nil && (p == nil || len(p.members) == 0) {
		return nil, whole
	}
	converted = g.append(out, schema)
	return converted, whole && converted != nil
}

// toOpenAPI is a JSON schema within Google's subset: references in their places, constants as enums, several types as
// nullable or anyOf, and what the subset has no field for in words in the description, or gone.
func (g *growth) toOpenAPI(schema llm.JSON) llm.JSON {
	t, err := parseTree(schema)
	if err != nil {
		g.lost = true
		return llm.JSON(anyObject)
	}
	out, _ := g.clean(t, schema)
	if converted := g.append(out, schema); converted != nil {
		return converted
	}
	return llm.JSON(anyObject)
}

// anyObject stands for a schema that is too deep or too large.
const anyObject = `{"type":"OBJECT"}`

// clean brings a schema into the subset. Whole is not true where something was left out for the size.
func (g *growth) clean(root *tree, schema llm.JSON) (out *tree, whole bool) {
	c := cleaner{root: root, alone: g.made > maxGrown}
	out = c.schema(root, nil)
	g.made += max(0, c.made-len(schema)/4) // a member takes some bytes
	g.lost = g.lost || c.lost
	return out, !c.lost
}
