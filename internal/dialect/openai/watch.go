package openai

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// Watch implements dialect.Dialect. It reads chat completions and legacy ones. A whole one with neither choices nor usage
// is malformed: some relays answer 200 with an object that says nothing, or that there was an error in their own way.
func (Dialect) Watch(onText func(part []byte)) dialect.Watch {
	w := newWatch(onText)
	w.generates = true
	return w
}

// newWatch reads the answers of other endpoints too: embeddings and whatever else has OpenAI's usage.

func newWatch(onText func(part []byte)) *watch {
	w := &watch{onText: onText}
	w.begin()
	return w
}

// watch reads one answer as it passes. It keeps counts and short texts only.
type watch struct {
	onText    func(part []byte)
	generates bool // what is read must be an answer of a model
	scanner   jsonscan.Scanner
	shape     jsonscan.Shape // of events that say nothing but text

	chunk     dialect.Chunk
	root      bool // the document is an object
	choices   bool // there is a list of them
	emptyList bool // which is empty
	errs      failure.Scan

	report, groq, choice report // usage at its three places in the document at hand
	last                 report // the latest that said something
	tier                 llm.TierName
}

// begin gets ready for a document.
func (r *watch) begin() {
	r.scanner.Init(responsePaths, r)
	r.chunk, r.root, r.choices, r.emptyList = dialect.Chunk{}, false, false, false
	r.report, r.groq, r.choice = report{}, report{}, report{}
	r.errs.Reset()
}

// Event implements dialect.Watch.
func (r *watch) Event(data []byte) (dialect.Chunk, error) {
	said := dialect.Chunk{Content: true}
	if r.shape.Match(data, r.onText) {
		return said, nil
	}
	if dialect.IsDone(data) {
		return dialect.Chunk{Done: true}, nil
	}
	r.begin()
	r.shape.Learn(&r.scanner, &textRoles)
	_, err := r.Write(data)
	if err == nil {
		err = r.end()
	}
	if err == nil && r.chunk == said {
		r.shape.Learned(data)
	}
	return r.chunk, err
}

// Write implements dialect.Watch.
func (r *watch) Write(p []byte) (int, error) {
	n, err := r.scanner.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return n, err
}

// End implements dialect.Watch.
func (r *watch) End() error {
	if err := r.end(); err != nil {
		return err
	}
	if r.generates && !r.choices && !r.chunk.Usage && r.chunk.Error == nil {
		return fmt.Errorf("%w: neither choices nor usage", dialect.ErrMalformed)
	}
	return nil
}

// end ends a document.
func (r *watch) end() error {
	err := r.scanner.End()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	case !r.root:
		return fmt.Errorf("%w: not an object", dialect.ErrMalformed)
	}
	for _, place := range []*report{&r.report, &r.groq, &r.choice} {
		if place.seen {
			r.chunk.Usage = true
			r.last.settle(place)
			break
		}
	}
	r.chunk.UsageOnly = r.emptyList && r.report.seen
	if r.errs.Found() {
		r.chunk.Error = errorOf(&r.errs, 0)
	}
	return nil
}

// Usage implements dialect.Watch.
func (r *watch) Usage() (llm.Usage, bool) {
	u, credible, _ := r.last.usage()
	u.Tier = r.tier.Tier()
	return u, credible
}

// OddUsage implements dialect.Watch.
func (r *watch) OddUsage() bool {
	_, _, odd := r.last.usage()
	return odd
}

// Error implements dialect.Watch.
func (r *watch) Error() *llm.Error { return r.chunk.Error }

// ResponseID implements dialect.Watch. No later request names a chat completion.
func (*watch) ResponseID() string { return "" }

const (
	idAnswer = iota + failure.End
	idChoices
	idChoice
	idFinish
	idText
	idSound
	idCallID
	idTier
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
		"service_tier":            idTier,
		"error":                   failure.Object,
		"error.message":           failure.Message,
		"error.type":              failure.Type,
		"error.code":              failure.Code,
		"error.param":             failure.Param,
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
		for name, field := range reportNames {
			paths[at+"."+name] = idCount + jsonscan.ID(place)*jsonscan.ID(reportFields) + jsonscan.ID(field)
		}
	}
	return jsonscan.Compile(paths)
}()

// textRoles are what places are to an event that says nothing but text.
var textRoles = jsonscan.Roles{
	idAnswer: jsonscan.Alike, idChoices: jsonscan.Alike, idChoice: jsonscan.Alike, idFinish: jsonscan.Alike, idCallID: jsonscan.Alike,
	idTier: jsonscan.Alike, idUsage: jsonscan.Alike, failure.Object: jsonscan.Alike, // where the latter are null
	idText: jsonscan.Told,
}

// at returns the usage report at a place, by its number.
func (r *watch) at(place jsonscan.ID) *report {
	return [...]*report{&r.report, &r.groq, &r.choice}[place]
}

// Open implements jsonscan.Handler.
func (r *watch) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch id {
	case idAnswer:
		r.root = kind == jsonscan.Object
	case idChoices:
		r.choices = kind == jsonscan.Array
		r.emptyList = r.choices
	case idChoice:
		r.emptyList = false
	case idFinish:
		if kind == jsonscan.String {
			r.chunk.Finish = true
		}
	case idTier:
		r.tier.Reset()
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
func (r *watch) Text(id jsonscan.ID, part []byte) {
	switch id {
	case idText:
		r.chunk.Content = true
		if r.onText != nil {
			r.onText(part)
		}
	case idSound, idCallID:
		r.chunk.Content = true
	case idTier:
		r.tier.Add(part)
	case idFinish:
	default:
		if id < idAnswer {
			r.errs.Text(id, part)
		}
	}
}

// Close implements jsonscan.Handler.
func (r *watch) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
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
