package gemini

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	idRoot jsonscan.ID = iota + 1
	idModel
	idInnerModel // of the generateContentRequest within a countTokens request
	idInner
	idContents
	idContent
	idText
	idRaw // what the model reads as JSON: arguments and results of calls
	idFile
	idFileType
	idTools
	idTool
	idConfig
	idMaxTokens
	idN
	idRole
	idFileURI
	idCached
	idFunction
	idOwn // what no other dialect has
	idFormat
	idBudget
	idLevel
	idThoughts
	idModality
)

// ownTools are the tools that Google runs, or defines.
var ownTools = []string{"googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext", "fileSearch", "computerUse", "googleMaps",
	"enterpriseWebSearch", "retrieval", "mcpServers"}

// requestPaths are the places of a generateContent request, on its own and within a countTokens request.
var requestPaths = func() *jsonscan.Paths {
	body := map[string]jsonscan.ID{
		"contents":                         idContents,
		"contents[]":                       idContent,
		"contents([]).role":                idRole,
		"cachedContent":                    idCached,
		"tools":                            idTools,
		"tools[]":                          idTool,
		"generationConfig":                 idConfig,
		"generationConfig.maxOutputTokens": idMaxTokens,
		"generationConfig.candidateCount":  idN,

		"tools([]).functionDeclarations([])":              idFunction,
		"generationConfig.responseMimeType":               idFormat,
		"generationConfig.responseModalities([])":         idModality,
		"generationConfig.thinkingConfig.thinkingBudget":  idBudget,
		"generationConfig.thinkingConfig.thinkingLevel":   idLevel,
		"generationConfig.thinkingConfig.includeThoughts": idThoughts,
	}
	for _, tool := range ownTools {
		body["tools([])."+tool] = idOwn
	}
	for _, part := range []string{"contents([]).parts([]).", "systemInstruction.parts([])."} {
		body[part+"text"] = idText
		body[part+"functionCall.name"] = idText
		body[part+"functionCall.args"] = idRaw
		body[part+"functionResponse.response"] = idRaw
		body[part+"executableCode.code"] = idText
		body[part+"codeExecutionResult.output"] = idText
		for _, file := range []string{"inlineData", "fileData"} {
			for _, at := range []string{file, "functionResponse.parts([])." + file} {
				body[part+at] = idFile
				body[part+at+".mimeType"] = idFileType
				body[part+at+".fileUri"] = idFileURI
			}
		}
	}
	inner := below("generateContentRequest.", body)
	return compile(join(body, inner, map[string]jsonscan.ID{
		"": idRoot, "model": idModel, "generateContentRequest": idInner, "generateContentRequest.model": idInnerModel,
	}))
}()

// once are the fields that may come once only, however spelt: two readers of one body must not disagree about them.
var once = [256]string{
	idModel:      "model",
	idInnerModel: "generateContentRequest.model",
	idInner:      "generateContentRequest",
	idContents:   "contents",
	idTools:      "tools",
	idConfig:     "generationConfig",
	idMaxTokens:  "generationConfig.maxOutputTokens",
	idN:          "generationConfig.candidateCount",
}

// span is a part of a body. An absent one has end zero.
type span struct{ start, end int64 }

// request is what was scanned.
type request struct {
	facts  dialect.Facts
	thread dialect.ThreadReader
	models [2]named // model at the top and in generateContentRequest, where they are given
}

// named is a model's name in the body.
type named struct {
	at     span
	prefix string // what stands before the name itself: "models/"
	name   string
}

// Facts implements dialect.Scanned.
func (r *request) Facts() *dialect.Facts { return &r.facts }

// Thread implements dialect.Scanned.
func (r *request) Thread() dialect.Thread { return r.thread.Thread }

// Patch implements dialect.Scanned. The model's name stands in the address; where some SDKs repeat it in the body, it is
// changed there too and keeps what stands before it ("models/…").
func (r *request) Patch(body []byte, p dialect.Patch) [][]byte {
	first, second := r.models[0], r.models[1]
	if first.at.start > second.at.start {
		first, second = second, first
	}
	out, from := make([][]byte, 0, 5), int64(0)
	for _, m := range [...]named{first, second} {
		if m.at.end == 0 || m.name == p.Model {
			continue
		}
		text, _ := jsontext.AppendQuote(nil, m.prefix+p.Model)
		out = append(out, body[from:m.at.start], text)
		from = m.at.end
	}
	return append(out, body[from:])
}

// PromptText implements dialect.Scanned.
func (r *request) PromptText(body []byte, onText func(part []byte)) {
	jsonscan.Pass(requestPaths, body, onText, func(id jsonscan.ID) bool { return id == idText }, isRaw)
}

// isRaw reports whether a value counts as it stands. A list of tools does not, but its elements do, and a lone one.
func isRaw(id jsonscan.ID, kind jsonscan.Kind) bool {
	switch id {
	case idRaw, idTool:
		return kind != jsonscan.Null
	case idTools:
		return kind == jsonscan.Object
	}
	return false
}

// Scan implements dialect.Dialect. It takes the bodies of countTokens too.
func (Dialect) Scan(body []byte, at dialect.At) (dialect.Scanned, error) {
	s, _ := requestScans.Get().(*requestScan)
	defer s.free()
	s.req = &request{facts: dialect.Facts{Model: at.Model, Stream: at.Stream, N: 1}}
	err := jsonscan.Check(requestPaths, body, s)
	facts := &s.req.facts
	if s.thinks && !s.idle {
		facts.Needs |= llm.NeedReasoning
	}
	switch {
	case errors.Is(err, jsonscan.ErrDepth):
		return nil, &llm.RequestError{Message: fmt.Sprintf("Invalid JSON payload received. It nests more than %d levels deep.", jsonscan.MaxDepth)}
	case err != nil:
		return nil, &llm.RequestError{Message: fmt.Sprintf("Invalid JSON payload received. %s.", err)}
	case s.err != nil:
		return nil, s.err
	case facts.Messages == 0:
		return nil, &llm.RequestError{Param: "contents", Message: "contents is not specified"}
	}
	for _, m := range s.req.models {
		if facts.Model == "" {
			facts.Model = m.name
		}
	}
	if facts.Model == "" {
		return nil, &llm.RequestError{Param: "model", Message: "model is not specified"}
	}
	return s.req, nil
}

type requestScan struct {
	req   *request
	err   *llm.RequestError
	seen  uint32 // by 1 << ID
	start int64
	raw   int64  // where the JSON at hand begins
	text  []byte // of the string at hand, where it is wanted
	typed bool   // the file at hand has told its type
	model bool   // the message at hand is a model's

	thinks, idle bool // what is said of thinking: some way of it, and none at all
}

// requestScans are kept for their memory.
var requestScans = sync.Pool{New: func() any { return new(requestScan) }}

func (s *requestScan) free() {
	*s = requestScan{text: s.text[:0]}
	requestScans.Put(s)
}

func (s *requestScan) fail(param, format string, args ...any) {
	if s.err == nil {
		s.err = &llm.RequestError{Param: param, Message: fmt.Sprintf(format, args...)}
	}
}

// misfit says what a value should have been, where its kind does not fit; null is as good as absent.
func misfit(id jsonscan.ID, kind jsonscan.Kind) string {
	list := kind == jsonscan.Array || kind == jsonscan.Object
	switch id {
	case idRoot:
		if kind != jsonscan.Object {
			return "an object"
		}
	case idInner, idConfig, idContent, idTool:
		if kind != jsonscan.Object && kind != jsonscan.Null {
			return "an object"
		}
	case idContents, idTools:
		if !list && kind != jsonscan.Null {
			return "a list"
		}
	case idModel, idInnerModel:
		if kind != jsonscan.String && kind != jsonscan.Null {
			return "a string"
		}
	case idMaxTokens, idN:
		if kind != jsonscan.Number && kind != jsonscan.String && kind != jsonscan.Null {
			return "an integer"
		}
	}
	return ""
}

// Open implements jsonscan.Handler.
func (s *requestScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	if name := once[id]; name != "" {
		if s.seen&(1<<id) != 0 {
			s.fail(name, "Invalid JSON payload received. The field %q is given more than once.", name)
		}
		s.seen |= 1 << id
	}
	if want := misfit(id, kind); want != "" {
		s.fail(once[id], "Invalid JSON payload received. Invalid value at %q: expected %s.", once[id], want)
	}
	s.text, s.start = s.text[:0], at
	facts := &s.req.facts
	switch id {
	case idContent, idContents:
		if kind == jsonscan.Object {
			facts.Messages++
			s.req.thread.Open()
			s.model = false
		}
	case idTools, idTool, idRaw:
		s.raw = at
	case idFunction:
		if kind == jsonscan.Object {
			facts.Needs |= llm.NeedTools
		}
	case idOwn:
		if kind != jsonscan.Null {
			facts.Needs |= llm.NeedDialect
		}
	case idFile:
		s.typed = kind != jsonscan.Object
	}
}

// Text implements jsonscan.Handler.
func (s *requestScan) Text(id jsonscan.ID, part []byte) {
	limit := 0
	switch id {
	case idText:
		s.req.facts.TextBytes += int64(len(part))
		s.req.thread.Text(part)
		return
	case idRole:
		limit = 32
	case idFileURI, idCached:
		limit = maxName
	case idModel, idInnerModel:
		limit = maxModel + 1
	case idFileType, idMaxTokens, idN, idFormat, idBudget, idLevel, idModality:
		limit = 32
	}
	s.text = jsonscan.Keep(s.text, part, limit)
}

// Close implements jsonscan.Handler.
func (s *requestScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	facts := &s.req.facts
	switch id {
	case idModel, idInnerModel:
		if kind != jsonscan.String {
			return
		}
		if len(s.text) > maxModel {
			s.fail(once[id], "The model's name is longer than %d bytes.", maxModel)
		}
		prefix, name := splitModel(string(s.text))
		s.req.models[id-idModel] = named{at: span{s.start, at}, prefix: prefix, name: name}
	case idMaxTokens:
		facts.MaxTokens = s.positive(id, kind, raw)
	case idN:
		facts.N = max(1, s.positive(id, kind, raw))
	case idTools, idTool, idRaw:
		if isRaw(id, kind) {
			facts.TextBytes += at - s.raw
		}
	case idRole:
		s.model = string(s.text) == "model"
	case idContent, idContents:
		if kind == jsonscan.Object {
			s.req.thread.Close(!s.model)
		}
	case idFileURI:
		if bytes.Contains(s.text, []byte("/files/")) { // of the Files API: others are addresses that anybody can fetch
			s.req.thread.State = string(s.text)
		}
	case idCached:
		s.req.thread.State = string(s.text)
		if kind == jsonscan.String {
			facts.Needs |= llm.NeedDialect
		}
	case idFileType:
		s.file(s.text)
	case idFile:
		s.file(nil)
	default:
		s.need(id, kind, raw)
	}
}

// need notes what a value asks of the model.
func (s *requestScan) need(id jsonscan.ID, kind jsonscan.Kind, raw []byte) {
	needs := &s.req.facts.Needs
	switch id {
	case idFormat:
		if string(s.text) == mimeJSON {
			*needs |= llm.NeedStructured
		}
	case idModality:
		if strings.EqualFold(string(s.text), "audio") {
			*needs |= llm.NeedAudio
		}
	case idBudget: // zero is no thinking, -1 as much as the model likes
		if kind == jsonscan.String {
			raw = s.text
		}
		n, ok := jsonscan.Whole(raw)
		s.idle = ok && n == 0
		s.thinks = s.thinks || ok && n != 0
	case idLevel:
		s.thinks = s.thinks || kind == jsonscan.String
	case idThoughts:
		s.thinks = s.thinks || string(raw) == "true"
	}
}

// file counts a file once: by its type, or at its end where it has none.
func (s *requestScan) file(mime []byte) {
	if s.typed {
		return
	}
	s.typed = true
	switch facts := &s.req.facts; {
	case bytes.HasPrefix(mime, []byte("image/")):
		facts.Images++
		facts.Needs |= llm.NeedVision
	case bytes.HasPrefix(mime, []byte("audio/")):
		facts.Media++
		facts.Needs |= llm.NeedAudio
	default:
		facts.Media++
	}
}

// positive reads a count: a whole number of at least zero, where zero is unsaid, or a string of one.
func (s *requestScan) positive(id jsonscan.ID, kind jsonscan.Kind, raw []byte) int64 {
	switch kind {
	case jsonscan.String:
		raw = s.text
	case jsonscan.Number:
	case jsonscan.Null, jsonscan.Bool, jsonscan.Array, jsonscan.Object:
		return 0
	}
	n, ok := jsonscan.Whole(raw)
	if !ok || n < 0 {
		s.fail(once[id], "Invalid JSON payload received. Invalid value at %q: expected a 32-bit integer that is not negative.", once[id])
		return 0
	}
	return n
}

// splitModel parts a model's resource name from its own: "models/gemini-2.5-pro", or a path of Vertex AI.
func splitModel(resource string) (prefix, name string) {
	const dir = "models/"
	if at := strings.LastIndex(resource, dir); at >= 0 {
		return resource[:at+len(dir)], resource[at+len(dir):]
	}
	return "", resource
}
