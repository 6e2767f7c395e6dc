package openai

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// EncodeResponse implements dialect.Dialect.
func (Dialect) EncodeResponse(r *llm.Response, to *llm.Request) []byte {
	m := buffers.Get().(*buffer)
	b := append(appendHead(m.b, "chat.completion", to, openingOf(r)), '[')
	tools := to.ToolIndex()
	for i := range r.Candidates {
		b = appendChoice(comma(b), &r.Candidates[i], &tools, to.Functions)
	}
	return m.finish(appendEnd(b, r))
}

func openingOf(r *llm.Response) opening {
	return opening{r.ID, r.Model, r.ServiceTier, r.Fingerprint, r.Created}
}

// appendEnd ends an answer behind its choices.
func appendEnd(b []byte, r *llm.Response) []byte {
	b = append(b, ']')
	if r.HasUsage {
		b = appendUsage(append(b, `,"usage":`...), &r.Usage)
	}
	return append(b, '}')
}

// A buffer is memory that answers are written in.
type buffer struct{ b []byte }

// buffers are kept, so that an answer takes the memory that it needs, and once.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// finish gives what was written, and the buffer back. A large answer takes the memory along.
func (m *buffer) finish(b []byte) []byte {
	if cap(b) > maxKept {
		return b
	}
	m.b = b[:0]
	b = bytes.Clone(b)
	buffers.Put(m)
	return b
}

func appendChoice(b []byte, c *llm.Candidate, tools *llm.ToolIndex, functions bool) []byte {
	b = strconv.AppendInt(append(b, `{"index":`...), int64(c.Index), 10)
	b = append(b, `,"message":{"role":"assistant"`...)
	b, refused := appendTexts(b, c)
	b = appendThinking(b, c.Blocks)
	b = appendCalls(b, c.Blocks, tools, functions)
	b = appendMedia(b, c.Blocks)
	b = appendLogprobs(append(b, `},"logprobs":`...), c.Logprobs)
	b = append(append(b, `,"finish_reason":"`...), finishWord(c.Finish, refused, functions)...)
	return append(b, `"}`...)
}

// appendTexts appends content, refusal and annotations.
func appendTexts(b []byte, c *llm.Candidate) (out []byte, refused bool) {
	spoken, calls := false, false
	for i := range c.Blocks {
		switch block := &c.Blocks[i]; block.Kind {
		case llm.Text:
			spoken = true
		case llm.Refusal:
			refused = true
		case llm.ToolCall:
			calls = true
		case llm.Thinking, llm.ToolResult, llm.Media, llm.Opaque:
		}
	}
	b = append(b, `,"content":`...)
	if spoken || !calls && !refused {
		b = jsonwrite.String(b, textOf(c.Blocks, llm.Text))
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"refusal":`...)
	if refused {
		b = jsonwrite.String(b, textOf(c.Blocks, llm.Refusal))
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"annotations":[`...)
	start, first := 0, true
	for i := range c.Blocks {
		block := &c.Blocks[i]
		if block.Kind != llm.Text {
			continue
		}
		for j := range block.Citations {
			cite := &block.Citations[j]
			if cite.URL == "" && (cite.Vendor != llm.OpenAI || len(cite.Raw) == 0) {
				continue // what has no address has no form here
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendAnnotation(b, cite, start)
		}
		start += utf8.RuneCountInString(block.Text)
	}
	return append(b, ']'), refused
}

// textOf is the texts of the blocks of some kinds, put together: mostly there is one.
func textOf(blocks []llm.Block, kinds ...llm.Kind) string {
	var few [4]string
	texts := few[:0]
	for i := range blocks {
		if slices.Contains(kinds, blocks[i].Kind) {
			texts = append(texts, blocks[i].Text)
		}
	}
	return strings.Join(texts, "")
}

// appendAnnotation appends a citation of a block that begins at character start of the whole text.
func appendAnnotation(b []byte, c *llm.Citation, start int) []byte {
	if c.URL == "" {
		return append(b, c.Raw...)
	}
	from, to := c.Start, c.End
	if to > 0 {
		from, to = from+start, to+start
	}
	b = strconv.AppendInt(append(b, `{"type":"url_citation","url_citation":{"start_index":`...), int64(from), 10)
	b = strconv.AppendInt(append(b, `,"end_index":`...), int64(to), 10)
	b = jsonwrite.String(append(b, `,"url":`...), c.URL)
	b = jsonwrite.String(append(b, `,"title":`...), c.Title)
	if c.Cited != "" {
		b = jsonwrite.String(append(b, `,"content":`...), c.Cited)
	}
	return append(b, "}}"...)
}

// appendThinking appends reasoning_content, and reasoning_details where there are states to bring back.
func appendThinking(b []byte, blocks []llm.Block) []byte {
	states := false
	for i := range blocks {
		if block := &blocks[i]; block.Kind == llm.Thinking {
			states = states || block.State.Data != "" || !native(block.State)
		}
	}
	if text := textOf(blocks, llm.Thinking); text != "" {
		b = jsonwrite.String(append(b, `,"reasoning_content":`...), text)
	}
	if !states {
		return b
	}
	b = append(b, `,"reasoning_details":[`...)
	n := 0
	for i := range blocks {
		if block := &blocks[i]; block.Kind == llm.Thinking {
			if n > 0 {
				b = append(b, ',')
			}
			d := detailOf(block.Text, block.State)
			b = appendDetail(b, &d, n)
			n++
		}
	}
	return append(b, ']')
}

func appendDetail(b []byte, d *reasoningDetail, index int) []byte {
	d.Index = position{true, count(index)}
	raw, err := json.Marshal(d, jsonOut)
	if err != nil { // fields of a caller's own making that are no JSON
		d.Extra = nil
		raw, _ = json.Marshal(d, jsonOut)
	}
	return append(b, raw...)
}

// appendCalls appends tool_calls, or the one function_call.
func appendCalls(b []byte, blocks []llm.Block, tools *llm.ToolIndex, functions bool) []byte {
	var pending []llm.Block
	n := 0
	for i := range blocks {
		block := &blocks[i]
		switch {
		case block.Kind == llm.Thinking && !native(block.State):
			pending = append(pending, *block)
		case block.Kind != llm.ToolCall:
		case functions:
			if n == 0 {
				b = jsonwrite.String(append(b, `,"function_call":{"name":`...), block.Call.Name)
				b = append(jsonwrite.String(append(b, `,"arguments":`...), inputOf(&block.Call)), '}')
			}
			n++
		default:
			if n == 0 {
				b = append(b, `,"tool_calls":[{`...)
			} else {
				b = append(b, ",{"...)
			}
			n++
			one := *block
			var unwrap bool
			if one.Call.Custom, unwrap = customTo(tools, &block.Call); unwrap {
				one.Call.Input = llm.Unwrap(block.Call.Input)
			}
			b = jsonwrite.String(appendCallHead(b, &one, pending), inputOf(&one.Call))
			b = append(b, '}')
			if own := extraContent(block.State); own != nil {
				b = append(append(b, `,"extra_content":`...), own...)
			}
			b = append(b, '}')
			pending = nil
		}
	}
	if n > 0 && !functions {
		b = append(b, ']')
	}
	return b
}

func inputOf(c *llm.Call) string {
	if c.Input == "" && !c.Custom {
		return "{}"
	}
	return c.Input
}

// appendMedia appends pictures, as OpenRouter has them, and the first sound.
func appendMedia(b []byte, blocks []llm.Block) []byte {
	pictures, heard := 0, false
	for i := range blocks {
		a := blocks[i].Media
		if blocks[i].Kind != llm.Media || a.Kind != llm.Image || a.Address("image/png") == "" {
			continue
		}
		if pictures == 0 {
			b = append(b, `,"images":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendPicture(b, a, pictures)
		pictures++
	}
	if pictures > 0 {
		b = append(b, ']')
	}
	for i := range blocks {
		a := blocks[i].Media
		if blocks[i].Kind == llm.Media && a.Kind == llm.Audio && (a.Data != "" || a.FileID != "") && !heard {
			heard = true
			b = appendSound(append(b, `,"audio":`...), a)
		}
	}
	return b
}

func appendPicture(b []byte, a *llm.Attachment, index int) []byte {
	b = strconv.AppendInt(append(b, `{"type":"image_url","index":`...), int64(index), 10)
	b = jsonwrite.String(append(b, `,"image_url":{"url":`...), a.Address("image/png"))
	return append(b, "}}"...)
}

// appendSound appends a spoken answer. When its vendor forgets it is not known, so that it is never said to live on.
func appendSound(b []byte, a *llm.Attachment) []byte {
	b = jsonwrite.String(append(b, `{"id":`...), a.FileID)
	b = jsonwrite.String(append(b, `,"expires_at":0,"data":`...), a.Data)
	b = jsonwrite.String(append(b, `,"transcript":`...), a.Text)
	return append(b, '}')
}
