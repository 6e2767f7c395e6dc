package gemini

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
)

// whole reads an answer that is not streamed: as the only event of a stream.
type whole struct {
	decoder
	emit   dialect.Emit // take, made once: a method value is an allocation
	fold   *llm.Fold
	failed *llm.Error
	filter string
}

// wholes are kept for their memory, which is much.
var wholes = sync.Pool{New: func() any {
	w := &whole{}
	w.emit = w.take
	return w
}}

// take takes an event.
func (w *whole) take(e *llm.Event) error {
	switch e.Kind {
	case llm.Failed:
		w.failed = e.Err
	case llm.Finished:
		if w.blocked {
			w.filter = e.Reason
		}
	}
	w.fold.Add(e)
	return nil
}

// free gives the memory back, with nothing of the answer in it.
func (w *whole) free() {
	w.decoder.free()
	w.fold, w.failed, w.filter = nil, nil, ""
	wholes.Put(w)
}

// DecodeResponse implements dialect.Dialect. A body is one answer, or the list of a stream's.
func (Dialect) DecodeResponse(body []byte) (*llm.Response, error) {
	w := wholes.Get().(*whole)
	defer w.free()
	w.fold = new(llm.Fold)
	_, err := w.Decode(body, w.emit)
	if err == nil {
		_, err = w.End(w.emit)
	}
	switch {
	case err != nil:
		return nil, err
	case w.failed != nil:
		return nil, w.failed
	case len(w.candidates) == 0:
		return nil, fmt.Errorf("%w: no candidates", dialect.ErrMalformed)
	}
	r := w.fold.Response()
	r.Filter = w.filter
	return r, nil
}

// EncodeResponse implements dialect.Dialect.
func (Dialect) EncodeResponse(r *llm.Response, to *llm.Request) []byte {
	show := showThoughts(to)
	o, _ := outputs.Get().(*output)
	room, _ := answerRooms.Get().(*wireRoom)
	o.b = append(o.b, `{"candidates":[`...)
	for i := range r.Candidates {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.candidate(&r.Candidates[i], room, show)
	}
	o.b = append(o.b, ']')
	if r.Filter != "" {
		reason := r.Filter
		if reasons[reason] != llm.FinishFilter {
			reason = "OTHER"
		}
		o.text(`,"promptFeedback":{"blockReason":`, reason)
		o.b = append(o.b, '}')
	}
	if r.HasUsage {
		o.b = appendUsage(append(o.b, `,"usageMetadata":`...), r.Usage, r.ServiceTier)
	}
	o.said(`,"modelVersion":`, r.Model)
	o.said(`,"responseId":`, r.ID)
	o.b = append(o.b, '}')
	room.reset()
	answerRooms.Put(room)
	b, _ := o.finish() // what cannot be written is left out
	return b
}

// answerRooms are kept for their memory.
var answerRooms = sync.Pool{New: func() any { return new(wireRoom) }}

// candidate writes one.
func (o *output) candidate(c *llm.Candidate, room *wireRoom, show bool) {
	content := &room.system
	*content = wireContent{Role: "model"}
	var grounding *wireGrounding
	content.Parts, grounding = answerParts(c.Blocks, room, show)
	o.b = append(o.b, `{"content":`...)
	o.content(content)
	o.text(`,"finishReason":`, wireFinish(c.Finish, c.Reason))
	o.b = strconv.AppendInt(append(o.b, `,"index":`...), int64(c.Index), 10)
	if grounding != nil {
		o.b = append(o.b, `,"groundingMetadata":`...)
		o.any(grounding)
	}
	if probs := wireProbs(c.Logprobs); probs != nil {
		o.b = append(o.b, `,"logprobsResult":`...)
		o.any(probs)
	}
	o.b = append(o.b, '}')
}

// answerParts are the parts of a whole candidate, and what its text rests on.
func answerParts(blocks []llm.Block, room *wireRoom, show bool) (parts list[wirePart], grounding *wireGrounding) {
	parts = room.parts.list(max(len(blocks), 1))
	var thoughts []llm.Block
	var text chars // where there are citations
	var cites []llm.Citation
	cited := slices.ContainsFunc(blocks, func(b llm.Block) bool { return len(b.Citations) > 0 })
	for i := range blocks {
		switch b := &blocks[i]; b.Kind {
		case llm.Text, llm.Refusal:
			parts = append(parts, wirePart{Text: &b.Text})
			if cited {
				cites = text.cite(b, cites)
			}
		case llm.Thinking:
			switch {
			case b.State.Origin == llm.Gemini && (show || b.Text == ""):
				parts = appendSigned(parts, b.Text, b.State.Data)
				continue
			case !b.State.IsZero() && b.State.Origin != llm.Gemini:
				thoughts = append(thoughts, *b)
			}
			p := textPart("")
			if show {
				p = textPart(b.Text)
			}
			if p.Thought, p.ThoughtSignature = show, pack(*b); show || p.ThoughtSignature != "" {
				parts = append(parts, p)
			}
		case llm.ToolCall:
			parts = append(parts, callPart(thoughts, b, room.calls.one(writeCall(&b.Call))))
			thoughts = nil
		case llm.Media, llm.Opaque:
			if p, ok := lonePart(b); ok {
				parts = append(parts, p)
			}
		case llm.ToolResult:
		}
	}
	if len(parts) == 0 {
		parts = append(parts, textPart(""))
	}
	return parts, ground(cites, &text)
}

// cite adds the text of a block, and its citations to those of the texts before.
func (c *chars) cite(b *llm.Block, cites []llm.Citation) []llm.Citation {
	begin, cited := c.count(), len(cites)
	c.add(b.Text)
	for _, one := range b.Citations[:min(len(b.Citations), maxCitations-cited)] {
		cites = append(cites, moved(one, begin))
	}
	spread(cites[cited:], begin, c.count())
	return cites
}

// moved is a citation of a text that begins at a character of the whole.
func moved(c llm.Citation, begin int) llm.Citation {
	if c.End > 0 {
		c.Start, c.End = c.Start+begin, c.End+begin
	}
	return c
}

// spread gives citations of unknown place that of the whole text that they are of: clients need one.
func spread(cites []llm.Citation, begin, end int) {
	for i := range cites {
		if c := &cites[i]; c.End == 0 {
			c.Start, c.End = begin, end
		}
	}
}

// callPart is a call for a caller. The first one of an answer carries the thinking before it that other vendors signed:
// clients drop thoughts and keep calls.
func callPart(thoughts []llm.Block, b *llm.Block, call *wireCall) wirePart {
	p := wirePart{FunctionCall: call}
	if len(thoughts) > 0 || !b.State.IsZero() {
		p.ThoughtSignature = pack(append(thoughts[:len(thoughts):len(thoughts)], *b)...)
	}
	return p
}

// lonePart is a block that is a part of its own: a file, or a part that Google itself made.
func lonePart(b *llm.Block) (wirePart, bool) {
	var p wirePart
	switch {
	case b.Kind == llm.Opaque:
		return p, b.Vendor == llm.Gemini && json.Unmarshal(b.Raw, &p, fromUpstream) == nil
	case b.Kind != llm.Media:
		return p, false
	}
	var e requestEncoder
	return e.media(b.Media)
}

// wireProbs is the likelihoods of tokens on the wire.
func wireProbs(probs []llm.Logprob) *wireLogprobs {
	if len(probs) == 0 {
		return nil
	}
	w := &wireLogprobs{}
	for _, p := range probs {
		w.ChosenCandidates = append(w.ChosenCandidates, wireLogprob{Token: p.Token, LogProbability: float(p.Logprob)})
		var top wireTop
		for _, t := range p.Top {
			top.Candidates = append(top.Candidates, wireLogprob{Token: t.Token, LogProbability: float(t.Logprob)})
		}
		w.TopCandidates = append(w.TopCandidates, top)
	}
	return w
}

// ground writes citations as Google does: sources once each, and ranges of the text in bytes that point to them.
func ground(cites []llm.Citation, text *chars) *wireGrounding {
	if len(cites) == 0 {
		return nil
	}
	g := &wireGrounding{}
	known := map[wireSource]integer{}
	var last llm.Citation
	for i, c := range cites {
		source := wireSource{URI: c.URL, Title: c.Title}
		at, ok := known[source]
		if !ok {
			at = integer(len(g.GroundingChunks))
			known[source] = at
			g.GroundingChunks = append(g.GroundingChunks, wireChunk{Web: &source})
		}
		if n := len(g.GroundingSupports); i > 0 && last.Start == c.Start && last.End == c.End {
			g.GroundingSupports[n-1].GroundingChunkIndices = append(g.GroundingSupports[n-1].GroundingChunkIndices, at)
			continue
		}
		last = c
		s := wireSupport{GroundingChunkIndices: list[integer]{at}}
		from, ok := text.bytesAt(c.Start)
		to, fits := text.bytesAt(c.End)
		if ok && fits && to > from {
			s.Segment.StartIndex, s.Segment.EndIndex = integer(from), integer(to)
		}
		g.GroundingSupports = append(g.GroundingSupports, s)
	}
	return g
}
