package openai

import (
	"strings"

	"aihigress/internal/llm"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// reasoningDetail is one entry of reasoning_details, which OpenRouter made up: thinking with what its vendor wants back.
type reasoningDetail struct {
	Type      string   `json:"type"`
	Text      string   `json:"text,omitzero"`    // of reasoning.text
	Summary   string   `json:"summary,omitzero"` // of reasoning.summary
	Data      string   `json:"data,omitzero"`    // of reasoning.encrypted
	Signature string   `json:"signature,omitzero"`
	ID        string   `json:"id,omitzero"`
	Format    string   `json:"format,omitzero"`
	Index     position `json:"index,omitzero"`

	Extra map[string]jsontext.Value `json:",unknown"`
}

const (
	detailText      = "reasoning.text"
	detailSummary   = "reasoning.summary"
	detailEncrypted = "reasoning.encrypted"
)

// jsonOut writes what came from anywhere: text that is not UTF-8 gets U+FFFD, and maps their alphabetical order.
var jsonOut = json.JoinOptions(jsontext.AllowInvalidUTF8(true), json.Deterministic(true))

// unsigned is the state of thinking that this dialect's vendors show without a signature. It is kept, so that thinking
// finds its way back to a vendor that wants it again, whoever the caller is.
var unsigned = llm.State{Origin: llm.OpenAI}

// text is the thinking that an entry shows.
func (d *reasoningDetail) text() string { return d.Text + d.Summary }

// state is what an entry keeps beside its text: the entry itself, as its vendor wants it back whole.
func (d *reasoningDetail) state() llm.State {
	if d.Signature == "" && d.Data == "" {
		return unsigned
	}
	bare := *d
	bare.Text, bare.Summary, bare.Index = "", "", position{}
	raw, err := json.Marshal(&bare, jsonOut)
	if err != nil {
		return unsigned // an upstream's field that is no JSON; it cannot come from a decoder
	}
	return llm.State{Origin: llm.OpenAI, ID: d.ID, Data: string(raw), Redacted: d.Data != ""}
}

// blocks is the thinking of an entry; several where the entry carries other vendors' state.
func (d *reasoningDetail) blocks() []llm.Block {
	if carried, ok := llm.Uncarry(d.Signature + d.Data); ok {
		return carried
	}
	return []llm.Block{{Kind: llm.Thinking, Text: d.text(), State: d.state()}}
}

// detailOf is the entry for a state: that of this dialect as it was, others carried along.
func detailOf(text string, s llm.State) reasoningDetail {
	if s.Origin == llm.OpenAI {
		d := reasoningDetail{Type: detailText}
		if s.Data != "" && json.Unmarshal([]byte(s.Data), &d, jsonOut) != nil {
			d = reasoningDetail{Type: detailText} // a caller's own making
		}
		switch d.Type {
		case detailText:
			d.Text = text
		case detailSummary:
			d.Summary = text
		}
		return d
	}
	carried := llm.Carry(llm.Block{Kind: llm.Thinking, Text: text, State: s})
	if s.Redacted || text == "" {
		return reasoningDetail{Type: detailEncrypted, Data: carried}
	}
	return reasoningDetail{Type: detailText, Text: text, Signature: carried}
}

// native reports whether a state goes out in this dialect as it is, so that nobody else has to carry it.
func native(s llm.State) bool { return s.IsZero() || s.Origin == llm.OpenAI }

// thinkingOf reads the thinking of an assistant's message. Signed says that it came with its states.
func thinkingOf(m *message) (blocks []llm.Block, signed bool) {
	for _, d := range joinDetails(m.ReasoningDetails) {
		if d.text() != "" || d.Data != "" || d.Signature != "" {
			blocks = append(blocks, d.blocks()...)
			signed = signed || d.Data != "" || d.Signature != ""
		}
	}
	if len(blocks) > 0 {
		return blocks, signed
	}
	for _, text := range []*string{m.ReasoningContent, m.Reasoning} {
		if text != nil && *text != "" {
			return []llm.Block{{Kind: llm.Thinking, Text: *text, State: unsigned}}, false
		}
	}
	return nil, false
}

// joinDetails puts entries together that a client took out of a stream and left in pieces.
func joinDetails(list []reasoningDetail) []reasoningDetail {
	var whole []reasoningDetail
	for len(list) > 0 {
		n := 1
		for n < len(list) && continues(&list[n-1], &list[n]) {
			n++
		}
		whole = append(whole, joinPieces(list[:n]))
		list = list[n:]
	}
	return whole
}

// joinPieces makes one entry of its pieces, of which there is one at least.
func joinPieces(pieces []reasoningDetail) reasoningDetail {
	one := pieces[0]
	if len(pieces) == 1 {
		return one
	}
	var text, summary strings.Builder
	for i := range pieces {
		d := &pieces[i]
		text.WriteString(d.Text)
		summary.WriteString(d.Summary)
		one.Signature = d.Signature
		if one.Format == "" {
			one.Format = d.Format
		}
		if one.ID == "" {
			one.ID = d.ID
		}
	}
	one.Text, one.Summary = text.String(), summary.String()
	return one
}

// continues reports whether an entry is the next piece of the one before.
func continues(last, next *reasoningDetail) bool {
	return last.Type == next.Type && last.Type != detailEncrypted && last.Signature == "" &&
		last.Index.said && last.Index == next.Index
}

// behindText reports whether thinking stands behind the text and not in front: Gemini signs text afterwards.
func behindText(b *llm.Block) bool {
	return b.State.Origin == llm.Gemini && b.Text == "" && !b.State.Redacted
}
