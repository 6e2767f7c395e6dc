package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
	"aihigress/internal/sse"
	"aihigress/internal/usage"
)

const (
	// maxBatch is how many bytes of events are encoded before they go out, even where more were read already.
	maxBatch = pieceSize - 4<<10
	// maxScratch is the largest buffer for text that is used again.
	maxScratch = 64 << 10
)

// Why a stream's decoder was stopped.
var (
	errFailed  = errors.New("the vendor reported an error")
	errTooLong = errors.New("the answer does not fit")
)

// A translation reads one answer in the target's dialect and writes it in the caller's. Either side may be a stream or
// whole. Of a stream that goes out as one it holds an event or two; of all others the answer, within Options.MaxAnswer.
type translation struct {
	c        *call
	ctx      context.Context
	cancel   context.CancelCauseFunc
	response *http.Response
	way      *way

	events  *sse.Reader
	decoder dialect.Decoder
	encoder dialect.Encoder // nil where the caller wants the answer whole
	fold    *llm.Fold       // of a stream for such a caller
	folded  int64           // bytes in it, which are taken of the budget
	id      string          // of the answer, at the vendor
	failed  *llm.Error      // what the vendor said in the middle of a stream
	tools   *llm.ToolIndex  // of the caller's request, once the answer had a call

	piece   *[pieceSize]byte // where out begins; of a whole answer for a caller who wants it so, where it is read to
	out     []byte           // encoded and not sent
	scratch []byte
	content bool // something came that the caller should see
	passed  bool // the commit point
}

// run translates until the answer ends, one way or another. A setback says that the commit point was not reached.
func (t *translation) run(streams bool) *setback {
	if t.c.event.Streamed {
		t.encoder = t.way.encoder(t.c)
	} else if !t.c.answer.body() {
		return malformed(t.response.StatusCode)
	}
	t.piece = pieces.Get().(*[pieceSize]byte)
	t.out = t.piece[:0]
	defer func() {
		pieces.Put(t.piece)
		t.c.p.bodies.give(t.folded)
	}()
	if !streams {
		return t.whole()
	}
	if t.encoder == nil {
		t.fold = &llm.Fold{}
	}
	t.decoder = t.way.dialect.Decoder()
	t.c.seen.reporter = t.decoder
	t.events = sse.NewReader(t.response.Body, 0)
	defer t.events.Close()
	emit := t.emit // made once: a method value is an allocation
	for {
		event, err := t.events.Next()
		if event.Kind == sse.Message && len(event.Data) > 0 {
			done, bad := t.decoder.Decode(event.Data, emit)
			switch {
			case bad != nil && err != nil && errors.Is(bad, dialect.ErrMalformed): // half an event: why the stream ended is the news
			case bad != nil:
				return t.broke(t.setback(bad))
			case done:
				return t.end()
			}
		}
		if err != nil {
			return t.ended(err)
		}
		if t.send(!t.events.Ready()) != nil {
			t.c.cancelled()
			return nil
		}
	}
}

// encoder begins a stream for the caller. The request is there: it was translated too, or is read now.
func (w *way) encoder(c *call) dialect.Encoder {
	request, err := c.decoded()
	if err != nil {
		request = &llm.Request{Model: c.facts.Model, Stream: true, IncludeUsage: c.facts.IncludeUsage}
	}
	return c.endpoint.dialect.Encoder(request)
}

// emit takes one event of the answer.
func (t *translation) emit(e *llm.Event) error {
	if e.ServiceTier != "" {
		t.c.seen.tier = llm.TierOf(e.ServiceTier)
	}
	switch e.Kind {
	case llm.Failed:
		t.failed = e.Err
		return errFailed
	case llm.Start:
		t.id = e.ID
		if t.encoder != nil && e.Usage.IsZero() {
			began := *e
			began.Usage, e = t.prompt(), &began
		}
	case llm.Delta:
		t.content = true
		t.collect(e.Text)
	case llm.Open:
		t.named(&e.Block)
		t.content = t.content || e.Block.Kind != llm.Text && e.Block.Kind != llm.Thinking
		t.collect(e.Block.Call.Name)
	case llm.Sign:
		t.content = true
	case llm.Finished:
		t.content, t.c.seen.finished = true, true
	case llm.Cite, llm.Close, llm.Probs, llm.Used, llm.Alive:
	}
	if t.encoder == nil {
		if !t.room(e) {
			return errTooLong
		}
		t.fold.Add(e)
		return nil
	}
	var err error
	t.out, err = t.encoder.Append(t.out, e)
	return err
}

// named gives a call the caller's name of its tool, which the target may know by another.
func (t *translation) named(b *llm.Block) {
	if b.Kind != llm.ToolCall {
		return
	}
	if t.tools == nil {
		request, _ := t.c.decoded() // one that cannot be read has no tools
		index := request.ToolIndex()
		t.tools = &index
	}
	b.Call.Name = t.tools.CallerName(b.Call.Name)
}

// prompt is the usage that a stream begins with: what the vendor told of the input already, else an estimate. Callers of
// some dialects take it for the truth, and zero would be none.
func (t *translation) prompt() llm.Usage {
	u, ok := t.c.seen.reported()
	if !ok || u.TotalInput() == 0 {
		return llm.Usage{Input: t.c.prompt, Estimated: true}
	}
	return llm.Usage{Input: u.Input, CachedInput: u.CachedInput, CacheWrite5m: u.CacheWrite5m, CacheWrite1h: u.CacheWrite1h,
		AudioInput: u.AudioInput, ImageInput: u.ImageInput}
}

// tally is the usage of an answer that is whole, where the vendor did not tell all of it: an estimate, which is what is booked
// too.
func (t *translation) tally() (u llm.Usage, missing bool) {
	if u, told := t.c.seen.reported(); told && !u.Estimated {
		return u, false
	}
	u = t.c.used(usage.OK)
	t.c.seen.reporter = counted{u}
	return u, true
}

// collect notes generated text for an estimate.
func (t *translation) collect(text string) {
	if text == "" {
		return
	}
	t.scratch = append(t.scratch[:0], text...)
	t.c.seen.collect(t.scratch)
	if cap(t.scratch) > maxScratch {
		t.scratch = nil
	}
}

// room takes of the budget what an event adds to a folded answer.
func (t *translation) room(e *llm.Event) bool {
	const overhead = 64
	n := int64(overhead + len(e.Text) + len(e.State.Data) + len(e.Block.Data()) + len(e.Block.Raw))
	if t.folded+n > t.c.p.o.MaxAnswer || !t.c.p.bodies.take(n) {
		return false
	}
	t.folded += n
	return true
}

// send passes on what was encoded, or holds it back before the commit point. An error says that the caller is gone.
func (t *translation) send(flush bool) error {
	if t.encoder == nil {
		t.c.answer.read()
		return nil
	}
	if !t.passed {
		if !t.content && len(t.out) <= maxHeld {
			return nil
		}
		t.commit()
	}
	if !flush && len(t.out) < maxBatch {
		return nil
	}
	if len(t.out) == 0 {
		t.c.answer.read()
		return nil
	}
	err := t.c.answer.write(t.out, true)
	t.out = t.piece[:0] // one that grew, for a picture in an event, must not stay for the rest of the stream
	return err
}

// commit is the commit point: from here on nothing can be tried elsewhere.
func (t *translation) commit() {
	if t.passed {
		return
	}
	t.passed = true
	t.c.event.FirstToken = time.Since(t.c.event.StartedAt)
	if t.events != nil {
		t.c.attempts.current.live.First()
	}
	t.c.answer.commit(t.response.StatusCode, func(h http.Header) {
		translatedHeader(h, t.response.Header, t.way.same)
		sse.SetHeader(h)
		t.c.name(h)
	})
}

// end deals with a stream that ended as it should.
func (t *translation) end() *setback {
	whole, err := t.decoder.End(t.emit)
	switch {
	case err != nil:
		return t.broke(t.setback(err))
	case !whole:
		return t.broke(cut(t.response.StatusCode))
	case !t.content:
		return t.broke(malformed(t.response.StatusCode)) // an end and nothing before it
	}
	if t.encoder == nil {
		return t.answer(t.fold.Response())
	}
	if err := t.finish(); err != nil {
		return t.broke(t.setback(err))
	}
	if t.events != nil {
		drain(t.events, t.cancel)
	}
	return nil
}

// finish books the call and only then sends the end of the stream.
func (t *translation) finish() error {
	if u, missing := t.tally(); missing {
		if err := t.emit(&llm.Event{Kind: llm.Used, Usage: u}); err != nil {
			return err
		}
	}
	t.commit()
	t.remember(t.id)
	t.c.attempts.note(t.response.StatusCode, "")
	if t.c.settle(usage.OK, t.response.StatusCode, "") {
		_ = t.c.answer.finish(t.encoder.AppendEnd(t.out), t.events == nil || over(t.events)) // booked either way
	} else {
		t.c.fail(t.c.unbooked())
	}
	return nil
}

// remember notes where the answer is kept, if the caller can go on from it.
func (t *translation) remember(id string) {
	if t.way.same {
		t.c.remember(id)
	}
}

// answer answers with a whole answer.
func (t *translation) answer(r *llm.Response) *setback {
	request, err := t.c.decoded()
	if err != nil {
		request = &llm.Request{Model: t.c.facts.Model}
	}
	if u, missing := t.tally(); missing {
		r.Usage, r.HasUsage = u, true
	}
	for i := range r.Candidates {
		for j := range r.Candidates[i].Blocks {
			t.named(&r.Candidates[i].Blocks[j])
		}
	}
	body := t.c.endpoint.dialect.EncodeResponse(r, request)
	t.remember(r.ID)
	return t.deliver(body)
}

// deliver books the call and only then sends the body of a whole answer.
func (t *translation) deliver(body []byte) *setback {
	t.c.attempts.note(t.response.StatusCode, "")
	if !t.c.settle(usage.OK, t.response.StatusCode, "") {
		t.c.fail(t.c.unbooked())
		return nil
	}
	t.c.answer.commit(t.response.StatusCode, func(h http.Header) {
		translatedHeader(h, t.response.Header, t.way.same)
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		t.c.name(h)
	})
	_ = t.c.answer.write(body, false) // booked either way
	return nil
}

// whole translates an answer that is not streamed.
func (t *translation) whole() *setback {
	var room []byte
	if t.encoder == nil {
		room = t.piece[:] // nothing points into it but the response, which is written before run returns
	}
	raw, err := t.read(room)
	if err != nil {
		return t.stopped(err)
	}
	r, err := t.way.dialect.DecodeResponse(raw)
	if err != nil {
		return t.broke(t.setback(err))
	}
	if r.HasUsage {
		t.c.seen.reporter, t.c.seen.tier = told{r}, llm.TierOf(r.ServiceTier)
	} else {
		for i := range r.Candidates {
			for j := range r.Candidates[i].Blocks {
				b := &r.Candidates[i].Blocks[j]
				t.collect(b.Text)
				t.collect(b.Call.Name)
				t.collect(b.Call.Input)
			}
		}
	}
	if t.encoder == nil {
		return t.answer(r)
	}
	if err := r.Events(t.emit); err != nil {
		return t.broke(t.setback(err))
	}
	if err := t.finish(); err != nil {
		return t.broke(t.setback(err))
	}
	return nil
}

// read takes in a whole answer: into room, or where it does not fit, within the budget of bodies.
func (t *translation) read(room []byte) ([]byte, error) {
	if t.response.ContentLength >= int64(len(room)) {
		room = nil
	}
	raw, held := room[:0], int64(0)
	for {
		if len(raw) == cap(raw) {
			size := max(pieceSize, 2*int64(cap(raw)))
			if t.response.ContentLength >= int64(len(raw)) && t.response.ContentLength < t.c.p.o.MaxAnswer {
				size = t.response.ContentLength + 1 // room for the read that finds the end
			}
			if held > t.c.p.o.MaxAnswer || !t.c.p.bodies.take(size-held) {
				return nil, errTooLong
			}
			t.folded += size - held
			held = size
			raw = append(make([]byte, 0, size), raw...)
		}
		n, err := t.response.Body.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		t.c.answer.read()
		switch {
		case int64(len(raw)) > t.c.p.o.MaxAnswer:
			return nil, errTooLong
		case errors.Is(err, io.EOF):
			return raw, nil
		case err != nil:
			return nil, err
		}
	}
}

// ended deals with a stream whose bytes ended, without an event that says so.
func (t *translation) ended(err error) *setback {
	if errors.Is(err, io.EOF) {
		return t.end()
	}
	return t.stopped(err)
}

// stopped deals with a read that failed.
func (t *translation) stopped(err error) *setback {
	if t.c.gone() {
		t.c.cancelled()
		return nil
	}
	s := ownSetback(t.ctx)
	switch {
	case s != nil:
	case errors.Is(err, errTooLong), errors.Is(err, sse.ErrTooLarge):
		s = tooLong(t.response.StatusCode)
	default:
		s = cut(t.response.StatusCode)
	}
	return t.broke(s)
}

// setback is what an error of a codec amounts to.
func (t *translation) setback(err error) *setback {
	said := t.failed
	if e, ok := errors.AsType[*llm.Error](err); ok {
		said = e
	}
	switch {
	case said != nil:
		return complained(said, t.way.route.Provider)
	case errors.Is(err, errTooLong), errors.Is(err, dialect.ErrTooLong):
		return tooLong(t.response.StatusCode)
	}
	return malformed(t.response.StatusCode)
}

// broke is a setback before the commit point; after it, the caller is told that the answer is not whole.
func (t *translation) broke(s *setback) *setback {
	if s.failure.header != nil {
		s.failure.header = t.response.Header
	}
	if !t.passed {
		return s
	}
	if t.c.gone() {
		t.c.cancelled()
		return nil
	}
	if len(t.out) > 0 {
		_ = t.c.answer.write(t.out, false) // whole events from before the failure
	}
	t.c.attempts.current.end(s.class(), 0, 0)
	t.c.attempts.note(t.response.StatusCode, s.failure.reason())
	t.c.settle(usage.Truncated, t.response.StatusCode, s.failure.reason())
	t.c.fail(&s.failure)
	return nil
}
