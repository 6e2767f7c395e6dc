package openai

import (
	"strconv"

	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// answer is a chat completion or a chunk of one, in any of the forms that vendors give it.
type answer struct {
	ID                loose        `json:"id"`
	Created           count        `json:"created"`
	Model             loose        `json:"model"`
	ServiceTier       loose        `json:"service_tier"`
	SystemFingerprint loose        `json:"system_fingerprint"`
	Choices           list[choice] `json:"choices"`
	Usage             report       `json:"usage"`
	Groq              groq         `json:"x_groq"`
	Error             present      `json:"error"`
}

// reset makes all of it empty and keeps the memory that comes with every chunk of a stream.
func (a *answer) reset() {
	choices := a.Choices.all[:0]
	*a = answer{}
	a.Choices.all = choices
}

type groq struct {
	Usage report `json:"usage"`
}

type choice struct {
	Index        count     `json:"index"`
	Delta        delta     `json:"delta"`
	Message      delta     `json:"message"`
	Text         string    `json:"text"` // of a legacy completion
	FinishReason loose     `json:"finish_reason"`
	StopReason   loose     `json:"stop_reason"` // vLLM: the stop sequence
	Logprobs     *logprobs `json:"logprobs"`
	Usage        report    `json:"usage"` // Moonshot
}

// reset makes all of it empty and keeps the memory of the calls.
func (c *choice) reset() {
	calls := c.Delta.ToolCalls[:0]
	*c = choice{}
	c.Delta.ToolCalls = calls
}

// delta is what a chunk adds to a message, or the whole message.
type delta struct {
	Content          content           `json:"content"`
	Refusal          string            `json:"refusal"`
	ReasoningContent string            `json:"reasoning_content"`
	Reasoning        loose             `json:"reasoning"`
	ReasoningDetails []reasoningDetail `json:"reasoning_details"`
	ToolCalls        []toolCall        `json:"tool_calls"`
	FunctionCall     functionCall      `json:"function_call"`
	Audio            *audioPiece       `json:"audio"`
	Images           []part            `json:"images"` // OpenRouter
	Annotations      []annotation      `json:"annotations"`
}

func (d *delta) reset() { *d = delta{ToolCalls: d.ToolCalls[:0]} }

type audioPiece struct {
	ID         string `json:"id"`
	Data       string `json:"data"`
	Transcript string `json:"transcript"`
}

// toolCall is one call of a message, or a piece of it in a chunk.
type toolCall struct {
	Index    position     `json:"index,omitzero"`
	ID       loose        `json:"id,omitzero"`
	Type     string       `json:"type,omitzero"`
	Function functionCall `json:"function,omitzero"`
	Custom   *customCall  `json:"custom,omitzero"`
	// ExtraContent is where Gemini's compatibility layer signs a call, and wants the signature back.
	ExtraContent jsontext.Value `json:"extra_content,omitzero"`
}

// state is what a vendor wants back with a call.
func (c *toolCall) state() llm.State {
	if !said(c.ExtraContent) {
		return llm.State{}
	}
	return llm.State{Origin: llm.OpenAI, Data: string(c.ExtraContent)}
}

type functionCall struct {
	Name      string    `json:"name,omitzero"`
	Arguments arguments `json:"arguments"`
}

type customCall struct {
	Name  string `json:"name,omitzero"`
	Input string `json:"input"`
}

// annotation is a citation.
type annotation struct {
	Type        string       `json:"type"`
	URLCitation *urlCitation `json:"url_citation,omitzero"`

	Extra map[string]jsontext.Value `json:",unknown"`
}

type urlCitation struct {
	Start   count  `json:"start_index"`
	End     count  `json:"end_index"`
	URL     string `json:"url"`
	Title   string `json:"title"`
	Content string `json:"content,omitzero"` // OpenRouter: the passage
}

// arguments are JSON text; some clients and vendors send the object itself.
type arguments string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (a *arguments) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case 'n':
		*a = ""
		return d.SkipValue()
	case '{':
		raw, err := d.ReadValue()
		*a = arguments(raw)
		return err
	}
	return json.UnmarshalDecode(d, (*string)(a)) // which knows the short texts of streams
}

// loose is a text that some vendors write as another kind, which is taken for what it says, or for nothing.
type loose string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *loose) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '"':
		return json.UnmarshalDecode(d, (*string)(l))
	case '0':
		raw, err := d.ReadValue()
		*l = loose(raw)
		return err
	}
	*l = ""
	return d.SkipValue()
}

// count is a whole number that is zero where the vendor writes something else.
type count int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *count) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*c = 0
	if d.PeekKind() != '0' {
		return d.SkipValue()
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	if n, bad := strconv.ParseInt(string(raw), 10, 64); bad == nil {
		*c = count(n)
	} else if f, bad := strconv.ParseFloat(string(raw), 64); bad == nil && f > -1<<53 && f < 1<<53 {
		*c = count(f)
	}
	return nil
}

// position is a count that may be missing.
type position struct {
	said bool
	at   count
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *position) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	p.said = d.PeekKind() != 'n'
	return p.at.UnmarshalJSONFrom(d)
}

// MarshalJSONTo implements json.MarshalerTo.
func (p position) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteToken(jsontext.Int(int64(p.at)))
}

// present is true where there is something other than null.
type present bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *present) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*p = d.PeekKind() != 'n'
	return d.SkipValue()
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom. It reads what a watch reads, so that both agree.
func (r *report) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*r = report{}
	if d.PeekKind() != '{' {
		return d.SkipValue()
	}
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	r.seen = true
	return jsonscan.Check(usagePaths, raw, r)
}

// Open implements jsonscan.Handler.
func (*report) Open(jsonscan.ID, jsonscan.Kind, int64) {}

// Text implements jsonscan.Handler.
func (*report) Text(jsonscan.ID, []byte) {}

// Close implements jsonscan.Handler.
func (r *report) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, _ int64) {
	if kind != jsonscan.Null {
		r.set(reportField(id-1), raw)
	}
}
