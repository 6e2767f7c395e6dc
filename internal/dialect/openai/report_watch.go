package openai

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// soundTokens is what a second of sound counts for where a vendor bills by the second: OpenAI's models that take sound by
// the token have ten of them a second (platform.openai.com, "Realtime costs").
const soundTokens = 10

// reportWatch reads one answer of an endpoint beside generation as it passes.
type reportWatch struct {
	onText  func(part []byte)
	lenient bool
	scanner jsonscan.Scanner
	errs    failure.Scan

	root    bool // the document is an object
	plain   bool // it is no JSON, which is fine
	started bool
	kind    []byte // of an event
	chunk   dialect.Chunk

	now, last tally
	pictures  int64 // made, whether their usage was told or not
	untold    int64 // of them, those of a stream whose events told none
}

// tally are counts as they were told.
type tally struct {
	seen, broken bool
	fields       uint32
	counts       [tallyFields]int64
	seconds      float64
	picture      bool // it came with one
}

type tallyField uint8

const (
	tallyInput tallyField = iota
	tallyOutput
	tallyTotal
	tallyCached
	tallyAudioInput
	tallyImageInput
	tallyAudioOutput
	tallyImageOutput
	tallyFields
)

const (
	idReport = iota + failure.End
	idReportType
	idReportText
	idReportUsage
	idReportSeconds
	idReportPicture
	idReportMade // a picture in an event
	idTally      // followed by the counts
)

var operationPaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"": idReport, "type": idReportType, "text": idReportText, "delta": idReportText, "usage": idReportUsage,
		"usage.seconds": idReportSeconds, "duration": idReportSeconds,
		"data[].b64_json": idReportPicture, "data[].url": idReportPicture, "b64_json": idReportMade, "url": idReportMade,
		"error": failure.Object, "error.message": failure.Message, "error.type": failure.Type, "error.code": failure.Code, "error.param": failure.Param,
	}
	for path, field := range map[string]tallyField{
		"usage.input_tokens": tallyInput, "usage.prompt_tokens": tallyInput,
		"usage.output_tokens": tallyOutput, "usage.completion_tokens": tallyOutput,
		"usage.total_tokens":                       tallyTotal,
		"usage.input_tokens_details.cached_tokens": tallyCached,
		"usage.input_tokens_details.image_tokens":  tallyImageInput,
		"usage.input_tokens_details.audio_tokens":  tallyAudioInput,
		"usage.input_token_details.audio_tokens":   tallyAudioInput,
		"usage.output_tokens_details.image_tokens": tallyImageOutput,
		"usage.output_tokens_details.audio_tokens": tallyAudioOutput,
		"meta.tokens.input_tokens":                 tallyInput,
		"meta.billed_units.input_tokens":           tallyInput,
		"meta.tokens.output_tokens":                tallyOutput,
		"meta.billed_units.output_tokens":          tallyOutput,
	} {
		paths[path] = idTally + jsonscan.ID(field)
	}
	return jsonscan.Compile(paths)
}()

func (w *reportWatch) begin() {
	w.scanner.Init(operationPaths, w)
	w.chunk, w.root, w.now = dialect.Chunk{}, false, tally{}
	w.kind = w.kind[:0]
	w.errs.Reset()
}

// Event implements dialect.Watch. Every event but an error is content. These streams end with an event that tells the
// usage, and some with [DONE] behind it.
func (w *reportWatch) Event(data []byte) (dialect.Chunk, error) {
	if dialect.IsDone(data) {
		return dialect.Chunk{Done: true}, nil
	}
	w.begin()
	if _, err := w.scanner.Write(data); err != nil {
		return dialect.Chunk{}, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if err := w.whole(); err != nil {
		return dialect.Chunk{}, err
	}
	before := w.last
	w.settle()
	if w.now.picture && bytes.HasSuffix(w.kind, []byte(".completed")) { // partial ones come before
		w.pictures++
		if w.now.seen {
			w.last.add(&before) // each picture has an event that tells its own usage
		} else {
			w.untold++
		}
	}
	w.chunk.Content = w.chunk.Error == nil
	w.chunk.Finish = bytes.HasSuffix(w.kind, []byte(".done")) || bytes.HasSuffix(w.kind, []byte(".completed"))
	return w.chunk, nil
}

// settle takes what a document said over what was said before.
func (w *reportWatch) settle() {
	if w.now.seen {
		w.chunk.Usage = true
		w.last = w.now
	}
	if w.errs.Found() || string(w.kind) == "error" {
		w.chunk.Error = errorOf(&w.errs, 0)
	}
}

// Write implements dialect.Watch.
func (w *reportWatch) Write(p []byte) (int, error) {
	if w.plain {
		w.text(p)
		return len(p), nil
	}
	n, err := w.scanner.Write(p)
	if err == nil {
		w.started = w.started || len(p) > 0
		return n, nil
	}
	if !w.lenient {
		return n, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	w.plain = true
	if !w.started {
		w.text(p)
	}
	return len(p), nil
}

// text passes on what is text and no sound.
func (w *reportWatch) text(p []byte) {
	if w.onText != nil && utf8.Valid(p) {
		w.onText(p)
	}
}

// End implements dialect.Watch.
func (w *reportWatch) End() error {
	if w.plain {
		return nil
	}
	err := w.whole()
	switch {
	case err == nil:
		w.settle()
	case w.lenient:
		err = nil // what is no report is an answer all the same
	}
	return err
}

// whole reports whether the document at hand is a complete object.
func (w *reportWatch) whole() error {
	if err := w.scanner.End(); err != nil {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if !w.root {
		return fmt.Errorf("%w: not an object", dialect.ErrMalformed)
	}
	return nil
}

// Error implements dialect.Watch.
func (w *reportWatch) Error() *llm.Error { return w.chunk.Error }

// ResponseID implements dialect.Watch: nothing goes on from these answers.
func (*reportWatch) ResponseID() string { return "" }

// Usage implements dialect.Watch. Seconds of sound, and pictures without a word about tokens, are turned into tokens, which
// is an estimate.
func (w *reportWatch) Usage() (llm.Usage, bool) {
	u, credible, odd := w.last.usage()
	u.Images = min(w.pictures, maxPictures)
	if made := min(w.pictures, maxPictures) * llm.PictureTokens; !credible && !odd && made > 0 {
		return llm.Usage{Output: made, ImageOutput: made, Images: u.Images, Estimated: true}, true
	}
	if made := min(w.untold, maxPictures) * llm.PictureTokens; credible && made > 0 {
		u.Output, u.ImageOutput, u.Estimated = u.Output+made, u.ImageOutput+made, true
	}
	return u, credible
}

// maxPictures is how many pictures of one answer are believed.
const maxPictures = 1000

// OddUsage implements dialect.Watch.
func (w *reportWatch) OddUsage() bool {
	_, _, odd := w.last.usage()
	return odd
}

func (t *tally) usage() (u llm.Usage, credible, odd bool) {
	c := &t.counts
	if t.broken || !t.seen {
		return llm.Usage{}, false, t.broken
	}
	input, output := c[tallyInput], c[tallyOutput]
	if t.fields&(1<<tallyInput) == 0 {
		input = max(0, c[tallyTotal]-output)
	}
	if t.fields == 0 && t.seconds > 0 {
		input = int64(math.Ceil(t.seconds * soundTokens))
		u = llm.Usage{Input: input, AudioInput: input, Seconds: int64(math.Ceil(t.seconds)), Estimated: true}
		return u, true, false
	}
	cached := min(c[tallyCached], input)
	u = llm.Usage{
		Input: input - cached, CachedInput: cached, Output: output,
		AudioInput: min(c[tallyAudioInput], input-cached), ImageInput: min(c[tallyImageInput], input-cached),
		AudioOutput: c[tallyAudioOutput], ImageOutput: c[tallyImageOutput],
		Seconds: int64(math.Ceil(t.seconds)),
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), clamped || cached < c[tallyCached]
}

// Open implements jsonscan.Handler.
func (w *reportWatch) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch {
	case id == idReport:
		w.root = kind == jsonscan.Object
	case id == idReportPicture && kind == jsonscan.String:
		w.pictures++
	case id == idReportMade && kind == jsonscan.String:
		w.now.picture = true
	case id < idReport:
		w.errs.Open(id, kind, at)
	}
}

// Text implements jsonscan.Handler.
func (w *reportWatch) Text(id jsonscan.ID, part []byte) {
	switch {
	case id == idReportType:
		w.kind = jsonscan.Keep(w.kind, part, 64)
	case id == idReportText:
		if w.onText != nil {
			w.onText(part)
		}
	case id < idReport:
		w.errs.Text(id, part)
	}
}

// Close implements jsonscan.Handler.
func (w *reportWatch) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	switch {
	case id >= idTally && kind != jsonscan.Null:
		w.now.set(tallyField(id-idTally), raw)
	case id == idReportSeconds && kind == jsonscan.Number:
		if n, err := strconv.ParseFloat(string(raw), 64); err == nil && n > 0 && n <= llm.MaxTokens/soundTokens {
			w.now.seen, w.now.seconds = true, n
		}
	case id < idReport:
		w.errs.Close(id, kind, raw, at)
	}
}

// add adds what was told before of other pictures.
func (t *tally) add(before *tally) {
	t.broken = t.broken || before.broken
	t.fields |= before.fields
	for i := range t.counts {
		t.counts[i] += before.counts[i]
	}
}

// set takes a count from the text of a JSON number. Cohere tells some of them twice: the larger counts.
func (t *tally) set(f tallyField, raw []byte) {
	n, ok := llm.ParseTokens(raw)
	t.seen = true
	if !ok {
		t.broken = true
		return
	}
	t.counts[f] = max(t.counts[f], n)
	t.fields |= 1 << f
}
