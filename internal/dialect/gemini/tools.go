package gemini

import (
	"fmt"
	"slices"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// maxFunctionName is how long the name of a function may be, in bytes: each field of its declaration that only Google knows
// has it in its path. No vendor takes nearly as many.
const maxFunctionName = 1 << 10

// read adds the tools of one entry to a request: functions, and those that Google runs.
func (w *wireTool) read(r *llm.Request) error {
	for i := range w.FunctionDeclarations {
		f := &w.FunctionDeclarations[i]
		if f.Name == "" {
			return &llm.RequestError{Param: "tools", Message: fmt.Sprintf("The function declaration %d has no name.", i)}
		}
		if len(f.Name) > maxFunctionName {
			return &llm.RequestError{Param: "tools", Message: fmt.Sprintf("The name of the function declaration %d is longer than %d bytes.", i, maxFunctionName)}
		}
		t := llm.Tool{Name: f.Name, Description: f.Description}
		switch {
		case !isNull(f.ParametersJSONSchema):
			t.Schema = f.ParametersJSONSchema.Clone()
		case !isNull(f.Parameters):
			schema, err := fromOpenAPI(f.Parameters)
			if err != nil {
				return &llm.RequestError{Param: "tools", Message: fmt.Sprintf("The parameters of the function %q are no schema: %s.", f.Name, err)}
			}
			t.Schema = schema
		}
		if name, custom := customName(f.Name); custom {
			t = llm.Tool{Name: name, Description: f.Description, Grammar: llm.JSON("{}")}
		}
		members(f.Unknown, func(name string, value llm.JSON) {
			extra(r, "tools.functionDeclarations."+f.Name+"."+camel(name), value)
		})
		r.Tools = append(r.Tools, t)
	}
	var own []llm.Tool
	members(w.Unknown, func(name string, value llm.JSON) {
		if !isNull(value) {
			own = append(own, llm.Tool{Vendor: llm.Gemini, Type: camel(name), Raw: mustJSON(map[string]llm.JSON{name: value})})
		}
	})
	slices.SortFunc(own, func(a, b llm.Tool) int { return strings.Compare(a.Type, b.Type) })
	r.Tools = append(r.Tools, own...)
	return nil
}

// read takes over how free the model is to call tools.
func (w *wireToolConfig) read(r *llm.Request) error {
	if w == nil {
		return nil
	}
	members(w.Unknown, func(name string, value llm.JSON) { extra(r, "toolConfig."+camel(name), value) })
	c := w.FunctionCallingConfig
	if c == nil {
		return nil
	}
	members(c.Unknown, func(name string, value llm.JSON) { extra(r, "toolConfig.functionCallingConfig."+camel(name), value) })
	switch c.Mode {
	case "", "MODE_UNSPECIFIED":
		return nil
	case "AUTO":
		r.Choice.Mode = llm.Auto
	case "VALIDATED": // auto, but that arguments must fit the schema
		r.Choice.Mode = llm.Auto
		r.Choice.Names = plainNames(c.AllowedFunctionNames)
		extra(r, "toolConfig.functionCallingConfig.mode", llm.JSON(`"VALIDATED"`))
	case "ANY":
		r.Choice.Mode = llm.Required
		r.Choice.Names = plainNames(c.AllowedFunctionNames)
	case "NONE":
		r.Choice.Mode = llm.None
	default:
		return &llm.RequestError{Param: "toolConfig.functionCallingConfig.mode", Message: fmt.Sprintf("Invalid value at \"toolConfig.functionCallingConfig.mode\": %q.", c.Mode)}
	}
	return nil
}

func plainNames(names []string) []string {
	var out []string
	for _, name := range names {
		plain, _ := customName(name)
		out = append(out, plain)
	}
	return out
}

// tools writes the tools of a request.
func (e *requestEncoder) tools() {
	r, v := e.in, e.version
	if len(r.Tools) == 0 {
		e.choice(false)
		return
	}
	tools := e.room.tools.list(len(r.Tools) + 1)[:1] // the first is for all functions
	functions := e.room.functions.list(len(r.Tools))
	for i := range r.Tools {
		t := &r.Tools[i]
		e.drops.If(t.Cache != nil, llm.FieldCache)
		switch {
		case t.Vendor == llm.Gemini:
			var own wireTool
			own.Unknown = t.Raw
			tools = append(tools, own)
			continue
		case t.Vendor != "":
			e.drops.Add(llm.FieldVendorTool.With(t.Type))
			continue
		}
		f := wireFunction{Name: t.Name, Description: t.Description}
		schema := t.Schema
		if len(t.Grammar) > 0 {
			f.Name += customSuffix
			schema = llm.JSON(`{"type":"object","properties":{"` + customField + `":{"type":"string"}},"required":["` + customField + `"]}`)
			e.drops.If(hasGrammar(t.Grammar), llm.FieldCustomTool) // it is not kept
		}
		e.drops.If(t.Strict != nil && *t.Strict, llm.FieldStrict)
		switch {
		case isNull(schema):
		case v.jsonSchema():
			f.ParametersJSONSchema = schema
		default:
			f.Parameters = e.grown.parameters(schema)
		}
		functions = append(functions, f)
	}
	e.drops.If(e.grown.lost, llm.FieldSchema)
	switch tools[0].FunctionDeclarations = functions; {
	case len(functions) > 0:
		e.out.Tools = tools
	case len(tools) > 1:
		e.out.Tools = tools[1:]
	}
	e.choice(len(functions) > 0)
}

// hasGrammar says whether the text that a tool takes must follow one.
func hasGrammar(format llm.JSON) bool {
	var f struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(format, &f, fromUpstream) != nil || f.Type != "" && f.Type != "text"
}

// choice writes how free the model is to call tools. Names can be given with "any of these" alone, so that a free choice
// among some leaves the others out of the declarations instead.
func (e *requestEncoder) choice(functions bool) {
	c := e.in.Choice
	if c.Mode == llm.Unsaid {
		return
	}
	if !functions {
		e.drops.If(c.Mode == llm.Required || len(c.Names) > 0, llm.FieldChoice)
		return
	}
	w := &wireChoice{}
	switch c.Mode {
	case llm.Auto:
		w.Mode = "AUTO"
		if len(c.Names) > 0 {
			declared, chosen := &e.out.Tools[0].FunctionDeclarations, set[string]{list: c.Names}
			*declared = slices.DeleteFunc(*declared, func(f wireFunction) bool {
				name, _ := customName(f.Name)
				return !chosen.has(name)
			})
			if len(*declared) == 0 {
				e.out.Tools = e.out.Tools[1:]
				return
			}
		}
	case llm.Required:
		w.Mode = "ANY"
		names := distinct(c.Names) // or what has one name would stand there once for each time that it is named
		w.AllowedFunctionNames = allowed(names, e.out.Tools[0].FunctionDeclarations)
		e.drops.If(len(w.AllowedFunctionNames) < len(names), llm.FieldChoice) // a tool of another vendor's
	case llm.None:
		w.Mode = "NONE"
	case llm.Unsaid:
	}
	e.out.ToolConfig = &wireToolConfig{FunctionCallingConfig: w}
}

// allowed are the declared functions of the names, as Google knows them.
func allowed(names []string, declared list[wireFunction]) []string {
	var out []string
	if len(names) > few && len(declared) > few {
		many := map[string][]string{}
		for i := range declared {
			plain, _ := customName(declared[i].Name)
			many[plain] = append(many[plain], declared[i].Name)
		}
		for _, name := range names {
			out = append(out, many[name]...)
		}
		return out
	}
	for _, name := range names {
		for i := range declared {
			if plain, _ := customName(declared[i].Name); plain == name {
				out = append(out, declared[i].Name)
			}
		}
	}
	return out
}
