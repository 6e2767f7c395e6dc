package openai

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/dialect/refusal"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Completions is the dialect of OpenAI's legacy completions: a prompt in, a text out. It is chat completions but for the
// form of the request and of the answer.
type Completions struct{ Dialect }

var (
	_ dialect.Dialect = Dialect{}
	_ dialect.Dialect = Completions{}
)

// Scan implements dialect.Dialect. A prompt may be missing: the model then begins a new document.
func (Completions) Scan(body []byte, _ dialect.At) (dialect.Scanned, error) { return ScanAny(body) }

// completion is what differs from a chat completion request.
type completion struct {
	Prompt   prompt         `json:"prompt"`
	Logprobs *integer       `json:"logprobs"`
	Messages jsontext.Value `json:"messages"`
	Rest     jsontext.Value `json:",unknown"`
}

// prompt is a text; several texts and tokens are not translated.
type prompt struct{ text string }

var errPrompt = errors.New("several prompts, or tokens, can go to a model that is served at this endpoint only: send one text")

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *prompt) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '"':
		return json.UnmarshalDecode(d, &p.text)
	case '[':
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		var texts []string
		if json.Unmarshal(raw, &texts) != nil || len(texts) != 1 {
			return errPrompt
		}
		p.text = texts[0]
		return nil
	}
	return refuse(d, "expected a string or an array of strings")
}

// DecodeRequest implements dialect.Dialect. The prompt becomes the message of a user.
func (Completions) DecodeRequest(body []byte, _ dialect.At) (*llm.Request, error) {
	var c completion
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, refusal.Undecoded("", err)
	}
	var w request
	if len(c.Rest) > 0 {
		if err := json.Unmarshal(c.Rest, &w); err != nil {
			return nil, refusal.Undecoded("", err)
		}
	}
	if w.Model == "" {
		return nil, refusal.Missing("model")
	}
	d := requestDecoder{out: &llm.Request{Dialect: llm.OpenAI}}
	d.scalars(&w)
	d.keep("messages", c.Messages)
	if err := d.limits(&w); err != nil {
		return nil, err
	}
	if n := whole(c.Logprobs); c.Logprobs != nil {
		if n < 0 || n > 5 {
			return nil, refusal.Invalid("logprobs", "expected a value from 0 to 5.")
		}
		d.out.Logprobs, d.out.TopLogprobs = true, int(n)
	}
	d.out.Messages = []llm.Message{{Role: llm.User, Blocks: []llm.Block{{Kind: llm.Text, Text: c.Prompt.text}}}}
	return d.out, nil
}

// EncodeRequest implements dialect.Dialect. Only a single text of a user's can be a prompt.
func (Completions) EncodeRequest(r *llm.Request, t dialect.Target) ([]byte, []llm.Field, error) {
	if len(r.Messages) != 1 || len(r.Messages[0].Blocks) != 1 || r.Messages[0].Blocks[0].Kind != llm.Text {
		return nil, nil, &llm.RequestError{Message: "This model completes a single text: it takes no conversation."}
	}
	e, err := encodeRequest(r, t)
	if err != nil {
		return nil, nil, err
	}
	defer e.free()
	w := &e.out
	e.drops.If(len(e.tools) > 0, llm.FieldVendorTool.With("function"))
	w.ToolChoice, w.ParallelToolCalls = nil, nil
	e.drops.If(w.ResponseFormat != nil, llm.FieldFormat)
	w.ResponseFormat = nil
	w.MaxTokens, w.MaxCompletionTokens = number(&r.MaxTokens), nil
	body := struct {
		request
		Prompt   string `json:"prompt"`
		Logprobs *int   `json:"logprobs,omitzero"`
	}{request: *w, Prompt: r.Messages[0].Blocks[0].Text}
	if w.Logprobs != nil {
		body.Logprobs, body.request.Logprobs, body.TopLogprobs = pointer(min(r.TopLogprobs, 5)), nil, nil
	}
	raw, err := json.Marshal(&body, jsonOut)
	if err != nil {
		return nil, nil, unwritten(err)
	}
	return raw, e.drops.Fields(), nil
}

// EncodeResponse implements dialect.Dialect.
func (Completions) EncodeResponse(r *llm.Response, to *llm.Request) []byte {
	m := buffers.Get().(*buffer)
	b := append(appendHead(m.b, "text_completion", to, openingOf(r)), '[')
	for i := range r.Candidates {
		c := &r.Candidates[i]
		b, _ = appendCompletion(comma(b), c.Index, textOf(c.Blocks, llm.Text, llm.Refusal), c.Logprobs, 0, plainFinish(c.Finish))
	}
	return m.finish(appendEnd(b, r))
}

// plainFinish is why a text ended; there are no tools here.
func plainFinish(f llm.Finish) string {
	word := finishWord(f, true, false)
	if word == "tool_calls" {
		return "stop"
	}
	return word
}

// appendCompletion appends one choice. Offset is where its first token begins in the whole text, in characters; the one
// behind its last token is returned.
func appendCompletion(b []byte, index int, text string, probs []llm.Logprob, offset int, finish string) ([]byte, int) {
	b = jsonwrite.String(append(b, `{"text":`...), text)
	b = strconv.AppendInt(append(b, `,"index":`...), int64(index), 10)
	b = append(b, `,"logprobs":`...)
	b, offset = appendOldLogprobs(b, probs, offset)
	b = appendNullable(append(b, `,"finish_reason":`...), finish)
	return append(b, '}'), offset
}

// appendOldLogprobs appends logprobs as the four lists that completions have.
func appendOldLogprobs(b []byte, list []llm.Logprob, offset int) ([]byte, int) {
	if len(list) == 0 {
		return append(b, "null"...), offset
	}
	each := func(name string, one func(p *llm.Logprob)) {
		b = append(b, name...)
		for i := range list {
			if i > 0 {
				b = append(b, ',')
			}
			one(&list[i])
		}
		b = append(b, ']')
	}
	each(`{"tokens":[`, func(p *llm.Logprob) { b = jsonwrite.String(b, p.Token) })
	each(`,"token_logprobs":[`, func(p *llm.Logprob) { b = appendFloat(b, p.Logprob) })
	each(`,"top_logprobs":[`, func(p *llm.Logprob) {
		b = append(b, '{')
		seen := map[string]bool{}
		for i := range p.Top {
			token := strings.ToValidUTF8(p.Top[i].Token, "\ufffd")
			if seen[token] {
				continue
			}
			if len(seen) > 0 {
				b = append(b, ',')
			}
			seen[token] = true
			b = appendFloat(append(jsonwrite.String(b, token), ':'), p.Top[i].Logprob)
		}
		b = append(b, '}')
	})
	each(`,"text_offset":[`, func(p *llm.Logprob) {
		b = strconv.AppendInt(b, int64(offset), 10)
		offset += utf8.RuneCountInString(p.Token)
	})
	return append(b, '}'), offset
}

// sortedTop are alternatives of a legacy completion, the likeliest first.
func sortedTop(top map[string]float64) []llm.Logprob {
	var list []llm.Logprob
	for _, token := range slices.Sorted(maps.Keys(top)) {
		list = append(list, llm.Logprob{Token: token, Logprob: top[token]})
	}
	slices.SortStableFunc(list, func(a, b llm.Logprob) int {
		switch {
		case a.Logprob > b.Logprob:
			return -1
		case a.Logprob < b.Logprob:
			return 1
		}
		return 0
	})
	return list
}

// Encoder implements dialect.Dialect.
func (Completions) Encoder(to *llm.Request) dialect.Encoder {
	return &completionEncoder{encoder: encoder{to: to}, offsets: map[int]int{}}
}

// completionEncoder writes the chunks of a legacy completion. Of the chat encoder it has the frame.
type completionEncoder struct {
	encoder
	texts   []int       // blocks that are text
	offsets map[int]int // of the next token, by candidate
}

// Append implements dialect.Encoder.
func (e *completionEncoder) Append(b []byte, ev *llm.Event) ([]byte, error) {
	switch ev.Kind {
	case llm.Start:
		e.begin(ev)
		e.head = appendHead([]byte("data: "), "text_completion", e.to, opening{ev.ID, ev.Model, "", ev.Fingerprint, ev.Created})
	case llm.Open:
		if ev.Block.Kind == llm.Text || ev.Block.Kind == llm.Refusal {
			e.texts = append(e.texts, ev.Index)
		}
	case llm.Delta:
		if slices.Contains(e.texts, ev.Index) {
			return e.choice(b, ev.Candidate, ev.Text, nil, ""), nil
		}
	case llm.Close:
		e.texts = slices.DeleteFunc(e.texts, func(i int) bool { return i == ev.Index })
	case llm.Probs:
		return e.choice(b, ev.Candidate, "", ev.Logprobs, ""), nil
	case llm.Finished:
		return e.choice(b, ev.Candidate, "", nil, plainFinish(ev.Finish)), nil
	case llm.Used, llm.Alive:
		return e.encoder.Append(b, ev)
	case llm.Sign, llm.Cite, llm.Failed:
	}
	return b, nil
}

func (e *completionEncoder) choice(b []byte, candidate int, text string, probs []llm.Logprob, finish string) []byte {
	b = append(e.headed(b), '[')
	b, e.offsets[candidate] = appendCompletion(b, candidate, text, probs, e.offsets[candidate], finish)
	return e.end(append(b, ']'))
}
