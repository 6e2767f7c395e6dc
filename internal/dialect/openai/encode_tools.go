package openai

import (
	"strconv"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// listTools writes tools, and takes the choice among them.
func (e *requestEncoder) listTools() {
	choice := e.in.Choice
	narrowed := len(choice.Names) > 0 && !e.vendor.openAI && (choice.Mode != llm.Required || len(choice.Names) > 1)
	var offered map[string]bool // of a narrowed choice
	if narrowed {
		offered = make(map[string]bool, len(choice.Names))
		for _, name := range choice.Names {
			offered[name] = true
		}
	}
	for i := range e.in.Tools {
		t := &e.in.Tools[i]
		if narrowed && t.Vendor == "" && !offered[t.Name] {
			continue // nobody but OpenAI knows allowed_tools: the others are not offered
		}
		e.tool(t)
	}
	if len(e.tools) == 0 {
		e.drops.If(choice.Mode == llm.Required && len(e.in.Tools) > 0, llm.FieldChoice)
		return // a choice without tools is refused
	}
	if e.in.Parallel != nil {
		e.out.ParallelToolCalls = e.in.Parallel
	}
	e.choice(choice)
}

func (e *requestEncoder) tool(t *llm.Tool) {
	if t.Vendor != "" {
		e.vendorTool(t)
		return
	}
	b := e.tools
	if len(b) > 0 {
		b = append(b, ',')
	}
	name := llm.ToolName(t.Name)
	switch {
	case len(t.Grammar) == 0:
		b = e.appendFunction(b, name, t.Description, t.Schema, t.Strict)
	case !e.vendor.openAI:
		description, plain := t.InWords()
		e.drops.If(!plain, llm.FieldCustomTool)
		b = e.appendFunction(b, name, description, llm.JSON(llm.WrappedSchema), nil)
	default:
		b = jsonwrite.String(append(b, `{"type":"custom","custom":{"name":`...), name)
		if t.Description != "" {
			b = jsonwrite.String(append(b, `,"description":`...), t.Description)
		}
		if string(t.Grammar) != "{}" {
			b = e.appendValue(append(b, `,"format":`...), formatOf(t.Grammar))
		}
		b = append(b, '}')
	}
	switch {
	case t.Cache == nil:
	case e.vendor.cache:
		b = appendCache(b, t.Cache)
	default:
		e.drops.Add(llm.FieldCache)
	}
	e.tools = append(b, '}')
}

// appendCache appends a cache marker as cacheControl has it.
func appendCache(b []byte, c *llm.Cache) []byte {
	b = append(b, `,"cache_control":{"type":"ephemeral"`...)
	if c.TTL != "" {
		b = jsonwrite.String(append(b, `,"ttl":`...), c.TTL)
	}
	return append(b, '}')
}

// appendFunction appends a tool that is a function, up to what comes beside it.
func (e *requestEncoder) appendFunction(b []byte, name, description string, schema llm.JSON, strict *bool) []byte {
	b = jsonwrite.String(append(b, `{"type":"function","function":{"name":`...), name)
	if description != "" {
		b = jsonwrite.String(append(b, `,"description":`...), description)
	}
	switch {
	case len(schema) == 0 && !e.vendor.openAI: // OpenAI's own idea is that no parameters are none
		b = append(b, `,"parameters":{"type":"object","properties":{}}`...)
	case schema != nil:
		b = e.appendValue(append(b, `,"parameters":`...), schema)
	}
	if strict != nil {
		b = strconv.AppendBool(append(b, `,"strict":`...), *strict)
	}
	return append(b, '}')
}

// vendorTool writes a tool that the vendor runs itself, where it was meant for this dialect.
func (e *requestEncoder) vendorTool(t *llm.Tool) {
	var w tool
	switch {
	case t.Vendor != llm.OpenAI:
	case t.Type == webSearch:
		e.out.WebSearchOptions = t.Raw
		return
	case json.Unmarshal(t.Raw, &w) == nil:
		if len(e.tools) > 0 {
			e.tools = append(e.tools, ',')
		}
		e.tools = append(e.tools, e.marshal(&w)...)
		return
	}
	e.drops.Add(llm.FieldVendorTool.With(t.Type))
}

// cacheControl is the marker as OpenRouter takes it; nil elsewhere.
func (e *requestEncoder) cacheControl(c *llm.Cache) *cacheControl {
	if !e.vendor.cache {
		return nil
	}
	return &cacheControl{Type: "ephemeral", TTL: c.TTL}
}

func (e *requestEncoder) choice(c llm.Choice) {
	word := ""
	switch c.Mode {
	case llm.Unsaid:
		return
	case llm.Auto:
		word = "auto"
	case llm.None:
		word = "none"
	case llm.Required:
		word = "required"
	}
	switch {
	case len(c.Names) == 0 || c.Mode == llm.None:
		e.out.ToolChoice = &toolChoice{Word: word}
	case c.Mode == llm.Required && len(c.Names) == 1:
		tools := e.in.ToolIndex()
		n := e.named(&tools, c.Names[0])
		e.out.ToolChoice = &toolChoice{Type: n.Type, Name: n.Name}
	case e.vendor.openAI:
		allowed, tools := make([]named, len(c.Names)), e.in.ToolIndex()
		for i, name := range c.Names {
			allowed[i] = e.named(&tools, name)
		}
		e.out.ToolChoice = &toolChoice{Type: "allowed_tools", Mode: word, Allowed: allowed}
	default:
		e.out.ToolChoice = &toolChoice{Word: word}
	}
}

// named says whether a tool is a function or a custom tool.
func (e *requestEncoder) named(tools *llm.ToolIndex, name string) named {
	if t := tools.Of(name); t != nil && len(t.Grammar) > 0 && e.vendor.openAI {
		return named{"custom", llm.ToolName(name)}
	}
	return named{"function", llm.ToolName(name)}
}

// formatOf is the format of a custom tool. Responses have a level less: {"type":"grammar","syntax":…,"definition":…}.
func formatOf(g llm.JSON) jsontext.Value {
	var flat struct {
		Type       string `json:"type"`
		Syntax     string `json:"syntax"`
		Definition string `json:"definition"`
	}
	if json.Unmarshal(g, &flat, jsonIn) != nil || flat.Type != "grammar" || flat.Syntax == "" {
		return g
	}
	b := jsonwrite.String([]byte(`{"type":"grammar","grammar":{"syntax":`), flat.Syntax)
	return append(jsonwrite.String(append(b, `,"definition":`...), flat.Definition), "}}"...)
}
