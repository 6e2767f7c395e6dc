package openai

import (
	"bytes"
	"errors"
	"fmt"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// ErrMalformed reports an event or a body that is not a JSON object.
var ErrMalformed = errors.New("openai: malformed answer")

const maxFinish = 32 // bytes of a finish reason that are kept

// Chunk is what one event of a stream is for the proxy.
type Chunk struct {
	Done    bool // the [DONE] that ends a stream
	Content bool // text, reasoning, a refusal, sound, or a part of a tool call: the answer has begun
	Finish  bool // a choice ended
	Usage   bool // carries a usage object
	// UsageOnly has usage and an empty list of choices: the extra chunk that stream_options.include_usage asks for.
	UsageOnly bool
	// Error is an error in the middle of a stream that began with 200; nil for none.
	Error *Error
}

// Response reads one answer as it passes: each event of a stream by Chunk, or the pieces of a body by Write and End. It
// keeps counts and short texts only, whatever the size of the answer. It is not safe for concurrent use.
type Response struct {
	onText  func(part []byte)
	scanner jsonscan.Scanner

	chunk     Chunk
	root      bool // the document is an object
	emptyList bool // choices is an empty list
	errs      errorScan

	report, groq, choice report // usage at its three places in the document at hand
	last                 report // the latest that said something
	finish               []byte
	reading              bool // the finish reason at hand is to be kept
	textBytes            int64
}

// NewResponse returns a reader for one answer. Generated text is passed to onText in pieces as it comes, tool calls and
// reasoning included, so that tokens can be estimated where the vendor reports none; nil is fine. Pieces are valid during
// the call only and may end inside a rune.
func NewResponse(onText func(part []byte)) *Response {
	r := &Response{onText: onText}
	r.begin()
	return r
}

// begin gets ready for a document.
func (r *Response) begin() {
	r.scanner.Init(responsePaths, r)
	r.chunk, r.root, r.emptyList = Chunk{}, false, false
	r.report, r.groq, r.choice = report{}, report{}, report{}
	if r.errs.object {
		r.errs = errorScan{}
	}
}

// Chunk reads the data of one event. The error is ErrMalformed where it is no JSON object.
func (r *Response) Chunk(data []byte) (Chunk, error) {
	if trimmed := bytes.TrimSpace(data); string(trimmed) == "[DONE]" {
		return Chunk{Done: true}, nil
	}
	r.begin()
	_, err := r.scanner.Write(data)
	if err == nil {
		err = r.End()
	}
	if err != nil && !errors.Is(err, ErrMalformed) {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r.chunk, err
}

// Write reads the next piece of a body that is not streamed.
func (r *Response) Write(p []byte) (int, error) {
	n, err := r.scanner.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return n, err
}

// End reports whether the body was complete.
func (r *Response) End() error {
	err := r.scanner.End()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	case !r.root:
		return fmt.Errorf("%w: not an object", ErrMalformed)
	}
	for _, place := range []*report{&r.report, &r.groq, &r.choice} {
		if place.seen {
			r.chunk.Usage = true
			r.settle(*place)
			break
		}
	}
	r.chunk.UsageOnly = r.emptyList && r.report.seen
	if r.errs.object {
		e, _ := r.errs.error()
		r.chunk.Error = &e
	}
	return nil
}

// settle takes a report over the ones before. Vendors that report in several chunks count from the start each time; a
// report of nothing does not undo one of something.
func (r *Response) settle(now report) {
	_, credible, _ := now.usage()
	if _, before, _ := r.last.usage(); credible || !before {
		r.last = now
	}
}

// Usage returns what the vendor reported, and whether it did so in a way that can be believed. Where not, estimate.
func (r *Response) Usage() (llm.Usage, bool) {
	u, credible, _ := r.last.usage()
	return u, credible
}

// OddUsage says that the vendor's counts contradict each other or cannot be: worth a line in the log.
func (r *Response) OddUsage() bool {
	_, _, odd := r.last.usage()
	return odd
}

// FinishReason is the last one that was given, empty before.
func (r *Response) FinishReason() string { return string(r.finish) }

// TextBytes is how much text was generated so far, in bytes.
func (r *Response) TextBytes() int64 { return r.textBytes }

// Error is the error in a body that came with 200, after End.
func (r *Response) Error() *Error { return r.chunk.Error }

const (
	idAnswer jsonscan.ID = iota + 32 // above the IDs of errors, which share the document
	idChoices
	idChoice
	idFinish
	idText
	idSound
	idCallID
	idUsage
	idGroqUsage
	idChoiceUsage
	idCount // followed by the counts of the three places
)

var responsePaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"":                        idAnswer,
		"choices":                 idChoices,
		"choices[]":               idChoice,
		"choices[].finish_reason": idFinish,
		"choices[].text":          idText,
		"error":                   idErrObject,
		"error.message":           idErrMessage,
		"error.type":              idErrType,
		"error.code":              idErrCode,
		"error.param":             idErrParam,
	}
	for _, message := range []string{"choices[].delta", "choices[].message"} {
		for _, text := range []string{"content", "content[].text", "content[].thinking[].text", "refusal", "reasoning",
			"reasoning_content", "audio.transcript", "function_call.name", "function_call.arguments",
			"tool_calls[].function.name", "tool_calls[].function.arguments", "tool_calls[].custom.name", "tool_calls[].custom.input"} {
			paths[message+"."+text] = idText
		}
		paths[message+".audio.data"] = idSound
		paths[message+".tool_calls[].id"] = idCallID
	}
	// Groq adds x_groq.usage; Moonshot puts usage into the last choice.
	for place, at := range []string{"usage", "x_groq.usage", "choices[].usage"} {
		paths[at] = idUsage + jsonscan.ID(place)
		for name, field := range map[string]reportField{
			"prompt_tokens":                              promptTokens,
			"completion_tokens":                          completionTokens,
			"total_tokens":                               totalTokens,
			"prompt_tokens_details.cached_tokens":        cachedTokens,
			"prompt_tokens_details.cache_write_tokens":   cacheWriteTokens,
			"prompt_tokens_details.audio_tokens":         audioInput,
			"completion_tokens_details.reasoning_tokens": reasoningTokens,
			"completion_tokens_details.audio_tokens":     audioOutput,
			"prompt_cache_hit_tokens":                    cacheHitTokens,
			"cached_tokens":                              cacheHitTokens,
		} {
			paths[at+"."+name] = idCount + jsonscan.ID(place)*jsonscan.ID(reportFields) + jsonscan.ID(field)
		}
	}
	return jsonscan.Compile(paths)
}()

// at returns the usage report at a place, by its number.
func (r *Response) at(place jsonscan.ID) *report {
	return [...]*report{&r.report, &r.groq, &r.choice}[place]
}

// Open implements jsonscan.Handler.
func (r *Response) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch id {
	case idAnswer:
		r.root = kind == jsonscan.Object
	case idChoices:
		r.emptyList = kind == jsonscan.Array
	case idChoice:
		r.emptyList = false
	case idFinish:
		r.reading = kind == jsonscan.String
		if r.reading {
			r.chunk.Finish = true
			r.finish = r.finish[:0]
		}
	case idUsage, idGroqUsage, idChoiceUsage:
		r.at(id - idUsage).seen = kind == jsonscan.Object
	case idText, idSound, idCallID:
	default:
		if id < idAnswer {
			r.errs.Open(id, kind, at)
		}
	}
}

// Text implements jsonscan.Handler.
func (r *Response) Text(id jsonscan.ID, part []byte) {
	switch id {
	case idText:
		r.chunk.Content = true
		r.textBytes += int64(len(part))
		if r.onText != nil {
			r.onText(part)
		}
	case idSound, idCallID:
		r.chunk.Content = true
	case idFinish:
		r.finish = append(r.finish, part[:min(len(part), maxFinish-len(r.finish))]...)
	default:
		if id < idAnswer {
			r.errs.Text(id, part)
		}
	}
}

// Close implements jsonscan.Handler.
func (r *Response) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	switch {
	case id >= idCount:
		if kind != jsonscan.Null {
			i := id - idCount
			r.at(i/jsonscan.ID(reportFields)).set(reportField(i%jsonscan.ID(reportFields)), raw)
		}
	case id < idAnswer:
		r.errs.Close(id, kind, raw, at)
	}
}
