// Package dialect says what the gateway must know of a vendor's API: the interface that each package below it implements.
//
// A call whose caller and upstream speak the same dialect passes through: Scan reads of the request only what policy
// needs, Patch changes the model's name in place, and a Watch reads usage and progress of the answer as it goes by. All
// other pairs are translated by way of the neutral model of llm. Nothing here does network.
package dialect

import (
	"bytes"
	"errors"

	"aihigress/internal/llm"
)

// ErrMalformed reports an upstream's event or body that is not what its dialect allows: not JSON, mostly.
var ErrMalformed = errors.New("malformed answer")

// MaxText bounds what a stream encoder or decoder may hold of one answer, in bytes, where its protocol makes it hold
// anything: arguments that go out whole, an answer that the last event repeats.
const MaxText = 16 << 20

// MaxOpen bounds the blocks that a stream's decoder may leave open at once: encoders look through them one by one. More is a
// hostile upstream.
const MaxOpen = 1024

// MaxName bounds what every event of a stream repeats, in bytes: the answer's id, the model's name.
const MaxName = 1 << 10

// Name is what every event of a stream is to repeat, or nothing where it is longer than a name can be.
func Name(s string) string {
	if len(s) > MaxName {
		return ""
	}
	return s
}

// A Dialect is one vendor API, as callers speak it and as upstreams do. It has no state and serves concurrent calls.
type Dialect interface {
	// Name is one of the names of llm.
	Name() string

	// Scan reads a request of the dialect in one pass without decoding it. The error is an *llm.RequestError: a body that is
	// not JSON, a field of the wrong type, a repeated one (however its key is spelt), a missing model or empty messages.
	Scan(body []byte, at At) (Scanned, error)
	// Watch reads one answer as it passes. Generated text is passed to onText in pieces as it comes, tool calls and
	// thinking included; nil is fine. Pieces are valid during the call only and may end inside a rune.
	Watch(onText func(part []byte)) Watch

	// DecodeRequest reads a caller's request. The error is an *llm.RequestError.
	DecodeRequest(body []byte, at At) (*llm.Request, error)
	// EncodeRequest writes a request for an upstream, and tells what of it the dialect cannot take. The error is an
	// *llm.RequestError, for what cannot be left out either; its Param is an llm.Field, which FieldName puts into words.
	EncodeRequest(r *llm.Request, t Target) (body []byte, dropped []llm.Field, err error)
	// FieldName is what a caller of the dialect calls a field.
	FieldName(f llm.Field) string

	// DecodeResponse reads an upstream's whole answer. The error wraps ErrMalformed, or is an *llm.Error where the answer
	// is one. The response may point into body, which is used again once it is written for the caller; nothing else may.
	DecodeResponse(body []byte) (*llm.Response, error)
	// EncodeResponse writes a whole answer for a caller, who asked with the request.
	EncodeResponse(r *llm.Response, to *llm.Request) []byte
	// Decoder reads an upstream's stream.
	Decoder() Decoder
	// Encoder writes a stream for a caller, who asked with the request.
	Encoder(to *llm.Request) Encoder

	// DecodeError reads an upstream's error answer, with what its body tells of it. It always returns one, with the status
	// and the dialect as its origin; Message is empty where the body says nothing. Texts are the upstream's, not cleaned.
	DecodeError(status int, body []byte) *llm.Error
	// EncodeError writes the body of an error answer for a caller.
	EncodeError(e *llm.Error) []byte
	// AppendErrorEvent appends the event that ends a stream with an error, framing and all, in a way that the vendor's SDKs
	// raise.
	AppendErrorEvent(dst []byte, e *llm.Error) []byte
	// KeepAlive is what may be written into a stream at any time between events, before the first too.
	KeepAlive() []byte
}

// At is what the address of a request says, in dialects that put it there.
type At struct {
	Model  string // empty where the body names it
	Stream bool   // asked for by the address; other dialects have it in the body
	// Facts are what Scan read of the same body, for a DecodeRequest behind it; nil where it was not scanned.
	Facts *Facts
}

// Scanned is a request that was scanned.
type Scanned interface {
	Facts() *Facts
	// Thread is the conversation of a request that has one; the zero Thread of all others.
	Thread() Thread
	// Patch returns the body that was scanned with another model name and what else is asked for. All other bytes stay as and
	// where they are. It comes in pieces, one after the other, that share memory with the original: it must not change
	// while they are in use.
	Patch(body []byte, p Patch) [][]byte
	// PromptText passes on the texts that the model reads, and its tools as they stand: what TextBytes counts. Pieces are
	// valid during the call only and may end inside a rune.
	PromptText(body []byte, onText func(part []byte))
}

// Patch is what changes in a request that passes through.
type Patch struct {
	Model    string // the upstream's name for it
	AskUsage bool   // OpenAI chat: ask for the usage of a stream, which the caller did not
	// OmitModel takes the model out and puts AnthropicVersion in: Claude on Vertex has the one in the address and wants the
	// other in the body.
	OmitModel        bool
	AnthropicVersion string
	// ClaudeCLI asks for what Claude Code sends, where the body does not have it yet: its first sentence at the head of the
	// system prompt, and a metadata.user_id of its form. Anthropic alone.
	ClaudeCLI bool
}

// Facts is what the gateway reads of a request, whatever its dialect.
type Facts struct {
	Model        string
	Stream       bool
	IncludeUsage bool  // OpenAI chat: the caller asked for the usage chunk of a stream
	MaxTokens    int64 // the answer's limit; 0 where none is given
	N            int64 // answers asked for, at least 1

	// TextBytes is the size of the texts that the model reads, and of the tools, in bytes without escapes: what an estimate
	// of the prompt's tokens goes by. Pictures and sound are not in it.
	TextBytes int64
	// InputTokens counts the tokens of inputs that are given as numbers (embeddings).
	InputTokens int64
	// Images counts the pictures, Messages the messages, Media the sounds, films and documents.
	Images, Messages, Media int64
	// Needs is what the request asks of its model and provider, but for sizes and streams, which the fields above say.
	Needs llm.Needs

	// Previous is the answer that this request goes on from, which the upstream keeps (Responses).
	Previous string
	// Stores says that the upstream is to keep the answer (Responses: store, which is true unless the caller says no).
	Stores bool
}

// Target is the upstream model that a request is written for.
type Target struct {
	Model     string // its name there
	Stream    bool   // whether to ask for a stream, whatever the caller asked for
	AskUsage  bool   // ask for the usage of a stream
	MaxOutput int64  // tokens, where a limit must be given and the caller gave none; 0 is unknown
	// Host is the upstream's host name in lower case: some vendors of a shared dialect want a field spelt their own way.
	Host string
	// KeepExtra passes on the fields in Extra under their own names, for upstreams that take more than their dialect has.
	KeepExtra bool
	// OmitModel, AnthropicVersion and ClaudeCLI are as in Patch.
	OmitModel        bool
	AnthropicVersion string
	ClaudeCLI        bool
}

// Chunk is what one event of a stream that passes by is for the gateway.
type Chunk struct {
	Done    bool // it ends the stream: [DONE], message_stop, response.completed
	Content bool // text, thinking, a refusal, sound, or a part of a tool call: the answer has begun
	Finish  bool // an answer ended; the stream may end here without Done, or go on to tell its usage
	Usage   bool // carries usage
	// UsageOnly is OpenAI chat's extra chunk that stream_options.include_usage asks for.
	UsageOnly bool
	// Error is an error in the middle of a stream that began with 200; nil for none.
	Error *llm.Error
}

// IsDone reports whether an event is [DONE]: the end of a stream by OpenAI's chat, and by relays that speak several
// dialects, in all of them.
func IsDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }

// A Watch reads one answer as it passes: each event of a stream by Event, or the pieces of a body by Write and End. It
// keeps counts and short texts only, whatever the size of the answer. It is not safe for concurrent use.
type Watch interface {
	// Event reads the data of one event. The error wraps ErrMalformed.
	Event(data []byte) (Chunk, error)
	// Write reads the next piece of a body that is not streamed. The error wraps ErrMalformed.
	Write(p []byte) (int, error)
	// End reports whether the body was complete.
	End() error
	// Error is the error in a body that came with 200, after End; nil for none.
	Error() *llm.Error
	// Usage is what the vendor reported, and whether it did so in a way that can be believed. Where not, estimate.
	Usage() (llm.Usage, bool)
	// OddUsage says that the vendor's counts contradict each other or cannot be: worth a line in the log.
	OddUsage() bool
	// ResponseID is the answer's id, once it was told; empty where the dialect has none that a later request may name.
	ResponseID() string
}

// A Decoder reads one stream of an upstream. It is not safe for concurrent use.
type Decoder interface {
	// Decode reads the data of one event and hands what it means to emit, which may be nothing. What emit returns stops it.
	// Other errors wrap ErrMalformed. Done reports that this event ends the stream.
	Decode(data []byte, emit Emit) (done bool, err error)
	// End is called where the stream ended, properly, with or without done. Whole reports whether the answer is complete:
	// every candidate that began has finished. It may emit what it held back.
	End(emit Emit) (whole bool, err error)
	// Usage is what the vendor reported, and whether it can be believed.
	Usage() (llm.Usage, bool)
}

// Emit takes an event, which is valid until it returns.
type Emit func(*llm.Event) error

// An Encoder writes one stream for a caller. It is not safe for concurrent use.
type Encoder interface {
	// Append appends what an event is on the wire, framing and all: nothing, one event or several. Failed is written by
	// AppendErrorEvent and not passed here. The error wraps ErrTooLong where the protocol makes it hold more than MaxText.
	Append(dst []byte, e *llm.Event) ([]byte, error)
	// AppendEnd appends what ends a stream that is whole: usage, message_stop, [DONE].
	AppendEnd(dst []byte) []byte
}

// ErrTooLong reports an answer that is larger than its protocol lets the gateway pass on in bounded memory.
var ErrTooLong = errors.New("answer too long")
