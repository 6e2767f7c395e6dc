package simulator

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

// itemFields are the fields of the input items that callers send, as OpenAI's description of the API has them. Items of
// other types are taken as they are.
var itemFields = map[string]map[string]bool{
	"message":                 fieldSet("type role content status id phase"),
	"function_call":           fieldSet("type id call_id caller namespace name arguments status"),
	"function_call_output":    fieldSet("type id call_id caller namespace name output status"),
	"custom_tool_call":        fieldSet("type id call_id caller namespace name input status"),
	"custom_tool_call_output": fieldSet("type id call_id caller output status"),
	"reasoning":               fieldSet("type id encrypted_content summary content status"),
}

// partFields are those of the parts of messages.
var partFields = map[string]map[string]bool{
	"input_text":  fieldSet("type text prompt_cache_breakpoint"),
	"input_image": fieldSet("type image_url file_id detail prompt_cache_breakpoint"),
	"input_file":  fieldSet("type file_id filename file_data prompt_cache_breakpoint file_url detail"),
	"output_text": fieldSet("type text annotations logprobs"),
	"refusal":     fieldSet("type refusal"),
}

// itemPrefixes begin the ids of items.
var itemPrefixes = map[string]string{"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}

// checkItems refuses a conversation that does not fit together; items before the first of the request's own were checked
// when they came.
func checkItems(x *exchange, items []json.RawMessage, first int) *failure {
	open := map[string]bool{}
	for i, raw := range items {
		item := gjson.ParseBytes(raw)
		at := "input[" + itoa(i-first) + "]"
		if i >= first {
			if fail := checkItem(x, item, at); fail != nil {
				return fail
			}
		}
		id := item.Get("call_id").String()
		switch kind := item.Get("type").String(); kind {
		case "function_call", "custom_tool_call":
			open[id] = true
		case "function_call_output", "custom_tool_call_output":
			if !open[id] {
				return badRequest("input", "", "No tool call found for %s with call_id %s.", spaced(kind), id)
			}
			open[id] = false
		}
		if item.Get("type").String() == "reasoning" && i == len(items)-1 && item.Get("id").String() != "" {
			return badRequest("input", "", "Item '%s' of type 'reasoning' was provided without its required following item.", item.Get("id").String())
		}
	}
	for _, id := range sortedNames(open) {
		if open[id] {
			return badRequest("input", "", "No tool output found for function call %s.", id)
		}
	}
	return nil
}

// spaced spells the type of an item in words.
func spaced(kind string) string { return strings.ReplaceAll(kind, "_", " ") }

func checkItem(x *exchange, item gjson.Result, at string) *failure {
	if !item.IsObject() {
		return badRequest(at, "invalid_type", "Invalid type for '%s': expected an input item, but got %s instead.", at, typeName(item))
	}
	kind := item.Get("type").String()
	if kind == "" {
		kind = "message"
	}
	if known := itemFields[kind]; known != nil {
		if name := unknownField(item, known); name != "" {
			return badRequest(at+"."+name, "unknown_parameter", "Unknown parameter: '%s.%s'.", at, name)
		}
	}
	if id, prefix := item.Get("id").String(), itemPrefixes[kind]; id != "" && !strings.HasPrefix(id, prefix) {
		return badRequest(at+".id", "invalid_value", "Invalid '%s.id': '%s'. Expected an ID that begins with '%s'.", at, id, prefix)
	}
	switch kind {
	case "message":
		return checkMessage(item, at)
	case "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output":
		return checkCallItem(item, kind, at)
	case "reasoning":
		v := item.Get("encrypted_content").String()
		if v != "" && x.knobs.signatures != signaturesOff && !x.s.encrypted(v) {
			return badRequest("", "invalid_encrypted_content", "The encrypted content %.8s...%s could not be verified. Reason: Encrypted content could not be decrypted or parsed.", v, v[max(0, len(v)-4):])
		}
		if !item.Get("summary").IsArray() {
			return badRequest(at+".summary", "missing_required_parameter", "Missing required parameter: '%s.summary'.", at)
		}
	}
	return nil
}

func checkMessage(item gjson.Result, at string) *failure {
	role := item.Get("role").String()
	switch role {
	case "user", "assistant", "system", "developer":
	default:
		return badRequest(at+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", role)
	}
	content := item.Get("content")
	if content.Type != gjson.String && !content.IsArray() {
		return badRequest(at+".content", "invalid_type", "Invalid type for '%s.content': expected one of an array of objects or string, but got %s instead.", at, typeName(content))
	}
	if !content.IsArray() {
		return nil
	}
	for j, part := range content.Array() {
		at := at + ".content[" + itoa(j) + "]"
		kind := part.Get("type").String()
		known := partFields[kind]
		output := kind == "output_text" || kind == "refusal"
		if known == nil || role == "assistant" != output {
			supported := "'input_text', 'input_image', and 'input_file'"
			if role == "assistant" {
				supported = "'output_text' and 'refusal'"
			}
			return badRequest(at+".type", "invalid_value", "Invalid value: '%s'. Supported values are: %s.", kind, supported)
		}
		if name := unknownField(part, known); name != "" {
			return badRequest(at+"."+name, "unknown_parameter", "Unknown parameter: '%s.%s'.", at, name)
		}
	}
	return nil
}

func checkCallItem(item gjson.Result, kind, at string) *failure {
	required := []string{"call_id"}
	switch kind {
	case "function_call":
		required = append(required, "name", "arguments")
	case "custom_tool_call":
		required = append(required, "name", "input")
	default:
		if out := item.Get("output"); out.Type != gjson.String && !out.IsArray() {
			return badRequest(at+".output", "invalid_type", "Invalid type for '%s.output': expected one of an array of objects or string, but got %s instead.", at, typeName(out))
		}
	}
	for _, name := range required {
		v := item.Get(name)
		if !v.Exists() {
			return badRequest(at+"."+name, "missing_required_parameter", "Missing required parameter: '%s.%s'.", at, name)
		}
		if v.Type != gjson.String {
			return badRequest(at+"."+name, "invalid_type", "Invalid type for '%s.%s': expected a string, but got %s instead.", at, name, typeName(v))
		}
	}
	if id := item.Get("call_id").Str; len(id) > 64 {
		return badRequest(at+".call_id", "string_above_max_length", "Invalid '%s.call_id': string too long. Expected a string with maximum length 64, but got a string with length %d instead.", at, len(id))
	}
	return nil
}
