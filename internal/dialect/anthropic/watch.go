package anthropic

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

const maxWord = 40 // bytes of a type that are kept

// Watch implements dialect.Dialect.
func (Dialect) Watch(onText func(part []byte)) dialect.Watch {
	w := &watch{onText: onText, input: -1}
	w.begin()
	return w
}

// watch implements dialect.Watch.
type watch struct {
	onText  func(part []byte)
	scanner jsonscan.Scanner
	shape   jsonscan.Shape // of events that say nothing but text

	chunk  dialect.Chunk
	root   bool // the document is an object
	typ    []byte
	errs   failure.Scan
	report report
	tier   llm.TierName

	// The arguments of a call are an object in a body that is not streamed. What is between its braces is passed on as it
	// stands; a stream begins a call with nothing between them.
	input int64  // where what is in the object at hand begins, -1 outside of one
	base  int64  // offset of the piece at hand
	piece []byte // the piece at hand
}

// begin gets ready for a document. What it told of usage is added to what those before told.
func (w *watch) begin() {
	w.scanner.Init(answerPaths, w)
	w.chunk, w.root, w.typ, w.base, w.input = dialect.Chunk{}, false, w.typ[:0], 0, -1
	w.errs.Reset()
}

// Event implements dialect.Watch.
func (w *watch) Event(data []byte) (dialect.Chunk, error) {
	said := dialect.Chunk{Content: true}
	if w.shape.Match(data, w.onText) {
		return said, nil
	}
	w.begin()
	w.shape.Learn(&w.scanner, &textRoles)
	_, err := w.Write(data)
	if err == nil {
		err = w.End()
	}
	if err == nil && w.chunk == said {
		w.shape.Learned(data)
	}
	return w.chunk, err
}

// Write implements dialect.Watch.
func (w *watch) Write(p []byte) (int, error) {
	w.piece = p
	n, err := w.scanner.Write(p)
	if err != nil {
		return n, malformed(err)
	}
	if w.input >= 0 {
		w.text(p[min(max(0, w.input-w.base), int64(len(p))):])
	}
	w.base += int64(len(p))
	w.piece = nil
	return n, nil
}

// End implements dialect.Watch.
func (w *watch) End() error {
	err := w.scanner.End()
	switch {
	case err != nil:
		return malformed(err)
	case !w.root:
		return fmt.Errorf("%w: not an object", dialect.ErrMalformed)
	}
	w.chunk.Done = string(w.typ) == "message_stop"
	if w.errs.Found() {
		w.chunk.Error = errorOf(&w.errs, 0)
	}
	return nil
}

func malformed(err error) error { return fmt.Errorf("%w: %w", dialect.ErrMalformed, err) }

// Error implements dialect.Watch.
func (w *watch) Error() *llm.Error { return w.chunk.Error }

// Usage implements dialect.Watch.
func (w *watch) Usage() (llm.Usage, bool) {
	u, credible, _ := w.report.usage()
	u.Tier = w.tier.Tier()
	return u, credible
}

// OddUsage implements dialect.Watch.
func (w *watch) OddUsage() bool {
	_, _, odd := w.report.usage()
	return odd
}

// ResponseID implements dialect.Watch: no request names an answer.
func (w *watch) ResponseID() string { return "" }

func (w *watch) text(part []byte) {
	if len(part) == 0 {
		return
	}
	w.chunk.Content = true
	if w.onText != nil {
		w.onText(part)
	}
}

const (
	idAnswer = iota + failure.End
	idType
	idStopReason
	idGenerated // text, thinking, the name or the arguments of a call
	idSealed    // content that is no text: a signature, an id, sealed thinking
	idCallInput // arguments as an object
	idTier
	idUsage
	idIterations
	idCount // followed by the counts, and by those of an iteration

	idIteration = idCount + jsonscan.ID(countFields)
)

// answerPaths covers the events of a stream and the whole message.
var answerPaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"":                    idAnswer,
		"type":                idType,
		"stop_reason":         idStopReason,
		"delta.stop_reason":   idStopReason,
		"delta.text":          idGenerated,
		"delta.thinking":      idGenerated,
		"delta.partial_json":  idGenerated,
		"delta.content":       idGenerated, // compaction_delta
		"delta.signature":     idSealed,
		"content[].input":     idCallInput,
		"content_block.input": idCallInput,
		"error":               failure.Object,
		"error.message":       failure.Message,
		"error.type":          failure.Type,
		"error.status":        failure.Type,
		"error.code":          failure.Code,
		"request_id":          failure.Request,
		"usage":               idUsage,
		"message.usage":       idUsage,
	}
	for _, block := range []string{"content[]", "content_block"} {
		for _, text := range []string{"text", "thinking", "name", "content"} {
			paths[block+"."+text] = idGenerated
		}
		paths[block+".id"] = idSealed
		paths[block+".data"] = idSealed
		paths[block+".tool_use_id"] = idSealed
	}
	for _, usage := range []string{"usage", "message.usage"} {
		paths[usage+".iterations"] = idIterations
		paths[usage+".service_tier"] = idTier
		for name, f := range countNames {
			paths[usage+"."+name] = idCount + jsonscan.ID(f)
			paths[usage+".iterations[]."+name] = idIteration + jsonscan.ID(f)
		}
	}
	return jsonscan.Compile(paths)
}()

// textRoles are what places are to an event that says nothing but text.
var textRoles = jsonscan.Roles{
	idAnswer: jsonscan.Alike, idType: jsonscan.Alike, idSealed: jsonscan.Alike,
	idStopReason: jsonscan.Alike, failure.Object: jsonscan.Alike, // where these are null
	idGenerated: jsonscan.Told,
}

// Open implements jsonscan.Handler.
func (w *watch) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch {
	case id == idAnswer:
		w.root = kind == jsonscan.Object
	case id == idStopReason:
		w.chunk.Finish = w.chunk.Finish || kind == jsonscan.String
	case id == idCallInput && kind == jsonscan.Object:
		w.input = at + 1
	case id == idTier:
		w.tier.Reset()
	case id == idUsage:
		w.chunk.Usage = w.chunk.Usage || kind == jsonscan.Object
	case id == idIterations:
		w.report.iterations = [countFields]int64{} // told anew, and as a whole
	case id < idAnswer:
		w.errs.Open(id, kind, at)
	}
}

// Text implements jsonscan.Handler.
func (w *watch) Text(id jsonscan.ID, part []byte) {
	switch {
	case id == idGenerated:
		w.text(part)
	case id == idSealed:
		w.chunk.Content = true
	case id == idTier:
		w.tier.Add(part)
	case id == idType:
		w.typ = jsonscan.Keep(w.typ, part, maxWord)
	case id < idAnswer:
		w.errs.Text(id, part)
	}
}

// Close implements jsonscan.Handler.
func (w *watch) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	switch {
	case id == idCallInput && w.input >= 0:
		w.text(w.piece[min(max(0, w.input-w.base), at-1-w.base) : at-1-w.base])
		w.input = -1
	case id >= idIteration:
		if kind != jsonscan.Null {
			w.report.add(count(id-idIteration), raw)
		}
	case id >= idCount:
		if kind != jsonscan.Null {
			w.report.set(count(id-idCount), raw)
		}
	case id < idAnswer:
		w.errs.Close(id, kind, raw, at)
	}
}
