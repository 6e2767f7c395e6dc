package responses

import (
	"cmp"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"
)

const (
	maxModel = 512 // bytes of a model name
	maxID    = 512 // bytes of an answer's id
	maxWord  = 64  // bytes of a type or status that are kept
	maxName  = 256 // bytes that are kept of other names
)

const (
	idRoot jsonscan.ID = iota + 1
	idModel
	idStream
	idStore
	idPrevious
	idBackground
	idMaxTokens
	idInput
	idState // prompt and conversation, which hold input of their own
	idTools
	idTool
	idItem
	idPartType
	idText
	idInstructions
	idRole
	idCacheKey
	idUser
	idFileID
	idInclude
	idSealed
	idToolType
	idFormat
	idEffort
)

var requestPaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"":                     idRoot,
		"model":                idModel,
		"stream":               idStream,
		"store":                idStore,
		"previous_response_id": idPrevious,
		"background":           idBackground,
		"max_output_tokens":    idMaxTokens,
		"input":                idInput,
		"prompt":               idState,
		"conversation":         idState,
		"instructions":         idInstructions,
		"tools":                idTools,
		"tools[]":              idTool,
		"tools[].type":         idToolType,
		"text.format.type":     idFormat,
		"reasoning.effort":     idEffort,
		"input[]":              idItem,
		"input[].output.type":  idPartType, // a computer's screenshot

		"input[].role":              idRole,
		"prompt_cache_key":          idCacheKey,
		"user":                      idUser,
		"input[].content[].file_id": idFileID,
		"include[]":                 idInclude,
		"input[].encrypted_content": idSealed,
	}
	for _, list := range []string{"content", "output"} {
		paths["input[]."+list] = idText
		paths["input[]."+list+"[].type"] = idPartType
		for _, text := range []string{"text", "refusal", "stdout", "stderr"} {
			paths["input[]."+list+"[]."+text] = idText
		}
	}
	for _, text := range []string{"summary[].text", "name", "arguments", "input", "code", "operation.diff", "action.commands[]", "action.command[]"} {
		paths["input[]."+text] = idText
	}
	return jsonscan.Compile(paths)
}()

// names of the fields that may come once only: two readers of one body must not disagree about them.
var names = [256]string{
	idModel:      "model",
	idStream:     "stream",
	idStore:      "store",
	idPrevious:   "previous_response_id",
	idBackground: "background",
	idMaxTokens:  "max_output_tokens",
	idInput:      "input",
}

// span is a part of a body.
type span struct{ start, end int64 }

// scanned implements dialect.Scanned.
type scanned struct {
	facts  dialect.Facts
	thread dialect.ThreadReader
	model  span
}

func (s *scanned) Facts() *dialect.Facts { return &s.facts }

// Thread implements dialect.Scanned.
func (s *scanned) Thread() dialect.Thread { return s.thread.Thread }

// PromptText implements dialect.Scanned. A body that breaks off gives what came before.
func (s *scanned) PromptText(body []byte, onText func(part []byte)) {
	jsonscan.Pass(requestPaths, body, onText,
		func(id jsonscan.ID) bool { return id == idText || id == idInput || id == idInstructions },
		func(id jsonscan.ID, _ jsonscan.Kind) bool { return id == idTool })
}

// Scan implements dialect.Dialect. Keys are case-sensitive.
func (Dialect) Scan(body []byte, _ dialect.At) (dialect.Scanned, error) {
	r := requestScan{stores: true}
	r.req.facts.N = 1
	err := jsonscan.Check(requestPaths, body, &r)
	switch {
	case err != nil:
		return nil, refusal.Unscanned(err)
	case r.err != nil:
		return nil, r.err
	case r.req.facts.Model == "":
		return nil, refusal.Missing("model")
	case !r.hasInput && !r.hasState && r.req.facts.Previous == "":
		return nil, noInput()
	}
	r.req.facts.Stores = r.stores
	return &r.req, nil
}

// noInput says that there is nothing to answer.
func noInput() *llm.RequestError {
	return &llm.RequestError{Param: "input", Code: "missing_required_parameter",
		Message: "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided, and 'input' must not be empty."}
}

// requestScan collects what jsonscan reports.
type requestScan struct {
	req       scanned
	err       *llm.RequestError // the first; a syntax error beats it
	seen      uint32
	text      []byte
	start     int64
	toolStart int64
	stores    bool
	hasInput  bool
	hasState  bool
	user      bool // the item at hand is a user's message
	// vendorTool says that the tool at hand is none that the caller runs.
	vendorTool bool
}

func (r *requestScan) fail(err *llm.RequestError) {
	if r.err == nil {
		r.err = err
	}
}

// expects says which kind a field must have, in words too; null is as good as absent, but in places where it is not.
func expects(id jsonscan.ID) (want jsonscan.Kind, name, article string) {
	switch id {
	case idRoot:
		return jsonscan.Object, "", "an object"
	case idItem:
		return jsonscan.Object, "input[]", "an object"
	case idModel, idPrevious:
		return jsonscan.String, names[id], "a string"
	case idInstructions:
		return jsonscan.String, "instructions", "a string"
	case idStream, idStore, idBackground:
		return jsonscan.Bool, names[id], "a boolean"
	case idMaxTokens:
		return jsonscan.Number, names[id], "an integer"
	case idTools:
		return jsonscan.Array, "tools", "an array"
	}
	return jsonscan.Null, "", ""
}

// Open implements jsonscan.Handler.
func (r *requestScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	if name := names[id]; name != "" {
		if r.seen&(1<<id) != 0 {
			r.fail(refusal.Duplicate(name))
		}
		r.seen |= 1 << id
	}
	if want, name, article := expects(id); want != jsonscan.Null && kind != want {
		if kind != jsonscan.Null || id == idRoot || id == idModel || id == idItem {
			r.fail(refusal.WrongType(name, article, kind))
		}
	}
	r.text, r.start = r.text[:0], at
	switch id {
	case idInput:
		if kind != jsonscan.String && kind != jsonscan.Array && kind != jsonscan.Null {
			r.fail(refusal.WrongType("input", "a string or an array", kind))
		}
		if kind == jsonscan.String {
			r.req.facts.Messages = 1
			r.req.thread.Open()
		}
	case idItem:
		r.hasInput = true
		r.req.facts.Messages++
		r.req.thread.Open()
		r.user = false
	case idState:
		if kind != jsonscan.Null {
			r.hasState = true
			r.req.facts.Needs |= llm.NeedDialect
		}
	case idTool:
		r.toolStart, r.vendorTool = at, false
	}
}

// Text implements jsonscan.Handler.
func (r *requestScan) Text(id jsonscan.ID, part []byte) {
	limit := 0
	switch id {
	case idInput, idText, idInstructions:
		r.hasInput = r.hasInput || id == idInput
		r.req.facts.TextBytes += int64(len(part))
		r.req.thread.Text(part)
		return
	case idRole, idCacheKey, idUser, idFileID, idInclude:
		limit = maxName
	case idModel:
		limit = maxModel + 1
	case idPrevious:
		limit = maxID + 1
	case idPartType, idToolType, idFormat, idEffort:
		limit = maxWord
	}
	r.text = jsonscan.Keep(r.text, part, limit)
}

// Close implements jsonscan.Handler.
func (r *requestScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	f := &r.req.facts
	switch id {
	case idModel:
		if len(r.text) > maxModel {
			r.fail(refusal.TooLong("model", maxModel))
		}
		f.Model, r.req.model = string(r.text), span{r.start, at}
	case idPrevious:
		if len(r.text) > maxID {
			r.fail(refusal.TooLong("previous_response_id", maxID))
		}
		f.Previous = string(r.text)
	case idStream:
		f.Stream = string(raw) == "true"
	case idBackground:
		if string(raw) == "true" { // it goes on after its answer, unseen: nobody could be billed, and nothing here gets the result
			r.fail(&llm.RequestError{Param: "background", Code: "unsupported_parameter",
				Message: "Unsupported parameter: 'background' is not available here; use a stream."})
		}
	case idStore:
		r.stores = string(raw) != "false"
	case idMaxTokens:
		f.MaxTokens = r.positive("max_output_tokens", kind, raw)
	case idTool:
		f.TextBytes += at - r.toolStart
		if r.vendorTool {
			f.Needs |= llm.NeedDialect
		} else {
			f.Needs |= llm.NeedTools
		}
	case idRole:
		r.user = string(r.text) == "user"
	case idItem:
		r.req.thread.Close(r.user)
	case idInput:
		if kind == jsonscan.String {
			r.req.thread.Close(true)
		}
	case idCacheKey:
		r.req.thread.Name = string(r.text)
	case idUser:
		r.req.thread.Name = cmp.Or(r.req.thread.Name, string(r.text))
	case idFileID:
		r.req.thread.State = string(r.text)
	case idInclude:
		r.req.thread.Sealed = r.req.thread.Sealed || string(r.text) == "reasoning.encrypted_content"
	case idSealed:
		r.req.thread.Sealed = r.req.thread.Sealed || kind == jsonscan.String
	case idPartType:
		r.partType(string(r.text))
	case idToolType:
		switch string(r.text) {
		case "function", "custom", "namespace", localShell:
		default:
			r.vendorTool = true
		}
	case idFormat:
		if t := string(r.text); t == "json_object" || t == "json_schema" {
			f.Needs |= llm.NeedStructured
		}
	case idEffort:
		if kind == jsonscan.String && string(r.text) != "none" {
			f.Needs |= llm.NeedReasoning
		}
	}
}

func (r *requestScan) partType(t string) {
	f := &r.req.facts
	switch t {
	case "input_image", "computer_screenshot":
		f.Images++
		f.Needs |= llm.NeedVision
	case "input_audio":
		f.Media++
		f.Needs |= llm.NeedAudio
	case "input_file", "input_video":
		f.Media++
	}
}

// positive reads a count, which must be a whole number above zero; null is zero.
func (r *requestScan) positive(name string, kind jsonscan.Kind, raw []byte) int64 {
	n, err := refusal.Count(name, kind, raw)
	if err != nil {
		r.fail(err)
	}
	return n
}

// Patch implements dialect.Scanned. Only the model's name can change.
func (s *scanned) Patch(body []byte, p dialect.Patch) [][]byte {
	if p.Model == s.facts.Model {
		return [][]byte{body}
	}
	return [][]byte{body[:s.model.start], appendString(nil, p.Model), body[s.model.end:]}
}
