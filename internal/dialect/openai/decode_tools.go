package openai

import (
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// webSearch is the type of the vendor tool that web_search_options stands for.
const webSearch = "web_search_options"

// tools reads tools and functions, and how free the model is to use them.
func (d *requestDecoder) tools(w *request) error {
	if n := len(w.Tools) + len(w.Functions); n > 0 {
		d.out.Tools = make([]llm.Tool, 0, n)
	}
	for i := range w.Tools {
		if err := d.tool(&w.Tools[i], refusal.Place{Within: "tools", Index: i}); err != nil {
			return err
		}
	}
	for i := range w.Functions {
		d.out.Functions = true
		if err := d.function(&w.Functions[i], nil, refusal.Place{Within: "functions", Index: i}); err != nil {
			return err
		}
	}
	if said(w.WebSearchOptions) {
		d.out.Tools = append(d.out.Tools, llm.Tool{Vendor: llm.OpenAI, Type: webSearch, Raw: w.WebSearchOptions})
	}
	if w.ToolChoice != nil {
		return d.choice(w.ToolChoice, "tool_choice")
	}
	if w.FunctionCall != nil {
		return d.choice(w.FunctionCall, "function_call")
	}
	return nil
}

func (d *requestDecoder) tool(t *tool, at refusal.Place) error {
	switch {
	case t.Type == "function" || t.Type == "" && t.Function != nil:
		if t.Function == nil {
			return refusal.Missing(at.Of(".function"))
		}
		d.extra("tools.", t.Extra)
		return d.function(t.Function, t.CacheControl, at.In(".function"))
	case t.Type == "custom":
		c := t.Custom
		if c == nil || c.Name == "" {
			return refusal.Missing(at.Of(".custom.name"))
		}
		grammar := llm.JSON("{}")
		if said(c.Format) {
			grammar = c.Format
		}
		d.extra("tools.", t.Extra)
		d.out.Tools = append(d.out.Tools, llm.Tool{Name: c.Name, Description: c.Description, Grammar: grammar, Cache: t.CacheControl.cache()})
		return nil
	case t.Type == "" && t.CachePoint != nil:
		n := len(d.out.Tools)
		if n == 0 {
			return refusal.Invalid(at.Of(".cachePoint"), "there is no tool before it.")
		}
		if last := &d.out.Tools[n-1]; last.Cache == nil {
			last.Cache = (*cacheControl)(t.CachePoint).cache()
		}
		return nil
	case t.Type == "":
		return refusal.Missing(at.Of(".type"))
	}
	raw, err := json.Marshal(t, jsonOut)
	if err != nil {
		return refusal.Invalid(at.Of(""), "it cannot be read.")
	}
	d.out.Tools = append(d.out.Tools, llm.Tool{Vendor: llm.OpenAI, Type: t.Type, Raw: raw})
	return nil
}

func (d *requestDecoder) function(f *function, c *cacheControl, at refusal.Place) error {
	if f.Name == "" {
		return refusal.Missing(at.Of(".name"))
	}
	if c == nil {
		c = f.CacheControl
	}
	t := llm.Tool{Name: f.Name, Description: f.Description, Strict: f.Strict, Cache: c.cache()}
	if said(f.Parameters) {
		t.Schema = f.Parameters
	}
	d.extra("tools.function.", f.Extra)
	d.out.Tools = append(d.out.Tools, t)
	return nil
}

func (d *requestDecoder) choice(c *toolChoice, param string) error {
	word, names := c.Word, []string(nil)
	switch {
	case word == "" && c.Type == "allowed_tools":
		word = c.Mode
		for _, t := range c.Allowed {
			names = append(names, t.Name)
		}
	case word == "" && c.Name != "":
		word, names = "required", []string{c.Name}
	}
	switch word {
	case "auto":
		d.out.Choice = llm.Choice{Mode: llm.Auto, Names: names}
	case "none":
		d.out.Choice = llm.Choice{Mode: llm.None}
	case "required", "any": // the latter is Mistral's
		d.out.Choice = llm.Choice{Mode: llm.Required, Names: names}
	default:
		return refusal.Invalid(param, "expected 'none', 'auto', 'required' or a tool of the request.")
	}
	return nil
}
