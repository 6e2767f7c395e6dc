package simulator

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/gjson"
)

// geminiRequest is a generateContent request. Its fields may be spelt in two ways, so that it is read by name.
type geminiRequest struct{ body gjson.Result }

// field returns a field by its camelCase name, however it is spelt.
func field(v gjson.Result, name string) gjson.Result {
	if f := v.Get(name); f.Exists() {
		return f
	}
	return v.Get(snake(name))
}

// dummySignatures may stand in the place of a signature that there is none of (documented by Google for calls that come
// from elsewhere).
var dummySignatures = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

// readGemini checks a request and refuses what the real vendor refuses.
func readGemini(x *exchange) (*geminiRequest, *failure) {
	if fail := geminiRequestFields.checkFields(x.body); fail != nil {
		return nil, fail
	}
	q := &geminiRequest{gjson.ParseBytes(x.body)}
	contents := q.body.Get("contents")
	if contents.IsObject() {
		contents = gjson.Parse("[" + contents.Raw + "]")
	}
	if len(contents.Array()) == 0 {
		return nil, geminiBad("contents", "* GenerateContentRequest.contents: contents is not specified\n")
	}
	if fail := q.checkConfig(); fail != nil {
		return nil, fail
	}
	return q, q.checkContents(x, contents.Array())
}

func (q *geminiRequest) checkConfig() *failure {
	config := field(q.body, "generationConfig")
	mime := field(config, "responseMimeType").String()
	hasSchema := field(config, "responseSchema").Exists() || field(config, "responseJsonSchema").Exists()
	switch {
	case hasSchema && mime != "application/json" && mime != "text/x.enum":
		return geminiBad("", "Function calling with a response mime type: '%s' is unsupported; a response schema needs 'application/json'", mime)
	case field(config, "responseSchema").Exists() && field(config, "responseJsonSchema").Exists():
		return geminiBad("", "Only one of response_schema and response_json_schema may be set.")
	case field(config, "maxOutputTokens").Exists() && field(config, "maxOutputTokens").Int() < 1:
		return geminiBad("", "Unable to submit request because it has a maxOutputTokens value of %d but the supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.", field(config, "maxOutputTokens").Int())
	case field(config, "temperature").Float() < 0 || field(config, "temperature").Float() > 2:
		return geminiBad("", "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].\n")
	case len(field(config, "stopSequences").Array()) > 5:
		return geminiBad("", "* GenerateContentRequest.generation_config.stop_sequences: the number of stop sequences must be at most 5.\n")
	}
	for i, t := range q.body.Get("tools").Array() {
		for j, f := range field(t, "functionDeclarations").Array() {
			at := "tools[" + itoa(i) + "].function_declarations[" + itoa(j) + "]"
			if !geminiName(f.Get("name").String()) {
				return geminiBad(at+".name", "* GenerateContentRequest.%s.name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.\n", at)
			}
			if f.Get("parameters").Exists() && field(f, "parametersJsonSchema").Exists() {
				return geminiBad(at, "* GenerateContentRequest.%s: Only one of parameters and parameters_json_schema may be set.\n", at)
			}
		}
	}
	return nil
}

// geminiName tells whether a function may have this name.
func geminiName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return name != "" && len(name) <= 128 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"0123456789.:-") == ""
}

// checkContents refuses a conversation that does not fit together: responses that do not match their calls, and, for
// models that demand it, calls of the present turn without their signature.
func (q *geminiRequest) checkContents(x *exchange, contents []gjson.Result) *failure {
	calls, answered := 0, 0 // of the model's last words
	turn := 0               // where the present turn begins: at the user's last words
	for i, c := range contents {
		role := c.Get("role").String()
		if role != "user" && role != "model" && role != "function" && role != "" {
			return geminiBad("", "Please use a valid role: user, model.")
		}
		parts := c.Get("parts").Array()
		if len(parts) == 0 {
			return geminiBad("", "* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.\n", i)
		}
		responses := 0
		for j, p := range parts {
			switch kind := partKind(p); kind {
			case "":
				return geminiBad("", "* GenerateContentRequest.contents[%d].parts[%d].data: required oneof field 'data' must have one initialized field\n", i, j)
			case "functionResponse":
				responses++
				if fr := field(p, kind); !fr.Get("response").IsObject() {
					return geminiBad("", "Invalid value at 'contents[%d].parts[%d].function_response.response' (type.googleapis.com/google.protobuf.Struct), %s", i, j, fr.Get("response").Raw)
				}
			}
			if s := field(p, "thoughtSignature").String(); s != "" && x.knobs.signatures != signaturesOff && !x.s.thoughtOK(s) {
				return geminiBad("", "Corrupted thought signature.")
			}
		}
		if role == "model" {
			if answered > 0 {
				calls, answered = 0, 0
			}
			calls += countKind(c, "functionCall")
		}
		answered += responses
		// The responses may come in several contents that follow one another.
		goesOn := i+1 < len(contents) && contents[i+1].Get("role").String() != "model"
		if answered > calls || responses > 0 && role == "model" || role != "model" && !goesOn && answered != calls {
			return geminiBad("", "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
		if role != "model" && responses == 0 {
			turn = i
		}
	}
	if countKind(contents[len(contents)-1], "functionCall") > 0 {
		return geminiBad("", "Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
	}
	strict := x.knobs.signatures == signaturesStrict || x.knobs.signatures == signaturesAuto && strings.Contains(x.model, "gemini-3")
	if strict {
		return checkSigned(contents, turn)
	}
	return nil
}

// checkSigned demands the signature of the first call of every step of the present turn.
func checkSigned(contents []gjson.Result, turn int) *failure {
	for i, c := range contents[turn:] {
		if c.Get("role").String() != "model" {
			continue
		}
		for j, p := range c.Get("parts").Array() {
			if partKind(p) != "functionCall" {
				continue
			}
			if field(p, "thoughtSignature").String() == "" {
				return geminiBad("", "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:%s` , position %d. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
					field(p, "functionCall").Get("name").String(), turn+i+j)
			}
			break
		}
	}
	return nil
}

// thoughtOK tells whether a signature was made here, or is one of those that stand for none.
func (s *Server) thoughtOK(signature string) bool {
	if slices.Contains(dummySignatures, signature) {
		return true
	}
	made, _ := s.signed(sealThought, signature, "")
	return made
}

// partKind returns which of a part's data fields is set.
func partKind(p gjson.Result) string {
	for _, name := range []string{"functionCall", "functionResponse", "inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall", "toolResponse", "text"} {
		if field(p, name).Exists() {
			return name
		}
	}
	return ""
}

func countKind(content gjson.Result, kind string) (n int) {
	for _, p := range content.Get("parts").Array() {
		if partKind(p) == kind {
			n++
		}
	}
	return n
}

// ask turns the request into a neutral one.
func (q *geminiRequest) ask(model string) *ask {
	config := field(q.body, "generationConfig")
	a := &ask{
		model: model, choices: 1, parallel: true, thinking: true,
		limit: int(field(config, "maxOutputTokens").Int()), seed: uint64(config.Get("seed").Int()),
	}
	if n := int(field(config, "candidateCount").Int()); n > 1 {
		a.choices = min(n, 8)
	}
	for _, stop := range field(config, "stopSequences").Array() {
		a.stops = append(a.stops, stop.String())
	}
	thinking := field(config, "thinkingConfig")
	if thinking.Exists() && field(thinking, "thinkingBudget").Raw != "0" || strings.Contains(model, "gemini-3") {
		a.reason = 12
	}
	a.shown = field(thinking, "includeThoughts").Bool()
	for _, m := range field(config, "responseModalities").Array() {
		a.image = a.image || strings.EqualFold(m.String(), "IMAGE")
	}
	if mime := field(config, "responseMimeType").String(); mime == "application/json" || mime == "text/x.enum" {
		a.format = anyObject
		for _, name := range []string{"responseSchema", "responseJsonSchema", "_responseJsonSchema"} {
			if f := field(config, name); f.Exists() {
				a.format = f.Raw
			}
		}
	}
	q.askTools(a)
	if system := field(q.body, "systemInstruction"); system.Exists() {
		a.prompt = append(a.prompt, turn{tokens: tokensOf(len(system.Raw)), digest: xxhash.Sum64String(system.Raw)})
	}
	contents := q.body.Get("contents")
	if contents.IsObject() {
		a.content(contents)
		return a
	}
	for _, c := range contents.Array() {
		a.content(c)
	}
	return a
}

// content adds a content to the prompt and to the talk.
func (a *ask) content(c gjson.Result) {
	t := turn{tokens: 2}
	if c.Get("role").String() == "model" {
		a.talk.assistant()
	}
	for _, p := range c.Get("parts").Array() {
		switch partKind(p) {
		case "text":
			t.tokens += tokensOf(len(p.Get("text").Str))
			if c.Get("role").String() != "model" {
				a.talk.user(p.Get("text").Str)
			}
		case "functionResponse":
			response := field(p, "functionResponse").Get("response")
			t.tokens += tokensOf(len(response.Raw))
			a.talk.result(responseText(response))
		case "inlineData", "fileData":
			t.tokens += 258
		default:
			t.tokens += tokensOf(len(p.Raw))
		}
		t.digest = mix(t.digest, xxhash.Sum64String(p.Raw))
	}
	a.prompt = append(a.prompt, t)
}

// responseText returns what a function said: the one text in its response, or the whole.
func responseText(response gjson.Result) string {
	for _, name := range []string{"output", "result", "content", "error"} {
		if s := response.Get(name); s.Type == gjson.String {
			return s.Str
		}
	}
	return response.Raw
}

func (q *geminiRequest) askTools(a *ask) {
	all := q.body.Get("tools")
	if !all.Exists() {
		return
	}
	a.prompt = append(a.prompt, turn{tokens: 8 + tokensOf(len(all.Raw)), digest: xxhash.Sum64String(all.Raw)})
	for _, t := range all.Array() {
		for _, f := range field(t, "functionDeclarations").Array() {
			schema := f.Get("parameters")
			if !schema.Exists() {
				schema = field(f, "parametersJsonSchema")
			}
			a.tools = append(a.tools, tool{name: f.Get("name").String(), schema: schema.Raw})
		}
	}
	config := field(field(q.body, "toolConfig"), "functionCallingConfig")
	switch config.Get("mode").String() {
	case "NONE":
		a.tools = nil
	case "ANY":
		a.required = true
		if names := field(config, "allowedFunctionNames").Array(); len(names) > 0 {
			allowed := map[string]bool{}
			for _, name := range names {
				allowed[name.String()] = true
			}
			a.tools = slices.DeleteFunc(a.tools, func(t tool) bool { return !allowed[t.name] })
		}
	}
}

// readBody checks the body of a method that is not generateContent.
func (x *exchange) readBody(m message) (gjson.Result, bool) {
	if fail := m.checkFields(x.body); fail != nil {
		x.vendor.fail(x.w, *fail)
		return gjson.Result{}, false
	}
	return gjson.ParseBytes(x.body), true
}

// refuse answers with a plain refusal.
func (x *exchange) refuse(message string) outcome {
	x.vendor.fail(x.w, failure{status: http.StatusBadRequest, message: message})
	return failed
}
