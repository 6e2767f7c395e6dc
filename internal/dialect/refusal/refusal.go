// Package refusal says what is wrong with a caller's request in the words of OpenAI's API, which the endpoints of other
// vendors share but for those of Anthropic and Google.
package refusal

import (
	"errors"
	"fmt"
	"strings"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// NoModel is a request without a model.
func NoModel() *llm.RequestError {
	return &llm.RequestError{Param: "model", Code: "missing_required_parameter", Message: "You must provide a model parameter."}
}

// Missing is a request without a field that it must have.
func Missing(param string) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "missing_required_parameter", Message: "Missing required parameter: '" + param + "'."}
}

// Duplicate is a field that is given twice: two readers of one body must not disagree about it.
func Duplicate(param string) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "duplicate_parameter", Message: "Duplicate parameter: '" + param + "' is given more than once."}
}

// Invalid is a field with a value that cannot be. The format says why, as a sentence.
func Invalid(param, format string, args ...any) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "invalid_value", Message: "Invalid '" + param + "': " + fmt.Sprintf(format, args...)}
}

// TooLong is a text of more bytes than a limit.
func TooLong(param string, limit int) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "string_above_max_length", Message: fmt.Sprintf("Invalid '%s': longer than %d bytes.", param, limit)}
}

// WrongType is a field of another type than the one wanted, which is named with its article. No field is the body.
func WrongType(param, want string, got jsonscan.Kind) *llm.RequestError {
	if param == "" {
		return notObject()
	}
	return wrongType(param, fmt.Sprintf(": expected %s, but got %s instead", want, got))
}

func notObject() *llm.RequestError {
	return &llm.RequestError{Message: "The JSON body of your request must be an object."}
}

func wrongType(param, why string) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "invalid_type", Message: "Invalid type for '" + param + "'" + why + "."}
}

// Count reads a number that must be whole and above zero. What is no number is zero, and no mistake.
func Count(param string, kind jsonscan.Kind, raw []byte) (int64, *llm.RequestError) {
	if kind != jsonscan.Number {
		return 0, nil
	}
	n, ok := jsonscan.Whole(raw)
	switch {
	case !ok:
		return 0, wrongType(param, ": expected an integer")
	case n < 1:
		return 0, BelowOne(param)
	}
	return n, nil
}

// BelowOne is a count of nothing.
func BelowOne(param string) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "integer_below_min_value",
		Message: "Invalid '" + param + "': integer below minimum value. Expected a value >= 1."}
}

// Unscanned is a body that jsonscan refuses.
func Unscanned(err error) *llm.RequestError {
	if errors.Is(err, jsonscan.ErrDepth) {
		return &llm.RequestError{Message: fmt.Sprintf("The JSON body of your request is nested more than %d levels deep.", jsonscan.MaxDepth)}
	}
	return &llm.RequestError{Message: fmt.Sprintf("We could not parse the JSON body of your request: %s.", err)}
}

// Undecoded is a value that could not be decoded. It stands at a place of the body: "input[0]", or "" for the whole of it.
func Undecoded(at string, err error) *llm.RequestError {
	if known, ok := errors.AsType[*llm.RequestError](err); ok {
		return known
	}
	syntax, isSyntax := errors.AsType[*jsontext.SyntacticError](err)
	kind, isKind := errors.AsType[*json.SemanticError](err)
	switch {
	case isSyntax && errors.Is(err, jsontext.ErrDuplicateName):
		return Duplicate(below(at, syntax.JSONPointer))
	case isKind:
		switch at = below(at, kind.JSONPointer); {
		case at == "":
			return notObject()
		case kind.Err != nil && !isSyntax:
			return wrongType(at, ": "+kind.Err.Error())
		case kind.JSONKind == 0:
			return wrongType(at, "")
		}
		return wrongType(at, ": got "+KindOf(kind.JSONKind).String()+" instead")
	case isSyntax:
		at = below(at, syntax.JSONPointer)
	}
	return &llm.RequestError{Param: at, Message: "We could not parse the JSON body of your request: " + strings.TrimPrefix(err.Error(), "jsontext: ") + "."}
}

// below is a place below another as OpenAI names them: input[3].text.
func below(at string, p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString(at)
	for token := range p.Tokens() {
		switch {
		case token != "" && strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// KindOf is a kind in jsonscan's terms.
func KindOf(k jsontext.Kind) jsonscan.Kind {
	switch k {
	case 't', 'f':
		return jsonscan.Bool
	case '0':
		return jsonscan.Number
	case '"':
		return jsonscan.String
	case '[':
		return jsonscan.Array
	case '{':
		return jsonscan.Object
	}
	return jsonscan.Null
}
