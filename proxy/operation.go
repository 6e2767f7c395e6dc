package proxy

import (
	"fmt"
	"net/http"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
)

// operating is a dialect as an endpoint beside generation speaks it: errors are the dialect's, requests and answers are the
// endpoint's own.
type operating struct {
	dialect.Dialect
	scan      func(body []byte, at dialect.At) (dialect.Scanned, error)
	watch     func(onText func(part []byte)) dialect.Watch
	fieldName func(f llm.Field) string // nil where nothing is translated
}

// Scan implements dialect.Dialect.
func (o operating) Scan(body []byte, at dialect.At) (dialect.Scanned, error) { return o.scan(body, at) }

// Watch implements dialect.Dialect.
func (o operating) Watch(onText func(part []byte)) dialect.Watch { return o.watch(onText) }

// FieldName implements dialect.Dialect.
func (o operating) FieldName(f llm.Field) string {
	if o.fieldName == nil {
		return string(f)
	}
	return o.fieldName(f)
}

// operates is a dialect with one of its operations.
func operates[Req, Resp any](d dialect.Dialect, o dialect.Operation[Req, Resp]) operating {
	return operating{Dialect: d, scan: o.Scan, fieldName: o.FieldName, watch: func(func([]byte)) dialect.Watch { return o.Watch() }}
}

// A translator prepares a call beside generation for a target of another dialect: its address, its body, and how the answer
// is read.
type translator func(c *call, w *way) error

// A reply reads a whole answer and writes it for the caller.
type reply func(answer []byte) (body []byte, used llm.Usage, err error)

// speaks reports whether requests of the endpoint pass through to a provider as they are. Vendors of the Responses API have
// all of OpenAI's endpoints beside it.
func (e *endpoint) speaks(p *snapshot.Provider) bool {
	name := e.dialect.Name()
	return p.Dialect == name || e.beside && name == llm.OpenAI && p.Dialect == llm.Responses
}

// offers reports whether a provider can serve an endpoint beside generation.
func (e *endpoint) offers(p *snapshot.Provider) bool {
	if e.estimate != nil || !e.speaks(p) {
		return e.estimate != nil || e.others[p.Dialect] != nil
	}
	_, err := upstream.Locate(p, e.operation, "m", false)
	return err == nil
}

// uploads reports whether a request comes as a form with files in it.
func (e *endpoint) uploads(r *http.Request) bool {
	return e.form == formOnly || e.form == formToo && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/")
}

// between makes a translator of two dialects' forms of one operation. Locate says which of the target's operations serves a
// request; usageOf leads to the usage in an answer, which is filled in where the vendor told none.
func between[Req, Resp any](
	decode func(c *call) (*Req, error), from, to dialect.Operation[Req, Resp],
	locate func(r *Req, model string) upstream.Operation, usageOf func(r *Resp) (u *llm.Usage, told bool),
) translator {
	return func(c *call, w *way) error {
		request, err := decode(c)
		if err != nil {
			return err
		}
		if err := w.locate(locate(request, w.route.UpstreamID)); err != nil {
			return err
		}
		t := dialect.Target{Model: w.route.UpstreamID, Host: w.route.Provider.BaseURL.Hostname()}
		body, dropped, err := to.Encode(request, t)
		if err != nil {
			return c.inWords(err)
		}
		if err := c.tolerates(dropped); err != nil {
			return err
		}
		w.body, w.dropped = [][]byte{body}, c.worded(dropped)
		w.reply = func(answer []byte) ([]byte, llm.Usage, error) {
			r, err := to.DecodeResponse(answer, t)
			if err != nil {
				return nil, llm.Usage{}, err
			}
			u, told := usageOf(r)
			if !told {
				u.Input, u.Estimated = c.promptCount(), true
			}
			return from.EncodeResponse(r, request), *u, nil
		}
		return nil
	}
}

// promptCount estimates the tokens of the prompt by counting its text.
func (c *call) promptCount() int64 { return countPrompt(c.scanned, c.body.bytes) }

// decodes reads a request that is in memory.
func decodes[Req, Resp any](o dialect.Operation[Req, Resp]) func(c *call) (*Req, error) {
	return func(c *call) (*Req, error) { return o.Decode(c.body.bytes, c.at) }
}

// locate finds where the target takes an operation.
func (w *way) locate(operation upstream.Operation) (err error) {
	if w.address, err = upstream.Locate(w.route.Provider, operation, w.route.UpstreamID, false); err != nil {
		return fmt.Errorf("locate %s: %w", operation, err)
	}
	w.query = w.address.Query
	return nil
}

// counted is usage that is known at once.
type counted struct{ usage llm.Usage }

// Usage implements reporter.
func (u counted) Usage() (llm.Usage, bool) { return u.usage, true }

// replied reads the whole answer of an operation that was translated, and answers with it.
func (t *translation) replied() *setback {
	if !t.c.answer.body() {
		return malformed(t.response.StatusCode)
	}
	defer func() { t.c.p.bodies.give(t.folded) }()
	raw, err := t.read()
	if err != nil {
		return t.stopped(err)
	}
	body, used, err := t.way.reply(raw)
	if err != nil {
		return t.setback(err)
	}
	t.c.seen.reporter = counted{used}
	return t.deliver(body)
}

// notHere is the refusal of a model whose providers cannot do what the endpoint is for.
func (c *call) notHere() error {
	return fault.Field("model", "The model `%.100s` is not available at this endpoint.", c.facts.Model).WithCode("model_not_supported")
}
