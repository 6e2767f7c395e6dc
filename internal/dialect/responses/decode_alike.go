package responses

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"

	"aihigress/internal/dialect/jsonscan"
)

// An alike knows the last piece of text of a stream. Those behind it mostly say the same but for the text, and need not be
// read.
type alike struct {
	scanner jsonscan.Scanner
	shape   jsonscan.Shape
	like    event           // what they say, without text and views
	text    string          // of the one at hand
	texts   strings.Builder // memory for texts
}

// alikes are kept for the next stream.
var alikes = sync.Pool{New: func() any { return new(alike) }}

const (
	// maxLearned is by how many more pieces may be learned than were alike: a stream that never says the same costs no more.
	maxLearned = 16
	// textRoom is the memory for texts that is taken at once, in bytes. Who keeps one keeps all that share it.
	textRoom = 512
)

const (
	idLike = iota + 1
	idPiece
)

var alikePaths = jsonscan.Compile(map[string]jsonscan.ID{"type": idLike, "output_index": idLike, "content_index": idLike,
	"summary_index": idLike, "logprobs": idLike, "delta": idPiece})

var alikeRoles = jsonscan.Roles{idLike: jsonscan.Alike, idPiece: jsonscan.Told}

// Open implements jsonscan.Handler.
func (*alike) Open(jsonscan.ID, jsonscan.Kind, int64) {}

// Text implements jsonscan.Handler.
func (*alike) Text(jsonscan.ID, []byte) {}

// Close implements jsonscan.Handler.
func (*alike) Close(jsonscan.ID, jsonscan.Kind, []byte, int64) {}

// say takes the text of the event at hand.
func (a *alike) say(part []byte) {
	if a.texts.Cap()-a.texts.Len() < len(part) {
		a.texts.Reset()
		a.texts.Grow(max(textRoom, len(part)))
	}
	at := a.texts.Len()
	a.texts.Write(part)
	a.text = a.texts.String()[at:]
}

// readAlike reads an event that is like one before.
func (d *decoder) readAlike(data []byte) bool {
	a := d.alike
	if a == nil || !a.shape.Match(data, a.say) || !utf8.ValidString(a.text) {
		return false
	}
	d.ev = a.like
	d.ev.Delta = a.text
	d.learned = max(0, d.learned-1)
	return true
}

// learn learns the event at hand, which was read and is a piece of text.
func (d *decoder) learn(data []byte) {
	ev := &d.ev
	if d.learned == maxLearned || ev.Delta == "" || bytes.IndexByte(data, '\\') >= 0 || len(ev.Logprobs.Value) > 0 && string(ev.Logprobs.Value) != "[]" {
		return
	}
	switch ev.Type {
	case "response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta", "response.reasoning_text.delta",
		"response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
	default:
		return
	}
	if d.alike == nil {
		d.alike = alikes.Get().(*alike)
	}
	d.learned++
	a := d.alike
	a.like = event{Type: ev.Type, Output: ev.Output, Content: ev.Content, Summary: ev.Summary}
	a.scanner.Init(alikePaths, a)
	a.shape.Learn(&a.scanner, &alikeRoles)
	if _, err := a.scanner.Write(data); err == nil && a.scanner.End() == nil {
		a.shape.Learned(data)
	}
}

// forget gives back what was learned, at the end of a stream.
func (d *decoder) forget() {
	if d.alike != nil {
		d.alike.text = ""
		alikes.Put(d.alike)
		d.alike = nil
	}
}
