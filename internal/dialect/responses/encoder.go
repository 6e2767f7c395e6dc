package responses

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// encoder implements dialect.Encoder. The events *.done and response.completed repeat the whole text, and the whole answer,
// so it holds the answer once as its items on the wire, up to dialect.MaxText.
type encoder struct {
	to    *llm.Request
	tools llm.ToolIndex // of the request
	quiet bool          // the answer is whole: only the object at the end is wanted

	id, suffix string // of the answer; the latter without resp_
	model      string
	tier       string
	created    int64
	begun      bool
	sequence   int64

	pages
	from    *pages   // which were taken from the pool
	count   int      // items begun
	message *message // being said, or nil
	held    int      // bytes of what is open

	probs    []llm.Logprob // of the text part at hand, or of the first of a whole answer
	finish   llm.Finish
	finished bool
	usage    llm.Usage
	hasUsage bool
}

// pages are the memory of an encoder, which the next one uses again.
type pages struct {
	settings []byte
	items    []byte      // that are done, with commas between them
	open     []*openItem // other than the message
	spare    []*openItem // that were open
	said     message
}

// maxPages is the most of it that is kept, in bytes. Agents have many tools, which are told again with every answer.
const maxPages = 256 << 10

var pagePool = sync.Pool{New: func() any { return new(pages) }}

// take takes memory.
func (e *encoder) take() {
	e.from = pagePool.Get().(*pages)
	e.pages = *e.from
	e.settings = appendSettings(e.settings, e.to)
}

// free gives the memory back, unless it is much. The encoder goes on with none.
func (e *encoder) free() {
	p := e.pages
	m := message{place: p.said.place[:0], parts: p.said.parts[:0], text: p.said.text[:0], quoted: p.said.quoted[:0], notes: p.said.notes[:0]}
	size := cap(p.settings) + cap(p.items) + cap(m.parts) + cap(m.text) + cap(m.quoted) + cap(m.notes)
	for _, o := range p.spare {
		size += cap(o.text)
	}
	if e.from != nil && size <= maxPages && len(p.spare) <= keepParts {
		*e.from = pages{settings: p.settings[:0], items: p.items[:0], open: p.open[:0], spare: p.spare, said: m}
		pagePool.Put(e.from)
	}
	e.pages, e.from = pages{}, nil
}

// message is the message that is being said: its parts are the neutral blocks.
type message struct {
	phase  string
	output int
	id     string
	place  []byte // of the part at hand, as events tell it
	parts  []byte // that are done
	count  int
	block  int // index of the block that is open, or -1
	kind   llm.Kind
	text   []byte
	quoted []byte // the text, at the end
	notes  []byte // annotations
	noted  int
}

// openItem is a reasoning item or a call that is being made.
type openItem struct {
	block  int
	output int
	id     string
	place  []byte // as events tell it
	b      llm.Block
	custom bool
	shell  bool // a call of the local shell
	unwrap bool // the caller's tool takes free text, and the model calls it with JSON that holds it
	text   []byte
	shown  bool // the summary has begun
}

// Encoder implements dialect.Dialect.
func (Dialect) Encoder(to *llm.Request) dialect.Encoder { return newEncoder(to) }

func newEncoder(to *llm.Request) *encoder {
	e := &encoder{to: to, tools: to.ToolIndex()}
	e.take()
	return e
}

// EncodeResponse implements dialect.Dialect. Of several candidates it writes the first: the dialect has one answer only.
func (Dialect) EncodeResponse(r *llm.Response, to *llm.Request) []byte {
	e := newEncoder(to)
	e.quiet = true
	if len(r.Candidates) > 0 {
		e.probs = r.Candidates[0].Logprobs
	} else if r.Filter != "" {
		e.finish = llm.FinishFilter
	}
	_ = r.Events(func(ev *llm.Event) error { // which fails for streams alone
		_, err := e.Append(nil, ev)
		return err
	})
	if r.ServiceTier != "" {
		e.tier = r.ServiceTier
	}
	memory := takeMemory(objectRoom + len(e.settings) + len(e.items))
	memory.b = e.appendObject(memory.b, endingOf(e.finish))
	e.free()
	return memory.free()
}

// Append implements dialect.Encoder.
func (e *encoder) Append(dst []byte, ev *llm.Event) ([]byte, error) {
	if ev.ServiceTier != "" {
		e.tier = ev.ServiceTier
	}
	if !e.begun && ev.Kind != llm.Alive {
		dst = e.start(dst, ev)
	}
	if ev.Candidate > 0 {
		return dst, nil
	}
	switch ev.Kind {
	case llm.Open:
		dst = e.openBlock(dst, ev)
	case llm.Delta:
		dst = e.delta(dst, ev)
	case llm.Sign:
		if o := e.at(ev.Index); o != nil {
			o.b.State = ev.State
		}
	case llm.Cite:
		dst = e.cite(dst, ev)
	case llm.Close:
		dst = e.closeBlock(dst, ev.Index)
	case llm.Probs:
		if !e.quiet {
			e.probs = append(e.probs, ev.Logprobs...)
		}
	case llm.Finished:
		dst = e.closeAll(dst)
		e.finish, e.finished = ev.Finish, true
	case llm.Used:
		e.usage, e.hasUsage = ev.Usage, true
	case llm.Start, llm.Failed, llm.Alive:
	}
	if !e.quiet && e.held+len(e.items) > dialect.MaxText {
		return dst, fmt.Errorf("encode responses stream: %w", dialect.ErrTooLong)
	}
	return dst, nil
}

// start begins the answer, by whatever event comes first.
func (e *encoder) start(dst []byte, ev *llm.Event) []byte {
	e.begun = true
	id := ""
	e.created = time.Now().Unix()
	if ev.Kind == llm.Start {
		id, e.model = dialect.Name(ev.ID), ev.Model
		if ev.Created != 0 {
			e.created = ev.Created
		}
		if !ev.Usage.IsZero() {
			e.usage, e.hasUsage = ev.Usage, true
		}
	}
	if id == "" {
		id = strings.ToLower(rand.Text())
	}
	e.id = answerID(id)
	e.suffix = strings.TrimPrefix(e.id, "resp_")
	if e.model == "" && e.to != nil {
		e.model = e.to.Model
	}
	if !e.quiet {
		dst = slices.Grow(dst, 2*(objectRoom+len(e.settings)))
	}
	for _, name := range []string{"response.created", "response.in_progress"} {
		dst = e.event(dst, name, func(b []byte) []byte {
			return e.appendObject(append(b, `,"response":`...), ending{status: "in_progress"})
		})
	}
	return dst
}

// event appends one event, whose further fields body writes, each with a comma in front.
func (e *encoder) event(dst []byte, name string, body func([]byte) []byte) []byte {
	if e.quiet {
		return dst
	}
	dst = append(append(append(dst, "event: "...), name...), "\ndata: {\"type\":\""...)
	dst = append(append(dst, name...), `","sequence_number":`...)
	dst = appendInt(dst, e.sequence)
	e.sequence++
	return append(body(dst), "}\n\n"...)
}

// objectRoom is about how long a response object is without its items and settings, with the event that has it.
const objectRoom = 512

// appendObject appends the response object as it stands.
func (e *encoder) appendObject(dst []byte, end ending) []byte {
	dst = appendString(append(dst, `{"id":`...), e.id)
	dst = appendInt(append(dst, `,"object":"response","created_at":`...), e.created)
	dst = append(append(append(dst, `,"status":"`...), end.status...), '"')
	if end.status == "completed" {
		dst = appendInt(append(dst, `,"completed_at":`...), max(e.created, time.Now().Unix()))
	}
	dst = append(dst, `,"error":`...)
	if end.status == "failed" {
		code := end.code
		if code == "" {
			code = "server_error"
		}
		dst = appendString(append(dst, `{"code":`...), code)
		dst = append(appendString(append(dst, `,"message":`...), end.failure), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	if end.incomplete != "" {
		dst = append(appendString(append(dst, `{"reason":`...), end.incomplete), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = appendString(append(dst, `,"model":`...), e.model)
	dst = append(append(append(dst, `,"output":[`...), e.items...), ']')
	dst = appendString(append(dst, `,"service_tier":`...), tierOf(e.tier))
	dst = append(dst, e.settings...)
	if end.status != "in_progress" && e.hasUsage {
		dst = appendUsage(append(dst, `,"usage":`...), &e.usage)
	}
	return append(dst, '}')
}

// AppendEnd implements dialect.Encoder.
func (e *encoder) AppendEnd(dst []byte) []byte {
	if !e.begun {
		dst = e.start(dst, &llm.Event{})
	}
	dst = e.closeAll(dst)
	end := endingOf(e.finish)
	dst = e.event(slices.Grow(dst, objectRoom+len(e.settings)+len(e.items)), "response."+end.status, func(b []byte) []byte {
		return e.appendObject(append(b, `,"response":`...), end)
	})
	e.free()
	return dst
}

// at is the item that a block is, or nil.
func (e *encoder) at(block int) *openItem {
	for _, o := range e.open {
		if o.block == block {
			return o
		}
	}
	return nil
}

// next counts an item and names it. The name has llm.Mark in it, so that a request that brings it back does not pass through
// to an upstream, which would look for an item that it does not have.
func (e *encoder) next(prefix string) (output int, id string) {
	output = e.count
	e.count++
	return output, prefix + llm.Mark + e.suffix + "_" + strconv.Itoa(output)
}

// begin begins an item among those that are done, at a place for done.
func (e *encoder) begin() (from int) {
	if len(e.items) > 0 {
		e.items = append(e.items, ',')
	}
	return len(e.items)
}

// done tells the item that was put behind those that are done, from a place on.
func (e *encoder) done(dst []byte, output, from int) []byte {
	return e.event(dst, "response.output_item.done", func(b []byte) []byte {
		b = appendInt(append(b, `,"output_index":`...), int64(output))
		return append(append(b, `,"item":`...), e.items[from:]...)
	})
}

func (e *encoder) added(dst []byte, output int, item func([]byte) []byte) []byte {
	return e.event(dst, "response.output_item.added", func(b []byte) []byte {
		b = appendInt(append(b, `,"output_index":`...), int64(output))
		return item(append(b, `,"item":`...))
	})
}
