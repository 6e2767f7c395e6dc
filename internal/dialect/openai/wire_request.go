package openai

import (
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// request is the body of a chat completion request: OpenAI's fields, and those that compatible vendors have added.
type request struct {
	Model    string        `json:"model,omitzero"`
	Messages list[message] `json:"messages,omitzero"`

	Tools             []tool         `json:"tools,omitzero"`
	ToolChoice        *toolChoice    `json:"tool_choice,omitzero"`
	ParallelToolCalls *bool          `json:"parallel_tool_calls,omitzero"`
	Functions         []function     `json:"functions,omitzero"`
	FunctionCall      *toolChoice    `json:"function_call,omitzero"`
	WebSearchOptions  jsontext.Value `json:"web_search_options,omitzero"`

	Stream        bool           `json:"stream,omitzero"`
	StreamOptions *streamOptions `json:"stream_options,omitzero"`

	MaxTokens            *integer          `json:"max_tokens,omitzero"`
	MaxCompletionTokens  *integer          `json:"max_completion_tokens,omitzero"`
	N                    *integer          `json:"n,omitzero"`
	Stop                 texts             `json:"stop,omitzero"`
	Temperature          *float64          `json:"temperature,omitzero"`
	TopP                 *float64          `json:"top_p,omitzero"`
	FrequencyPenalty     *float64          `json:"frequency_penalty,omitzero"`
	PresencePenalty      *float64          `json:"presence_penalty,omitzero"`
	Seed                 *integer          `json:"seed,omitzero"`
	LogitBias            jsontext.Value    `json:"logit_bias,omitzero"`
	Logprobs             *bool             `json:"logprobs,omitzero"`
	TopLogprobs          *integer          `json:"top_logprobs,omitzero"`
	ResponseFormat       *responseFormat   `json:"response_format,omitzero"`
	Modalities           []string          `json:"modalities,omitzero"`
	Audio                *audioOut         `json:"audio,omitzero"`
	ReasoningEffort      string            `json:"reasoning_effort,omitzero"`
	Verbosity            string            `json:"verbosity,omitzero"`
	ServiceTier          string            `json:"service_tier,omitzero"`
	User                 string            `json:"user,omitzero"`
	SafetyIdentifier     string            `json:"safety_identifier,omitzero"`
	Metadata             map[string]string `json:"metadata,omitzero"`
	Store                *bool             `json:"store,omitzero"`
	PromptCacheKey       string            `json:"prompt_cache_key,omitzero"`
	PromptCacheRetention string            `json:"prompt_cache_retention,omitzero"`
	Prediction           jsontext.Value    `json:"prediction,omitzero"`

	// Of compatible vendors.
	TopK              *integer      `json:"top_k,omitzero"`
	MinP              *float64      `json:"min_p,omitzero"`
	RepetitionPenalty *float64      `json:"repetition_penalty,omitzero"`
	Reasoning         *reasoning    `json:"reasoning,omitzero"`       // OpenRouter
	Thinking          *thinking     `json:"thinking,omitzero"`        // DeepSeek, GLM, Kimi
	EnableThinking    *bool         `json:"enable_thinking,omitzero"` // Qwen
	ThinkingBudget    *integer      `json:"thinking_budget,omitzero"` // Qwen
	RandomSeed        *integer      `json:"random_seed,omitzero"`     // Mistral's seed
	CacheControl      *cacheControl `json:"cache_control,omitzero"`   // OpenRouter

	Extra map[string]jsontext.Value `json:",unknown"`
}

type streamOptions struct {
	IncludeUsage bool                      `json:"include_usage,omitzero"`
	Extra        map[string]jsontext.Value `json:",unknown"`
}

// reasoning is OpenRouter's.
type reasoning struct {
	Effort    string   `json:"effort,omitzero"`
	MaxTokens *integer `json:"max_tokens,omitzero"`
	Exclude   bool     `json:"exclude,omitzero"`
	Enabled   *bool    `json:"enabled,omitzero"`
	Summary   string   `json:"summary,omitzero"`
}

type thinking struct {
	Type         string   `json:"type,omitzero"` // enabled, disabled, auto
	BudgetTokens *integer `json:"budget_tokens,omitzero"`
	Clear        *bool    `json:"clear_thinking,omitzero"` // GLM: false keeps earlier thinking
}

// cacheControl is Anthropic's, which OpenRouter and many gateways take within this dialect.
type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitzero"`
}

// cachePoint is Bedrock's, which stands in a list behind what it marks. Clients that were written for Bedrock's Converse send
// it in this dialect too.
type cachePoint struct {
	Type string `json:"type"`
	TTL  string `json:"ttl,omitzero"`
}

// breakpoint is OpenAI's own cache marker (gpt-5.6 and later).
type breakpoint struct {
	Mode string `json:"mode"`
}

// What of a request is kept in memory for the next one at most: messages, and calls or parts of each.
const (
	keepMessages = 512
	keepCalls    = 8
)

// reset makes all of it empty and keeps the memory of what most requests have.
func (w *request) reset() {
	messages, tools := w.Messages.all[:0], w.Tools[:0]
	*w = request{}
	w.Messages.all, w.Tools = messages, tools
}

// forget is reset for a request that is done with: nothing of it is left in the memory that is kept, and not much is kept.
func (w *request) forget() {
	if cap(w.Messages.all) > keepMessages || cap(w.Tools) > keepMessages {
		*w = request{}
		return
	}
	for i := range w.Messages.all {
		m := &w.Messages.all[i]
		m.ToolCalls, m.Content.parts = emptied(m.ToolCalls), emptied(m.Content.parts)
		m.reset()
	}
	clear(w.Tools)
	w.reset()
}

// emptied is a list's memory with nothing in it, or nil where that is large.
func emptied[T any](list []T) []T {
	if cap(list) > keepCalls {
		return nil
	}
	clear(list)
	return list[:0]
}

// list is a list that may be missing.
type list[T any] struct {
	said bool
	all  []T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	l.said = d.PeekKind() == '['
	return json.UnmarshalDecode(d, &l.all)
}

type message struct {
	Role             string            `json:"role"`
	Name             string            `json:"name,omitzero"`
	Content          content           `json:"content"`
	Refusal          *string           `json:"refusal,omitzero"`
	Audio            *audioRef         `json:"audio,omitzero"`
	ToolCalls        []toolCall        `json:"tool_calls,omitzero"`
	FunctionCall     *functionCall     `json:"function_call,omitzero"`
	ToolCallID       string            `json:"tool_call_id,omitzero"`
	ReasoningContent *string           `json:"reasoning_content,omitzero"`
	Reasoning        *string           `json:"reasoning,omitzero"`
	ReasoningDetails []reasoningDetail `json:"reasoning_details,omitzero"`
	Annotations      []annotation      `json:"annotations,omitzero"`
	CacheControl     *cacheControl     `json:"cache_control,omitzero"`

	Extra map[string]jsontext.Value `json:",unknown"`
}

// reset makes all of it empty and keeps the memory of its calls and parts.
func (m *message) reset() {
	calls, parts := m.ToolCalls[:0], m.Content.parts[:0]
	*m = message{}
	m.ToolCalls, m.Content.parts = calls, parts
}

// audioRef names a spoken answer that OpenAI keeps.
type audioRef struct {
	ID    string                    `json:"id"`
	Extra map[string]jsontext.Value `json:",unknown"` // clients that send the answer's message back whole leave its data here
}

// part is one piece of a message's content.
type part struct {
	Type         string        `json:"type"`
	Text         *string       `json:"text,omitzero"`
	Refusal      *string       `json:"refusal,omitzero"`
	ImageURL     *addressed    `json:"image_url,omitzero"`
	InputAudio   *inputAudio   `json:"input_audio,omitzero"`
	File         *file         `json:"file,omitzero"`
	VideoURL     *addressed    `json:"video_url,omitzero"`
	Thinking     []part        `json:"thinking,omitzero"` // Mistral
	CacheControl *cacheControl `json:"cache_control,omitzero"`
	Breakpoint   *breakpoint   `json:"prompt_cache_breakpoint,omitzero"`
	CachePoint   *cachePoint   `json:"cachePoint,omitzero"` // alone in its part

	Extra map[string]jsontext.Value `json:",unknown"`
}

type inputAudio struct {
	Data   string `json:"data"`
	Format string `json:"format,omitzero"`
}

type file struct {
	FileData string `json:"file_data,omitzero"`
	FileID   string `json:"file_id,omitzero"`
	Filename string `json:"filename,omitzero"`
}

// addressed is an image_url or video_url: an object, or the address alone (Mistral).
type addressed struct {
	URL    string
	Detail string
}

type addressedObject struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitzero"`
}

// content is a text or a list of parts; it may be null.
type content struct {
	set   bool
	list  bool
	text  string
	parts []part // where it is a list
}

type tool struct {
	Type         string        `json:"type"`
	Function     *function     `json:"function,omitzero"`
	Custom       *customTool   `json:"custom,omitzero"`
	CachePoint   *cachePoint   `json:"cachePoint,omitzero"` // alone in its tool
	CacheControl *cacheControl `json:"cache_control,omitzero"`

	Extra map[string]jsontext.Value `json:",unknown"`
}

type function struct {
	Name         string         `json:"name"`
	Description  string         `json:"description,omitzero"`
	Parameters   jsontext.Value `json:"parameters,omitzero"`
	Strict       *bool          `json:"strict,omitzero"`
	CacheControl *cacheControl  `json:"cache_control,omitzero"` // some clients put it here

	Extra map[string]jsontext.Value `json:",unknown"`
}

type customTool struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Format      jsontext.Value `json:"format,omitzero"`
}

// toolChoice is a word or one of several objects.
type toolChoice struct {
	Word    string
	Type    string
	Name    string // of the one function or custom tool
	Mode    string // of allowed_tools
	Allowed []named
}

// named is a tool by its name.
type named struct {
	Type string
	Name string
}

type responseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema,omitzero"`
}

type jsonSchema struct {
	Name        string         `json:"name,omitzero"`
	Description string         `json:"description,omitzero"`
	Schema      jsontext.Value `json:"schema,omitzero"`
	Strict      *bool          `json:"strict,omitzero"`
}

type audioOut struct {
	Voice  voice  `json:"voice"`
	Format string `json:"format,omitzero"`
}

// voice is a name or an object with an id.
type voice string

// texts is a text or a list of texts.
type texts []string

// integer takes whole numbers in any notation.
type integer int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *integer) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '0' {
		if err := d.SkipValue(); err != nil {
			return err
		}
		return errors.New("expected an integer")
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, bad := strconv.ParseFloat(string(raw), 64)
		if bad != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return errors.New("expected an integer")
		}
		n = int64(f)
	}
	*i = integer(n)
	return nil
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *texts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '"' {
		return json.UnmarshalDecode(d, (*[]string)(t))
	}
	var one string
	err := json.UnmarshalDecode(d, &one)
	*t = texts{one}
	return err
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *content) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*c = content{set: true}
	switch d.PeekKind() {
	case 'n':
		c.set = false
		return d.SkipValue()
	case '"':
		return json.UnmarshalDecode(d, &c.text)
	case '[':
		c.list, c.parts = true, []part{}
		return json.UnmarshalDecode(d, &c.parts)
	}
	return refuse(d, "expected a string or an array of content parts")
}

// refuse skips a value and says what is wrong with it.
func refuse(d *jsontext.Decoder, why string) error {
	if err := d.SkipValue(); err != nil {
		return err
	}
	return errors.New(why)
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (a *addressed) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &a.URL)
	}
	var object addressedObject
	err := json.UnmarshalDecode(d, &object)
	a.URL, a.Detail = object.URL, object.Detail
	return err
}

// MarshalJSONTo implements json.MarshalerTo.
func (a addressed) MarshalJSONTo(e *jsontext.Encoder) error {
	return json.MarshalEncode(e, addressedObject(a))
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (v *voice) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, (*string)(v))
	}
	var object struct {
		ID string `json:"id"`
	}
	err := json.UnmarshalDecode(d, &object)
	*v = voice(object.ID)
	return err
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *toolChoice) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &c.Word)
	}
	type ref struct {
		Name string `json:"name"`
	}
	var object struct {
		Type     string `json:"type"`
		Name     string `json:"name"` // function_call, and clients that mix the forms up
		Function ref    `json:"function"`
		Custom   ref    `json:"custom"`
		Allowed  struct {
			Mode  string `json:"mode"`
			Tools []struct {
				Type     string `json:"type"`
				Name     string `json:"name"`
				Function ref    `json:"function"`
				Custom   ref    `json:"custom"`
			} `json:"tools"`
		} `json:"allowed_tools"`
	}
	if err := json.UnmarshalDecode(d, &object); err != nil {
		return err
	}
	c.Type, c.Name, c.Mode = object.Type, object.Function.Name+object.Custom.Name, object.Allowed.Mode
	if c.Name == "" {
		c.Name = object.Name
	}
	for _, t := range object.Allowed.Tools {
		name := t.Function.Name + t.Custom.Name
		if name == "" {
			name = t.Name
		}
		c.Allowed = append(c.Allowed, named{t.Type, name})
	}
	return nil
}

// MarshalJSONTo implements json.MarshalerTo.
func (c toolChoice) MarshalJSONTo(e *jsontext.Encoder) error {
	switch {
	case c.Word != "":
		return e.WriteToken(jsontext.String(c.Word))
	case c.Type == "allowed_tools":
		type list struct {
			Mode  string  `json:"mode"`
			Tools []named `json:"tools"`
		}
		return json.MarshalEncode(e, struct {
			Type    string `json:"type"`
			Allowed list   `json:"allowed_tools"`
		}{c.Type, list{c.Mode, c.Allowed}})
	}
	return named{c.Type, c.Name}.MarshalJSONTo(e)
}

// MarshalJSONTo implements json.MarshalerTo.
func (n named) MarshalJSONTo(e *jsontext.Encoder) error {
	type ref struct {
		Name string `json:"name"`
	}
	if n.Type == "custom" {
		return json.MarshalEncode(e, struct {
			Type   string `json:"type"`
			Custom ref    `json:"custom"`
		}{n.Type, ref{n.Name}})
	}
	return json.MarshalEncode(e, struct {
		Type     string `json:"type"`
		Function ref    `json:"function"`
	}{n.Type, ref{n.Name}})
}
