package llm

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Role says who speaks.
type Role uint8

const (
	System Role = iota + 1
	Developer
	User
	Assistant
)

// A Message is one turn. Tool results are blocks of a User turn, in front of what else it says.
type Message struct {
	Role   Role
	Name   string // of the participant, where the caller tells several apart
	Blocks []Block
}

// A Request asks a model for an answer. Pointers and empty values mean that the caller did not say.
//
// What stands in System messages at the start, in between, or as Developer is kept where it stands: each codec puts it
// where its vendor wants it.
type Request struct {
	Dialect  string // of the caller, whose names Extra has; empty where nobody said
	Model    string // as the caller named it
	Stream   bool
	Messages []Message

	Tools        []Tool
	Choice       Choice
	Parallel     *bool  // several tool calls at once are welcome
	Format       Format // of the answer's text
	MaxTokens    int64  // of the answer; 0 is unsaid
	N            int64  // answers wanted; 0 is unsaid
	Stop         []string
	Temperature  *float64
	TopP         *float64
	TopK         *int64
	MinP         *float64
	Frequency    *float64 // penalty
	Presence     *float64 // penalty
	Repetition   *float64 // penalty, as open models take it
	Seed         *int64
	LogitBias    JSON
	Logprobs     bool
	TopLogprobs  int
	Reasoning    Reasoning
	Verbosity    string   // low, medium, high
	Modalities   []string // text, audio, image, in lower case; empty is text
	AudioOut     AudioOut
	ServiceTier  string // as the caller wrote it
	User         string // the end user, for the vendor's abuse checks
	SafetyID     string // the same by OpenAI's newer name, safety_identifier; a caller may give both
	Metadata     map[string]string
	CacheKey     string // OpenAI prompt_cache_key
	CacheFor     string // OpenAI prompt_cache_retention
	CacheAll     *Cache // Anthropic's cache_control of the whole request
	Prediction   JSON   // OpenAI's predicted output
	Previous     string // Responses: previous_response_id
	Store        *bool
	Truncation   string   // Responses
	Include      []string // Responses
	Safety       JSON     // Gemini safetySettings
	ContextEdits JSON     // Anthropic context_management

	// IncludeUsage says that a chat stream must end with a usage chunk.
	IncludeUsage bool
	// Functions says that the caller knows OpenAI's functions only, from before there were tools: calls are answered as
	// function_call, one at most.
	Functions bool

	// Bound names what only the vendor of Dialect can do and nobody can go without, beside Previous: a conversation that it
	// keeps, an answer in the background. By their paths in Dialect.
	Bound []string

	// Extra are the fields of the request that the caller's codec does not know, and those that mean nothing outside the
	// caller's dialect, by their path there.
	Extra map[string]JSON
}

// Elsewhere says why a request cannot go to an upstream of a dialect: it rests on what another vendor keeps or does, and
// without that the answer would be one that the caller did not ask for. The error is a *RequestError, its Param a Field.
func (r *Request) Elsewhere(dialect string) error {
	switch {
	case r.Previous != "" && dialect != Responses:
		return &RequestError{Param: string(FieldPrevious), Code: "unsupported_parameter",
			Message: "This model keeps no earlier answers: send the whole conversation."}
	case len(r.Bound) > 0 && dialect != r.Dialect:
		return &RequestError{Param: string(FieldExtra.With(r.Bound[0])), Code: "unsupported_parameter",
			Message: "This model does not support '" + r.Bound[0] + "', and the request means nothing without it."}
	}
	return nil
}

// A Tool is something the model may call.
type Tool struct {
	Name        string
	Description string
	Schema      JSON  // JSON schema of the arguments; empty takes none
	Strict      *bool // arguments must satisfy the schema
	// Grammar is set for a custom tool, which takes free text: OpenAI's format object, or "{}".
	Grammar JSON
	// Vendor is set for a tool that the vendor runs itself: the dialect that knows it. Type is its type there, Raw the
	// whole definition. Without a Vendor they are the form that the caller's dialect has for a function of this kind.
	Vendor, Type string
	Raw          JSON
	Cache        *Cache
	// Namespace is the group that a Responses caller put the tool in; Name then begins with that of the group. Other
	// dialects have no groups and see the whole Name.
	Namespace Namespace
}

// A Namespace is a group of tools. The zero value is none.
type Namespace struct{ Name, Description string }

// ChoiceMode says how free the model is to call tools.
type ChoiceMode uint8

const (
	Unsaid   ChoiceMode = iota
	Auto                // as it sees fit
	None                // not at all
	Required            // at least one of all, or of Names
)

// A Choice restricts the use of tools.
type Choice struct {
	Mode  ChoiceMode
	Names []string // with Required or Auto: only these
}

// FormatMode says what the text of an answer must be.
type FormatMode uint8

const (
	FormatText   FormatMode = iota
	FormatJSON              // any JSON object
	FormatSchema            // JSON that satisfies a schema
)

// A Format is structured output.
type Format struct {
	Mode        FormatMode
	Name        string
	Description string
	Schema      JSON
	Strict      *bool
}

// Described is the schema with what the format means as its description, for dialects that have no other place for it. A
// schema that describes itself stays as it is.
func (f *Format) Described() JSON {
	var own struct {
		Description JSON `json:"description"`
	}
	schema := bytes.TrimLeft(f.Schema, " \t\r\n")
	if f.Description == "" || len(schema) == 0 || schema[0] != '{' || json.Unmarshal(schema, &own, jsonLenient) != nil || len(own.Description) > 0 {
		return f.Schema
	}
	out, err := jsontext.AppendQuote([]byte(`{"description":`), f.Description)
	if err != nil {
		return f.Schema // no text that JSON has
	}
	rest := bytes.TrimLeft(schema[1:], " \t\r\n")
	if rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, rest...)
}

// Reasoning says how much the model is to think, in the words of the caller. Codecs translate with EffortOf and BudgetOf.
type Reasoning struct {
	Effort   string // none, minimal, low, medium, high, xhigh, max; "" is unsaid
	Budget   int64  // thinking tokens; 0 is unsaid, Dynamic leaves it to the model
	Off      bool   // no thinking
	Adaptive bool   // thinking as the model sees fit (Anthropic adaptive)
	// Summary asks for thinking to be shown: auto, concise, detailed; "none" hides it; "" is the vendor's habit.
	Summary string
}

// Dynamic is the Budget that leaves the amount to the model (Gemini: -1).
const Dynamic = -1

// IsZero reports whether the caller said nothing about thinking.
func (r Reasoning) IsZero() bool { return r == Reasoning{} }

// Size is about how long a body of the request will be, in bytes, so that its memory is taken once.
func (r *Request) Size() int {
	n := 1<<10 + r.SizeOfMessages()
	for i := range r.Tools {
		n += 128 + len(r.Tools[i].Description) + len(r.Tools[i].Schema)
	}
	return n
}

// SizeOfMessages is about how much of the body will be messages.
func (r *Request) SizeOfMessages() int {
	n := 0
	for i := range r.Messages {
		n += sizeOf(r.Messages[i].Blocks)
	}
	return n
}

func sizeOf(blocks []Block) int {
	n := 0
	for i := range blocks {
		b := &blocks[i]
		n += 96 + len(b.Text) + len(b.Text)/8 + len(b.Call.Input) + len(b.Data()) + len(b.Raw) // what is escaped takes more
		n += sizeOf(b.Content())
	}
	return n
}

// Measured reports whether thinking is to be shown in a certain length, which none but OpenAI's models can be asked for.
func (r Reasoning) Measured() bool { return r.Summary == "concise" || r.Summary == "detailed" }

// AudioOut is how spoken answers are wanted.
type AudioOut struct {
	Voice  string
	Format string // wav, mp3, …
}
