package anthropic

import (
	"encoding/hex"
	"slices"
	"strings"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// A decoder of answers does not see the request, so what a tool stands for is in its name.
const (
	// formatTool is called with the answer, where that must be JSON and the model has no native way.
	formatTool = "aih_answer_json"
	// textTool begins the name of a tool that takes free text; its input has the one property textInput.
	textTool  = "aih_text_"
	textInput = "input"
	// oddTool begins the name of a tool whose own has characters that the API refuses, in hexadecimal.
	oddTool = "aih_hex_"

	maxToolName = 128
)

// few is how many are looked through one by one: where there are more, a map finds them.
const few = 16

// toolName is what a tool is called upstream.
func toolName(name string, custom bool) string {
	odd := name == "" || strings.HasPrefix(name, textTool) || strings.HasPrefix(name, oddTool) || name == formatTool
	for i := range len(name) {
		odd = odd || !plainName(name[i])
	}
	if odd {
		name = oddTool + hex.EncodeToString([]byte(name))
	}
	if custom {
		name = textTool + name
	}
	return name[:min(len(name), maxToolName)]
}

// toolOf undoes toolName.
func toolOf(name string) (plain string, custom bool) {
	plain, custom = strings.CutPrefix(name, textTool)
	if packed, odd := strings.CutPrefix(plain, oddTool); odd {
		if raw, err := hex.DecodeString(packed); err == nil {
			plain = string(raw)
		}
	}
	return plain, custom
}

// chooseTools settles which tools are offered. A choice of several by name leaves the others out.
func (w *requestWriter) chooseTools() {
	w.tools = without(w.tools, func(t llm.Tool) bool {
		foreign := t.Vendor != "" && t.Vendor != llm.Anthropic
		if foreign {
			w.drops.Add(llm.FieldVendorTool.With(t.Type))
		}
		return foreign
	})
	if names := w.choice.Names; len(names) > 1 || w.choice.Mode == llm.Auto && len(names) > 0 {
		var many map[string]bool // each tool would look through all names
		if len(names) > few {
			many = make(map[string]bool, len(names))
			for _, name := range names {
				many[name] = true
			}
		}
		w.tools = without(w.tools, func(t llm.Tool) bool {
			if many != nil {
				return !many[t.Name]
			}
			return !slices.Contains(names, t.Name)
		})
		w.choice.Names = nil
	}
	if len(w.tools) > 0 {
		return
	}
	w.drops.If(w.choice.Mode == llm.Required, llm.FieldChoice)
	w.choice = llm.Choice{}
	// Calls in the conversation need their tools defined, though none may be called any more.
	defined := map[string]bool{}
	for i := range w.turns {
		for _, b := range w.turns[i].blocks {
			if b.Kind == llm.ToolCall && !defined[b.Call.Name] {
				defined[b.Call.Name] = true
				t := llm.Tool{Name: b.Call.Name}
				if b.Call.Custom {
					t.Grammar = llm.JSON("{}")
				}
				w.tools = append(w.tools, t)
				w.choice.Mode = llm.None
			}
		}
	}
}

// without is a list without some of its tools: the same where all stay, else a copy.
func without(tools []llm.Tool, out func(llm.Tool) bool) []llm.Tool {
	if !slices.ContainsFunc(tools, out) {
		return tools
	}
	return slices.DeleteFunc(slices.Clone(tools), out)
}

// chooseFormat settles how JSON is asked for.
func (w *requestWriter) chooseFormat() {
	f := &w.r.Format
	if f.Mode == llm.FormatText {
		return
	}
	if f.Mode == llm.FormatSchema && w.model.structured() {
		w.format = slices.Concat([]byte(`{"type":"json_schema","schema":`), w.strictSchema(f.Described()), []byte("}"))
		return
	}
	schema := f.Schema
	if f.Mode == llm.FormatJSON {
		schema = llm.JSON(`{"type":"object"}`)
	}
	if w.choice.Mode == llm.Required || !isObjectSchema(schema) {
		w.instruct = true // some other tool must be called, or what is wanted is no object, as a tool's input must be
		return
	}
	if w.choice.Mode == llm.None {
		w.tools = nil
		w.choice = llm.Choice{}
	}
	w.choice = llm.Choice{Mode: llm.Required}
	if len(w.tools) == 0 {
		w.choice.Names = []string{formatTool}
	}
	description := "Gives the answer. Call it once, with the whole answer, as soon as no other tool is needed."
	if f.Description != "" {
		description += " " + f.Description
	}
	w.tools = append(w.tools, llm.Tool{Name: formatTool, Description: description, Schema: schema})
	w.asTool = true
}

func isObjectSchema(schema llm.JSON) bool {
	kind, ok := schemaType(schema)
	return ok && (len(kind) == 0 || string(kind) == `"object"`)
}

// maxAlike is how many tools of one name are written with the fields that only callers of this dialect know. The API takes no
// two, and what is written of many would be much more than was read.
const maxAlike = 16

// writeTools writes tools and tool_choice.
func (w *requestWriter) writeTools() {
	more := w.toolExtras()
	if len(w.tools) == 0 {
		return
	}
	w.out = append(w.out, `,"tools":[`...)
	var written map[string]int // tools with fields of their own, by name
	if len(more) > 0 {
		written = map[string]int{}
	}
	for i := range w.tools {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		t := &w.tools[i]
		fields := more[t.Name]
		if len(fields) > 0 {
			if written[t.Name]++; written[t.Name] > maxAlike {
				w.drops.Add(llm.FieldExtra.With("tools[]"))
				fields = nil
			}
		}
		w.tool(t, w.asTool && i == len(w.tools)-1, fields)
	}
	w.out = append(w.out, ']')
	single := w.r.Parallel != nil && !*w.r.Parallel
	if w.choice.Mode == llm.Unsaid && !single {
		return
	}
	w.out = append(w.out, `,"tool_choice":{"type":`...)
	switch {
	case w.choice.Mode == llm.None:
		w.out = append(w.out, `"none"}`...)
		return
	case w.choice.Mode == llm.Required && len(w.choice.Names) == 1:
		w.out = append(w.out, `"tool","name":`...)
		w.out = jsonwrite.String(w.out, w.calledAs(w.choice.Names[0]))
	case w.choice.Mode == llm.Required:
		w.out = append(w.out, `"any"`...)
	default:
		w.out = append(w.out, `"auto"`...)
	}
	if single {
		w.out = append(w.out, `,"disable_parallel_tool_use":true`...)
	}
	w.out = append(w.out, '}')
}

// extraField is a field that only callers of this dialect know.
type extraField struct {
	name  string
	value llm.JSON
}

// toolExtras are those of the tools that are offered, by the tool's name. Those that no tool has are noted.
func (w *requestWriter) toolExtras() map[string][]extraField {
	var more map[string][]extraField
	offered := map[string]bool{}
	for _, path := range w.extras {
		field, ok := strings.CutPrefix(path, toolExtra)
		if !ok {
			continue
		}
		if more == nil {
			more = map[string][]extraField{}
			for i := range w.tools {
				offered[w.tools[i].Name] = true
			}
		}
		var values map[string]llm.JSON
		if json.Unmarshal(w.r.Extra[path], &values, lenient) != nil {
			values = nil
		}
		known := false
		for tool, value := range values {
			if offered[tool] {
				more[tool] = append(more[tool], extraField{field, value})
				known = true
			}
		}
		if !known {
			w.drops.Add(llm.FieldExtra.With(path))
		}
	}
	return more
}

// calledAs is the upstream's name of a tool that a choice names.
func (w *requestWriter) calledAs(name string) string {
	for i := range w.tools {
		if t := &w.tools[i]; t.Name == name && (t.Vendor != "" || w.asTool && name == formatTool) {
			return name
		} else if t.Name == name {
			return toolName(name, len(t.Grammar) > 0)
		}
	}
	return toolName(name, false)
}

func (w *requestWriter) tool(t *llm.Tool, format bool, more []extraField) {
	if t.Vendor != "" {
		w.out = append(w.out, t.Raw...)
		return
	}
	name, schema, description := toolName(t.Name, len(t.Grammar) > 0), objectSchema(t.Schema), t.Description
	if format {
		name = formatTool
	}
	if len(t.Grammar) > 0 {
		schema = llm.JSON(`{"type":"object","properties":{"` + textInput + `":{"type":"string"}},"required":["` + textInput + `"]}`)
		description = w.grammar(description, t.Grammar)
	}
	strict := t.Strict != nil && *t.Strict
	if strict && !w.model.structured() {
		w.drops.Add(llm.FieldStrict)
		strict = false
	}
	if strict {
		schema = w.strictSchema(schema)
	}
	w.out = append(w.out, `{"name":`...)
	w.out = jsonwrite.String(w.out, name)
	if description != "" {
		w.out = append(w.out, `,"description":`...)
		w.out = jsonwrite.String(w.out, description)
	}
	w.out = append(w.out, `,"input_schema":`...)
	w.out = append(w.out, schema...)
	if strict {
		w.out = append(w.out, `,"strict":true`...)
	}
	for _, f := range more {
		w.extra(f.name, f.value)
	}
	w.cache(t.Cache)
	w.out = append(w.out, '}')
}

// grammar tells the model in words what a custom tool's text must be, as nothing holds it to that.
func (w *requestWriter) grammar(description string, grammar llm.JSON) string {
	var g struct {
		Type       string `json:"type"`
		Syntax     string `json:"syntax"`
		Definition string `json:"definition"`
		Grammar    struct {
			Syntax     string `json:"syntax"`
			Definition string `json:"definition"`
		} `json:"grammar"`
	}
	if json.Unmarshal(grammar, &g, lenient) != nil || g.Type != "grammar" {
		return description
	}
	w.drops.Add(llm.FieldCustomTool)
	return strings.TrimSpace(description + "\n\nThe input must follow this " + g.Syntax + g.Grammar.Syntax + " grammar:\n" + g.Definition + g.Grammar.Definition)
}
