package responses

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// joinName is the name of a tool for those who know no groups.
func joinName(namespace, name string) string {
	switch {
	case namespace == "":
		return name
	case strings.HasSuffix(namespace, "__"):
		return namespace + name
	}
	return namespace + "__" + name
}

// splitName undoes joinName for a tool that a request has.
func splitName(tools *llm.ToolIndex, name string) (namespace, short string) {
	if t := tools.Of(name); t != nil && t.Namespace.Name != "" {
		return t.Namespace.Name, strings.TrimPrefix(t.Name, joinName(t.Namespace.Name, ""))
	}
	return "", name
}

// plainName is a name as OpenAI takes it; callers of the dialect hear from it where theirs is not.
func plainName(r *llm.Request, name string) string {
	if r.Dialect == llm.Responses {
		return name
	}
	return llm.ToolName(name)
}

// choiceObject is tool_choice where it is no word.
type choiceObject struct {
	Type      string         `json:"type"`
	Mode      string         `json:"mode,omitzero"`
	Name      string         `json:"name,omitzero"`
	Namespace string         `json:"namespace,omitzero"`
	Label     string         `json:"server_label,omitzero"`
	Tools     []choiceObject `json:"tools,omitempty"`
}

// called is the name of a tool, or the type of one that the vendor runs.
func (c *choiceObject) called() string {
	if c.Type == "function" || c.Type == "custom" {
		return joinName(c.Namespace, c.Name)
	}
	return c.Type
}

func (q *request) choice(r *llm.Request) error {
	if isNull(q.Choice) {
		return nil
	}
	if q.Choice.Kind() == '"' {
		word, err := textOf(q.Choice)
		if err != nil {
			return refusal.Undecoded("tool_choice", err)
		}
		modes := map[string]llm.ChoiceMode{"auto": llm.Auto, "none": llm.None, "required": llm.Required}
		mode, ok := modes[word]
		if !ok {
			return &llm.RequestError{Param: "tool_choice", Code: "invalid_value",
				Message: fmt.Sprintf("Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", word)}
		}
		r.Choice.Mode = mode
		return nil
	}
	var c choiceObject
	if err := json.Unmarshal(q.Choice, &c, callers); err != nil {
		return refusal.Undecoded("tool_choice", err)
	}
	r.Choice.Mode = llm.Required
	if c.Type != "allowed_tools" {
		r.Choice.Names = []string{c.called()}
		return nil
	}
	if c.Mode == "auto" {
		r.Choice.Mode = llm.Auto
	}
	for i := range c.Tools {
		r.Choice.Names = append(r.Choice.Names, c.Tools[i].called())
	}
	return nil
}

// appendTools writes the tools of a request, as a list without its brackets. Left is told of those that have no place; one
// writes a tool of the caller's that is in no namespace.
func appendTools(dst []byte, r *llm.Request, left func(llm.Field), one func([]byte, *llm.Request, *llm.Tool, map[string]jsontext.Value) []byte) []byte {
	rests := restsOf(r)
	for i := 0; i < len(r.Tools); i++ {
		t := &r.Tools[i]
		if t.Cache != nil {
			left(llm.FieldCache)
		}
		switch {
		case t.Vendor == llm.Responses, isShell(t):
			dst = append(appendValue(dst, t.Raw), ',')
		case t.Vendor != "":
			left(llm.FieldVendorTool.With(t.Type))
		case t.Namespace.Name != "":
			dst = appendString(append(dst, `{"type":"namespace","name":`...), t.Namespace.Name)
			if t.Namespace.Description != "" {
				dst = appendString(append(dst, `,"description":`...), t.Namespace.Description)
			}
			dst = append(dst, `,"tools":[`...)
			// Each is held against the one before, with which it shares the texts: long ones are not read again.
			for of := t.Namespace; i < len(r.Tools) && r.Tools[i].Namespace == of; i++ {
				of = r.Tools[i].Namespace
				dst = append(appendTool(dst, r, &r.Tools[i], rests.of(&r.Tools[i], left)), ',')
			}
			i--
			dst = append(dst[:len(dst)-1], `]},`...)
		default:
			dst = append(one(dst, r, t, rests.of(t, left)), ',')
		}
	}
	return bytes.TrimSuffix(dst, []byte{','})
}

// noParameters is the schema of a function without any.
const noParameters = `{"type":"object","properties":{}}`

// rests is what only this dialect says of tools, by the name of a tool.
type rests map[string]*rest

type rest struct {
	fields map[string]jsontext.Value
	uses   int
}

// maxAlike is how many tools of one name are written with what only this dialect says of them. An upstream takes no two, and
// what is written of many would be much more than was read.
const maxAlike = 16

// restsOf puts together what is kept by its own name, for all tools at once.
func restsOf(r *llm.Request) rests {
	var all rests
	for path := range r.Extra {
		name, ok := strings.CutPrefix(path, toolPath)
		if !ok || r.Dialect != llm.Responses {
			continue
		}
		for tool, value := range toolExtras(r, name) {
			one := all[tool]
			if one == nil {
				one = &rest{fields: map[string]jsontext.Value{}}
				if all == nil {
					all = rests{}
				}
				all[tool] = one
			}
			one.fields[name] = value
		}
	}
	return all
}

// of is what is said of a tool. Left is told where that is not written.
func (all rests) of(t *llm.Tool, left func(llm.Field)) map[string]jsontext.Value {
	one := all[t.Name]
	switch {
	case one == nil:
		return nil
	case one.uses == maxAlike:
		left(llm.FieldExtra.With("tools[]"))
		return nil
	}
	one.uses++
	return one.fields
}

// appendTool writes a tool of the caller's.
func appendTool(dst []byte, r *llm.Request, t *llm.Tool, more map[string]jsontext.Value) []byte {
	w := tool{Rest: more, Type: "function", Name: strings.TrimPrefix(t.Name, joinName(t.Namespace.Name, "")), Description: t.Description}
	if t.Namespace.Name == "" {
		w.Name = plainName(r, t.Name)
	}
	if t.Grammar != nil {
		w.Type, w.Format = "custom", grammarOf(t.Grammar)
		return w.append(dst)
	}
	w.Parameters, w.Strict = t.Schema, t.Strict
	if w.Parameters == nil && r.Dialect != llm.Responses {
		w.Parameters = jsontext.Value(noParameters)
	}
	if w.Strict == nil && r.Dialect != llm.Responses {
		w.Strict = new(bool) // here schemas are strict unless they say no, elsewhere it is the other way round
	}
	return w.append(dst)
}

// append writes a tool of the caller's.
func (t *tool) append(dst []byte) []byte {
	dst = appendString(append(dst, `{"type":`...), t.Type)
	dst = appendSaid(dst, `,"name":`, t.Name)
	dst = appendSaid(dst, `,"description":`, t.Description)
	if t.Parameters != nil {
		dst = appendValue(append(dst, `,"parameters":`...), t.Parameters)
	}
	if t.Strict != nil {
		dst = strconv.AppendBool(append(dst, `,"strict":`...), *t.Strict)
	}
	if t.Format != nil {
		dst = appendValue(append(dst, `,"format":`...), t.Format)
	}
	return append(appendRest(dst, t.Rest), '}')
}

// grammarOf writes the format of a custom tool. Chat completions have a level more: {"type":"grammar","grammar":{…}}.
func grammarOf(g llm.JSON) jsontext.Value {
	var chat struct {
		Grammar *struct {
			Syntax     string `json:"syntax"`
			Definition string `json:"definition"`
		} `json:"grammar"`
	}
	if string(g) == "{}" {
		return nil
	}
	if json.Unmarshal(g, &chat, upstreams) != nil || chat.Grammar == nil {
		return g
	}
	b := appendString([]byte(`{"type":"grammar","syntax":`), chat.Grammar.Syntax)
	return append(appendString(append(b, `,"definition":`...), chat.Grammar.Definition), '}')
}

// choiceValue writes tool_choice; nil is unsaid.
func choiceValue(r *llm.Request) jsontext.Value {
	words := map[llm.ChoiceMode]string{llm.Auto: "auto", llm.None: "none", llm.Required: "required"}
	word, said := words[r.Choice.Mode]
	if !said {
		return nil
	}
	named := chosen(r)
	switch {
	case len(named) == 0 || r.Choice.Mode == llm.None:
		return appendString(nil, word)
	case len(named) == 1 && r.Choice.Mode == llm.Required:
		return marshal(&named[0])
	}
	return marshal(&choiceObject{Type: "allowed_tools", Mode: word, Tools: named})
}

// chosen are the tools of a choice that the request has, each once.
func chosen(r *llm.Request) []choiceObject {
	var named []choiceObject
	var vendors map[string]*llm.Tool // the first of each type, once it was looked for
	tools, seen := r.ToolIndex(), map[string]bool{}
	for _, name := range r.Choice.Names {
		if seen[name] {
			continue
		}
		seen[name] = true
		if t := tools.Of(name); t != nil {
			named = append(named, choiceOf(r, &tools, t))
			continue
		}
		if vendors == nil {
			vendors = vendorTools(r)
		}
		if t := vendors[name]; t != nil {
			var w tool
			_ = json.Unmarshal(t.Raw, &w, upstreams) // a label that cannot be read is none
			named = append(named, choiceObject{Type: name, Label: w.Label})
		}
	}
	return named
}

// choiceOf writes a tool of the caller's.
func choiceOf(r *llm.Request, tools *llm.ToolIndex, t *llm.Tool) choiceObject {
	kind := "function"
	switch {
	case isShell(t):
		return choiceObject{Type: localShell}
	case t.Grammar != nil:
		kind = "custom"
	}
	namespace, short := splitName(tools, t.Name)
	return choiceObject{Type: kind, Name: plainName(r, short), Namespace: namespace}
}

// vendorTools are the tools that the vendor runs, the first of each type.
func vendorTools(r *llm.Request) map[string]*llm.Tool {
	all := map[string]*llm.Tool{}
	for i := range r.Tools {
		if t := &r.Tools[i]; t.Vendor == llm.Responses && all[t.Type] == nil {
			all[t.Type] = t
		}
	}
	return all
}
