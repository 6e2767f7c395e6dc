package responses

import (
	"bytes"
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/failure"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// audioDelta is the kind of an event whose delta is sound and no text.
const audioDelta = "response.audio.delta"

// watch implements dialect.Watch.
type watch struct {
	onText  func(part []byte)
	scanner jsonscan.Scanner
	shape   jsonscan.Shape // of events that say nothing but text

	event    bool // the document is an event, not a body
	late     bool // an event whose whole item is read a second time, for its texts
	doc      document
	deltas   bool // pieces came since the last item that was done
	anyText  bool // some text was passed on
	id       []byte
	last     report // the latest that said something
	tier     llm.TierName
	toolUses int64
	failure  *llm.Error
}

// document is what is kept of the document at hand.
type document struct {
	root     bool // it is an object
	kind     []byte
	status   []byte
	itemKind []byte
	delta    bool
	usage    report
	errs     failure.Scan
	id       []byte
	uses     int64
}

// Watch implements dialect.Dialect.
func (Dialect) Watch(onText func(part []byte)) dialect.Watch {
	w := &watch{onText: onText}
	w.begin()
	return w
}

// begin gets ready for a document.
func (w *watch) begin() {
	w.scanner.Init(answerPaths, w)
	w.doc = document{kind: w.doc.kind[:0], status: w.doc.status[:0], itemKind: w.doc.itemKind[:0], id: w.doc.id[:0]}
}

// Event implements dialect.Watch.
func (w *watch) Event(data []byte) (dialect.Chunk, error) {
	said := dialect.Chunk{Content: true}
	if w.shape.Match(data, w.onText) {
		return said, nil
	}
	if dialect.IsDone(data) {
		return dialect.Chunk{Done: true}, nil
	}
	w.event, w.late = true, false
	w.begin()
	w.shape.Learn(&w.scanner, &textRoles)
	if err := w.read(data); err != nil {
		return dialect.Chunk{}, err
	}
	w.settle()
	var c dialect.Chunk
	c.Usage = w.doc.usage.seen
	c.Content = w.doc.delta
	switch string(w.doc.kind) {
	case "response.completed", "response.incomplete", "response.done":
		c.Done, c.Finish = true, true
		if !w.anyText { // nothing came by deltas or items: the whole answer is here
			c.Content = w.reread(data) || c.Content
		}
	case "response.failed", "error":
		c.Error = w.doc.err()
	case "":
		if w.doc.errs.Found() {
			c.Error = w.doc.err()
		}
	case "response.output_item.added":
		c.Content = c.Content || callItem(w.doc.itemKind)
	case "response.output_item.done":
		if !w.deltas {
			c.Content = w.reread(data) || c.Content || callItem(w.doc.itemKind)
		}
		w.deltas = false
		if vendorRun(string(w.doc.itemKind)) {
			w.toolUses++
		}
	case "response.image_generation_call.partial_image":
		c.Content = true
	}
	if w.doc.delta {
		w.deltas, w.anyText = true, true
		if kind := w.doc.kind; c == said && bytes.HasSuffix(kind, []byte(".delta")) && string(kind) != audioDelta {
			w.shape.Learned(data)
		}
	}
	return c, nil
}

// scan reads a whole document.
func (w *watch) scan(data []byte) error {
	w.begin()
	return w.read(data)
}

// read reads it when it has begun.
func (w *watch) read(data []byte) error {
	if _, err := w.scanner.Write(data); err != nil {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return w.whole()
}

// whole reports whether the document at hand is complete.
func (w *watch) whole() error {
	if err := w.scanner.End(); err != nil {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if !w.doc.root {
		return fmt.Errorf("%w: not an object", dialect.ErrMalformed)
	}
	return nil
}

// reread passes on the texts of the whole items in an event, and reports whether there were any.
func (w *watch) reread(data []byte) bool {
	before := w.anyText
	w.late, w.anyText = true, false
	_ = w.scan(data) // it was read before
	found := w.anyText
	w.late, w.anyText = false, before || found
	return found
}

// callItem reports whether an item, once begun, can be answer enough: it is a call that the caller has to run.
func callItem(kind []byte) bool {
	switch string(kind) {
	case "function_call", "custom_tool_call", localShellCall, "shell_call", "apply_patch_call", "computer_call", "mcp_approval_request":
		return true
	}
	return false
}

// vendorRun reports whether an item is the use of a tool that the vendor runs itself.
func vendorRun(kind string) bool {
	switch kind {
	case "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call":
		return true
	}
	return false
}

// Write implements dialect.Watch.
func (w *watch) Write(p []byte) (int, error) {
	n, err := w.scanner.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return n, err
}

// End implements dialect.Watch.
func (w *watch) End() error {
	if err := w.whole(); err != nil {
		return err
	}
	w.settle()
	w.toolUses += w.doc.uses
	if w.doc.errs.Found() || string(w.doc.status) == "failed" {
		w.failure = w.doc.err()
	}
	return nil
}

// settle takes what the document said over what was said before.
func (w *watch) settle() {
	if len(w.id) == 0 {
		w.id = append(w.id, w.doc.id...)
	}
	if !w.doc.usage.seen {
		return
	}
	_, credible, _ := w.doc.usage.usage()
	if _, before, _ := w.last.usage(); credible || !before {
		w.last = w.doc.usage
	}
}

// Error implements dialect.Watch.
func (w *watch) Error() *llm.Error { return w.failure }

// Usage implements dialect.Watch.
func (w *watch) Usage() (llm.Usage, bool) {
	u, credible, _ := w.last.usage()
	if credible {
		u.ToolUses, u.Tier = w.toolUses, w.tier.Tier()
		u, _ = u.Clamp()
	}
	return u, credible
}

// OddUsage implements dialect.Watch.
func (w *watch) OddUsage() bool {
	_, _, odd := w.last.usage()
	return odd
}

// ResponseID implements dialect.Watch.
func (w *watch) ResponseID() string { return string(w.id) }

// err is the error in the document.
func (d *document) err() *llm.Error {
	e := d.errs.Error(llm.Responses, 0)
	return streamError(e.Type, e.Code, e.Param, e.Message)
}

const (
	idAnswer = iota + failure.End
	idKind
	idStatus
	idAnswerID
	idDelta
	idSound
	idItemKind // of the item in an event
	idOutKind  // of an item in a body
	idWhole    // a text of a whole item
	idTier
	idUsage
	idCount // followed by the counts
)

var answerPaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{
		"":                idAnswer,
		"type":            idKind,
		"delta":           idDelta,
		"item.type":       idItemKind,
		"message":         failure.Message,
		"code":            failure.Code,
		"param":           failure.Param,
		"output[].type":   idOutKind,
		"error":           failure.Object,
		"error.message":   failure.Message,
		"error.type":      failure.Type,
		"error.code":      failure.Code,
		"error.param":     failure.Param,
		"response.id":     idAnswerID,
		"id":              idAnswerID,
		"response.status": idStatus,
		"status":          idStatus,

		"response.service_tier": idTier,
		"service_tier":          idTier,
	}
	for _, field := range []string{"", ".message", ".type", ".code", ".param"} {
		paths["response.error"+field] = paths["error"+field]
	}
	for _, list := range []string{"item", "output[]", "response.output[]"} {
		for _, text := range []string{"content[].text", "content[].refusal", "content[].transcript", "summary[].text", "name", "arguments", "input", "code"} {
			paths[list+"."+text] = idWhole
		}
	}
	for _, at := range []string{"usage", "response.usage"} {
		paths[at] = idUsage
		for name, field := range countNames {
			paths[at+"."+name] = idCount + jsonscan.ID(field)
		}
	}
	return jsonscan.Compile(paths)
}()

// textRoles are what places are to an event that says nothing but text.
var textRoles = jsonscan.Roles{
	idAnswer: jsonscan.Alike, idKind: jsonscan.Alike, idStatus: jsonscan.Alike, idAnswerID: jsonscan.Alike, idTier: jsonscan.Alike,
	idUsage: jsonscan.Alike, failure.Object: jsonscan.Alike, // where the latter are null
	idDelta: jsonscan.Told,
}

// Open implements jsonscan.Handler.
func (w *watch) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	d := &w.doc
	switch id {
	case idAnswer:
		d.root = kind == jsonscan.Object
	case idUsage:
		d.usage.seen = d.usage.seen || kind == jsonscan.Object
	case idOutKind:
		d.itemKind = d.itemKind[:0]
	case idAnswerID:
		d.id = d.id[:0]
	case idTier:
		w.tier.Reset()
	default:
		if id < failure.End {
			d.errs.Open(id, kind, at)
		}
	}
}

// Text implements jsonscan.Handler.
func (w *watch) Text(id jsonscan.ID, part []byte) {
	d := &w.doc
	switch id {
	case idKind:
		d.kind = jsonscan.Keep(d.kind, part, maxWord)
	case idStatus:
		d.status = jsonscan.Keep(d.status, part, maxWord)
	case idItemKind, idOutKind:
		d.itemKind = jsonscan.Keep(d.itemKind, part, maxWord)
	case idTier:
		w.tier.Add(part)
	case idAnswerID:
		d.id = jsonscan.Keep(d.id, part, maxID)
	case idDelta:
		if w.late {
			return
		}
		d.delta = true
		if string(d.kind) != audioDelta {
			w.pass(part)
		}
	case idWhole:
		if w.late || !w.event {
			w.pass(part)
		}
	default:
		if id < failure.End {
			d.errs.Text(id, part)
		}
	}
}

// pass hands on generated text.
func (w *watch) pass(part []byte) {
	w.anyText = true
	if w.onText != nil {
		w.onText(part)
	}
}

// Close implements jsonscan.Handler.
func (w *watch) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	switch {
	case id >= idCount:
		if kind != jsonscan.Null {
			w.doc.usage.set(reportField(id-idCount), raw)
		}
	case id == idOutKind:
		if vendorRun(string(w.doc.itemKind)) {
			w.doc.uses++
		}
	case id < failure.End:
		w.doc.errs.Close(id, kind, raw, at)
	}
}
