package simulator

import (
	"strings"

	"github.com/tidwall/gjson"
)

// message describes a protobuf message: the names of its fields, with the messages that are in them; nil for what has no
// fields of its own, or any.
type message map[string]message

// fields makes a message of names that stand apart by white space.
func fields(names string) message {
	m := message{}
	for _, name := range strings.Fields(names) {
		m[name] = nil
	}
	return m
}

// with adds fields that are messages.
func (m message) with(more message) message {
	for name, inner := range more {
		m[name] = inner
	}
	return m
}

// What the Gemini API knows, from Google's own client. It refuses all other names.
var (
	geminiSchema = func() message {
		m := fields(`default description enum example format maxItems maxLength maxProperties maximum minItems minLength minProperties
			minimum nullable pattern propertyOrdering required title type`)
		m["anyOf"], m["items"] = m, m
		m["properties"] = message{"*": m}
		return m
	}()
	geminiBlob = fields("data mimeType displayName")
	geminiPart = fields(`text thought thoughtSignature codeExecutionResult executableCode videoMetadata mediaResolution partMetadata
		toolCall toolResponse`).with(message{
		"inlineData": geminiBlob, "fileData": fields("fileUri mimeType displayName"),
		"functionCall": fields("id args name"),
		"functionResponse": fields("id name response willContinue scheduling").with(message{
			"parts": {"inlineData": geminiBlob, "fileData": fields("fileUri mimeType displayName")},
		}),
	})
	geminiContent    = fields("role").with(message{"parts": geminiPart})
	geminiGeneration = fields(`audioTimestamp candidateCount enableAffectiveDialog frequencyPenalty logprobs maxOutputTokens
		mediaResolution presencePenalty responseJsonSchema _responseJsonSchema responseLogprobs responseMimeType responseModalities
		routingConfig seed speechConfig stopSequences temperature topK topP imageConfig enableEnhancedCivicAnswers`).with(message{
		"responseSchema": geminiSchema, "thinkingConfig": fields("includeThoughts thinkingBudget thinkingLevel"),
	})
	geminiRequestFields = fields("model cachedContent labels serviceTier store").with(message{
		"contents": geminiContent, "systemInstruction": geminiContent, "generationConfig": geminiGeneration,
		"safetySettings": fields("category threshold method"),
		"tools": fields(`googleSearch googleSearchRetrieval codeExecution urlContext computerUse fileSearch googleMaps retrieval
			enterpriseWebSearch mcpServers`).with(message{
			"functionDeclarations": fields("name description parametersJsonSchema responseJsonSchema behavior").with(message{
				"parameters": geminiSchema, "response": geminiSchema,
			}),
		}),
		"toolConfig": fields("retrievalConfig includeServerSideToolInvocations").with(message{
			"functionCallingConfig": fields("mode allowedFunctionNames streamFunctionCallArguments"),
		}),
	})
	geminiEmbedFields = fields("model taskType title outputDimensionality autoTruncate").with(message{"content": geminiContent})
)

// maxFieldDepth ends the search of a body that is nested without end.
const maxFieldDepth = 64

// unknownName returns the first field of a body that the message does not have, and the path to what has it, in the way
// of protobuf's JSON parser. Names may come in camelCase or snake_case.
func (m message) unknownName(v gjson.Result, at string, depth int) (name, path string) {
	if m == nil || depth > maxFieldDepth {
		return "", ""
	}
	if v.IsArray() {
		for i, each := range v.Array() {
			if name, path = m.unknownName(each, at+"["+itoa(i)+"]", depth+1); name != "" {
				return name, path
			}
		}
		return "", ""
	}
	v.ForEach(func(key, value gjson.Result) bool {
		inner, known := m[camel(key.Str)]
		if !known {
			inner, known = m["*"]
		}
		if !known {
			name, path = key.Str, at
			return false
		}
		below := snake(key.Str)
		if at != "" {
			below = at + "." + below
		}
		name, path = inner.unknownName(value, below, depth+1)
		return name == ""
	})
	return name, path
}

// camel spells snake_case in camelCase, the way in which we know the names.
func camel(s string) string {
	if !strings.Contains(s, "_") {
		return s
	}
	var b strings.Builder
	up := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_' && i > 0:
			up = true
		case up && c >= 'a' && c <= 'z':
			b.WriteByte(c - 'a' + 'A')
			up = false
		default:
			b.WriteByte(c)
			up = false
		}
	}
	return b.String()
}

// snake spells camelCase in snake_case, as Google's errors have it.
func snake(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			b.WriteByte(c - 'A' + 'a')
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// checkFields refuses a body that is not JSON or has fields that the message does not.
func (m message) checkFields(body []byte) *failure {
	if !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject() {
		return geminiBad("", "Invalid JSON payload received. Unexpected token.")
	}
	name, path := m.unknownName(gjson.ParseBytes(body), "", 0)
	switch {
	case name == "":
		return nil
	case path == "":
		return geminiBad(path, "Invalid JSON payload received. Unknown name \"%s\": Cannot find field.", name)
	}
	return geminiBad(path, "Invalid JSON payload received. Unknown name \"%s\" at '%s': Cannot find field.", name, path)
}
