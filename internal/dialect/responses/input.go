package responses

import (
	"bytes"
	"fmt"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// keepBlocks is the most blocks whose memory is kept for the next request, keepParts the most parts, and tools.
const (
	keepBlocks = 512
	keepParts  = 64
)

// maxLooks is how many turns and blocks are looked at for a call, which mostly stands right in front of its result.
const maxLooks = 64

// input is a text or items, and the turns that they make.
type input struct {
	raw jsontext.Value // as it stands, where package json read it
	err error          // of the first item that is wrong

	turns  []turn
	blocks []llm.Block // of all turns
	item   item        // the one at hand
	items  int         // read

	results int            // the blocks up to here are results, as far as the last turn goes
	calls   map[string]int // where the call of an id is, once it was looked for far away
	indexed struct{ turn, block int }
}

// turn is a message whose blocks begin with one of all.
type turn struct {
	role llm.Role
	from int
}

// reset makes it empty and keeps its memory.
func (in *input) reset() {
	clear(in.blocks)
	*in = input{turns: in.turns[:0], blocks: in.blocks[:0], item: in.item}
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. The items are read later, when what is wrong of the rest is known.
func (in *input) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	in.raw = raw.Clone()
	return err
}

// readPlain takes items to turns as they come: what is wrong of one is told when it would be, had it been read last.
func (in *input) readPlain(r *jsonread.Reader) {
	switch in.reset(); r.Kind() {
	case '"':
		var text string
		jsonread.String(&text, r)
		in.say(text)
	case '[':
		var all []struct{}
		jsonread.List(&all, r, func(_ *struct{}, r *jsonread.Reader) {
			place := r.Place()
			in.item.readPlain(r)
			raw := r.From(place)
			switch {
			case r.Kind() == 0 || in.err != nil: // it is odd, and all is read again
			case in.item.plain():
				in.err = in.place(raw)
			default:
				in.err = in.readOdd(raw)
			}
		})
	case 'n':
		r.Null()
	default:
		r.Odd()
	}
}

// read reads what package json left as it stands.
func (in *input) read() error {
	switch in.raw.Kind() {
	case 0, 'n':
	case '"':
		text, err := textOf(in.raw)
		if err != nil {
			return err
		}
		in.say(text)
	case '[':
		for _, raw := range jsonscan.Elements(in.raw) {
			if err := in.readItem(raw); err != nil {
				return err
			}
		}
	default:
		return refusal.WrongType("input", "a string or an array", refusal.KindOf(in.raw.Kind()))
	}
	return in.err
}

// readItem reads one item, within a body that was validated as a whole, and adds it.
func (in *input) readItem(raw jsontext.Value) error {
	if jsonread.Plain(raw, &in.item, jsonread.Within, (*item).readPlain) && in.item.plain() {
		return in.place(raw)
	}
	return in.readOdd(raw)
}

// readOdd reads an item that is not as most are.
func (in *input) readOdd(raw jsontext.Value) error {
	in.item = item{}
	if err := json.Unmarshal(raw, &in.item, callers); err != nil {
		message := refusal.Undecoded(fmt.Sprintf("input[%d]", in.items), err)
		if raw.Kind() != '{' || known(raw) {
			return message
		}
		in.item = item{Type: typeOf(raw)} // an item of the vendor's own, whose fields may be anything
	}
	return in.place(raw)
}

// say adds what the user says, where that is all there is.
func (in *input) say(text string) {
	if text != "" {
		in.add(llm.User, llm.Block{Kind: llm.Text, Text: text})
	}
}

// place adds the item at hand to the turn that it belongs to: what the model said and did in a row is one turn, and so is
// what its calls returned with what the user says next.
func (in *input) place(raw jsontext.Value) error {
	it := &in.item
	at := refusal.Place{Within: "input", Index: in.items}
	in.items++
	switch it.Type {
	case "message", "":
		if it.Type == "" && it.Role == "" && it.ID != "" {
			break // a reference
		}
		return in.message(it, at)
	case "function_call", "custom_tool_call":
		b, err := callOf(it, at)
		if err != nil {
			return err
		}
		id, states := llm.UncarryID(b.Call.ID)
		b.Call.ID = id
		for _, s := range states {
			if s.Kind == llm.ToolCall {
				b.State = s.State
			}
		}
		in.add(llm.Assistant, b)
		return nil
	case "function_call_output", "custom_tool_call_output":
		result, err := resultOf(&it.Output, at.In(".output"))
		if err != nil {
			return err
		}
		result.CallID, _ = llm.UncarryID(it.CallID)
		result.Custom = it.Type == "custom_tool_call_output"
		if call := in.callBy(result.CallID); call != nil {
			result.Name = call.Call.Name
		}
		in.add(llm.User, llm.Block{Kind: llm.ToolResult, Result: result})
		return nil
	case localShellCall:
		if b, ok := shellCallOf(it, raw); ok {
			in.add(llm.Assistant, b)
			return nil
		}
	case localShellOutput:
		b, err := in.shellOutputOf(it, raw, at)
		if err == nil {
			in.add(llm.User, b)
		}
		return err
	case "reasoning":
		blocks, ok := llm.Uncarry(it.Sealed)
		if !ok {
			blocks = []llm.Block{thinkingOf(it)}
		}
		in.add(llm.Assistant, blocks...)
		return nil
	}
	role := llm.Assistant
	if answers(it.Type) {
		role = llm.User
	}
	in.add(role, llm.Block{Kind: llm.Opaque, Vendor: llm.Responses, Type: opaqueType(it), Raw: bytes.Clone(raw)})
	return nil
}

// message adds what somebody says.
func (in *input) message(it *item, at refusal.Place) error {
	role := llm.User
	switch it.Role {
	case "user":
	case "assistant":
		role = llm.Assistant
	case "system":
		role = llm.System
	case "developer":
		role = llm.Developer
	default:
		return &llm.RequestError{Param: at.Of(".role"), Code: "invalid_value",
			Message: fmt.Sprintf("Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", it.Role)}
	}
	if it.Content.empty() {
		return refusal.Missing(at.Of(".content"))
	}
	in.add(role)
	from := len(in.blocks)
	var err error
	in.blocks, err = appendContent(in.blocks, &it.Content, at.In(".content"))
	for i := range in.blocks[from:] {
		setPhase(&in.blocks[from+i], it.Phase)
	}
	return err
}

// resultOf is what a tool returned.
func resultOf(c *content, at refusal.Place) (*llm.Result, error) {
	if c.kind == '"' { // nearly all of them
		one := new(struct {
			result llm.Result
			text   [1]llm.Block
		})
		one.text[0] = llm.Block{Kind: llm.Text, Text: c.text}
		one.result.Content = one.text[:]
		return &one.result, nil
	}
	blocks, err := appendContent(make([]llm.Block, 0, len(c.parts)), c, at)
	return &llm.Result{Content: blocks}, err
}

// add adds blocks of one item to the turn they belong to.
func (in *input) add(role llm.Role, blocks ...llm.Block) {
	n := len(in.turns) - 1
	if n < 0 || in.turns[n].role != role || role != llm.Assistant && !in.onlyResults() {
		in.turns = append(in.turns, turn{role, len(in.blocks)})
		in.results = len(in.blocks)
	}
	in.blocks = append(in.blocks, blocks...)
}

// onlyResults reports whether the last turn, a user's, has not come to what the user says. It goes on where it stopped:
// every item asks.
func (in *input) onlyResults() bool {
	for ; in.results < len(in.blocks); in.results++ {
		if kind := in.blocks[in.results].Kind; kind != llm.ToolResult && kind != llm.Opaque {
			return false
		}
	}
	return true
}

// callBy is the first call of an id in the latest turn that has one, or nil.
func (in *input) callBy(id string) *llm.Block {
	looks, to := 0, len(in.blocks)
	for i := len(in.turns) - 1; i >= 0; i-- {
		from := in.turns[i].from
		if looks += 1 + to - from; looks > maxLooks {
			return in.callFar(id)
		}
		for j := from; j < to; j++ {
			if b := &in.blocks[j]; b.Kind == llm.ToolCall && b.Call.ID == id {
				return b
			}
		}
		to = from
	}
	return nil
}

// callFar does the same by where all calls are: of many results, each would look at all that stands before it.
func (in *input) callFar(id string) *llm.Block {
	if in.calls == nil {
		in.calls = map[string]int{}
	}
	at := &in.indexed
	for ; at.block < len(in.blocks); at.block++ {
		for at.turn+1 < len(in.turns) && in.turns[at.turn+1].from <= at.block {
			at.turn++
		}
		b := &in.blocks[at.block]
		if b.Kind != llm.ToolCall {
			continue
		}
		if first, ok := in.calls[b.Call.ID]; !ok || first < in.turns[at.turn].from {
			in.calls[b.Call.ID] = at.block
		}
	}
	if i, ok := in.calls[id]; ok {
		return &in.blocks[i]
	}
	return nil
}

// messages are the turns, with a system prompt in front where there is one. All blocks share one piece of memory.
func (in *input) messages(instructions string) []llm.Message {
	if instructions == "" && len(in.turns) == 0 {
		return nil
	}
	all := make([]llm.Message, 0, 1+len(in.turns))
	blocks := make([]llm.Block, 0, 1+len(in.blocks))
	if instructions != "" {
		blocks = append(blocks, llm.Block{Kind: llm.Text, Text: instructions})
		all = append(all, llm.Message{Role: llm.System, Blocks: blocks[:1:1]})
	}
	first := len(blocks)
	blocks = append(blocks, in.blocks...)[first:]
	for i, t := range in.turns {
		to := len(blocks)
		if i+1 < len(in.turns) {
			to = in.turns[i+1].from
		}
		all = append(all, llm.Message{Role: t.role, Blocks: blocks[t.from:to:to]})
	}
	return all
}
