package responses

import (
	"bytes"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// What callers send may hold bytes that are not UTF-8, which become U+FFFD, but no name twice. Upstreams may repeat names.
var (
	callers   = json.JoinOptions(jsontext.AllowInvalidUTF8(true))
	upstreams = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
)

// request is the body of POST /v1/responses.
type request struct {
	Model        string             `json:"model"`
	Stream       bool               `json:"stream,omitzero"`
	Instructions string             `json:"instructions,omitzero"`
	Input        input              `json:"input,omitzero"`
	Tools        tools              `json:"tools,omitzero"`
	Choice       jsontext.Value     `json:"tool_choice,omitzero"`
	Parallel     *bool              `json:"parallel_tool_calls,omitzero"`
	Text         *textSettings      `json:"text,omitzero"`
	Reasoning    *reasoningSettings `json:"reasoning,omitzero"`
	MaxTokens    int64              `json:"max_output_tokens,omitzero"`
	Temperature  *float64           `json:"temperature,omitzero"`
	TopP         *float64           `json:"top_p,omitzero"`
	TopLogprobs  int                `json:"top_logprobs,omitzero"`
	Include      []string           `json:"include,omitempty"`
	Tier         string             `json:"service_tier,omitzero"`
	User         string             `json:"user,omitzero"`
	Safety       string             `json:"safety_identifier,omitzero"`
	Metadata     map[string]string  `json:"metadata,omitempty"`
	CacheKey     string             `json:"prompt_cache_key,omitzero"`
	CacheFor     string             `json:"prompt_cache_retention,omitzero"`
	Store        *bool              `json:"store,omitzero"`
	Previous     string             `json:"previous_response_id,omitzero"`
	Truncation   string             `json:"truncation,omitzero"`

	Rest map[string]jsontext.Value `json:",unknown"`
}

type textSettings struct {
	Format    *format                   `json:"format,omitzero"`
	Verbosity string                    `json:"verbosity,omitzero"`
	Rest      map[string]jsontext.Value `json:",unknown"`
}

type format struct {
	Type        string         `json:"type"`
	Name        string         `json:"name,omitzero"`
	Description string         `json:"description,omitzero"`
	Schema      jsontext.Value `json:"schema,omitzero"`
	Strict      *bool          `json:"strict,omitzero"`
}

type reasoningSettings struct {
	Effort  string                    `json:"effort,omitzero"`
	Summary string                    `json:"summary,omitzero"`
	Older   string                    `json:"generate_summary,omitzero"` // what summary was called
	Rest    map[string]jsontext.Value `json:",unknown"`
}

// item is what input and output are lists of, as far as it means something outside the dialect.
type item struct {
	Type      string   `json:"type,omitzero"`
	ID        string   `json:"id,omitzero"`
	Role      string   `json:"role,omitzero"`
	Content   content  `json:"content,omitzero"`
	CallID    string   `json:"call_id,omitzero"`
	Name      string   `json:"name,omitzero"`
	Namespace string   `json:"namespace,omitzero"`
	Arguments argument `json:"arguments,omitzero"`
	Input     argument `json:"input,omitzero"`
	Output    content  `json:"output,omitzero"`
	Summary   []part   `json:"summary,omitzero"`
	Sealed    string   `json:"encrypted_content,omitzero"`
	Phase     string   `json:"phase,omitzero"` // of a message: commentary, final_answer
}

// part is a piece of an item's content.
type part struct {
	Type        string           `json:"type"`
	Text        *string          `json:"text,omitzero"`
	Refusal     *string          `json:"refusal,omitzero"`
	ImageURL    string           `json:"image_url,omitzero"`
	VideoURL    string           `json:"video_url,omitzero"`
	FileID      string           `json:"file_id,omitzero"`
	Detail      string           `json:"detail,omitzero"`
	FileData    string           `json:"file_data,omitzero"`
	FileURL     string           `json:"file_url,omitzero"`
	FileName    string           `json:"filename,omitzero"`
	Audio       *sound           `json:"input_audio,omitzero"`
	Annotations []jsontext.Value `json:"annotations,omitempty"`
	Logprobs    []logprob        `json:"logprobs,omitempty"`
	Cache       jsontext.Value   `json:"prompt_cache_breakpoint,omitzero"`
}

type sound struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

type annotation struct {
	Type     string `json:"type"`
	Start    int    `json:"start_index,omitzero"`
	End      int    `json:"end_index,omitzero"`
	URL      string `json:"url,omitzero"`
	Title    string `json:"title,omitzero"`
	FileID   string `json:"file_id,omitzero"`
	FileName string `json:"filename,omitzero"`
	Index    int    `json:"index,omitzero"`
}

type logprob struct {
	Token   string    `json:"token"`
	Bytes   []int     `json:"bytes"`
	Logprob float64   `json:"logprob"`
	Top     []logprob `json:"top_logprobs,omitzero"`
}

// tool is the definition of one.
type tool struct {
	Type        string           `json:"type"`
	Name        string           `json:"name,omitzero"`
	Description string           `json:"description,omitzero"`
	Parameters  jsontext.Value   `json:"parameters,omitzero"`
	Strict      *bool            `json:"strict,omitzero"`
	Format      jsontext.Value   `json:"format,omitzero"`
	Tools       []jsontext.Value `json:"tools,omitempty"` // of a namespace
	Label       string           `json:"server_label,omitzero"`

	Rest map[string]jsontext.Value `json:",unknown"`
}

// isNull reports whether a value says nothing.
func isNull(v jsontext.Value) bool { return len(v) == 0 || string(v) == "null" }

// keepValue is a value that outlives the body it was read from, or nothing where it says nothing.
func keepValue(v jsontext.Value) llm.JSON {
	if isNull(v) {
		return nil
	}
	return v
}

// oneLine is a copy of a value without line ends, which events may not have in their data.
func oneLine(v jsontext.Value) jsontext.Value {
	v = v.Clone()
	if bytes.ContainsAny(v, "\r\n") {
		_ = v.Compact(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) // of what is valid, which all values are
	}
	return v
}

// marshal encodes what is made of plain values, which cannot fail.
func marshal(v any) jsontext.Value {
	raw, err := json.Marshal(v, upstreams)
	if err != nil {
		panic("responses: encode: " + err.Error())
	}
	return raw
}
