package anthropic

import (
	"errors"
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

const (
	maxModel = 512 // bytes of a model name
	maxName  = 256 // bytes that are kept of other names
)

// span is a part of a body. An absent one has end zero.
type span struct{ start, end int64 }

func (s span) present() bool { return s.end > 0 }

// scanned is a request that was scanned, with the places that Patch may change.
type scanned struct {
	facts  dialect.Facts
	thread dialect.ThreadReader

	model, version   span // values of model and anthropic_version
	system, metadata span
	userID           span
	systemKind       jsonscan.Kind
	metadataKind     jsonscan.Kind
	// claudeCode says that the system prompt has Claude Code's first sentence already, claudeUser that the user's id is of
	// its form.
	claudeCode, claudeUser bool
	versioned              bool // anthropic_version is not null
}

// Facts implements dialect.Scanned.
func (s *scanned) Facts() *dialect.Facts { return &s.facts }

// Thread implements dialect.Scanned.
func (s *scanned) Thread() dialect.Thread { return s.thread.Thread }

const (
	idRoot jsonscan.ID = iota + 1
	idModel
	idStream
	idMaxTokens
	idVersion
	idSystem
	idMetadata
	idUserID
	idMessages
	idTools
	idTool
	idMessage
	idBlockType
	idText // a text that the model reads
	idInput
	idSystemText
	idSource
	idSourceType
	idSourceData
	idRole
	idFileID
	idToolType
	idThinking
	idFormat
	idOwn // what no other dialect has
)

var requestPaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"":                   idRoot,
		"model":              idModel,
		"stream":             idStream,
		"max_tokens":         idMaxTokens,
		"anthropic_version":  idVersion,
		"system":             idSystem,
		"system[].text":      idSystemText,
		"metadata":           idMetadata,
		"metadata.user_id":   idUserID,
		"messages":           idMessages,
		"messages[]":         idMessage,
		"messages[].content": idText,
		"messages[].role":    idRole,
		"tools":              idTools,
		"tools[]":            idTool,
		"tools[].type":       idToolType,
		"thinking.type":      idThinking,
		"output_format.type": idFormat,
		"mcp_servers[]":      idOwn,
		"container":          idOwn,

		"output_config.format.type": idFormat,
	}
	for _, block := range []string{"messages[].content[]", "messages[].content[].content[]"} {
		paths[block+".type"] = idBlockType
		paths[block+".text"] = idText
		paths[block+".title"] = idText
		paths[block+".context"] = idText
		paths[block+".source"] = idSource
		paths[block+".source.type"] = idSourceType
		paths[block+".source.data"] = idSourceData
		paths[block+".source.file_id"] = idFileID
		paths[block+".source.content"] = idText
		paths[block+".source.content[].text"] = idText
	}
	paths["messages[].content[].content"] = idText // of a tool's result
	paths["messages[].content[].thinking"] = idText
	paths["messages[].content[].name"] = idText
	paths["messages[].content[].input"] = idInput
	return jsonscan.Compile(paths)
}()

// names of the fields that may come once only: two readers of one body must not disagree about them.
var names = [256]string{
	idModel:     "model",
	idStream:    "stream",
	idMaxTokens: "max_tokens",
	idVersion:   "anthropic_version",
	idSystem:    "system",
	idMetadata:  "metadata",
	idUserID:    "metadata.user_id",
	idMessages:  "messages",
	idTools:     "tools",
}

// Scan implements dialect.Dialect. The model is named by the body, so the address says nothing.
func (Dialect) Scan(body []byte, _ dialect.At) (dialect.Scanned, error) {
	s, err := scan(body, true)
	if err != nil {
		return nil, err // and not a nil *scanned
	}
	return s, nil
}

// ScanCount is Scan for a request that counts tokens, which needs no max_tokens.
func (Dialect) ScanCount(body []byte) (dialect.Scanned, error) {
	s, err := scan(body, false)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func scan(body []byte, limited bool) (*scanned, error) {
	r := requestScan{body: body}
	r.req.facts.N = 1
	err := jsonscan.Check(requestPaths, body, &r)
	seen := func(id jsonscan.ID) bool { return r.seen&(1<<id) != 0 }
	switch {
	case errors.Is(err, jsonscan.ErrDepth):
		return nil, &llm.RequestError{Message: fmt.Sprintf("The request body is nested more than %d levels deep.", jsonscan.MaxDepth)}
	case err != nil:
		return nil, &llm.RequestError{Message: fmt.Sprintf("The request body is not valid JSON: %s.", err)}
	case r.err != nil:
		return nil, r.err
	case r.req.facts.Model == "":
		return nil, missing("model")
	case limited && !r.limited:
		return nil, missing("max_tokens")
	case !seen(idMessages):
		return nil, missing("messages")
	case r.req.facts.Messages == 0:
		return nil, invalid("messages", "at least one message is required")
	}
	return &r.req, nil
}

// missing and invalid word mistakes as Anthropic does: the field, a colon, what is wrong with it.
func missing(param string) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "missing_required_parameter", Message: param + ": Field required"}
}

func invalid(param, format string, args ...any) *llm.RequestError {
	return &llm.RequestError{Param: param, Code: "invalid_value", Message: param + ": " + fmt.Sprintf(format, args...)}
}

// requestScan collects what jsonscan reports.
type requestScan struct {
	body    []byte
	req     scanned
	err     error // the first; a syntax error beats it
	seen    uint32
	text    []byte
	start   int64 // of the value at hand
	tool    int64 // where the tool, or the input of a call, begins
	source  source
	limited bool // max_tokens is given
	user    bool // the message at hand is a user's
	vendor  bool // the tool at hand is none that the caller defines
}

// source is the source of a picture or a document. The data of a plain text is read by the model as it stands; that of
// others is base64.
type source struct {
	plain bool
	bytes int64
}

func (r *requestScan) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// expects says which kinds a field may have. Null is as good as absent for those that may be.
func expects(id jsonscan.ID, kind jsonscan.Kind) (want string, ok bool) {
	switch id {
	case idRoot, idMetadata:
		return "an object", kind == jsonscan.Object || kind == jsonscan.Null && id == idMetadata
	case idModel:
		return "a string", kind == jsonscan.String
	case idVersion, idUserID:
		return "a string", kind == jsonscan.String || kind == jsonscan.Null
	case idStream:
		return "a boolean", kind == jsonscan.Bool || kind == jsonscan.Null
	case idMaxTokens:
		return "an integer", kind == jsonscan.Number || kind == jsonscan.Null
	case idMessages:
		return "an array", kind == jsonscan.Array
	case idTools:
		return "an array", kind == jsonscan.Array || kind == jsonscan.Null
	case idSystem:
		return "a string or an array", kind == jsonscan.String || kind == jsonscan.Array || kind == jsonscan.Null
	}
	return "", true
}

// Open implements jsonscan.Handler.
func (r *requestScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	if name := names[id]; name != "" {
		if r.seen&(1<<id) != 0 {
			r.fail(&llm.RequestError{Param: name, Code: "duplicate_parameter", Message: name + ": given more than once"})
		}
		r.seen |= 1 << id
	}
	if want, ok := expects(id, kind); !ok {
		if id == idRoot {
			r.fail(&llm.RequestError{Message: "The request body must be a JSON object."})
		}
		r.fail(&llm.RequestError{Param: names[id], Code: "invalid_type",
			Message: fmt.Sprintf("%s: Input should be %s, not %s", names[id], want, kind)})
	}
	switch id {
	case idSystem:
		r.req.system.start, r.req.systemKind = at, kind
	case idMetadata:
		r.req.metadata.start, r.req.metadataKind = at, kind
	case idTool, idInput:
		r.tool, r.vendor = at, false
	case idOwn:
		if kind != jsonscan.Null {
			r.req.facts.Needs |= llm.NeedDialect
		}
	case idMessage:
		r.req.facts.Messages++
		r.req.thread.Open()
		r.user = false
	case idSource:
		r.source = source{}
	}
	r.text, r.start = r.text[:0], at
}

// Text implements jsonscan.Handler.
func (r *requestScan) Text(id jsonscan.ID, part []byte) {
	keep := 0
	switch id {
	case idText:
		r.req.facts.TextBytes += int64(len(part))
		r.req.thread.Text(part)
		return
	case idSystem, idSystemText:
		r.req.facts.TextBytes += int64(len(part))
		keep = len(claudeCode)
	case idSourceData:
		r.source.bytes += int64(len(part))
		return
	case idModel:
		keep = maxModel + 1
	case idUserID, idFileID:
		keep = maxName
	case idBlockType, idSourceType, idRole, idToolType, idThinking, idFormat:
		keep = 32
	}
	r.text = jsonscan.Keep(r.text, part, keep)
}

// Close implements jsonscan.Handler.
func (r *requestScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	req, value := &r.req, span{r.start, at}
	switch id {
	case idModel:
		if len(r.text) > maxModel {
			r.fail(invalid("model", "longer than %d bytes", maxModel))
		}
		req.facts.Model, req.model = string(r.text), value
	case idStream:
		req.facts.Stream = string(raw) == "true"
	case idMaxTokens:
		r.maxTokens(kind, raw)
	case idVersion:
		req.version, req.versioned = value, kind == jsonscan.String
	case idSystem:
		req.system.end = at
		req.claudeCode = req.claudeCode || kind == jsonscan.String && string(r.text) == claudeCode
	case idSystemText:
		req.claudeCode = req.claudeCode || string(r.text) == claudeCode
	case idMetadata:
		req.metadata.end = at
	case idUserID:
		req.userID, req.claudeUser = value, isClaudeUser(string(r.text))
		req.thread.Name = string(r.text)
	case idRole:
		r.user = string(r.text) == "user"
	case idMessage:
		req.thread.Close(r.user)
	case idFileID:
		req.thread.State = string(r.text)
	case idTool, idInput:
		req.facts.TextBytes += at - r.tool
		switch {
		case r.vendor:
			req.facts.Needs |= llm.NeedDialect
		case id == idTool:
			req.facts.Needs |= llm.NeedTools
		}
	case idToolType:
		r.vendor = kind == jsonscan.String && string(r.text) != "custom"
	case idThinking:
		if kind == jsonscan.String && string(r.text) != "disabled" {
			req.facts.Needs |= llm.NeedReasoning
		}
	case idFormat:
		if kind == jsonscan.String {
			req.facts.Needs |= llm.NeedStructured
		}
	case idBlockType:
		r.blockType(string(r.text))
	case idSourceType:
		r.source.plain = string(r.text) == "text"
	case idSource:
		if r.source.plain {
			req.facts.TextBytes += r.source.bytes
		}
	}
}

func (r *requestScan) blockType(t string) {
	switch t {
	case "image":
		r.req.facts.Images++
		r.req.facts.Needs |= llm.NeedVision
	case "document":
		r.req.facts.Media++
	}
}

// maxTokens reads the limit of the answer. Zero is allowed: it fills the vendor's cache without an answer.
func (r *requestScan) maxTokens(kind jsonscan.Kind, raw []byte) {
	if kind != jsonscan.Number {
		return
	}
	r.limited = true
	n, ok := jsonscan.Whole(raw)
	switch {
	case !ok:
		r.fail(&llm.RequestError{Param: "max_tokens", Code: "invalid_type", Message: "max_tokens: Input should be a valid integer"})
	case n < 0:
		r.fail(invalid("max_tokens", "Input should be greater than or equal to 0"))
	default:
		r.req.facts.MaxTokens = n
	}
}

// PromptText implements dialect.Scanned.
func (s *scanned) PromptText(body []byte, onText func(part []byte)) {
	p := promptScan{Passer: jsonscan.Passer{Document: body, OnText: onText, IsText: isText, IsRaw: isRaw}}
	jsonscan.Read(requestPaths, body, &p)
}

func isText(id jsonscan.ID) bool { return id == idText || id == idSystem || id == idSystemText }

func isRaw(id jsonscan.ID, _ jsonscan.Kind) bool { return id == idTool || id == idInput }

// promptScan passes on what requestScan counts: the data of a source too, which is a text by a word that may come after it.
type promptScan struct {
	jsonscan.Passer
	start int64 // of the data at hand
	data  span  // of the source at hand
	typ   []byte
}

// Open implements jsonscan.Handler.
func (p *promptScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch id {
	case idSource:
		p.data, p.typ = span{}, p.typ[:0]
	case idSourceData:
		p.start = at
	default:
		p.Passer.Open(id, kind, at)
	}
}

// Text implements jsonscan.Handler.
func (p *promptScan) Text(id jsonscan.ID, part []byte) {
	if id == idSourceType {
		p.typ = jsonscan.Keep(p.typ, part, 32)
	}
	p.Passer.Text(id, part)
}

// Close implements jsonscan.Handler.
func (p *promptScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	switch id {
	case idSourceData:
		if kind == jsonscan.String {
			p.data = span{p.start, at}
		}
	case idSource:
		if p.data.present() && string(p.typ) == "text" {
			jsonscan.Pass(textPaths, p.Document[p.data.start:p.data.end], p.OnText, isText, nil)
		}
	default:
		p.Passer.Close(id, kind, raw, at)
	}
}

// textPaths is a document that is one string.
var textPaths = jsonscan.Compile(map[string]jsonscan.ID{"": idText})
