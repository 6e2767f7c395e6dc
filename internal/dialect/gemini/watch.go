package gemini

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

const (
	idAnswer  = iota + failure.End
	idAnswers // an element of a list of answers, as streams without alt=sse are
	idFinish
	idBlock
	idSaid  // text that was generated
	idArgs  // arguments of a call, which are JSON
	idSeen  // other parts of an answer
	idQuery // of the vendor's own search
	idTier
	idUsage                                          // the object
	idCounts                                         // followed by the counts
	idDetails = idCounts + jsonscan.ID(reportFields) // elements of the lists of details, by list
	idModals  = idDetails + jsonscan.ID(partFields)  // the modality of an element
	idAmounts = idModals + jsonscan.ID(partFields)   // the count of an element
)

var answerPaths = func() *jsonscan.Paths {
	const part = "candidates[].content.parts[]."
	answer := join(errorKeys, map[string]jsonscan.ID{
		"candidates[].finishReason":                         idFinish,
		"promptFeedback.blockReason":                        idBlock,
		"candidates[].groundingMetadata.webSearchQueries[]": idQuery,
		part + "text":                idSaid,
		part + "functionCall":        idSeen,
		part + "functionCall.name":   idSaid,
		part + "functionCall.args":   idArgs,
		part + "executableCode.code": idSaid,
		part + "codeExecutionResult": idSeen,
		part + "inlineData":          idSeen,
		part + "fileData":            idSeen,
		"usageMetadata":              idUsage,
		"usageMetadata.serviceTier":  idTier,
	})
	for key, field := range usageKeys {
		answer["usageMetadata."+key] = idCounts + jsonscan.ID(field)
	}
	for key, field := range detailKeys {
		answer["usageMetadata."+key+"[]"] = idDetails + jsonscan.ID(field)
		answer["usageMetadata."+key+"[].modality"] = idModals + jsonscan.ID(field)
		answer["usageMetadata."+key+"[].tokenCount"] = idAmounts + jsonscan.ID(field)
	}
	return jsonscan.Compile(join(answer, below("[].", answer), map[string]jsonscan.ID{"": idAnswer, "[]": idAnswers}))
}()

// watch reads one answer as it passes.
type watch struct {
	onText  func([]byte)
	scanner jsonscan.Scanner

	chunk   dialect.Chunk
	root    bool // the document is an object or a list
	none    bool // it is a list of nothing
	errs    failure.Scan
	now     report // of the answer at hand
	last    report // the latest that said something
	tier    llm.TierName
	queries int64  // of the answer at hand
	tools   int64  // the most queries that one answer told
	word    []byte // the short text at hand: a reason, or a modality
	modal   []byte // the modality of the element of details at hand
	amount  int64  // its count

	piece []byte // what Write was given
	base  int64  // offset of its first byte
	args  int64  // where arguments that are not yet passed on begin; -1 for none
}

// Watch implements dialect.Dialect. A body may be one answer, or a list of them.
func (Dialect) Watch(onText func(part []byte)) dialect.Watch {
	if onText == nil {
		onText = func([]byte) {}
	}
	w := &watch{onText: onText}
	w.begin()
	return w
}

// begin gets ready for a document.
func (w *watch) begin() {
	w.scanner.Init(answerPaths, w)
	w.chunk, w.root, w.none, w.base, w.args = dialect.Chunk{}, false, false, 0, -1
	w.errs.Reset()
}

// Event implements dialect.Watch. No event of Google's ends a stream; the [DONE] that some relays add does.
func (w *watch) Event(data []byte) (dialect.Chunk, error) {
	if dialect.IsDone(data) {
		return dialect.Chunk{Done: true}, nil
	}
	w.begin()
	_, err := w.Write(data)
	if err == nil {
		err = w.end()
	}
	return w.chunk, err
}

// Write implements dialect.Watch.
func (w *watch) Write(p []byte) (int, error) {
	w.piece = p
	n, err := w.scanner.Write(p)
	if w.args >= 0 && err == nil {
		w.onText(p[max(0, w.args-w.base):])
		w.args = w.base + int64(n)
	}
	w.base += int64(n)
	w.piece = nil
	if err != nil {
		err = fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return n, err
}

// End implements dialect.Watch. A list without an answer in it is malformed.
func (w *watch) End() error {
	if err := w.end(); err != nil {
		return err
	}
	if w.none {
		return fmt.Errorf("%w: an empty list", dialect.ErrMalformed)
	}
	return nil
}

// end ends a document.
func (w *watch) end() error {
	err := w.scanner.End()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	case !w.root:
		return fmt.Errorf("%w: neither an object nor a list", dialect.ErrMalformed)
	}
	if w.errs.Found() {
		w.chunk.Error = errorOf(&w.errs, 0)
	}
	return nil
}

// Error implements dialect.Watch.
func (w *watch) Error() *llm.Error { return w.chunk.Error }

// Usage implements dialect.Watch. ToolUses counts the queries of the vendor's search.
func (w *watch) Usage() (llm.Usage, bool) {
	u, credible, _ := w.last.usage()
	u.ToolUses, u.Tier = w.tools, w.tier.Tier()
	return u, credible
}

// OddUsage implements dialect.Watch.
func (w *watch) OddUsage() bool {
	_, _, odd := w.last.usage()
	return odd
}

// ResponseID implements dialect.Watch: a responseId is nothing that a later request may name.
func (w *watch) ResponseID() string { return "" }

// Open implements jsonscan.Handler.
func (w *watch) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	switch {
	case id == idAnswer:
		w.root = kind == jsonscan.Object || kind == jsonscan.Array
		w.none = kind == jsonscan.Array
		w.now, w.queries = report{}, 0
	case id == idAnswers:
		w.none = false
		w.now, w.queries = report{}, 0
	case id == idFinish || id == idBlock || id >= idModals && id < idAmounts:
		w.word = w.word[:0]
	case id == idArgs:
		if kind == jsonscan.Object {
			w.args = at
		}
	case id == idSeen:
		w.chunk.Content = w.chunk.Content || kind == jsonscan.Object
	case id == idTier:
		w.tier.Reset()
	case id == idUsage:
		w.now.seen = kind == jsonscan.Object
	case id >= idDetails && id < idModals:
		w.modal, w.amount = w.modal[:0], 0
	case id < idAnswer:
		w.errs.Open(id, kind, at)
	}
}

// Text implements jsonscan.Handler.
func (w *watch) Text(id jsonscan.ID, part []byte) {
	switch {
	case id == idSaid:
		w.chunk.Content = true
		w.onText(part)
	case id == idTier:
		w.tier.Add(part)
	case id == idFinish || id == idBlock || id >= idModals && id < idAmounts:
		w.word = jsonscan.Keep(w.word, part, 32)
	case id < idAnswer:
		w.errs.Text(id, part)
	}
}

// Close implements jsonscan.Handler.
func (w *watch) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	if kind == jsonscan.Number && (id == idFinish || id == idBlock || id >= idModals && id < idAmounts) {
		w.word = append(w.word, raw...)
	}
	switch {
	case id == idAnswer && kind == jsonscan.Object, id == idAnswers:
		w.chunk.Usage = w.chunk.Usage || w.now.seen
		w.last.settle(&w.now)
		w.tools = max(w.tools, w.queries)
	case id == idFinish || id == idBlock:
		w.chunk.Finish = w.chunk.Finish || said(string(w.word))
	case id == idArgs:
		if w.args >= 0 {
			w.onText(w.piece[max(0, w.args-w.base) : at-w.base])
			w.args = -1
		}
	case id == idQuery:
		w.queries++
	case id >= idAmounts:
		if kind == jsonscan.Number {
			w.amount, _ = w.now.count(raw)
		}
	case id >= idModals:
		w.modal = append(w.modal[:0], w.word...)
	case id >= idDetails:
		if sort, ok := modality(string(w.modal)); ok {
			w.now.part(partField(id-idDetails)+sort, w.amount)
		}
	case id >= idCounts:
		if kind != jsonscan.Null {
			w.now.set(reportField(id-idCounts), raw)
		}
	case id < idAnswer:
		w.errs.Close(id, kind, raw, at)
	}
}

// said reports whether a reason was given: the first value of such enums is "unspecified".
func said(reason string) bool {
	switch reason {
	case "", "0", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED":
		return false
	}
	return true
}
