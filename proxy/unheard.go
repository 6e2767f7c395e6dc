package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"aihigress/internal/dialect"
	"aihigress/internal/llm"
)

// ofContent are the fields of what a message may have beside its text.
var ofContent = []llm.Field{llm.FieldImage, llm.FieldImageURL, llm.FieldAudio, llm.FieldVideo, llm.FieldDocument, llm.FieldFile, llm.FieldVendorBlock}

// unheard refuses a call where the target can take nothing of what the user said last, be it sound alone: there is nothing
// left to answer, and what came back would be paid for and about something else. Dropped and failure are what came of
// writing the request.
func (c *call) unheard(r *llm.Request, to dialect.Dialect, t dialect.Target, dropped []llm.Field, failure error) error {
	if failure == nil && !slices.ContainsFunc(dropped, isContent) {
		return failure
	}
	said := lastSaid(r)
	if len(said) == 0 {
		return failure
	}
	// It is written again beside a text, and what no dialect takes beside the same: what is heard of it is the difference.
	mark := llm.Block{Kind: llm.Text, Text: "."}
	write := func(blocks []llm.Block) ([]byte, []llm.Field, error) {
		return to.EncodeRequest(&llm.Request{Dialect: r.Dialect, Model: r.Model, Messages: []llm.Message{{Role: llm.User, Blocks: append(blocks, mark)}}}, t)
	}
	with, lost, err := write(said)
	if err != nil {
		return failure
	}
	without, _, err := write(slices.Repeat([]llm.Block{{Kind: llm.Opaque, Vendor: "none", Type: "none"}}, len(said)))
	at := slices.IndexFunc(lost, isContent)
	if err != nil || at < 0 || !bytes.Equal(with, without) {
		return failure
	}
	return &llm.RequestError{Param: string(lost[at]), Code: "unsupported_content",
		Message: fmt.Sprintf("The model `%.100s` does not support '%.200s', and the last message says nothing else.", c.facts.Model, c.endpoint.dialect.FieldName(lost[at]))}
}

func isContent(f llm.Field) bool {
	name, _ := f.Split()
	return slices.Contains(ofContent, name)
}

// lastSaid is what the user says at the end of a conversation, without the bulk of it; nil where there are words or the
// results of tools in it, which every target takes.
func lastSaid(r *llm.Request) (said []llm.Block) {
	for i := len(r.Messages) - 1; i >= 0 && r.Messages[i].Role != llm.Assistant; i-- {
		m := &r.Messages[i]
		if m.Role != llm.User {
			continue
		}
		for j := range m.Blocks {
			b := m.Blocks[j]
			switch {
			case b.Kind == llm.ToolResult, strings.TrimSpace(b.Text) != "":
				return nil
			case b.Media != nil:
				short := *b.Media
				if short.Data != "" {
					short.Data = "AAAA"
				}
				b.Media = &short
			}
			said = append(said, b)
		}
	}
	return said
}
