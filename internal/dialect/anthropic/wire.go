package anthropic

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// lenient reads what upstreams send: texts that are not UTF-8, and repeated names.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// wireRequest is a request as callers write it.
type wireRequest struct {
	Model         string        `json:"model"`
	MaxTokens     *int64        `json:"max_tokens"`
	Messages      []wireMessage `json:"messages"`
	System        content       `json:"system"`
	Stream        bool          `json:"stream"`
	Tools         []toolValue   `json:"tools"`
	ToolChoice    *wireChoice   `json:"tool_choice"`
	Thinking      *wireThinking `json:"thinking"`
	OutputConfig  *wireOutput   `json:"output_config"`
	OutputFormat  *wireFormat   `json:"output_format"` // its name in an older beta
	StopSequences []string      `json:"stop_sequences"`
	Temperature   *float64      `json:"temperature"`
	TopP          *float64      `json:"top_p"`
	TopK          *int64        `json:"top_k"`
	Metadata      wireMetadata  `json:"metadata"`
	ServiceTier   string        `json:"service_tier"`
	CacheControl  *wireCache    `json:"cache_control"`
	ContextEdits  llm.JSON      `json:"context_management"`

	Extra map[string]llm.JSON `json:",unknown"`
}

// reset makes all of it empty and keeps the memory of the lists.
func (w *wireRequest) reset() {
	*w = wireRequest{Messages: w.Messages[:0], System: w.System[:0], Tools: w.Tools[:0]}
}

type wireMessage struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// reset makes both empty and keeps the memory of the blocks.
func (w *wireMessage) reset() { w.Role, w.Content = "", w.Content[:0] }

type wireChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name"`
	DisableParallel *bool  `json:"disable_parallel_tool_use"`
}

type wireThinking struct {
	Type    string `json:"type"`
	Budget  int64  `json:"budget_tokens"`
	Display string `json:"display"`
}

type wireOutput struct {
	Effort string              `json:"effort"`
	Format *wireFormat         `json:"format"`
	Extra  map[string]llm.JSON `json:",unknown"`
}

type wireFormat struct {
	Type   string   `json:"type"`
	Schema llm.JSON `json:"schema"`
}

type wireMetadata struct {
	UserID string              `json:"user_id"`
	Extra  map[string]llm.JSON `json:",unknown"`
}

type wireCache struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

func (c *wireCache) neutral() *llm.Cache {
	if c == nil {
		return nil
	}
	return &llm.Cache{TTL: c.TTL}
}

type wireTool struct {
	Type        string              `json:"type"`
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Schema      llm.JSON            `json:"input_schema"`
	Strict      *bool               `json:"strict"`
	Cache       *wireCache          `json:"cache_control"`
	Extra       map[string]llm.JSON `json:",unknown"`
}

// toolValue is the definition of a tool of any type.
type toolValue struct {
	wireTool
	raw llm.JSON // the whole definition, where the vendor runs the tool
	err error    // why it cannot be read
}

// own says that the caller runs the tool.
func (t *toolValue) own() bool { return t.Type == "" || t.Type == "custom" }

// UnmarshalJSONFrom implements json.UnmarshalerFrom. What is wrong with the tool is told once its turn comes.
func (t *toolValue) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if !jsonread.Plain(raw, t, 0, (*toolValue).readPlain) {
		*t = toolValue{}
		t.err = json.Unmarshal(raw, &t.wireTool)
		t.check(raw)
	}
	return nil
}

// check completes a tool that was read.
func (t *toolValue) check(raw llm.JSON) {
	if !t.own() {
		t.raw = raw.Clone()
	}
}

// content is a list of blocks, or a text that stands for one.
type content []wireBlock

// wireBlock is a block of any type, of requests and answers alike. The fields have the meaning of its type.
type wireBlock struct {
	Type      string     `json:"type"`
	Text      string     `json:"text"`
	Citations llm.JSON   `json:"citations"`
	Cache     *wireCache `json:"cache_control"`

	Source  llm.JSON `json:"source"`
	Title   string   `json:"title"`
	Context string   `json:"context"`

	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
	Data      string `json:"data"`

	ID        string `json:"id"`
	Name      string `json:"name"`
	Input     asText `json:"input"`
	ToolUseID string `json:"tool_use_id"`
	Content   inside `json:"content"`
	IsError   bool   `json:"is_error"`

	Extra llm.JSON `json:",unknown"`

	raw llm.JSON // the whole block, of types that are not taken apart, within the document
}

type wireSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      string `json:"data"`
	URL       string `json:"url"`
	FileID    string `json:"file_id"`
	Content   inside `json:"content"`
}

// reset makes all of it empty and keeps the memory of what is in it.
func (b *wireBlock) reset() { *b = wireBlock{Content: inside{blocks: b.Content.blocks[:0]}} }

// asText is a value as it stands.
type asText string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *asText) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	*t = asText(raw)
	return err
}

// inside is what is in a block: blocks, or a text that stands for one.
type inside struct {
	blocks content
	raw    llm.JSON // what is neither, as it stands
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *inside) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if raw = raw.Clone(); err == nil && !jsonread.Plain(raw, c, 0, (*inside).readPlain) {
		*c = inside{raw: raw}
	}
	return err
}

// parted are the types of block that have a meaning outside of this dialect.
func parted(kind string) bool {
	switch kind {
	case "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result":
		return true
	}
	return false
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *content) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		var text string
		if err := json.UnmarshalDecode(d, &text); err != nil {
			return err
		}
		*c = content{{Type: "text", Text: text}}
		return nil
	case '[':
	case 'n':
		return d.SkipValue()
	default:
		_ = d.SkipValue()
		return errors.New("it should be a string or a list of blocks")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*c = content{}
	for d.PeekKind() != ']' {
		rest, start := d.UnreadBuffer(), d.InputOffset()
		*c = append(*c, wireBlock{})
		b := &(*c)[len(*c)-1]
		if err := json.UnmarshalDecode(d, b); err != nil {
			return err
		}
		if err := b.check(valueIn(rest[:d.InputOffset()-start])); err != nil {
			return fmt.Errorf("%d.%w", len(*c)-1, err)
		}
		b.raw = b.raw.Clone() // the decoder's memory is used again
	}
	_, err := d.ReadToken()
	return err
}

// valueIn is the value of a list's element, without what stands in front of it.
func valueIn(b []byte) llm.JSON { return bytes.TrimLeft(b, ", \t\r\n") }

// read takes a block of an answer apart.
func (b *wireBlock) read(raw llm.JSON) error {
	if jsonread.Plain(raw, b, jsonread.Repeats, (*wireBlock).readWhole) {
		return nil
	}
	*b = wireBlock{}
	if err := json.Unmarshal(raw, b, lenient); err != nil {
		return err
	}
	return b.check(raw)
}

// check completes a block that was taken apart. What is kept of it as it stands shares the memory of the document: blocks may
// stand in one another, and a copy for each would be a multiple of what came in.
func (b *wireBlock) check(raw llm.JSON) error {
	if b.Type == "" {
		return errors.New("type: Field required")
	}
	if !parted(b.Type) || b.Type == "search_result" || b.Type == "document" {
		b.raw = raw
	}
	if len(b.Extra) > 0 {
		b.Extra = oneLine(b.Extra)
	}
	return nil
}

// oneLine is a copy of a value without space between its parts: it may have to go into an event, which is a line.
func oneLine(v llm.JSON) llm.JSON {
	v = v.Clone()
	_ = v.Compact(lenient) // it is valid, and was read
	return v
}

// wrongJSON says where a request is not what the dialect wants, and what is wrong there.
func wrongJSON(err error) *llm.RequestError {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && syntax.Err != jsontext.ErrDuplicateName { //nolint:errorlint // it is never wrapped
		return &llm.RequestError{Message: fmt.Sprintf("The request body is not valid JSON: %v.", syntax)}
	}
	if syntax != nil {
		param := fieldPath(string(syntax.JSONPointer))
		return &llm.RequestError{Param: param, Code: "duplicate_parameter", Message: param + ": given more than once"}
	}
	var parts []string
	message := "Input has the wrong type"
	for err != nil {
		var semantic *json.SemanticError
		if !errors.As(err, &semantic) {
			message = err.Error()
			break
		}
		if semantic.JSONPointer != "" {
			parts = append(parts, fieldPath(string(semantic.JSONPointer)))
		}
		if err = semantic.Err; err == nil && semantic.GoType != nil {
			message = "Input should be " + kindOf(semantic.GoType.Kind().String())
		}
	}
	param := strings.Join(parts, ".")
	if param != "" {
		message = param + ": " + message
	}
	return &llm.RequestError{Param: param, Code: "invalid_type", Message: message}
}

// fieldPath turns a JSON pointer into the path that Anthropic's messages have.
func fieldPath(pointer string) string {
	return strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
}

// kindOf is what JSON calls a kind of Go's.
func kindOf(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "a boolean"
	case "int64":
		return "an integer"
	case "float64":
		return "a number"
	case "slice":
		return "a list"
	}
	return "an object"
}

// wireSchema is what is looked at of a schema.
type wireSchema struct {
	Type llm.JSON `json:"type"`
}
