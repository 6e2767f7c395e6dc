package gemini

import (
	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// cite tells what the open text rests on.
func (d *decoder) cite(c *reading, emit dialect.Emit) error {
	for _, citation := range c.sources() {
		if err := d.tell(emit, llm.Event{Kind: llm.Cite, Index: c.open, Candidate: c.index, Citation: citation}); err != nil {
			return err
		}
	}
	c.grounding, c.citations = nil, nil
	return nil
}

// sources are the citations of the text at hand.
func (c *reading) sources() []llm.Citation {
	var all []llm.Citation
	if c.grounding != nil {
		for i := range c.grounding.GroundingSupports {
			s := &c.grounding.GroundingSupports[i]
			for _, at := range s.GroundingChunkIndices {
				if at < 0 || int(at) >= len(c.grounding.GroundingChunks) || len(all) >= maxCitations {
					continue
				}
				citation := c.grounding.GroundingChunks[at].citation()
				citation.Start, citation.End = c.span(s.Segment.StartIndex, s.Segment.EndIndex)
				all = append(all, citation)
			}
		}
	}
	if c.citations != nil {
		for _, w := range c.citations.Citations {
			if len(all) >= maxCitations {
				break
			}
			citation := llm.Citation{URL: w.URI, Title: w.Title}
			citation.Start, citation.End = c.span(w.StartIndex, w.EndIndex)
			all = append(all, citation)
		}
	}
	return all
}

// maxCitations bounds the citations of one text.
const maxCitations = 10_000

// span converts a range in bytes; the zero range is unknown.
func (c *reading) span(from, to integer) (start, end int) {
	start, ok := c.text.charsAt(int(from))
	end, fits := c.text.charsAt(int(to))
	if !ok || !fits || end <= start {
		return 0, 0
	}
	return start, end
}

// citation is a source.
func (w *wireChunk) citation() llm.Citation {
	for _, s := range []*wireSource{w.Web, w.RetrievedContext, w.Maps} {
		if s != nil {
			return llm.Citation{URL: s.URI, Title: s.Title, Cited: s.Text}
		}
	}
	return llm.Citation{}
}

// neutral is the likelihoods of tokens.
func (w *wireLogprobs) neutral() []llm.Logprob {
	if w == nil {
		return nil
	}
	var all []llm.Logprob
	for i, chosen := range w.ChosenCandidates {
		p := llm.Logprob{Token: chosen.Token, Logprob: float64(chosen.LogProbability)}
		if i < len(w.TopCandidates) {
			for _, t := range w.TopCandidates[i].Candidates {
				p.Top = append(p.Top, llm.Logprob{Token: t.Token, Logprob: float64(t.LogProbability)})
			}
		}
		all = append(all, p)
	}
	return all
}
