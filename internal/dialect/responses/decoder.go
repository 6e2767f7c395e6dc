package responses

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// decoder implements dialect.Decoder. It holds no text: of what is open it knows how much was passed on, so that a whole
// item behind its pieces, or without any, adds what is missing.
type decoder struct {
	ev      event
	out     llm.Event // events escape to their consumer: one for all
	started bool
	ended   bool // Finished or Failed was emitted
	failed  bool
	next    int // index of the next block
	open    []openBlock
	early   map[place]int // bytes of blocks that ended when another began, before their item was done
	calls   bool          // the answer has calls
	phase   string        // of the message at hand
	refused bool
	report  report
	uses    int64
	alike   *alike     // what was learned, or nil
	learned int        // events, less those that were like them
	item    item       // memory for the one at hand
	head    answerHead // and for what a response object says
}

// place is a part of an item of the output.
type place struct{ output, part int }

// openBlock is a block that is being read: its item by output, and its part within the item.
type openBlock struct {
	output, part int
	index        int
	kind         llm.Kind
	size         int // bytes passed on
	cited        int
	probs        bool
	parts        int // of thinking, that have begun
	partIndex    int
	summary      bool // the thinking part at hand is of the summary
}

// event is one event of a stream.
type event struct {
	Type       string `json:"type"`
	Output     int    `json:"output_index"`
	Content    int    `json:"content_index"`
	Summary    int    `json:"summary_index"`
	Delta      string `json:"delta"`
	Logprobs   view   `json:"logprobs"`
	Annotation view   `json:"annotation"`
	Item       view   `json:"item"`
	Response   view   `json:"response"`
	Error      view   `json:"error"`
}

// Decoder implements dialect.Dialect.
func (Dialect) Decoder() dialect.Decoder { return &decoder{} }

// Decode implements dialect.Decoder.
func (d *decoder) Decode(data []byte, emit dialect.Emit) (bool, error) {
	if dialect.IsDone(data) {
		return true, nil
	}
	if d.ended {
		return true, nil // what comes behind an error says it again
	}
	if d.readAlike(data) {
		return d.decode(data, emit)
	}
	ev := &d.ev
	if jsonread.Plain(data, ev, jsonread.Repeats|jsonread.Small, (*event).readPlain) {
		done, err := d.decode(data, emit)
		switch {
		case err != nil:
		case d.ended:
			d.forget()
		default:
			d.learn(data)
		}
		return done, err
	}
	*ev = event{}
	if err := json.Unmarshal(data, ev, upstreams); err != nil {
		if kind := typeOf(data); kind != "" && !needed(kind) { // an event of the vendor's own, whose fields may be anything
			return false, d.alive(emit)
		}
		return false, fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return d.decode(data, emit)
}

// needed reports whether an event says something that the answer needs.
func needed(kind string) bool {
	switch kind {
	case "response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta", "response.refusal.delta",
		"response.reasoning_summary_text.delta", "response.reasoning_text.delta", "response.function_call_arguments.delta",
		"response.custom_tool_call_input.delta", "response.completed", "response.incomplete", "response.failed", "error":
		return true
	}
	return false
}

func (d *decoder) decode(data []byte, emit dialect.Emit) (bool, error) {
	ev := &d.ev
	if ev.Type == "error" || ev.Type == "" && !isNull(ev.Error.Value) {
		return true, d.fail(data, emit)
	}
	switch ev.Type {
	case "response.failed":
		return true, d.fail(data, emit)
	case "response.completed", "response.incomplete", "response.done":
		return true, d.finish(emit)
	}
	if err := d.start(emit); err != nil {
		return false, err
	}
	switch ev.Type {
	case "response.created", "response.in_progress", "response.queued", "response.content_part.added", "response.content_part.done",
		"response.output_text.done", "response.refusal.done", "response.reasoning_summary_part.added", "response.reasoning_summary_part.done",
		"response.reasoning_summary_text.done", "response.reasoning_text.done", "response.function_call_arguments.done",
		"response.custom_tool_call_input.done": // they say nothing that others do not
		return false, nil
	case "response.output_item.added":
		return false, d.itemAdded(emit)
	case "response.output_item.done":
		return false, d.itemDone(ev.Item.Value, ev.Output, emit)
	case "response.output_text.delta":
		return false, d.textDelta(llm.Text, emit)
	case "response.refusal.delta":
		return false, d.textDelta(llm.Refusal, emit)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		return false, d.thinkingDelta(emit)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		return false, d.callDelta(emit)
	case "response.output_text.annotation.added":
		return false, d.annotation(emit)
	case "":
		return false, fmt.Errorf("%w: an event without a type", dialect.ErrMalformed)
	}
	return false, d.alive(emit)
}

// tell emits an event.
func (d *decoder) tell(emit dialect.Emit, e llm.Event) error {
	d.out = e
	return emit(&d.out)
}

// alive tells that the vendor is at work, once the answer has begun.
func (d *decoder) alive(emit dialect.Emit) error {
	if !d.started {
		return nil
	}
	return d.tell(emit, llm.Event{Kind: llm.Alive})
}

// answerHead is what a response object says of the answer as a whole.
type answerHead struct {
	ID         string      `json:"id"`
	Model      string      `json:"model"`
	Created    float64     `json:"created_at"`
	Tier       string      `json:"service_tier"`
	Status     string      `json:"status"`
	Output     output      `json:"output"`
	Incomplete *incomplete `json:"incomplete_details"`
	Usage      view        `json:"usage"`
	Error      view        `json:"error"`
}

type incomplete struct {
	Reason string `json:"reason"`
}

// read reads a response object, of which it keeps views. The error wraps dialect.ErrMalformed.
func (h *answerHead) read(raw []byte, rules jsonread.Rules) error {
	if jsonread.Plain(raw, h, rules, (*answerHead).readPlain) {
		return nil
	}
	*h = answerHead{}
	if err := json.Unmarshal(raw, h, upstreams); err != nil {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	return nil
}

// readHead reads what the event at hand says of the answer, if it does.
func (d *decoder) readHead() error {
	if d.head.reset(); isNull(d.ev.Response.Value) {
		return nil
	}
	return d.head.read(d.ev.Response.Value, jsonread.Within)
}

// start begins the answer with the first event, which has the response object unless an upstream left it out.
func (d *decoder) start(emit dialect.Emit) error {
	if d.started {
		return nil
	}
	d.started = true
	if err := d.readHead(); err != nil {
		return err
	}
	head := &d.head
	return d.tell(emit, llm.Event{Kind: llm.Start, ID: head.ID, Model: head.Model, Created: int64(head.Created)})
}

// fail passes on an error in the middle of the stream.
func (d *decoder) fail(data []byte, emit dialect.Emit) error {
	d.ended, d.failed = true, true
	w := watch{}
	c, err := w.Event(data)
	if err != nil {
		return err
	}
	if c.Error == nil {
		c.Error = streamError("", "", "", "")
	}
	return d.tell(emit, llm.Event{Kind: llm.Failed, Err: c.Error})
}

// finish ends the answer.
func (d *decoder) finish(emit dialect.Emit) error {
	if err := d.start(emit); err != nil {
		return err
	}
	if err := d.readHead(); err != nil {
		return err
	}
	head := &d.head
	if d.next == 0 { // an upstream that tells the whole answer at the end
		for i, raw := range head.Output.items {
			if err := d.itemDone(raw.Value, i, emit); err != nil {
				return err
			}
		}
	}
	if err := d.closeAll(emit); err != nil {
		return err
	}
	if head.Status == "" && d.ev.Type == "response.incomplete" {
		head.Status = "incomplete"
	}
	finish, reason := head.finish(d.calls, d.refused)
	d.ended = true
	if err := d.tell(emit, llm.Event{Kind: llm.Finished, Finish: finish, Reason: reason, ServiceTier: head.Tier}); err != nil {
		return err
	}
	d.report.read(head.Usage.Value)
	if u, ok := d.Usage(); ok {
		return d.tell(emit, llm.Event{Kind: llm.Used, Usage: u})
	}
	return nil
}

// finish is why the answer ended, and the vendor's word for it.
func (h *answerHead) finish(calls, refused bool) (llm.Finish, string) {
	if h.Status == "incomplete" {
		reason := ""
		if h.Incomplete != nil {
			reason = h.Incomplete.Reason
		}
		switch reason {
		case "max_output_tokens":
			return llm.FinishLength, reason
		case "content_filter":
			return llm.FinishFilter, reason
		}
		return llm.FinishUnknown, reason
	}
	switch {
	case calls:
		return llm.FinishTools, h.Status
	case refused:
		return llm.FinishRefusal, h.Status
	}
	return llm.FinishStop, h.Status
}

// End implements dialect.Decoder.
func (d *decoder) End(dialect.Emit) (bool, error) { return d.ended && !d.failed, nil }

// Usage implements dialect.Decoder.
func (d *decoder) Usage() (llm.Usage, bool) {
	u, credible, _ := d.report.usage()
	if credible {
		u.ToolUses = d.uses
		u, _ = u.Clamp()
	}
	return u, credible
}
