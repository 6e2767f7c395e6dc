package anthropic

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// wireMessageOut is a whole answer, and what message_start has of one.
type wireMessageOut struct {
	Type    string     `json:"type"`
	ID      string     `json:"id"`
	Model   string     `json:"model"`
	Content []llm.JSON `json:"content"`
	Usage   llm.JSON   `json:"usage"`

	wireStop
}

// reset makes all of it empty and keeps the memory of the usage.
func (w *wireMessageOut) reset() { *w = wireMessageOut{Usage: w.Usage[:0]} }

// wireStop says why an answer ended.
type wireStop struct {
	Reason   string  `json:"stop_reason"`
	Sequence string  `json:"stop_sequence"`
	Details  wireWhy `json:"stop_details"`
}

type wireWhy struct {
	Explanation string `json:"explanation"`
}

// finishes are the reasons why an answer ends.
var finishes = map[string]llm.Finish{
	"end_turn":                      llm.FinishStop,
	"stop_sequence":                 llm.FinishStopSequence,
	"max_tokens":                    llm.FinishLength,
	"model_context_window_exceeded": llm.FinishContext,
	"tool_use":                      llm.FinishTools,
	"refusal":                       llm.FinishRefusal,
	"pause_turn":                    llm.FinishPause,
	"compaction":                    llm.FinishPause,
}

// finish is the neutral reason. Where the only tools called were our own, nobody waits for a result.
func (s *wireStop) finish(called, answered bool) llm.Finish {
	f := finishes[s.Reason]
	if f == llm.FinishTools && answered && !called {
		return llm.FinishStop
	}
	return f
}

// answerReader reads a whole answer. Its memory is used again.
type answerReader struct {
	wire   wireMessageOut
	block  wireBlock
	report report
}

var answerReaders = sync.Pool{New: func() any { return new(answerReader) }}

// free gives the memory back, with nothing of the answer in it.
func (p *answerReader) free() {
	p.wire.reset()
	*p = answerReader{wire: p.wire, report: report{tier: p.report.tier[:0]}}
	answerReaders.Put(p)
}

// DecodeResponse implements dialect.Dialect.
func (d Dialect) DecodeResponse(body []byte) (*llm.Response, error) {
	p := answerReaders.Get().(*answerReader)
	defer p.free()
	w := &p.wire
	if !jsonread.Plain(body, w, jsonread.Repeats, (*wireMessageOut).readPlain) {
		*w = wireMessageOut{}
		if err := json.Unmarshal(body, w, lenient); err != nil {
			return nil, malformed(err)
		}
	}
	if w.Type == "error" || w.Type == "" && w.Content == nil {
		if e := d.DecodeError(0, body); e.Message != "" || e.Type != "" {
			return nil, e
		}
	}
	if w.Content == nil && w.Reason == "" {
		return nil, fmt.Errorf("%w: neither content nor an end", dialect.ErrMalformed)
	}
	p.report.read(w.Usage)
	r := &llm.Response{ID: w.ID, Model: w.Model, ServiceTier: p.report.tierName(), Candidates: make([]llm.Candidate, 1)}
	r.Usage, r.HasUsage, _ = p.report.usage()
	c := &r.Candidates[0]
	c.Blocks = slices.Grow(c.Blocks, len(w.Content))
	called, answered := false, false
	var decoder blockDecoder
	for _, raw := range w.Content {
		b := &p.block
		if err := b.read(raw); err != nil {
			return nil, malformed(err)
		}
		if b.Type == "tool_use" && b.Name == formatTool {
			answered = true
			c.Blocks = append(c.Blocks, llm.Block{Kind: llm.Text, Text: answerText(string(b.Input))})
			continue
		}
		called = called || b.Type == "tool_use"
		c.Blocks = decoder.append(c.Blocks, b)
		ours(&c.Blocks[len(c.Blocks)-1])
	}
	if decoder.err != nil {
		return nil, malformed(decoder.err)
	}
	if text := w.Details.Explanation; text != "" {
		c.Blocks = append(c.Blocks, llm.Block{Kind: llm.Refusal, Text: text})
	}
	c.Finish, c.Reason, c.StopSequence = w.finish(called, answered), w.Reason, w.Sequence
	return r, nil
}

// answerText is the input of the tool that stands for the answer's format.
func answerText(input string) string {
	if strings.TrimSpace(input) == "" {
		return "{}"
	}
	return input
}

// ours takes back what toolName did to a call.
func ours(b *llm.Block) {
	if b.Kind != llm.ToolCall {
		return
	}
	b.Call.Name, b.Call.Custom = toolOf(b.Call.Name)
	if b.Call.Custom {
		var text strings.Builder
		jsonscan.Pass(inputPaths, []byte(b.Call.Input), func(part []byte) { text.Write(part) }, isText, nil)
		b.Call.Input = text.String()
	}
}

// newTextScan reads the text out of the input of a custom tool's call.
func newTextScan(onText func(part []byte)) *jsonscan.Scanner {
	var s jsonscan.Scanner
	s.Init(inputPaths, &jsonscan.Passer{OnText: onText, IsText: isText})
	return &s
}

var inputPaths = jsonscan.Compile(map[string]jsonscan.ID{textInput: idText})

// read takes a usage object.
func (r *report) read(usage llm.JSON) {
	if usage.Kind() != '{' {
		return
	}
	jsonscan.Read(usagePaths, usage, usageOf{r})
}

var usagePaths = func() *jsonscan.Paths {
	paths := map[string]jsonscan.ID{"iterations": idIterations, "service_tier": idTier}
	for name, f := range countNames {
		paths[name] = idCount + jsonscan.ID(f)
		paths["iterations[]."+name] = idIteration + jsonscan.ID(f)
	}
	return jsonscan.Compile(paths)
}()

// usageOf fills a report.
type usageOf struct{ *report }

// Open implements jsonscan.Handler.
func (r usageOf) Open(id jsonscan.ID, _ jsonscan.Kind, _ int64) {
	switch id {
	case idIterations:
		r.iterations = [countFields]int64{} // told anew, and as a whole
	case idTier:
		r.tier = r.tier[:0]
	}
}

// Text implements jsonscan.Handler.
func (r usageOf) Text(id jsonscan.ID, part []byte) {
	if id == idTier {
		r.tier = append(r.tier, part...)
	}
}

// Close implements jsonscan.Handler.
func (r usageOf) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, _ int64) {
	switch {
	case kind == jsonscan.Null:
	case id >= idIteration:
		r.add(count(id-idIteration), raw)
	case id >= idCount:
		r.set(count(id-idCount), raw)
	}
}

// EncodeResponse implements dialect.Dialect. The dialect has one answer; further candidates are left out. Thinking of another
// vendor that has no text and nothing behind it is left out, as Encoder says.
func (Dialect) EncodeResponse(r *llm.Response, to *llm.Request) []byte {
	o := answers.Get().(*answerWriter)
	defer o.free()
	dst := append(appendMessage(o.out, r.ID, model0(r.Model, to)), '[')
	var s sum
	first, held := len(dst), 0 // where content begins, and how much at its end waits for another block
	if len(r.Candidates) > 0 {
		c := &r.Candidates[0]
		for i := range c.Blocks {
			b := &c.Blocks[i]
			s.saw(b)
			before := len(dst)
			if dst = appendAnswerBlock(dst, b); len(dst) == before {
				continue
			}
			dst = append(dst, ',')
			if sealed(b) {
				held += len(dst) - before
			} else {
				held = 0
			}
		}
		s.finish, s.sequence = c.Finish, c.StopSequence
	} else if r.Filter != "" {
		s.finish = llm.FinishFilter
	}
	if dst = dst[:len(dst)-held]; len(dst) > first {
		dst = dst[:len(dst)-1] // the comma
	}
	dst = s.appendStop(append(dst, ']', ','))
	dst = appendUsage(append(dst, `,"usage":`...), r.Usage, r.ServiceTier)
	o.out = append(dst, '}')
	return taken(&o.out)
}

// answerWriter is memory to write an answer in.
type answerWriter struct{ out []byte }

var answers = sync.Pool{New: func() any { return new(answerWriter) }}

func (o *answerWriter) free() {
	if o.out = o.out[:0]; cap(o.out) <= maxKept {
		answers.Put(o)
	}
}

// sealed says that a block has nothing but the state of another vendor.
func sealed(b *llm.Block) bool {
	return b.Kind == llm.Thinking && b.Text == "" && !b.State.IsZero() && b.State.Origin != llm.Anthropic
}

// appendMessage appends a message up to the beginning of its content's value.
func appendMessage(dst []byte, id, model string) []byte {
	if id == "" {
		id = newMessageID()
	}
	dst = jsonwrite.String(append(dst, `{"id":`...), id)
	dst = jsonwrite.String(append(dst, `,"type":"message","role":"assistant","model":`...), model)
	return append(dst, `,"content":`...)
}

// newMessageID makes up an id where the upstream has none.
func newMessageID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // it never fails
	return "msg_" + hex.EncodeToString(id[:])
}

// model0 is the model's name in an answer.
func model0(upstream string, to *llm.Request) string {
	if upstream == "" && to != nil {
		return to.Model
	}
	return upstream
}

// sum is what an answer's end depends on.
type sum struct {
	calls, refused bool
	finish         llm.Finish
	sequence       string
}

func (s *sum) saw(b *llm.Block) {
	s.calls = s.calls || b.Kind == llm.ToolCall
	s.refused = s.refused || b.Kind == llm.Refusal
}

// reason is Anthropic's word for why the answer ended.
func (s *sum) reason() string {
	switch s.finish {
	case llm.FinishStopSequence:
		if s.sequence == "" {
			return "end_turn" // SDKs want the sequence told
		}
		return "stop_sequence"
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishContext:
		return "model_context_window_exceeded"
	case llm.FinishFilter, llm.FinishRefusal:
		return "refusal"
	case llm.FinishPause:
		return "pause_turn"
	case llm.FinishTools:
		return "tool_use"
	case llm.FinishUnknown, llm.FinishStop, llm.FinishMalformed, llm.FinishError:
	}
	switch {
	case s.calls:
		return "tool_use"
	case s.refused:
		return "refusal"
	}
	return "end_turn"
}

// appendStop appends the members stop_reason and stop_sequence.
func (s *sum) appendStop(dst []byte) []byte {
	dst = append(append(append(dst, `"stop_reason":"`...), s.reason()...), `","stop_sequence":`...)
	if s.sequence == "" {
		return append(dst, "null"...)
	}
	return jsonwrite.String(dst, s.sequence)
}

// appendUsage appends a usage object.
func appendUsage(dst []byte, u llm.Usage, tier string) []byte {
	dst = appendCount(append(dst, '{'), "input_tokens", u.Input)
	dst = appendCount(append(dst, ','), "cache_creation_input_tokens", u.CacheWrite5m+u.CacheWrite1h)
	dst = appendCount(append(dst, ','), "cache_read_input_tokens", u.CachedInput)
	dst = appendCount(append(dst, `,"cache_creation":{`...), "ephemeral_5m_input_tokens", u.CacheWrite5m)
	dst = appendCount(append(dst, ','), "ephemeral_1h_input_tokens", u.CacheWrite1h)
	dst = appendCount(append(dst, "},"...), "output_tokens", u.Output)
	if u.Reasoning > 0 {
		dst = appendCount(append(dst, `,"output_tokens_details":{`...), "thinking_tokens", u.Reasoning)
		dst = append(dst, '}')
	}
	if u.ToolUses > 0 {
		dst = appendCount(append(dst, `,"server_tool_use":{`...), "web_search_requests", u.ToolUses)
		dst = append(dst, `,"web_fetch_requests":0}`...)
	}
	switch tier {
	case "standard", "priority", "batch":
	case "default":
		tier = "standard"
	default:
		tier = ""
	}
	if tier != "" {
		dst = jsonwrite.String(append(dst, `,"service_tier":`...), tier)
	}
	return append(dst, '}')
}

// appendCount appends a member that is a number.
func appendCount(dst []byte, name string, n int64) []byte {
	dst = append(append(append(dst, '"'), name...), `":`...)
	return strconv.AppendInt(dst, n, 10)
}

// appendAnswerBlock appends a block of an answer, or nothing where the dialect has none for it.
func appendAnswerBlock(dst []byte, b *llm.Block) []byte {
	switch b.Kind {
	case llm.Text, llm.Refusal:
		if b.Text == "" {
			return dst
		}
		dst = appendTextBlock(dst, b.Text)
		for i := range b.Citations {
			if i == 0 {
				dst = append(dst, `,"citations":[`...)
			} else {
				dst = append(dst, ',')
			}
			dst = appendCitation(dst, &b.Citations[i])
		}
		if len(b.Citations) > 0 {
			dst = append(dst, ']')
		}
	case llm.Thinking:
		if b.Text == "" && b.State.IsZero() {
			return dst
		}
		return appendThinking(dst, b.Text, b.State)
	case llm.ToolCall:
		dst = appendCall(dst, b)
		dst = appendInput(append(dst, `,"input":`...), &b.Call)
	case llm.Media:
		text := mediaText(b.Media)
		if text == "" {
			return dst
		}
		dst = appendTextBlock(dst, text)
	case llm.Opaque:
		if b.Vendor == llm.Anthropic {
			dst = append(dst, b.Raw...)
		}
		return dst
	case llm.ToolResult:
		return dst
	}
	return append(dst, '}')
}

// appendCall appends a call for a caller up to its name.
func appendCall(dst []byte, b *llm.Block) []byte {
	id := b.Call.ID
	if !b.State.IsZero() {
		id = llm.CarryID(id, llm.Block{Kind: llm.ToolCall, State: b.State})
	}
	dst = jsonwrite.String(append(dst, `{"type":"tool_use","id":`...), id)
	dst = jsonwrite.String(append(dst, `,"name":`...), b.Call.Name)
	if b.Vendor == llm.Anthropic && len(b.Raw) > 2 {
		dst = append(append(dst, ','), b.Raw[1:len(b.Raw)-1]...)
	}
	return dst
}

// mediaText is how an answer's picture is shown where answers have texts only.
func mediaText(m *llm.Attachment) string {
	if m.Kind != llm.Image {
		return m.Text
	}
	if address := m.Address("image/png"); address != "" {
		return "![image](" + address + ")"
	}
	return ""
}

// appendCitation appends a citation: Anthropic's own as it came, another vendor's as a web page or a passage of a document.
// Those have llm.Mark where Anthropic's own have what only it can read, and would be refused when they come back.
func appendCitation(dst []byte, c *llm.Citation) []byte {
	if c.Vendor == llm.Anthropic && len(c.Raw) > 0 {
		return append(dst, c.Raw...)
	}
	if c.URL != "" {
		dst = jsonwrite.String(append(dst, `{"type":"web_search_result_location","url":`...), c.URL)
		dst = jsonwrite.String(append(dst, `,"title":`...), c.Title)
		dst = jsonwrite.String(append(dst, `,"cited_text":`...), c.Cited)
		return append(dst, `,"encrypted_index":"`+llm.Mark+`"}`...)
	}
	dst = jsonwrite.String(append(dst, `{"type":"char_location","cited_text":`...), c.Cited)
	dst = appendCount(append(dst, ','), "document_index", int64(c.Document))
	dst = jsonwrite.String(append(dst, `,"document_title":`...), c.Title)
	return append(dst, `,"start_char_index":0,"end_char_index":0,"file_id":"`+llm.Mark+`"}`...)
}
