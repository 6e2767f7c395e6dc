package llm

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Where a vendor knows functions only, a custom tool is a function with one text field, by this name.
const textField = "input"

// WrappedSchema is the schema of a function that stands for a custom tool.
const WrappedSchema = `{"type":"object","properties":{"` + textField + `":{"type":"string"}},"required":["` + textField + `"]}`

// Wrap is the arguments of a function that stands for a custom tool.
func Wrap(text string) string {
	raw, err := jsontext.AppendQuote([]byte(`{"`+textField+`":`), text)
	if err != nil { // which is of what is not UTF-8, now with U+FFFD in its place
		raw, _ = jsontext.AppendQuote([]byte(`{"`+textField+`":`), strings.ToValidUTF8(text, "\ufffd"))
	}
	return string(raw) + "}"
}

// Unwrap is the free text in the arguments of a function that stands for a custom tool: that of its one field, whatever its
// name. Arguments of another form come back as they are, as do those that broke off.
func Unwrap(arguments string) string {
	var fields map[string]JSON
	if json.Unmarshal([]byte(arguments), &fields, jsonLenient) == nil && len(fields) == 1 {
		for _, value := range fields {
			if value.Kind() == '"' {
				text, _ := jsontext.AppendUnquote(nil, value) // an error is of what is not UTF-8
				return string(text)
			}
		}
	}
	return arguments
}

// InWords is the description of a custom tool with its grammar, which nothing else holds the model to where the tool is a
// function. Plain reports that it has none.
func (t *Tool) InWords() (description string, plain bool) {
	var g struct {
		Type       string `json:"type"`
		Syntax     string `json:"syntax"`
		Definition string `json:"definition"`
		Grammar    struct {
			Syntax     string `json:"syntax"`
			Definition string `json:"definition"`
		} `json:"grammar"` // a level more: chat completions
	}
	if json.Unmarshal(t.Grammar, &g, jsonLenient) != nil || g.Type != "grammar" {
		return t.Description, true
	}
	return strings.TrimSpace(t.Description + "\n\nThe input must follow this " + g.Syntax + g.Grammar.Syntax + " grammar:\n" + g.Definition + g.Grammar.Definition), false
}
