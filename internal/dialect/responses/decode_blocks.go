package responses

import (
	"fmt"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// find is the open block of a part of an item, or nil: valid until another begins or ends. Items of one block have part 0.
func (d *decoder) find(output, part int) *openBlock {
	for i := range d.open {
		if o := &d.open[i]; o.output == output && o.part == part {
			return o
		}
	}
	return nil
}

// begin opens a block. All others end with it, but that calls may be open side by side.
func (d *decoder) begin(output, part int, b llm.Block, emit dialect.Emit) (*openBlock, error) {
	kept := d.open[:0]
	var err error
	for _, o := range d.open {
		if o.kind == llm.ToolCall && b.Kind == llm.ToolCall {
			kept = append(kept, o)
		} else if err == nil {
			if d.early == nil {
				d.early = map[place]int{}
			}
			d.early[place{o.output, o.part}] = o.size
			err = d.tell(emit, llm.Event{Kind: llm.Close, Index: o.index})
		}
	}
	d.open = kept
	if err != nil {
		return nil, err
	}
	if len(d.open) >= dialect.MaxOpen || len(d.early) >= dialect.MaxOpen {
		return nil, fmt.Errorf("%w: more than %d items at once", dialect.ErrMalformed, dialect.MaxOpen)
	}
	d.open = append(d.open, openBlock{output: output, part: part, index: d.next, kind: b.Kind})
	d.next++
	o := &d.open[len(d.open)-1]
	return o, d.tell(emit, llm.Event{Kind: llm.Open, Index: o.index, Block: b})
}

// close ends the blocks of an item.
func (d *decoder) close(output int, emit dialect.Emit) error {
	kept := d.open[:0]
	var err error
	for _, o := range d.open {
		if o.output != output {
			kept = append(kept, o)
		} else if err == nil {
			err = d.tell(emit, llm.Event{Kind: llm.Close, Index: o.index})
		}
	}
	d.open = kept
	return err
}

func (d *decoder) closeAll(emit dialect.Emit) error {
	for _, o := range d.open {
		if err := d.tell(emit, llm.Event{Kind: llm.Close, Index: o.index}); err != nil {
			return err
		}
	}
	d.open = d.open[:0]
	return nil
}

// pass hands on a piece of text. Events are large: nothing of one behind another is written that is not new.
func (d *decoder) pass(o *openBlock, text string, emit dialect.Emit) error {
	if text == "" {
		return nil
	}
	o.size += len(text)
	if d.out.Kind != llm.Delta {
		d.out = llm.Event{Kind: llm.Delta}
	}
	d.out.Index, d.out.Text = o.index, text
	return emit(&d.out)
}

// rest hands on what of a whole text was not.
func (d *decoder) rest(o *openBlock, whole string, emit dialect.Emit) error {
	if len(whole) <= o.size {
		return nil
	}
	return d.pass(o, whole[o.size:], emit)
}

// itemAdded opens what an item begins: a call, since its name is known, or thinking.
func (d *decoder) itemAdded(emit dialect.Emit) error {
	it := &d.item
	if !jsonread.Plain(d.ev.Item.Value, it, jsonread.Within, (*item).readPlain) || !it.plain() {
		*it = item{}
		_ = json.Unmarshal(d.ev.Item.Value, it, upstreams) // what cannot be read now comes whole when it is done
	}
	switch it.Type {
	case "message":
		d.phase = it.Phase
	case "function_call", "custom_tool_call":
		if it.Name != "" && it.CallID != "" {
			_, err := d.beginCall(it, d.ev.Output, emit)
			return err
		}
	case "reasoning":
		b := llm.Block{Kind: llm.Thinking}
		if it.ID != "" && !minted(it.ID) {
			b.State = llm.State{Origin: llm.Responses, ID: it.ID} // what is sealed comes at the end
		}
		_, err := d.begin(d.ev.Output, 0, b, emit)
		return err
	}
	return nil
}

func (d *decoder) beginCall(it *item, output int, emit dialect.Emit) (*openBlock, error) {
	d.calls = true
	return d.begin(output, 0, llm.Block{Kind: llm.ToolCall,
		Call: llm.Call{ID: it.CallID, Name: joinName(it.Namespace, it.Name), Custom: it.Type == "custom_tool_call"}}, emit)
}

func (d *decoder) textDelta(kind llm.Kind, emit dialect.Emit) error {
	ev := &d.ev
	o := d.find(ev.Output, ev.Content)
	if o == nil || o.kind != kind {
		var err error
		b := llm.Block{Kind: kind}
		setPhase(&b, d.phase)
		if o, err = d.begin(ev.Output, ev.Content, b, emit); err != nil {
			return err
		}
	}
	d.refused = d.refused || kind == llm.Refusal
	if err := d.pass(o, ev.Delta, emit); err != nil || len(ev.Logprobs.Value) < 3 { // "[]" has none
		return err
	}
	var probs []logprob
	_ = json.Unmarshal(ev.Logprobs.Value, &probs, upstreams) // what cannot be read is left out; the text counts
	if len(probs) == 0 {
		return nil
	}
	o.probs = true
	return d.tell(emit, llm.Event{Kind: llm.Probs, Logprobs: logprobsOf(probs)})
}

// thinkingDelta passes on a piece of a summary, or of the thinking itself. Its parts are apart by blank lines.
func (d *decoder) thinkingDelta(emit dialect.Emit) error {
	ev := &d.ev
	o := d.find(ev.Output, 0)
	if o == nil || o.kind != llm.Thinking {
		var err error
		if o, err = d.begin(ev.Output, 0, llm.Block{Kind: llm.Thinking}, emit); err != nil {
			return err
		}
	}
	summary, index := true, ev.Summary
	if ev.Type == "response.reasoning_text.delta" {
		summary, index = false, ev.Content
	}
	if ev.Delta == "" {
		return nil
	}
	if o.parts == 0 || o.partIndex != index || o.summary != summary {
		o.partIndex, o.summary = index, summary
		if o.parts++; o.parts > 1 {
			if err := d.pass(o, "\n\n", emit); err != nil {
				return err
			}
		}
	}
	return d.pass(o, ev.Delta, emit)
}

func (d *decoder) callDelta(emit dialect.Emit) error {
	o := d.find(d.ev.Output, 0)
	if _, ended := d.early[place{d.ev.Output, 0}]; ended && o == nil {
		return fmt.Errorf("%w: arguments of a call that has ended", dialect.ErrMalformed)
	}
	if o == nil { // its name is not known yet, so the call comes whole when it is done
		return d.alive(emit)
	}
	if o.kind != llm.ToolCall {
		return fmt.Errorf("%w: arguments of what is no call", dialect.ErrMalformed)
	}
	return d.pass(o, d.ev.Delta, emit)
}

func (d *decoder) annotation(emit dialect.Emit) error {
	o := d.find(d.ev.Output, d.ev.Content)
	c, ok := citationOf(d.ev.Annotation.Value)
	if _, ended := d.early[place{d.ev.Output, d.ev.Content}]; !ok || ended || o != nil && o.kind != llm.Text {
		return nil // it comes with the whole part as well
	}
	if o == nil { // some tell it before the text
		var err error
		if o, err = d.begin(d.ev.Output, d.ev.Content, llm.Block{Kind: llm.Text}, emit); err != nil {
			return err
		}
	}
	o.cited++
	return d.tell(emit, llm.Event{Kind: llm.Cite, Index: o.index, Citation: c})
}

// itemDone takes a whole item: what of it has not come in pieces is passed on.
func (d *decoder) itemDone(raw jsontext.Value, output int, emit dialect.Emit) error {
	it := &d.item
	kind := ""
	if jsonread.Plain(raw, it, jsonread.Within, (*item).readPlain) && it.plain() {
		kind = it.Type
	} else {
		*it, kind = item{}, typeOf(raw)
		if err := json.Unmarshal(raw, it, upstreams); err != nil && known(raw) {
			return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
		}
	}
	var err error
	switch kind {
	case "message":
		d.phase = it.Phase
		err = d.messageDone(it, output, emit)
		d.phase = ""
	case "reasoning":
		o := d.find(output, 0)
		if o == nil {
			o, err = d.begin(output, 0, llm.Block{Kind: llm.Thinking}, emit)
		}
		b := thinkingOf(it)
		if size, ended := d.early[place{output, 0}]; err == nil && ended {
			o.size = max(o.size, size) // its state comes behind it, in a block of its own
		}
		if err == nil {
			err = d.rest(o, b.Text, emit)
		}
		if err == nil && !b.State.IsZero() {
			err = d.tell(emit, llm.Event{Kind: llm.Sign, Index: o.index, State: b.State})
		}
	case "function_call", "custom_tool_call":
		err = d.callDone(it, output, emit)
	case "":
		return fmt.Errorf("%w: an item without a type", dialect.ErrMalformed)
	default:
		if vendorRun(kind) {
			d.uses++
		}
		b := llm.Block{Kind: llm.Opaque, Vendor: llm.Responses, Type: kind, Raw: oneLine(raw)}
		if kind == pictureCall {
			drawn(&b)
		}
		_, err = d.begin(output, 0, b, emit)
	}
	if err != nil {
		return err
	}
	for at := range d.early {
		if at.output == output {
			delete(d.early, at)
		}
	}
	return d.close(output, emit)
}

func (d *decoder) callDone(it *item, output int, emit dialect.Emit) error {
	b, bad := callOf(it, refusal.Place{Within: "output", Index: -1})
	if bad != nil {
		return fmt.Errorf("%w: a call without a name or an id", dialect.ErrMalformed)
	}
	o := d.find(output, 0)
	if size, ended := d.early[place{output, 0}]; ended && o == nil {
		if size != len(b.Call.Input) {
			return fmt.Errorf("%w: arguments of a call that has ended", dialect.ErrMalformed)
		}
		return nil
	}
	if o == nil {
		var err error
		if o, err = d.beginCall(it, output, emit); err != nil {
			return err
		}
	}
	return d.rest(o, b.Call.Input, emit)
}

func (d *decoder) messageDone(it *item, output int, emit dialect.Emit) error {
	c := &it.Content
	if err := c.settle(upstreams); err != nil && c.kind != '"' && !isNull(c.raw) {
		return fmt.Errorf("%w: %w", dialect.ErrMalformed, err)
	}
	if c.kind == '"' {
		return d.partDone(&part{Text: &c.text}, output, 0, emit)
	}
	for i := range c.parts {
		if err := d.partDone(&c.parts[i], output, i, emit); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) partDone(p *part, output, at int, emit dialect.Emit) error {
	kind, whole := llm.Text, ""
	switch {
	case p.Refusal != nil:
		kind, whole = llm.Refusal, *p.Refusal
		d.refused = true
	case p.Text != nil:
		whole = *p.Text
	}
	o := d.find(output, at)
	if o == nil {
		if _, ended := d.early[place{output, at}]; ended {
			return nil // when another began
		}
		var err error
		b := llm.Block{Kind: kind}
		setPhase(&b, d.phase)
		if o, err = d.begin(output, at, b, emit); err != nil {
			return err
		}
	}
	if err := d.rest(o, whole, emit); err != nil {
		return err
	}
	for _, c := range citationsOf(p.Annotations[min(o.cited, len(p.Annotations)):]) {
		if err := d.tell(emit, llm.Event{Kind: llm.Cite, Index: o.index, Citation: c}); err != nil {
			return err
		}
	}
	if len(p.Logprobs) == 0 || o.probs {
		return nil
	}
	return d.tell(emit, llm.Event{Kind: llm.Probs, Logprobs: logprobsOf(p.Logprobs)})
}
