package form

import (
	"errors"
	"fmt"
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads a caller's request into a struct with json tags. The error is an *llm.RequestError, which names the field
// that is of the wrong type or given twice.
func Decode(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	if bad, ok := errors.AsType[*json.SemanticError](err); ok {
		name := Param(bad.JSONPointer)
		if name == "" {
			return &llm.RequestError{Message: "The JSON body of your request must be an object."}
		}
		return &llm.RequestError{Param: name, Code: "invalid_type", Message: fmt.Sprintf("Invalid type for '%s'.", name)}
	}
	bad := &llm.RequestError{Message: "We could not parse the JSON body of your request: it is not valid JSON."}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		bad.Param, bad.Code = Param(syntax.JSONPointer), "duplicate_parameter"
		bad.Message = fmt.Sprintf("Duplicate parameter: '%s' is given more than once.", bad.Param)
	}
	return bad
}

// Param is a place in a document as vendors name it in errors: input[3].text.
func Param(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if token != "" && strings.Trim(token, "0123456789") == "" {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return b.String()
}

// Lenient are the options to read upstreams' answers with: names given twice and bytes that are not UTF-8 are taken as
// they come.
var Lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
