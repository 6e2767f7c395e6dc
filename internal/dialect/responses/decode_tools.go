package responses

import (
	"bytes"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// tools are the definitions of a request.
type tools struct {
	raw []jsontext.Value // as they stand, where package json read them
	err error            // of the first that is wrong

	all   []llm.Tool
	extra map[string]map[string]jsontext.Value // what only this dialect says, by its name and the tool's
	tool  tool                                 // the one at hand
	count int                                  // read
	shell bool                                 // there is a tool of the local shell's name
}

// reset makes it empty and keeps its memory.
func (t *tools) reset() {
	clear(t.all)
	*t = tools{all: t.all[:0]}
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. The tools are read later, when what is wrong of the rest is known.
func (t *tools) UnmarshalJSONFrom(d *jsontext.Decoder) error { return json.UnmarshalDecode(d, &t.raw) }

// readPlain reads the tools as they come: what is wrong of one is told when it would be, had it been read later.
func (t *tools) readPlain(r *jsonread.Reader) {
	t.reset()
	var list []struct{}
	jsonread.List(&list, r, func(_ *struct{}, r *jsonread.Reader) {
		place := r.Place()
		t.tool.readPlain(r)
		raw := r.From(place)
		if r.Kind() != 0 && t.err == nil { // else it is odd, and all is read again
			t.err = t.add(&t.tool, raw, llm.Namespace{}, refusal.Place{Within: "tools", Index: t.count})
		}
		t.count++
	})
}

// read reads what package json left as it stands, and puts the tools into the request.
func (t *tools) read(r *llm.Request) error {
	for i, raw := range t.raw {
		if err := t.readTool(raw, llm.Namespace{}, refusal.Place{Within: "tools", Index: i}); err != nil {
			return err
		}
	}
	if t.err != nil {
		return t.err
	}
	r.Tools = append(r.Tools, t.all...)
	for name, given := range t.extra {
		of := toolExtras(r, name)
		for tool, value := range given {
			of[tool] = value
		}
		extra(r, toolPath+name, marshal(of))
	}
	return nil
}

// readTool reads one tool, within a body that was validated as a whole, and adds it.
func (t *tools) readTool(raw jsontext.Value, in llm.Namespace, at refusal.Place) error {
	var one tool
	if jsonread.Plain(raw, &one, jsonread.Within, (*tool).readPlain) {
		return t.add(&one, raw, in, at)
	}
	one = tool{}
	if err := json.Unmarshal(raw, &one, callers); err != nil {
		switch one.Type = typeOf(raw); one.Type {
		case "function", "custom", "namespace":
			return refusal.Undecoded(at.Of(""), err)
		} // else the fields of a vendor's own tool may be anything
	}
	return t.add(&one, raw, in, at)
}

// maxNamespace is how long the name of a group may be, in bytes: each of its tools has it in its own name.
const maxNamespace = 256

// add adds a tool, or those of a namespace.
func (t *tools) add(one *tool, raw jsontext.Value, in llm.Namespace, at refusal.Place) error {
	switch one.Type {
	case "function", "custom", "namespace":
	case "":
		return refusal.Missing(at.Of(".type"))
	default:
		raw = bytes.Clone(raw)
		if one.Type == localShell && !t.shell {
			t.shell = true
			t.all = append(t.all, shellTool(raw))
		} else {
			t.all = append(t.all, llm.Tool{Vendor: llm.Responses, Type: one.Type, Raw: raw})
		}
		return nil
	}
	if one.Name == "" {
		return refusal.Missing(at.Of(".name"))
	}
	made := llm.Tool{Name: joinName(in.Name, one.Name), Description: one.Description, Namespace: in}
	switch one.Type {
	case "namespace":
		if in.Name != "" { // each would be read once more for those around it
			return &llm.RequestError{Param: at.Of(".type"), Code: "invalid_value",
				Message: "Invalid value: 'namespace'. Supported values in a namespace are: 'function' and 'custom'."}
		}
		if len(one.Name) > maxNamespace {
			return refusal.TooLong(at.Of(".name"), maxNamespace)
		}
		for i, member := range one.Tools {
			if err := t.readTool(member, llm.Namespace{Name: one.Name, Description: one.Description}, at.In(".tools").At(i)); err != nil {
				return err
			}
		}
		return nil
	case "custom":
		if made.Grammar = keepValue(one.Format); made.Grammar == nil {
			made.Grammar = llm.JSON("{}")
		}
	default:
		made.Schema, made.Strict = keepValue(one.Parameters), one.Strict
	}
	t.all, t.shell = append(t.all, made), t.shell || made.Name == localShell
	t.keep(made.Name, one.Rest)
	return nil
}

// toolPath begins the paths of what is known of tools here alone. Its values are objects, by the tool's name.
const toolPath = "tools[]."

// keep keeps what only this dialect says of a tool: defer_loading, output_schema.
func (t *tools) keep(tool string, fields map[string]jsontext.Value) {
	for name, value := range fields {
		if isNull(value) {
			continue
		}
		if t.extra == nil {
			t.extra = map[string]map[string]jsontext.Value{}
		}
		if t.extra[name] == nil {
			t.extra[name] = map[string]jsontext.Value{}
		}
		t.extra[name][tool] = value
	}
}

// toolExtras is what is kept under one name, by tool.
func toolExtras(r *llm.Request, name string) map[string]jsontext.Value {
	of := map[string]jsontext.Value{}
	_ = json.Unmarshal(r.Extra[toolPath+name], &of, upstreams) // nothing yet, or another dialect's
	return of
}
