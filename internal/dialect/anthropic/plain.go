package anthropic

import "aihigress/internal/dialect/jsonread"

// What follows reads the types that read themselves, each as its UnmarshalJSONFrom does, or finds them odd.

//go:generate go run ../readgen wireRequest wireBlock wireSource wireTool wireEvent wireMessageOut wireSchema

func (c *content) readPlain(r *jsonread.Reader) {
	switch *c = (*c)[:0]; r.Kind() {
	case '"':
		*c = append(*c, wireBlock{Type: "text"})
		jsonread.String(&(*c)[0].Text, r)
	case '[':
		jsonread.List((*[]wireBlock)(c), r, (*wireBlock).readWhole)
	case 'n':
		r.Null()
	default:
		r.Odd()
	}
}

// readWhole reads a block and completes it.
func (b *wireBlock) readWhole(r *jsonread.Reader) {
	at := r.Place()
	b.readPlain(r)
	if b.check(r.From(at)) != nil {
		r.Odd()
	}
}

func (t *toolValue) readPlain(r *jsonread.Reader) {
	*t = toolValue{}
	at := r.Place()
	t.wireTool.readPlain(r)
	t.check(r.From(at))
}

func (t *asText) readPlain(r *jsonread.Reader) { *t = asText(r.Raw()) }

func (c *inside) readPlain(r *jsonread.Reader) {
	switch c.raw = nil; r.Kind() {
	case '"', '[', 'n':
		c.blocks.readPlain(r)
	default:
		jsonread.Value(&c.raw, r)
	}
}
