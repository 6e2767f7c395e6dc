package openai

import (
	"cmp"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"
)

const (
	maxModel = 512 // bytes of a model name
	maxName  = 256 // bytes that are kept of other names
)

// Scan implements dialect.Dialect: a chat completion request, which has messages.
func (Dialect) Scan(body []byte, _ dialect.At) (dialect.Scanned, error) {
	s, err := scan(body)
	switch {
	case err != nil:
		return nil, err
	case !s.listed:
		return nil, refusal.Missing("messages")
	case s.facts.Messages == 0:
		return nil, emptyMessages()
	}
	return s, nil
}

// ScanAny is Scan for the other endpoints of the dialect (embeddings, completions, moderations and so on), whose requests
// have a model as well, but no messages.
func ScanAny(body []byte) (dialect.Scanned, error) {
	s, err := scan(body)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func emptyMessages() *llm.RequestError {
	return &llm.RequestError{Param: "messages", Code: "empty_array", Message: "Invalid 'messages': empty array. Expected an array with at least one message."}
}

// scanned is a request of a chat completion, a completion or an embedding, as far as it was read.
type scanned struct {
	facts   dialect.Facts
	thread  dialect.ThreadReader
	listed  bool // there is a list of messages
	model   span
	options span // value of stream_options
	include span // value of include_usage in it
	null    bool // stream_options is null
}

// Facts implements dialect.Scanned.
func (s *scanned) Facts() *dialect.Facts { return &s.facts }

// Thread implements dialect.Scanned.
func (s *scanned) Thread() dialect.Thread { return s.thread.Thread }

// PromptText implements dialect.Scanned. It is for estimates, so a body that breaks off gives what came before.
func (*scanned) PromptText(body []byte, onText func(part []byte)) {
	jsonscan.Pass(requestPaths, body, onText,
		func(id jsonscan.ID) bool { return id == idPromptText || id == idInput },
		func(id jsonscan.ID, _ jsonscan.Kind) bool { return id == idToolList })
}

// span is a part of a body. An absent one has end zero.
type span struct{ start, end int64 }

func (s span) present() bool { return s.end > 0 }

const (
	idRoot jsonscan.ID = iota + 1
	idModel
	idStream
	idOptions
	idInclude
	idMaxTokens
	idMaxCompletion
	idN
	idTools
	idToolList
	idMessages
	idMessage
	idPartType
	idPromptText
	idInput
	idInputToken
	idRole
	idCacheKey
	idUser
	idFileID
	idToolType
	idModality
	idFormat
	idEffort
	idThinking
	idWebSearch
)

var requestPaths = jsonscan.Compile(map[string]jsonscan.ID{
	"":                                      idRoot,
	"model":                                 idModel,
	"stream":                                idStream,
	"stream_options":                        idOptions,
	"stream_options.include_usage":          idInclude,
	"max_tokens":                            idMaxTokens,
	"max_completion_tokens":                 idMaxCompletion,
	"n":                                     idN,
	"tools":                                 idTools,
	"functions":                             idTools,
	"tools[]":                               idToolList,
	"tools[].type":                          idToolType,
	"web_search_options":                    idWebSearch,
	"modalities[]":                          idModality,
	"response_format.type":                  idFormat,
	"reasoning_effort":                      idEffort,
	"reasoning.effort":                      idEffort,
	"reasoning.max_tokens":                  idThinking, // OpenRouter
	"reasoning.enabled":                     idThinking,
	"thinking.type":                         idThinking, // DeepSeek, GLM, Kimi
	"enable_thinking":                       idThinking, // Qwen
	"functions[]":                           idToolList,
	"messages":                              idMessages,
	"messages[]":                            idMessage,
	"messages[].role":                       idRole,
	"prompt_cache_key":                      idCacheKey,
	"user":                                  idUser,
	"messages[].content[].file.file_id":     idFileID,
	"messages[].content":                    idPromptText,
	"messages[].content[].type":             idPartType,
	"messages[].content[].text":             idPromptText,
	"messages[].content[].refusal":          idPromptText,
	"messages[].tool_calls[].function.name": idPromptText,
	"messages[].tool_calls[].function.arguments": idPromptText,
	"messages[].tool_calls[].custom.name":        idPromptText,
	"messages[].tool_calls[].custom.input":       idPromptText,
	"messages[].function_call.name":              idPromptText,
	"messages[].function_call.arguments":         idPromptText,
	"prompt":                                     idInput,
	"prompt[]":                                   idInput,
	"input":                                      idInput,
	"input[]":                                    idInput,
	"input[][]":                                  idInputToken,
})

// names of the fields that may come once only: two readers of one body must not disagree about them.
var names = [256]string{
	idModel:         "model",
	idStream:        "stream",
	idOptions:       "stream_options",
	idInclude:       "stream_options.include_usage",
	idMaxTokens:     "max_tokens",
	idMaxCompletion: "max_completion_tokens",
	idN:             "n",
	idMessages:      "messages",
}

// scan reads a request in one pass without decoding it. The error is an *llm.RequestError. Keys are case-sensitive.
func scan(body []byte) (*scanned, error) {
	r := requestScan{req: scanned{facts: dialect.Facts{N: 1}}}
	err := jsonscan.Check(requestPaths, body, &r)
	switch {
	case err != nil:
		return nil, refusal.Unscanned(err)
	case r.err != nil:
		return nil, r.err
	case r.req.facts.Model == "":
		return nil, refusal.NoModel()
	}
	r.req.facts.MaxTokens = max(r.maxTokens, r.maxCompletion) // vendors heed either
	return &r.req, nil
}

// requestScan collects what jsonscan reports.
type requestScan struct {
	req                      scanned
	err                      *llm.RequestError // the first; a syntax error beats it
	seen                     uint32
	text                     []byte
	start                    int64
	toolStart                int64
	user                     bool // the message at hand is a user's
	vendorTool               bool // the tool at hand is none that the caller runs
	maxTokens, maxCompletion int64
}

func (r *requestScan) fail(err *llm.RequestError) {
	if r.err == nil {
		r.err = err
	}
}

// expects says which kinds a field may have; null is as good as absent.
func expects(id jsonscan.ID) (jsonscan.Kind, string) {
	switch id {
	case idRoot, idOptions:
		return jsonscan.Object, "an object"
	case idModel:
		return jsonscan.String, "a string"
	case idStream, idInclude:
		return jsonscan.Bool, "a boolean"
	case idMaxTokens, idMaxCompletion, idN:
		return jsonscan.Number, "an integer"
	case idTools, idMessages:
		return jsonscan.Array, "an array"
	}
	return jsonscan.Null, ""
}

func (r *requestScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	if name := names[id]; name != "" {
		if r.seen&(1<<id) != 0 {
			r.fail(refusal.Duplicate(name))
		}
		r.seen |= 1 << id
	}
	if want, article := expects(id); want != jsonscan.Null && kind != want && (kind != jsonscan.Null || id == idRoot || id == idModel) {
		r.wrongType(id, article, kind)
	}
	r.text, r.start = r.text[:0], at
	switch id {
	case idOptions:
		r.req.options.start = at
		r.req.null = kind == jsonscan.Null
	case idToolList:
		r.toolStart, r.vendorTool = at, false
	case idMessages:
		r.req.listed = kind == jsonscan.Array
	case idMessage:
		r.req.facts.Messages++
		r.req.thread.Open()
		r.user = false
	}
}

func (r *requestScan) wrongType(id jsonscan.ID, want string, got jsonscan.Kind) {
	name := names[id]
	if id == idTools {
		name = "tools"
	}
	r.fail(refusal.WrongType(name, want, got))
}

func (r *requestScan) Text(id jsonscan.ID, part []byte) {
	limit := 0
	switch id {
	case idPromptText, idInput:
		r.req.facts.TextBytes += int64(len(part))
		r.req.thread.Text(part)
		return
	case idRole, idCacheKey, idUser, idFileID:
		limit = maxName
	case idModel:
		limit = maxModel + 1
	case idPartType, idToolType, idModality, idFormat, idEffort, idThinking:
		limit = 32
	}
	r.text = jsonscan.Keep(r.text, part, limit)
}

func (r *requestScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	value := span{r.start, at}
	switch id {
	case idModel:
		if len(r.text) > maxModel {
			r.fail(refusal.TooLong("model", maxModel))
		}
		r.req.facts.Model, r.req.model = string(r.text), value
	case idStream:
		r.req.facts.Stream = string(raw) == "true"
	case idOptions:
		r.req.options.end = at
	case idInclude:
		r.req.facts.IncludeUsage, r.req.include = string(raw) == "true", value
	case idMaxTokens:
		r.maxTokens = r.positive(id, kind, raw)
	case idMaxCompletion:
		r.maxCompletion = r.positive(id, kind, raw)
	case idN:
		r.req.facts.N = max(1, r.positive(id, kind, raw))
	case idToolList:
		r.req.facts.TextBytes += at - r.toolStart
		if r.vendorTool {
			r.req.facts.Needs |= llm.NeedDialect
		} else {
			r.req.facts.Needs |= llm.NeedTools
		}
	case idPartType:
		r.partType(string(r.text))
	case idRole:
		r.user = string(r.text) == "user"
	case idMessage:
		r.req.thread.Close(r.user)
	case idCacheKey:
		r.req.thread.Name = string(r.text)
	case idUser:
		r.req.thread.Name = cmp.Or(r.req.thread.Name, string(r.text))
	case idFileID:
		r.req.thread.State = string(r.text)
	case idInput, idInputToken:
		if kind == jsonscan.Number {
			r.req.facts.InputTokens++
		}
	default:
		r.need(id, kind, raw)
	}
}

// need notes what a value asks of the model.
func (r *requestScan) need(id jsonscan.ID, kind jsonscan.Kind, raw []byte) {
	needs := &r.req.facts.Needs
	switch id {
	case idToolType:
		r.vendorTool = string(r.text) != "function" && string(r.text) != "custom"
	case idWebSearch:
		if kind != jsonscan.Null {
			*needs |= llm.NeedDialect
		}
	case idModality:
		if string(r.text) == "audio" {
			*needs |= llm.NeedAudio
		}
	case idFormat:
		if t := string(r.text); t == "json_object" || t == "json_schema" {
			*needs |= llm.NeedStructured
		}
	case idEffort:
		if kind == jsonscan.String && string(r.text) != "none" {
			*needs |= llm.NeedReasoning
		}
	case idThinking:
		if thinks(kind, raw, r.text) {
			*needs |= llm.NeedReasoning
		}
	}
}

// thinks reports whether a switch of thinking is on: true, a number of tokens, or the word for it.
func thinks(kind jsonscan.Kind, raw, text []byte) bool {
	switch kind {
	case jsonscan.Bool:
		return string(raw) == "true"
	case jsonscan.Number:
		n, ok := jsonscan.Whole(raw)
		return !ok || n > 0
	case jsonscan.String:
		return string(text) != "disabled"
	case jsonscan.Null, jsonscan.Array, jsonscan.Object:
	}
	return false
}

func (r *requestScan) partType(t string) {
	switch t {
	case "image_url":
		r.req.facts.Images++
		r.req.facts.Needs |= llm.NeedVision
	case "input_audio":
		r.req.facts.Media++
		r.req.facts.Needs |= llm.NeedAudio
	case "file", "video_url":
		r.req.facts.Media++
	}
}

// positive reads a count, which must be a whole number above zero; null is zero.
func (r *requestScan) positive(id jsonscan.ID, kind jsonscan.Kind, raw []byte) int64 {
	n, err := refusal.Count(names[id], kind, raw)
	if err != nil {
		r.fail(err)
	}
	return n
}
