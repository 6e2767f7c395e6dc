package llm

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json"
)

// What one vendor signs, another vendor's client must bring back on the next turn, and the gateway keeps nothing. So it
// travels inside what that client returns anyway: a signature, an encrypted_content, a thoughtSignature, or the id of a
// tool call. It is no secret and needs no seal: a caller who changes it gains nothing that they could not send to the
// vendor as their own.

const (
	// Mark begins everything that Carry makes. It has only letters that ids may have.
	Mark = "_aih1_"
	// MarkBase64 is how a text that begins with Mark begins in base64, for dialects whose signatures are base64.
	MarkBase64 = "X2FpaDFf"
	// maxCarried bounds what Uncarry reads, in bytes.
	maxCarried = 4 << 20
)

// carried is a block's state on its way. Text is the thinking that a vendor wants back with its signature.
type carried struct {
	Call     bool   `json:"c,omitzero"`
	Origin   string `json:"o"`
	ID       string `json:"i,omitzero"`
	Data     string `json:"d,omitzero"`
	Redacted bool   `json:"r,omitzero"`
	Text     string `json:"t,omitzero"`
}

// Carry packs the states of blocks, with the text of Thinking, into one text of letters, digits, "-" and "_". Blocks
// without a state are left out; where none has one it returns "". Only Thinking and ToolCall have states.
func Carry(blocks ...Block) string {
	var list []carried
	for i := range blocks {
		b := &blocks[i]
		if b.State.IsZero() {
			continue
		}
		c := carried{Call: b.Kind == ToolCall, Origin: b.State.Origin, ID: b.State.ID, Data: b.State.Data, Redacted: b.State.Redacted}
		if b.Kind == Thinking {
			c.Text = b.Text
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return ""
	}
	raw, err := json.Marshal(list, jsonLenient)
	if err != nil {
		panic("llm: carry state: " + err.Error()) // plain texts always encode
	}
	return Mark + base64.RawURLEncoding.EncodeToString(raw)
}

// Uncarry unpacks what Carry made. Thinking comes back as blocks of its kind; a call's own state as a block of kind
// ToolCall with nothing but the state. It reports false for any other text, which is then a vendor's own.
func Uncarry(text string) ([]Block, bool) {
	packed, ok := strings.CutPrefix(text, Mark)
	if !ok || len(packed) > maxCarried {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil {
		return nil, false
	}
	var list []carried
	if json.Unmarshal(raw, &list, jsonLenient) != nil {
		return nil, false
	}
	blocks := make([]Block, 0, len(list))
	for _, c := range list {
		b := Block{Kind: Thinking, Text: c.Text, State: State{Origin: c.Origin, ID: c.ID, Data: c.Data, Redacted: c.Redacted}}
		if c.Call {
			b.Kind, b.Text = ToolCall, ""
		}
		blocks = append(blocks, b)
	}
	return blocks, true
}

// CarryID adds what Carry makes of blocks to the id of a tool call.
func CarryID(id string, blocks ...Block) string { return id + Carry(blocks...) }

// UncarryID splits the id of a tool call from what CarryID added to it. Any other id comes back as it is.
func UncarryID(text string) (id string, blocks []Block) {
	at := strings.Index(text, Mark)
	if at < 0 {
		return text, nil
	}
	blocks, ok := Uncarry(text[at:])
	if !ok {
		return text, nil
	}
	return text[:at], blocks
}

// Carries reports whether a request's body holds anything that Carry made: such a body cannot be forwarded as it stands,
// since its vendor would not know its own signature.
func Carries(body []byte) bool {
	return bytes.Contains(body, []byte(Mark)) || bytes.Contains(body, []byte(MarkBase64))
}
