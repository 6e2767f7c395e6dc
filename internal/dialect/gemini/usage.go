package gemini

import (
	"aihigress/internal/llm"
)

// report is a usageMetadata object, before it is made sense of.
type report struct {
	seen   bool // there was an object
	broken bool // a count was negative, absurd or no number
	shrunk bool // it tells of less than one before
	fields uint8
	counts [reportFields]int64
	parts  [partFields]int64

	credible bool  // what usage says, where the report was settled
	total    int64 // of it
}

type reportField uint8

const (
	promptTokens reportField = iota
	cachedTokens
	toolPromptTokens
	outputTokens
	thoughtTokens
	totalTokens
	reportFields
)

// usageKeys are the counts by their names on the wire.
var usageKeys = map[string]reportField{
	"promptTokenCount":        promptTokens,
	"cachedContentTokenCount": cachedTokens,
	"toolUsePromptTokenCount": toolPromptTokens,
	"candidatesTokenCount":    outputTokens,
	"thoughtsTokenCount":      thoughtTokens,
	"totalTokenCount":         totalTokens,
}

// A partField is one modality of one of the lists of details.
type partField uint8

const (
	audioPrompt partField = iota
	imagePrompt
	audioCached
	imageCached
	audioTool
	imageTool
	audioOutput
	imageOutput
	partFields
)

// detailKeys are the lists of details; each has two fields from here on, sound and pictures.
var detailKeys = map[string]partField{
	"promptTokensDetails":        audioPrompt,
	"cacheTokensDetails":         audioCached,
	"toolUsePromptTokensDetails": audioTool,
	"candidatesTokensDetails":    audioOutput,
}

// modality is where a modality's tokens go within a list of details: 0 for sound, 1 for pictures. Numbers are the enum's.
func modality(word string) (partField, bool) {
	switch word {
	case "AUDIO", "4":
		return 0, true
	case "IMAGE", "2":
		return 1, true
	}
	return 0, false
}

func (r *report) has(f reportField) bool { return r.fields&(1<<f) != 0 }

// set takes a count from the text of a JSON number.
func (r *report) set(f reportField, raw []byte) {
	if n, ok := r.count(raw); ok {
		r.counts[f] = n
		r.fields |= 1 << f
	}
}

// count reads a count.
func (r *report) count(raw []byte) (int64, bool) {
	n, ok := llm.ParseTokens(raw)
	r.broken = r.broken || !ok
	return n, ok
}

// part adds a count of one modality.
func (r *report) part(f partField, n int64) {
	r.parts[f] = min(r.parts[f]+n, llm.MaxTokens)
}

// usage makes sense of the report. Credible is false where it is missing, has nothing in it or has counts that cannot be,
// and the caller should estimate. Odd is true where counts contradict each other or cannot be.
//
// promptTokenCount includes what came from a cache. What the vendor's own tools put into the prompt is counted beside it,
// and thoughts beside candidatesTokenCount. Where the total shows that thoughts were within it, they are not added again.
func (r *report) usage() (u llm.Usage, credible, odd bool) {
	if !r.seen || r.broken {
		return llm.Usage{}, false, r.broken
	}
	c, p := &r.counts, &r.parts
	prompt, tool, output, thoughts := c[promptTokens], c[toolPromptTokens], c[outputTokens], c[thoughtTokens]
	if !r.has(outputTokens) && r.has(totalTokens) {
		output = max(0, c[totalTokens]-prompt-tool-thoughts)
	}
	within := thoughts > 0 && thoughts <= output && c[totalTokens] == prompt+tool+output
	if !within {
		output += thoughts
	}
	cached := c[cachedTokens]
	if cached > prompt { // never charge more input than there was
		odd, cached = true, prompt
	}
	input := prompt - cached + tool
	u = llm.Usage{
		Input: input, CachedInput: cached, Output: output, Reasoning: thoughts,
		AudioInput:  min(input, max(0, p[audioPrompt]-p[audioCached])+p[audioTool]),
		ImageInput:  min(input, max(0, p[imagePrompt]-p[imageCached])+p[imageTool]),
		AudioOutput: p[audioOutput],
		ImageOutput: p[imageOutput],
	}
	u, clamped := u.Clamp()
	return u, !u.IsZero(), odd || clamped || r.shrunk
}

// settle takes a report over the one before. Every event of a stream counts from the start; a report of nothing does not
// undo one of something. One of less does, since the last word is what the vendor bills, but is odd.
func (r *report) settle(now *report) {
	u, credible, _ := now.usage()
	if total := u.Total(); credible || !r.credible && now.seen {
		shrunk := r.shrunk || r.credible && total < r.total
		*r = *now
		r.shrunk, r.credible, r.total = shrunk, credible, total
	}
}
