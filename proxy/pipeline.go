package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
	"unicode/utf8"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/anthropic"
	"aihigress/internal/fault"
	"aihigress/internal/health"
	"aihigress/internal/limit"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/routing"
	"aihigress/internal/snapshot"
	"aihigress/internal/upstream"
	"aihigress/internal/usage"
	"aihigress/internal/web"
)

// A call is one request on its way through the proxy.
type call struct {
	p         *Proxy
	w         http.ResponseWriter
	r         *http.Request
	endpoint  *endpoint
	requestID string
	idHeader  []string // with it

	ctx    context.Context // ends with the caller, the total limit, or the call
	cancel context.CancelCauseFunc

	at          dialect.At // what the address says
	snapshot    *snapshot.Snapshot
	key         *snapshot.Key
	model       *snapshot.Model // nil for a name that only providers list
	target      string          // the name that the requested one stands for: aliases of a model share its budget of retries
	body        *body
	upload      *upload // of a multipart body, which body is empty for
	scanned     dialect.Scanned
	facts       *dialect.Facts
	request     *llm.Request // once a target needs it translated: see decoded
	undecoded   error        // why it cannot be read so
	decodedSize int64        // what it takes of the budget of bodies
	encodedSize int64        // the same of the last translated body
	carried     int8         // whether the body carries foreign state: 0 unknown, 1 no, 2 yes
	unsupported string       // the model's policy for what a target cannot take
	hedges      bool         // a second attempt is sent beside a slow one
	total       time.Time    // when the call must be over
	plan        []routing.Target
	prompt      int64 // tokens of the input, estimated
	lease       *limit.Lease
	hold        Hold
	spends      []spend
	answer      *answer

	conversation conversation

	attempts progress
	sending  upstream.Sending
	hedged   upstream.Sending // of attempts beside others
	seen     reading
	event    usage.Event
	settled  bool

	planned [2]routing.Target // room for most plans
	claimed [2]limit.Claim    // and for what most calls claim of limits, at one time
}

// serve is the way of one request. Each step either hands on to the next or ends the call.
func (c *call) serve() {
	start := time.Now()
	c.requestID = requestID(c.w, c.r)
	c.idHeader = c.w.Header()["X-Request-Id"]
	if c.endpoint.dialect.Name() == llm.Anthropic {
		c.w.Header()["Request-Id"] = c.idHeader // where its SDKs look
	}
	c.ctx, c.cancel = context.WithCancelCause(c.r.Context())
	defer func() { c.cancel(nil) }()
	defer c.end()
	// Also a refusal waits for the body, in the server.
	_ = http.NewResponseController(c.w).SetReadDeadline(start.Add(c.p.o.Read))
	var err error
	if c.snapshot, c.key, err = c.p.authenticate(c.r, c.endpoint.dialect); err != nil {
		f := describe(err, c.requestID)
		f.write(c.w, c.endpoint.dialect)
		return
	}
	c.open(start)
	for _, step := range [...]func() error{c.shed, c.read, c.resolve, c.spooled, c.admit} {
		if err := step(); err != nil {
			c.refuse(err)
			return
		}
	}
	c.answer = newAnswer(c)
	c.attempt()
}

// open begins the event of the call, which is logged from here on however it ends.
func (c *call) open(start time.Time) {
	c.total = start.Add(c.p.o.Total)
	c.event = usage.Event{
		ID: usage.NewID(start), RequestID: c.requestID, StartedAt: start,
		UserID: c.key.UserID, KeyID: c.key.ID, AccountID: c.key.AccountID,
		Dialect: c.endpoint.dialect.Name(), Endpoint: c.endpoint.path, Tags: parseTags(c.r.Header.Get("X-Aihigress-Tags")),
	}
}

// read takes in the body and reads of it only what policy needs.
func (c *call) read() (err error) {
	if err := c.deadline(); err != nil {
		return err
	}
	if err := c.scan(); err != nil {
		return err
	}
	c.facts = c.scanned.Facts()
	if err := checkModel(c.facts.Model); err != nil {
		return err
	}
	c.event.Model = c.facts.Model
	c.event.Streamed = c.facts.Stream && c.endpoint.streams
	c.prompt = roughPrompt(c.facts)
	return nil
}

// deadline shortens the time of the call to what its key and its caller allow.
func (c *call) deadline() error {
	wait := c.p.o.Total
	if c.key.Timeout > 0 {
		wait = min(wait, c.key.Timeout)
	}
	if text := c.r.Header.Get("X-Aihigress-Timeout-Ms"); text != "" {
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms <= 0 {
			return fault.New(fault.Invalid, "The header x-aihigress-timeout-ms is not a positive number of milliseconds.")
		}
		if ms < wait.Milliseconds() { // a Duration holds no more than 292 years
			wait = time.Duration(ms) * time.Millisecond
		}
	}
	c.total = c.event.StartedAt.Add(wait)
	return nil
}

// scan takes in the body, and reads it.
func (c *call) scan() (err error) {
	if c.endpoint.uploads(c.r) {
		return c.receive()
	}
	if c.body, err = c.readBody(); err != nil {
		return err
	}
	c.scanned, err = c.endpoint.scanBody(c.body.bytes, c.at)
	return err
}

// scanBody reads a request.
func (e *endpoint) scanBody(body []byte, at dialect.At) (dialect.Scanned, error) {
	if e.scan != nil {
		return e.scan(body)
	}
	return e.dialect.Scan(body, at)
}

func checkModel(name string) error {
	const maxLength = 256
	switch {
	case name == "":
		return fault.Field("model", "You must provide a model parameter.").WithCode("missing_required_parameter")
	case len(name) > maxLength || !utf8.ValidString(name):
		return fault.Field("model", "The model is not a name of at most %d bytes.", maxLength).WithCode("invalid_value")
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			return fault.Field("model", "The model has control characters in its name.").WithCode("invalid_value")
		}
	}
	return nil
}

// resolve finds the routes of the model and plans the order in which they are tried.
func (c *call) resolve() error {
	routes, model, err := c.snapshot.Resolve(c.key, c.facts.Model)
	if err != nil {
		return err
	}
	if routes = snapshot.Through(routes, c.endpoint.serves); len(routes) == 0 {
		return c.notHere()
	}
	if routes, err = c.keepsState(routes); err != nil {
		return err
	}
	if routes, err = c.keepsPriced(routes); err != nil {
		return err
	}
	policy, err := c.policy(model)
	if err != nil {
		return err
	}
	in := routing.Input{
		Routes: routes, Health: c.p.o.Health, Room: c.p.o.Keys, Now: c.p.o.Health.Now(), Seed: rand.Uint64(), Prompt: c.prompt, Output: c.facts.MaxTokens,
	}
	if c.model = model; model != nil {
		c.unsupported, c.hedges, in.Balance = model.Unsupported, model.Hedge, model.Balance
	}
	c.target = c.snapshot.Target(c.key, c.facts.Model)
	c.p.retries.called(c.target, budgetOf(model), in.Now)
	c.converse(&in)
	if err := c.route(policy, in); err != nil {
		return err
	}
	c.leads()
	return nil
}

// leads has the event name the first of the plan, until an attempt is made.
func (c *call) leads() {
	first := c.plan[0].Route
	c.event.ProviderID, c.event.ProviderSlug, c.event.UpstreamModel = &first.Provider.ID, first.Provider.Slug, first.UpstreamID
}

// admit holds the call to all limits and reserves what it may cost. Whatever it took is given back by end.
func (c *call) admit() (err error) {
	if err := c.limit(); err != nil {
		return err
	}
	ceiling := c.ceiling()
	if c.hold, err = c.p.o.Credit.Reserve(c.ctx, c.key.AccountID, ceiling); err != nil {
		return fmt.Errorf("reserve credit: %w", err)
	}
	if err := c.budget(ceiling); err != nil {
		return err
	}
	c.event.Hold, c.event.Budgets = ceiling, c.charged()
	if !c.endpoint.free {
		c.event.Usage.Input, c.event.Usage.Estimated = c.prompt, true
	}
	c.price(c.plan[0].Route)
	if err := c.p.o.Meter.Admitted(c.ctx, &c.event); err != nil {
		return fmt.Errorf("admit the call: %w", err)
	}
	return nil
}

// keepsPriced leaves out routes without a price where the gateway serves none of these, so that a call does not get to one by
// failing over either.
func (c *call) keepsPriced(routes []snapshot.Route) ([]snapshot.Route, error) {
	if !c.p.o.RefuseUnpriced || c.endpoint.free {
		return routes, nil
	}
	routes = snapshot.Those(routes, func(r *snapshot.Route) bool {
		_, priced := rateOf(r).Ceiling(c.atMost(r), 0, c.event.StartedAt)
		return priced
	})
	if len(routes) == 0 {
		return nil, fault.New(fault.Denied, "The model `%.100s` has no price, and this gateway serves none without.", c.facts.Model).WithCode("unpriced_model")
	}
	return routes, nil
}

// ceiling is the most that the call can cost at any of its routes, with an attempt that is outpaced. Routes without a price
// are left out.
func (c *call) ceiling() (highest money.Amount) {
	if c.endpoint.free {
		return 0
	}
	var outpaced money.Amount
	for i := range c.plan {
		route := c.plan[i].Route
		rate, bound, markup := rateOf(route), c.atMost(route), markupOf(route)
		amount, _ := rate.Ceiling(bound, markup, c.event.StartedAt)
		highest = max(highest, amount)
		if c.hedges && c.event.Streamed {
			bound.Output = hedgeOutput
			lost, _ := rate.Ceiling(bound, markup, c.event.StartedAt)
			outpaced = max(outpaced, lost)
		}
	}
	return highest + outpaced
}

// atMost is what a route's target can use at the most.
func (c *call) atMost(route *snapshot.Route) pricing.Bound {
	b := pricing.Bound{Input: densePrompt(c.facts) + c.upload.dense()}
	if c.endpoint.output {
		b.Output = c.maxOutput(route)
	}
	switch c.endpoint.operation {
	case upstream.ImagesGenerate, upstream.ImagesEdit:
		b.Images = c.facts.N
	case upstream.Transcribe, upstream.TranslateAudio:
		b.Seconds = c.upload.dense()/soundTokens + 1
	case upstream.Speech:
		b.Characters = c.facts.TextBytes
	}
	return b
}

// maxOutput is how long the answers may get together: what the caller allows, else what is usual, within what the model
// can. What the caller allows counts in full: catalogues name less than many models can, and the charge would be above
// the hold.
func (c *call) maxOutput(route *snapshot.Route) int64 {
	tokens := c.facts.MaxTokens
	if tokens == 0 {
		tokens = max(c.usualOutput(route), c.endpoint.usual)
	}
	return tokens * c.facts.N // each below 1<<31
}

// usualOutput is how long an answer may get where the caller sets no limit. Anthropic wants one named, so that a translation
// names the model's own.
func (c *call) usualOutput(route *snapshot.Route) int64 {
	tokens, ofModel := c.p.o.DefaultMaxOutput, int64(0)
	if route.Upstream != nil {
		ofModel = route.Upstream.MaxOutput
	}
	named := route.Provider.Dialect == llm.Anthropic && c.endpoint.translates
	switch {
	case named && ofModel > 0:
		return ofModel
	case named:
		return max(anthropic.AnswerLimit(route.UpstreamID), tokens+c.thinking())
	case ofModel > 0:
		return min(tokens, ofModel)
	}
	return tokens
}

// thinking is how many tokens the caller lets the model think, which a translation adds where it knows no limit.
func (c *call) thinking() int64 {
	request, err := c.decoded()
	if err != nil || request.Reasoning.IsZero() || request.Reasoning.Off {
		return 0
	}
	return max(request.Reasoning.Budget, llm.BudgetOf(request.Reasoning.Effort), llm.BudgetOf("medium"))
}

// refuse ends a call that no upstream was asked for.
func (c *call) refuse(err error) {
	f := describe(err, c.requestID)
	if fault.KindOf(err) == fault.Internal {
		web.NoteError(c.r.Context(), err)
	}
	if c.gone() && f.Code != codeSlow { // the server takes a body that does not come for a caller who went
		c.settle(usage.Cancelled, statusClientClosed, codeCancelled)
		return
	}
	c.settle(usage.Refused, f.Status, f.reason())
	f.write(c.w, c.endpoint.dialect)
}

// end gives back what the call holds, whatever happened. A panic costs this call and not the process.
func (c *call) end() {
	p := recover()
	if p != nil {
		aborted := c.panicked(p)
		defer func() {
			if aborted {
				panic(http.ErrAbortHandler)
			}
		}()
	}
	if c.answer != nil {
		c.answer.close()
	}
	c.attempts.abandon()
	c.release()
	if a := c.attempts.made; a != nil {
		a.end(health.Cancelled, 0, 0) // of a panic before it was sent
	}
}

// panicked logs a panic, books the call and answers as far as that is still possible. It reports whether the connection
// must be cut, so that nobody takes half an answer for a whole one.
func (c *call) panicked(p any) (abort bool) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	c.p.o.Log.Error("call panicked", "request_id", c.requestID, "error", err)
	f := describe(err, c.requestID)
	if c.event.ID.IsZero() {
		f.write(c.w, c.endpoint.dialect)
		return false
	}
	switch {
	case c.answer == nil:
		c.settle(usage.Refused, f.Status, f.reason())
		f.write(c.w, c.endpoint.dialect)
		return false
	case c.answer.hasBegun():
		c.settle(usage.Truncated, http.StatusOK, f.Code)
	default:
		c.settle(usage.UpstreamError, f.Status, f.Code)
	}
	return !c.answer.fail(&f, c.name)
}
