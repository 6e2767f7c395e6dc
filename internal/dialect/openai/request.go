// Package openai knows the OpenAI dialect as far as forwarding without translation needs it: what to read in a request and
// how to change it in place, and how to read usage, errors and progress out of answers that pass by. It does no network.
package openai

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"aihigress/internal/dialect/jsonscan"
)

const (
	maxModel = 512 // bytes of a model name
	maxUser  = 256 // bytes of the end user's name that are kept
)

// RequestError is what is wrong with a request, in words for the caller. It maps to status 400.
type RequestError struct {
	Param   string // the field at fault; empty for the body as a whole
	Code    string // machine-readable, may be empty
	Message string
}

func (e *RequestError) Error() string { return e.Message }

// Request is what the gateway reads of a chat completion, completion or embedding request.
type Request struct {
	Model        string
	Stream       bool
	IncludeUsage bool  // the caller asked for the usage chunk of a stream
	MaxTokens    int64 // the larger of max_completion_tokens and max_tokens, as vendors heed either; 0 where neither is given
	N            int64 // answers asked for, at least 1
	User         string

	HasTools  bool // tools or functions that are not empty
	HasImages bool
	HasAudio  bool
	HasFiles  bool
	// StructuredOutput says that response_format asks for JSON.
	StructuredOutput bool

	// TextBytes is the size of the texts that the model reads, and of the tools, in bytes without escapes: what an estimate
	// of the prompt's tokens goes by. Pictures and sound are not in it.
	TextBytes int64
	// InputTokens counts the tokens of inputs that are given as numbers (embeddings).
	InputTokens int64
	// Images counts the pictures, Messages the messages.
	Images, Messages int64

	model   span
	options span // value of stream_options
	include span // value of include_usage in it
	null    bool // stream_options is null
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
	idUser
	idTools
	idToolList
	idFormat
	idMessage
	idPartType
	idPromptText
	idInput
	idInputToken
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
	"user":                                  idUser,
	"tools":                                 idTools,
	"functions":                             idTools,
	"tools[]":                               idToolList,
	"functions[]":                           idToolList,
	"response_format.type":                  idFormat,
	"messages[]":                            idMessage,
	"messages[].content":                    idPromptText,
	"messages[].content[].type":             idPartType,
	"messages[].content[].text":             idPromptText,
	"messages[].content[].refusal":          idPromptText,
	"messages[].tool_calls[].function.name": idPromptText,
	"messages[].tool_calls[].function.arguments": idPromptText,
	"prompt":    idInput,
	"prompt[]":  idInput,
	"input":     idInput,
	"input[]":   idInput,
	"input[][]": idInputToken,
})

// names of the fields that may come once only: two readers of one body must not disagree about them.
var names = map[jsonscan.ID]string{
	idModel:         "model",
	idStream:        "stream",
	idOptions:       "stream_options",
	idInclude:       "stream_options.include_usage",
	idMaxTokens:     "max_tokens",
	idMaxCompletion: "max_completion_tokens",
	idN:             "n",
}

// ScanRequest reads a request in one pass without decoding it. The error is a *RequestError: a body that is not JSON, a
// field of the wrong type, a repeated one (however its key is spelt), a missing model. Keys are case-sensitive.
func ScanRequest(body []byte) (Request, error) {
	r := requestScan{req: Request{N: 1}}
	var s jsonscan.Scanner
	s.Init(requestPaths, &r)
	_, err := s.Write(body)
	if err == nil {
		err = s.End()
	}
	switch {
	case errors.Is(err, jsonscan.ErrDepth):
		return Request{}, &RequestError{Message: fmt.Sprintf("The JSON body of your request is nested more than %d levels deep.", jsonscan.MaxDepth)}
	case err != nil:
		return Request{}, &RequestError{Message: fmt.Sprintf("We could not parse the JSON body of your request: %s.", err)}
	case r.err != nil:
		return Request{}, r.err
	case r.req.Model == "":
		return Request{}, &RequestError{Param: "model", Code: "missing_required_parameter", Message: "You must provide a model parameter."}
	}
	r.req.MaxTokens = max(r.maxTokens, r.maxCompletion)
	return r.req, nil
}

// requestScan collects what jsonscan reports.
type requestScan struct {
	req                      Request
	err                      error // the first; a syntax error beats it
	seen                     uint32
	text                     []byte
	start                    int64
	toolStart                int64
	maxTokens, maxCompletion int64
}

func (r *requestScan) fail(param, code, format string, args ...any) {
	if r.err == nil {
		r.err = &RequestError{Param: param, Code: code, Message: fmt.Sprintf(format, args...)}
	}
}

// expects says which kinds a field may have; null is as good as absent.
func expects(id jsonscan.ID) (jsonscan.Kind, string) {
	switch id {
	case idRoot, idOptions:
		return jsonscan.Object, "an object"
	case idModel, idUser, idFormat:
		return jsonscan.String, "a string"
	case idStream, idInclude:
		return jsonscan.Bool, "a boolean"
	case idMaxTokens, idMaxCompletion, idN:
		return jsonscan.Number, "an integer"
	case idTools:
		return jsonscan.Array, "an array"
	}
	return jsonscan.Null, ""
}

func (r *requestScan) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	if name, once := names[id]; once {
		if r.seen&(1<<id) != 0 {
			r.fail(name, "duplicate_parameter", "Duplicate parameter: '%s' is given more than once.", name)
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
		r.toolStart = at
		r.req.HasTools = true
	case idMessage:
		r.req.Messages++
	}
}

func (r *requestScan) wrongType(id jsonscan.ID, want string, got jsonscan.Kind) {
	name := names[id]
	switch id {
	case idRoot:
		r.fail("", "", "The JSON body of your request must be an object.")
		return
	case idUser:
		name = "user"
	case idTools:
		name = "tools"
	case idFormat:
		name = "response_format.type"
	}
	r.fail(name, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", name, want, kindName(got))
}

func kindName(k jsonscan.Kind) string {
	return [...]string{jsonscan.Null: "null", jsonscan.Bool: "a boolean", jsonscan.Number: "a number",
		jsonscan.String: "a string", jsonscan.Array: "an array", jsonscan.Object: "an object"}[k]
}

func (r *requestScan) Text(id jsonscan.ID, part []byte) {
	limit := 0
	switch id {
	case idPromptText, idInput:
		r.req.TextBytes += int64(len(part))
	case idModel:
		limit = maxModel + 1
	case idUser:
		limit = maxUser
	case idPartType, idFormat:
		limit = 32
	}
	r.text = append(r.text, part[:min(len(part), max(0, limit-len(r.text)))]...)
}

func (r *requestScan) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	value := span{r.start, at}
	switch id {
	case idModel:
		if len(r.text) > maxModel {
			r.fail("model", "string_above_max_length", "Invalid 'model': longer than %d bytes.", maxModel)
		}
		r.req.Model, r.req.model = string(r.text), value
	case idStream:
		r.req.Stream = string(raw) == "true"
	case idOptions:
		r.req.options.end = at
	case idInclude:
		r.req.IncludeUsage, r.req.include = string(raw) == "true", value
	case idMaxTokens:
		r.maxTokens = r.positive(id, kind, raw)
	case idMaxCompletion:
		r.maxCompletion = r.positive(id, kind, raw)
	case idN:
		r.req.N = max(1, r.positive(id, kind, raw))
	case idUser:
		r.req.User = string(r.text)
	case idToolList:
		r.req.TextBytes += at - r.toolStart
	case idFormat:
		r.req.StructuredOutput = string(r.text) == "json_schema" || string(r.text) == "json_object"
	case idPartType:
		r.partType(string(r.text))
	case idInput, idInputToken:
		if kind == jsonscan.Number {
			r.req.InputTokens++
		}
	}
}

func (r *requestScan) partType(t string) {
	switch t {
	case "image_url":
		r.req.HasImages = true
		r.req.Images++
	case "input_audio":
		r.req.HasAudio = true
	case "file":
		r.req.HasFiles = true
	}
}

// positive reads a count, which must be a whole number above zero; null is zero.
func (r *requestScan) positive(id jsonscan.ID, kind jsonscan.Kind, raw []byte) int64 {
	if kind != jsonscan.Number {
		return 0
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil || f != math.Trunc(f) || f > math.MaxInt32:
		r.fail(names[id], "invalid_type", "Invalid type for '%s': expected an integer.", names[id])
		return 0
	case f < 1:
		r.fail(names[id], "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= 1.", names[id])
		return 0
	}
	return int64(f)
}
