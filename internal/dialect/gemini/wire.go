package gemini

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The wire structs serve both ways. Field names match in either spelling: reading ignores case and underscores.

var (
	// fromCaller reads what a caller sent: strictly.
	fromCaller = json.JoinOptions(json.MatchCaseInsensitiveNames(true))
	// fromUpstream reads what a vendor sent: whatever can be understood.
	fromUpstream = json.JoinOptions(json.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	// written is how everything is written.
	written = json.JoinOptions(json.Deterministic(true), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
)

type wireRequest struct {
	Contents          list[wireContent] `json:"contents"`
	SystemInstruction *wireContent      `json:"systemInstruction,omitzero"`
	Tools             list[wireTool]    `json:"tools,omitzero"`
	ToolConfig        *wireToolConfig   `json:"toolConfig,omitzero"`
	GenerationConfig  *wireConfig       `json:"generationConfig,omitzero"`
	SafetySettings    llm.JSON          `json:"safetySettings,omitzero"`
	ServiceTier       string            `json:"serviceTier,omitzero"`
	Labels            map[string]string `json:"labels,omitzero"`
	Unknown           jsontext.Value    `json:",unknown"`
}

// requests are kept for the memory of their contents, of which there is much: at most so many contents, and parts of one.
var requests = sync.Pool{New: func() any { return new(wireRequest) }}

const (
	keepContents = 512
	keepParts    = 64
)

// reset makes all of it empty and keeps the memory of what most requests have. What is empty is as good as what is not
// there.
func (w *wireRequest) reset() {
	system, config := w.SystemInstruction, w.GenerationConfig
	if system != nil {
		system.reset()
	}
	if config != nil {
		*config = wireConfig{}
	}
	*w = wireRequest{Contents: w.Contents[:0], SystemInstruction: system, Tools: w.Tools[:0], GenerationConfig: config}
}

// free makes all of it empty, and points to nothing of what was read.
func (w *wireRequest) free() {
	if w.SystemInstruction != nil {
		w.SystemInstruction.free()
	}
	w.Contents = freed(w.Contents, keepContents, (*wireContent).free)
	w.Tools = freed(w.Tools, keepParts, (*wireTool).free)
	w.reset()
}

// freed is a list's memory with nothing in it. That of a long one is given up.
func freed[T any, L ~[]T](l L, keep int, free func(*T)) L {
	if cap(l) > keep {
		return nil
	}
	for i := range l { // what is behind them has nothing in it
		free(&l[i])
	}
	return l[:0]
}

// wireRest is what stands behind all else in a request, and is seldom there.
type wireRest struct {
	SafetySettings llm.JSON          `json:"safetySettings,omitzero"`
	ServiceTier    string            `json:"serviceTier,omitzero"`
	Labels         map[string]string `json:"labels,omitzero"`
	Unknown        jsontext.Value    `json:",unknown"`
}

type wireContent struct {
	Role  string         `json:"role,omitzero"`
	Parts list[wirePart] `json:"parts,omitzero"`
}

// reset makes both empty and keeps the memory of the parts.
func (w *wireContent) reset() { w.Role, w.Parts = "", w.Parts[:0] }

func (w *wireContent) free() {
	w.Parts = freed(w.Parts, keepParts, func(p *wirePart) { *p = wirePart{} })
	w.reset()
}

type wirePart struct {
	Text             *string        `json:"text,omitzero"`
	Thought          bool           `json:"thought,omitzero"`
	InlineData       *wireBlob      `json:"inlineData,omitzero"`
	FileData         *wireFile      `json:"fileData,omitzero"`
	FunctionCall     *wireCall      `json:"functionCall,omitzero"`
	FunctionResponse *wireResult    `json:"functionResponse,omitzero"`
	ThoughtSignature string         `json:"thoughtSignature,omitzero"`
	VideoMetadata    llm.JSON       `json:"videoMetadata,omitzero"`
	MediaResolution  llm.JSON       `json:"mediaResolution,omitzero"`
	Unknown          jsontext.Value `json:",unknown"` // executableCode and all else
}

type wireBlob struct {
	MIMEType    string `json:"mimeType,omitzero"`
	Data        string `json:"data"`
	DisplayName string `json:"displayName,omitzero"`
}

type wireFile struct {
	MIMEType    string `json:"mimeType,omitzero"`
	FileURI     string `json:"fileUri"`
	DisplayName string `json:"displayName,omitzero"`
}

type wireCall struct {
	ID   string   `json:"id,omitzero"`
	Name string   `json:"name"`
	Args borrowed `json:"args,omitzero"`

	PartialArgs  list[wirePartial] `json:"partialArgs,omitzero"` // of a call that comes in pieces
	WillContinue bool              `json:"willContinue,omitzero"`

	of *llm.Call // whose input is written in place of Args
}

type wireResult struct {
	ID       string         `json:"id,omitzero"`
	Name     string         `json:"name"`
	Response borrowed       `json:"response,omitzero"`
	Parts    list[wirePart] `json:"parts,omitzero"` // media alone

	said, under string // a text, which is written in place of Response, and the name that it stands under
	taken       bool   // it was brought to its call
}

type wireTool struct {
	FunctionDeclarations list[wireFunction] `json:"functionDeclarations,omitzero"`
	Unknown              jsontext.Value     `json:",unknown"` // the vendor's own tools, by their names
}

// reset makes all of it empty and keeps the memory of the functions.
func (w *wireTool) reset() { w.FunctionDeclarations, w.Unknown = w.FunctionDeclarations[:0], nil }

func (w *wireTool) free() {
	w.FunctionDeclarations = freed(w.FunctionDeclarations, keepParts, func(f *wireFunction) { *f = wireFunction{} })
	w.reset()
}

type wireFunction struct {
	Name                 string         `json:"name"`
	Description          string         `json:"description,omitzero"`
	Parameters           borrowed       `json:"parameters,omitzero"`
	ParametersJSONSchema borrowed       `json:"parametersJsonSchema,omitzero"`
	Unknown              jsontext.Value `json:",unknown"`
}

type wireToolConfig struct {
	FunctionCallingConfig *wireChoice    `json:"functionCallingConfig,omitzero"`
	Unknown               jsontext.Value `json:",unknown"`
}

type wireChoice struct {
	Mode                 string         `json:"mode,omitzero"`
	AllowedFunctionNames []string       `json:"allowedFunctionNames,omitzero"`
	Unknown              jsontext.Value `json:",unknown"`
}

type wireConfig struct {
	Temperature        *float         `json:"temperature,omitzero"`
	TopP               *float         `json:"topP,omitzero"`
	TopK               *float         `json:"topK,omitzero"`
	CandidateCount     integer        `json:"candidateCount,omitzero"`
	MaxOutputTokens    integer        `json:"maxOutputTokens,omitzero"`
	StopSequences      list[string]   `json:"stopSequences,omitzero"`
	Seed               *integer       `json:"seed,omitzero"`
	PresencePenalty    *float         `json:"presencePenalty,omitzero"`
	FrequencyPenalty   *float         `json:"frequencyPenalty,omitzero"`
	ResponseLogprobs   bool           `json:"responseLogprobs,omitzero"`
	Logprobs           integer        `json:"logprobs,omitzero"`
	ResponseMIMEType   string         `json:"responseMimeType,omitzero"`
	ResponseSchema     llm.JSON       `json:"responseSchema,omitzero"`
	ResponseJSONSchema llm.JSON       `json:"responseJsonSchema,omitzero"`
	ResponseModalities list[string]   `json:"responseModalities,omitzero"`
	SpeechConfig       llm.JSON       `json:"speechConfig,omitzero"`
	ThinkingConfig     *wireThinking  `json:"thinkingConfig,omitzero"`
	Unknown            jsontext.Value `json:",unknown"`
}

type wireThinking struct {
	IncludeThoughts bool     `json:"includeThoughts,omitzero"`
	ThinkingBudget  *integer `json:"thinkingBudget,omitzero"`
	ThinkingLevel   string   `json:"thinkingLevel,omitzero"`
}

// list is a repeated field, which may be given as its only element.
type list[T any] []T

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind == '[' || kind == 'n' {
		return json.UnmarshalDecode(d, (*[]T)(l))
	}
	one := make([]T, 1)
	*l = one
	return json.UnmarshalDecode(d, &one[0])
}

// integer is a whole number, which may be given as a string or with a fraction of zero.
type integer int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *integer) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	f, ok, err := readNumber(d)
	if err != nil || !ok {
		return err
	}
	if f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return fmt.Errorf("%v is no 32-bit integer", f)
	}
	*n = integer(f)
	return nil
}

// float is a number, which may be given as a string.
type float float64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (n *float) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	f, ok, err := readNumber(d)
	if err != nil || !ok {
		return err
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v is no number", f)
	}
	*n = float(f)
	return nil
}

// readNumber reads a number or a string of one. It reports false for null.
func readNumber(d *jsontext.Decoder) (float64, bool, error) {
	token, err := d.ReadToken()
	if err != nil {
		return 0, false, err
	}
	switch kind := token.Kind(); kind {
	case 'n':
		return 0, false, nil
	case '0', '"':
		f, err := strconv.ParseFloat(token.String(), 64)
		if err != nil {
			return 0, false, fmt.Errorf("%q is no number", token.String())
		}
		return f, true, nil
	default:
		return 0, false, fmt.Errorf("expected a number, got %s", kind)
	}
}

// members calls fn for each member of an object that is known to be valid, or empty.
func members(object llm.JSON, fn func(name string, value llm.JSON)) {
	if len(object) == 0 {
		return
	}
	var all map[string]jsontext.Value
	if json.Unmarshal(object, &all, fromUpstream) != nil {
		return
	}
	for name, value := range all {
		fn(name, value.Clone())
	}
}

// isNull reports whether a value is absent or null.
func isNull(v llm.JSON) bool { return len(v) == 0 || v.Kind() == 'n' }

// mustJSON writes what always can be written.
func mustJSON(v any) llm.JSON {
	b, err := json.Marshal(v, written)
	if err != nil {
		panic("gemini: write JSON: " + err.Error())
	}
	return b
}

// camel undoes snake.
func camel(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	b := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] == '_' && i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z' {
			i++
			b = append(b, name[i]-'a'+'A')
			continue
		}
		b = append(b, name[i])
	}
	return string(b)
}

// dummySignature is what Gemini 3 takes in place of the signature of a call that it did not make itself (ai.google.dev,
// "Thought signatures", FAQ).
const dummySignature = "skip_thought_signature_validator"

// unpack reads a signature that a caller sent back: what Carry made, or a native one.
func unpack(signature string) (carried []llm.Block, native llm.State) {
	if signature == "" || signature == dummySignature {
		return nil, llm.State{}
	}
	if strings.HasPrefix(signature, llm.MarkBase64) {
		standard := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(signature), "=")
		if text, err := base64.RawStdEncoding.DecodeString(standard); err == nil {
			if blocks, ok := llm.Uncarry(string(text)); ok {
				return blocks, llm.State{}
			}
		}
	}
	return nil, llm.State{Origin: llm.Gemini, Data: signature}
}

// pack is the signature that gives a caller the states of blocks: the native one where it is the only one, else what Carry
// makes.
func pack(blocks ...llm.Block) string {
	var last *llm.Block
	states := 0
	for i := range blocks {
		if !blocks[i].State.IsZero() {
			last = &blocks[i]
			states++
		}
	}
	switch {
	case states == 0:
		return ""
	case states == 1 && last == &blocks[len(blocks)-1] && last.State.Origin == llm.Gemini:
		return last.State.Data
	}
	return base64.StdEncoding.EncodeToString([]byte(llm.Carry(blocks...)))
}
