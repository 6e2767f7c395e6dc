package anthropic

import "aihigress/internal/dialect/jsonread"

// What follows reads the types that read themselves, each as its UnmarshalJSONFrom does, or finds them odd.

//go:generate go run ../readgen wireRequest wireBlock wireTool wireEvent wireMessageOut wireTier wireSchema

func (c *content) readPlain(r *jsonread.Reader) {
	switch *c = nil; r.Kind() {
	case '"':
		*c = append(newContent(), wireBlock{Type: "text"})
		jsonread.String(&(*c)[0].Text, r)
	case '[':
		*c = newContent()
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
