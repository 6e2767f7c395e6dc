package gemini

import (
	"strconv"

	"aihigress/internal/dialect/jsonwrite"
	"aihigress/internal/llm"

	"github.com/go-json-experiment/json/jsontext"
)

// wireResponse is an answer, or an event of a stream, which has the same form.
type wireResponse struct {
	Candidates     list[wireCandidate] `json:"candidates,omitzero"`
	PromptFeedback *wireFeedback       `json:"promptFeedback,omitzero"`
	UsageMetadata  *wireUsage          `json:"usageMetadata,omitzero"`
	ModelVersion   string              `json:"modelVersion,omitzero"`
	CreateTime     string              `json:"createTime,omitzero"`
	ResponseID     string              `json:"responseId,omitzero"`
	Error          borrowed            `json:"error,omitzero"`
}

type wireFeedback struct {
	BlockReason        borrowed `json:"blockReason,omitzero"`
	BlockReasonMessage string   `json:"blockReasonMessage,omitzero"`
}

// reset makes all of it empty and keeps the memory that comes with every event of a stream.
func (w *wireResponse) reset() {
	if w.UsageMetadata != nil {
		w.UsageMetadata.reset()
	}
	*w = wireResponse{Candidates: w.Candidates[:0], UsageMetadata: w.UsageMetadata}
}

// free makes all of it empty, and points to nothing of what was read.
func (w *wireResponse) free() {
	if w.UsageMetadata != nil {
		w.UsageMetadata.free()
	}
	w.Candidates = freed(w.Candidates, keepParts, (*wireCandidate).free)
	w.reset()
}

type wireCandidate struct {
	Content           *wireContent   `json:"content,omitzero"`
	FinishReason      borrowed       `json:"finishReason,omitzero"`
	Index             integer        `json:"index"`
	CitationMetadata  *wireCitations `json:"citationMetadata,omitzero"`
	GroundingMetadata *wireGrounding `json:"groundingMetadata,omitzero"`
	LogprobsResult    *wireLogprobs  `json:"logprobsResult,omitzero"`
}

// reset makes all of it empty and keeps the memory of its parts.
func (w *wireCandidate) reset() {
	if w.Content != nil {
		w.Content.reset()
	}
	*w = wireCandidate{Content: w.Content}
}

func (w *wireCandidate) free() {
	if w.Content != nil {
		w.Content.free()
	}
	w.reset()
}

type wireCitations struct {
	Citations list[wireCitation] `json:"citations,omitzero"`
}

type wireCitation struct {
	StartIndex integer `json:"startIndex,omitzero"`
	EndIndex   integer `json:"endIndex,omitzero"`
	URI        string  `json:"uri,omitzero"`
	Title      string  `json:"title,omitzero"`
}

type wireGrounding struct {
	WebSearchQueries  list[string]      `json:"webSearchQueries,omitzero"`
	GroundingChunks   list[wireChunk]   `json:"groundingChunks,omitzero"`
	GroundingSupports list[wireSupport] `json:"groundingSupports,omitzero"`
}

// wireChunk is a source: of the web, or of what the caller gave to search in.
type wireChunk struct {
	Web              *wireSource `json:"web,omitzero"`
	RetrievedContext *wireSource `json:"retrievedContext,omitzero"`
	Maps             *wireSource `json:"maps,omitzero"`
}

type wireSource struct {
	URI   string `json:"uri,omitzero"`
	Title string `json:"title,omitzero"`
	Text  string `json:"text,omitzero"`
}

type wireSupport struct {
	Segment               wireSegment   `json:"segment"`
	GroundingChunkIndices list[integer] `json:"groundingChunkIndices,omitzero"`
}

type wireSegment struct {
	StartIndex integer `json:"startIndex,omitzero"`
	EndIndex   integer `json:"endIndex,omitzero"`
	Text       string  `json:"text,omitzero"`
}

type wireLogprobs struct {
	TopCandidates    list[wireTop]     `json:"topCandidates,omitzero"`
	ChosenCandidates list[wireLogprob] `json:"chosenCandidates,omitzero"`
}

type wireTop struct {
	Candidates list[wireLogprob] `json:"candidates,omitzero"`
}

type wireLogprob struct {
	Token          string `json:"token"`
	LogProbability float  `json:"logProbability"`
}

// wireUsage is usageMetadata. Its counts are read like those of an answer that passes by.
type wireUsage struct {
	PromptTokenCount           borrowed           `json:"promptTokenCount,omitzero"`
	CachedContentTokenCount    borrowed           `json:"cachedContentTokenCount,omitzero"`
	ToolUsePromptTokenCount    borrowed           `json:"toolUsePromptTokenCount,omitzero"`
	CandidatesTokenCount       borrowed           `json:"candidatesTokenCount,omitzero"`
	ThoughtsTokenCount         borrowed           `json:"thoughtsTokenCount,omitzero"`
	TotalTokenCount            borrowed           `json:"totalTokenCount,omitzero"`
	PromptTokensDetails        list[wireModality] `json:"promptTokensDetails,omitzero"`
	CacheTokensDetails         list[wireModality] `json:"cacheTokensDetails,omitzero"`
	ToolUsePromptTokensDetails list[wireModality] `json:"toolUsePromptTokensDetails,omitzero"`
	CandidatesTokensDetails    list[wireModality] `json:"candidatesTokensDetails,omitzero"`
	ServiceTier                string             `json:"serviceTier,omitzero"`
}

type wireModality struct {
	Modality   borrowed `json:"modality"`
	TokenCount borrowed `json:"tokenCount"`
}

// reset makes all of it empty and keeps the memory of the details.
func (w *wireUsage) reset() {
	*w = wireUsage{PromptTokensDetails: w.PromptTokensDetails[:0], CacheTokensDetails: w.CacheTokensDetails[:0],
		ToolUsePromptTokensDetails: w.ToolUsePromptTokensDetails[:0], CandidatesTokensDetails: w.CandidatesTokensDetails[:0]}
}

func (w *wireUsage) free() {
	for _, l := range []*list[wireModality]{&w.PromptTokensDetails, &w.CacheTokensDetails, &w.ToolUsePromptTokensDetails, &w.CandidatesTokensDetails} {
		*l = freed(*l, keepParts, func(m *wireModality) { *m = wireModality{} })
	}
	w.reset()
}

// read fills a report.
func (w *wireUsage) read(r *report) {
	r.seen = true
	counts := [reportFields]jsontext.Value{promptTokens: w.PromptTokenCount, cachedTokens: w.CachedContentTokenCount,
		toolPromptTokens: w.ToolUsePromptTokenCount, outputTokens: w.CandidatesTokenCount, thoughtTokens: w.ThoughtsTokenCount,
		totalTokens: w.TotalTokenCount}
	for f, v := range counts {
		if !isNull(v) {
			r.set(reportField(f), v)
		}
	}
	for _, d := range []struct {
		first partField
		list  list[wireModality]
	}{{audioPrompt, w.PromptTokensDetails}, {audioCached, w.CacheTokensDetails}, {audioTool, w.ToolUsePromptTokensDetails}, {audioOutput, w.CandidatesTokensDetails}} {
		for _, m := range d.list {
			word := m.Modality
			if word.Kind() == '"' {
				var room [16]byte
				word, _ = jsontext.AppendUnquote(room[:0], word)
			}
			if m.TokenCount.Kind() != '0' {
				continue
			}
			n, _ := r.count(m.TokenCount)
			if sort, ok := modality(string(word)); ok {
				r.part(d.first+sort, n)
			}
		}
	}
}

// appendUsage writes usageMetadata. What was written to a cache is part of the prompt.
func appendUsage(dst []byte, u llm.Usage, tier string) []byte {
	number := func(name string, n int64) {
		if n > 0 {
			dst = append(append(append(dst, ',', '"'), name...), '"', ':')
			dst = strconv.AppendInt(dst, n, 10)
		}
	}
	dst = strconv.AppendInt(append(dst, `{"promptTokenCount":`...), u.TotalInput(), 10)
	number("candidatesTokenCount", u.Output-u.Reasoning)
	dst = strconv.AppendInt(append(dst, `,"totalTokenCount":`...), u.Total(), 10)
	number("cachedContentTokenCount", u.CachedInput)
	number("thoughtsTokenCount", u.Reasoning)
	dst = appendDetails(dst, "promptTokensDetails", u.TotalInput(), u.AudioInput, u.ImageInput)
	dst = appendDetails(dst, "candidatesTokensDetails", u.Output-u.Reasoning, u.AudioOutput, u.ImageOutput)
	if tier == "default" { // OpenAI's word for it
		tier = "standard"
	}
	if tier != "" {
		dst = jsonwrite.String(append(dst, `,"serviceTier":`...), tier)
	}
	return append(dst, '}')
}

// appendDetails writes a list of counts by modality, where there is more than text.
func appendDetails(dst []byte, name string, total, audio, image int64) []byte {
	if audio == 0 && image == 0 {
		return dst
	}
	dst = append(append(append(dst, ',', '"'), name...), `":[`...)
	for _, m := range []struct {
		word string
		n    int64
	}{{"TEXT", total - audio - image}, {"AUDIO", audio}, {"IMAGE", image}} {
		if m.n > 0 {
			dst = append(append(append(dst, `{"modality":"`...), m.word...), `","tokenCount":`...)
			dst = append(strconv.AppendInt(dst, m.n, 10), '}', ',')
		}
	}
	dst[len(dst)-1] = ']'
	return dst
}
