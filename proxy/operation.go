package proxy

import (
	"context"
	"errors"
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

// A reply reads a whole answer and writes it for the caller. It may make further calls with another.
type reply func(answer []byte, another func(body []byte) ([]byte, error)) (body []byte, used llm.Usage, err error)

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
	return e.form == formOnly || e.form == formToo && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/")
}

// promptCount estimates the tokens of the prompt by counting its text.
func (c *call) promptCount() int64 { return countPrompt(c.scanned, c.body.bytes) }

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
	raw, err := t.read(nil)
	if err != nil {
		return t.stopped(err)
	}
	body, used, err := t.way.reply(raw, t.another)
	if over, ok := errors.AsType[*ended](err); ok {
		return over.setback
	}
	if err != nil {
		return t.broke(t.setback(err))
	}
	t.c.seen.reporter = counted{used}
	return t.deliver(body)
}

// ended is how another call of an attempt ended that brought no answer. Without a setback the whole call is over.
type ended struct{ setback *setback }

// Error implements error.
func (*ended) Error() string { return "another call of the attempt brought nothing" }

// another makes one more call of the same kind within an attempt, when the target's key has room for it, and reads its
// answer. The error is an *ended.
func (t *translation) another(body []byte) ([]byte, error) {
	c, target := t.c, t.c.attempts.target()
	if !c.reenter(t.ctx) {
		return nil, &ended{c.unreached(t.ctx, context.Cause(t.ctx))}
	}
	response, err := c.p.o.Upstream.Do(t.ctx, upstream.Call{
		Provider: target.Route.Provider, Key: target.Key, Path: t.way.address.Path, Query: t.way.query,
		Header: c.upstreamHeader(t.way), Body: [][]byte{body}, Lasting: true, Sending: c.attempts.current.sending,
	})
	if err != nil {
		return nil, &ended{c.unreached(t.ctx, err)}
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, &ended{c.refused(t.ctx, response, t.way.dialect)}
	}
	t.response = response
	raw, err := t.read(nil)
	if err != nil {
		return nil, &ended{t.stopped(err)}
	}
	return raw, nil
}

// notHere is the refusal of a model whose providers cannot do what the endpoint is for.
func (c *call) notHere() error {
	return fault.Field("model", "The model `%.100s` is not available at this endpoint.", c.facts.Model).WithCode("model_not_supported")
}
