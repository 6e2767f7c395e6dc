package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
)

// A way is how a call goes to one target: as it came where both speak the same dialect, else translated.
type way struct {
	route    *snapshot.Route
	dialect  dialect.Dialect // of the target
	same     bool            // it is the caller's too
	passes   bool            // requests and answers go through as they are
	streams  bool            // a stream is asked for
	withhold bool            // the usage chunk of the stream is not the caller's
	address  upstream.Address
	query    url.Values
	body     [][]byte
	dropped  string // value of x-aihigress-dropped
	reply    reply  // of an operation that is translated; nil of all else
}

// serves reports whether a provider can serve an endpoint at all.
func (e *endpoint) serves(p *snapshot.Provider) bool {
	if e.beside {
		return e.offers(p)
	}
	_, known := dialects[p.Dialect]
	return p.Dialect == e.dialect.Name() || known && e.translates
}

// wayTo prepares a call for a target. The failure says why it cannot be had there: an *llm.RequestError, or a fault.
func (c *call) wayTo(t *routing.Target) (*way, error) {
	p := t.Route.Provider
	w := &way{route: t.Route, dialect: c.endpoint.dialect, same: c.endpoint.speaks(p), streams: c.event.Streamed}
	if translate := c.endpoint.others[p.Dialect]; translate != nil && (!w.same || c.carries()) {
		w.dialect, w.streams = dialects[p.Dialect], false
		return w, translate(c, w)
	}
	if c.endpoint.beside && !w.same {
		return nil, c.notHere()
	}
	operation := c.endpoint.operation
	if !w.same {
		w.dialect, operation = dialects[p.Dialect], upstream.Generate
	}
	if c.endpoint.translates {
		switch p.Streaming {
		case "only":
			w.streams = true
		case "never":
			w.streams = false
		}
	}
	var err error
	if w.address, err = upstream.Locate(p, operation, t.Route.UpstreamID, w.streams); err != nil {
		return nil, fmt.Errorf("locate %s: %w", operation, err)
	}
	w.query = w.address.Query
	askUsage := w.streams && p.AskStreamUsage && w.dialect.Name() == llm.OpenAI
	if w.same {
		w.query = c.withQuery(w.query)
	}
	if w.passes = w.same && w.streams == c.event.Streamed && (!c.endpoint.translates || !c.carries()); w.passes {
		w.withhold = askUsage && !c.facts.IncludeUsage
		w.body = c.scanned.Patch(c.body.bytes, dialect.Patch{
			Model: t.Route.UpstreamID, AskUsage: w.withhold, OmitModel: w.address.OmitModel,
			AnthropicVersion: w.address.AnthropicVersion, ClaudeCLI: w.address.ClaudeCLI,
		})
		return w, nil
	}
	body, dropped, err := c.encode(w, askUsage)
	if err != nil {
		return nil, err
	}
	w.body, w.dropped = [][]byte{body}, c.worded(dropped)
	return w, nil
}

// encode writes the request for a target of another dialect.
func (c *call) encode(w *way, askUsage bool) ([]byte, []llm.Field, error) {
	request, err := c.decoded()
	if err != nil {
		return nil, nil, err
	}
	target := dialect.Target{
		Model: w.route.UpstreamID, Stream: w.streams, AskUsage: askUsage, Host: strings.ToLower(w.route.Provider.BaseURL.Hostname()),
		KeepExtra: c.unsupported == "keep", OmitModel: w.address.OmitModel,
		AnthropicVersion: w.address.AnthropicVersion, ClaudeCLI: w.address.ClaudeCLI,
	}
	if m := w.route.Upstream; m != nil {
		target.MaxOutput = m.MaxOutput
	}
	body, dropped, err := w.dialect.EncodeRequest(request, target)
	if err := c.unheard(request, w.dialect, target, dropped, err); err != nil {
		return nil, nil, c.inWords(err)
	}
	if err := c.tolerates(dropped); err != nil {
		return nil, nil, err
	}
	size := int64(len(body))
	if !c.p.bodies.take(size) {
		return nil, nil, c.p.bodies.full(size, tooManyLarge)
	}
	c.p.bodies.give(c.encodedSize) // of the attempt before
	c.encodedSize = size
	return body, dropped, nil
}

// tolerates refuses the call where its model's policy is to leave nothing out.
func (c *call) tolerates(dropped []llm.Field) error {
	at := slices.IndexFunc(dropped, asked)
	if at < 0 || c.unsupported != "reject" {
		return nil
	}
	name := c.endpoint.dialect.FieldName(dropped[at])
	return &llm.RequestError{Param: name, Code: "unsupported_parameter",
		Message: fmt.Sprintf("The model `%.100s` does not support '%.200s'.", c.facts.Model, name)}
}

// asked reports whether a field is something that the caller asks for. Others come with answers, and are there because the
// caller gives these back as they were: to refuse them would end each conversation with its first answer.
func asked(f llm.Field) bool { return f != llm.FieldThinking && f != llm.FieldCitations }

// inWords is an encoder's failure with its field in the words of the caller.
func (c *call) inWords(err error) error {
	bad, ok := errors.AsType[*llm.RequestError](err)
	if !ok || bad.Param == "" {
		return err
	}
	worded := *bad
	worded.Param = c.endpoint.dialect.FieldName(llm.Field(bad.Param))
	return &worded
}

// objectSize is what an object of a body takes in the neutral form beside its text, in bytes: a message with one block, or
// another block of a message.
const objectSize = 384

// decoded is the request in the neutral form, read once, when the first target needs it. What it takes is counted as much as
// the body again, and its objects, since a body may be a million of the smallest.
func (c *call) decoded() (*llm.Request, error) {
	if c.request != nil || c.undecoded != nil {
		return c.request, c.undecoded
	}
	size := int64(len(c.body.bytes)) + objectSize*int64(bytes.Count(c.body.bytes, []byte("{")))
	if !c.p.bodies.take(size) {
		return nil, c.p.bodies.full(size, tooManyLarge)
	}
	c.decodedSize = size
	at := c.at
	at.Facts = c.facts
	c.request, c.undecoded = c.endpoint.dialect.DecodeRequest(c.body.bytes, at)
	return c.request, c.undecoded
}

// carries reports whether the body has state of another vendor in it, which its own would not know.
func (c *call) carries() bool {
	if c.carried == 0 {
		c.carried = 1
		if llm.Carries(c.body.bytes) {
			c.carried = 2
		}
	}
	return c.carried == 2
}

// keepFromQuery are the caller's parameters that do not reach the vendor: credentials, and those of all Google APIs that change
// the form of the answer or leave out of it what it is billed by (cloud.google.com/apis/docs/system-parameters).
var keepFromQuery = set("key", "api_key", "api-key", "access_token", "oauth_token", "bearer_token",
	"alt", "fields", "callback", "quotaUser", "userProject", "uploadType", "upload_protocol")

// withQuery adds what the caller asked for in the address.
func (c *call) withQuery(query url.Values) url.Values {
	if c.r.URL.RawQuery == "" {
		return query
	}
	all := c.r.URL.Query()
	for name := range all {
		if _, ok := keepFromQuery[http.CanonicalHeaderKey(name)]; ok || strings.HasPrefix(name, "$") { // as Google spells its own with, too
			delete(all, name)
		}
	}
	for name, values := range query {
		all[name] = values
	}
	return all
}

// wantsArray reports whether a stream is wanted as one JSON array: Gemini's, unless alt=sse asks for events.
func (c *call) wantsArray() bool {
	return c.endpoint == &streamGenerateContent && c.r.URL.Query().Get("alt") != "sse"
}

// worded is a list of fields in the words of the caller, each once, fit for a header.
func (c *call) worded(fields []llm.Field) string {
	const maxLength = 1000
	if len(fields) == 0 {
		return ""
	}
	var list []byte
	seen := make(map[string]struct{}, len(fields))
	for _, f := range fields {
		name := headerSafe(c.endpoint.dialect.FieldName(f))
		if _, twice := seen[name]; twice || name == "" || len(list)+1+len(name) > maxLength {
			continue
		}
		seen[name] = struct{}{}
		if len(list) > 0 {
			list = append(list, ',')
		}
		list = append(list, name...)
	}
	return string(list)
}

// headerSafe is a name with nothing in it that a header cannot take, or that the list would be cut at.
func headerSafe(name string) string {
	safe := []byte(name)
	for i, c := range safe {
		if c <= ' ' || c >= 0x7f || c == ',' {
			safe[i] = '_'
		}
	}
	return string(safe)
}

// name puts into the header who is asked, and what was left out for it.
func (w *way) name(h http.Header) {
	names := []string{w.route.Provider.Slug, w.route.UpstreamID}
	h["X-Aihigress-Provider"], h["X-Aihigress-Model"] = names[0:1:1], names[1:2:2]
	if w.dropped != "" {
		h["X-Aihigress-Dropped"] = []string{w.dropped}
	}
}

const tooManyLarge = "The gateway has too many large requests in memory. Try again later."
