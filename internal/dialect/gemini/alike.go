package gemini

import (
	"bytes"
	"slices"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

const (
	// maxAlike is how many bytes of an event may be the same as in the one before.
	maxAlike = 2 << 10
	// maxLearned is how many events are learned without one that is like them, before no more are.
	maxLearned = 8
)

// alike knows the last event that said no more than a piece of text and the usage so far, so that one like it need not be
// read whole: most events of a stream are the one before with another text and other counts. All else is the same, byte for
// byte, and was read.
type alike struct {
	known   bool
	learned int    // since an event was like the one before
	fixed   []byte // what is the same
	holes   [1 + int(reportFields)]hole
	count   int // of holes

	candidate *reading
	kind      llm.Kind
	reports   bool // the event had a usage
	report    report
	tier      string

	start int64  // of the value at hand, while an event is learned
	text  string // of the event at hand
}

// hole is where events may differ.
type hole struct {
	text     bool        // here is the text, else
	field    reportField // this count
	at       int         // where it is in what is fixed
	from, to int         // where it is in the event
}

// learn takes an event that was just read, if it is one to know.
func (a *alike) learn(d *decoder, data []byte) {
	w := &d.wire
	if a.learned >= maxLearned || len(w.Candidates) != 1 || w.PromptFeedback != nil {
		return
	}
	c := &w.Candidates[0]
	if c.Content == nil || len(c.Content.Parts) != 1 || !c.Content.Parts[0].saysText() ||
		enum(c.FinishReason) != "" || c.CitationMetadata != nil || c.GroundingMetadata != nil || c.LogprobsResult != nil {
		return
	}
	a.learned++
	a.report, a.tier = report{}, ""
	if a.reports = w.UsageMetadata != nil; a.reports {
		w.UsageMetadata.read(&a.report)
		a.tier = w.UsageMetadata.ServiceTier
	}
	reading, err := d.at(int(c.Index))
	a.candidate, a.kind, a.count = reading, c.Content.Parts[0].kind(), 0
	if err != nil || a.report.broken || jsonscan.Check(answerPaths, data, a) != nil || !a.keep(data) {
		return
	}
	for i := range a.count {
		a.known = a.known || a.holes[i].text
	}
}

// saysText reports whether a part is a text and no more.
func (p *wirePart) saysText() bool {
	return p.Text != nil && p.FunctionCall == nil && p.InlineData == nil && p.FileData == nil && p.ThoughtSignature == ""
}

// keep keeps what is not in holes.
func (a *alike) keep(data []byte) bool {
	holes, size, from := a.holes[:a.count], len(data), 0
	for i := range holes {
		size -= holes[i].to - holes[i].from
	}
	if size > maxAlike {
		return false
	}
	a.fixed = slices.Grow(a.fixed[:0], size)
	for i := range holes {
		a.fixed = append(a.fixed, data[from:holes[i].from]...)
		holes[i].at, from = len(a.fixed), holes[i].to
	}
	a.fixed = append(a.fixed, data[from:]...)
	return true
}

// Open implements jsonscan.Handler.
func (a *alike) Open(_ jsonscan.ID, _ jsonscan.Kind, at int64) { a.start = at }

// Text implements jsonscan.Handler.
func (a *alike) Text(jsonscan.ID, []byte) {}

// Close implements jsonscan.Handler.
func (a *alike) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	h := hole{from: int(a.start), to: int(at)}
	n := digits(raw)
	switch {
	case id == idSaid && kind == jsonscan.String:
		h.text = true
	case id >= idCounts && id < idDetails && kind == jsonscan.Number && n > 0 && n == len(raw):
		h.field = reportField(id - idCounts)
	default:
		return
	}
	if a.count < len(a.holes) {
		a.holes[a.count] = h
		a.count++
	}
}

// digits counts those of the whole number that p begins with.
func digits(p []byte) (n int) {
	for n < len(p) && '0' <= p[n] && p[n] <= '9' {
		n++
	}
	if n > 1 && p[0] == '0' {
		return 0
	}
	return n
}

// take tells what an event says, if it is like the one that is known.
func (a *alike) take(d *decoder, data []byte, emit dialect.Emit) (taken bool, err error) {
	if !a.known || a.candidate.finished {
		return false, nil
	}
	now := a.report
	var said []byte
	at, from := 0, 0
	for i := range a.count {
		h := &a.holes[i]
		if !bytes.HasPrefix(data[at:], a.fixed[from:h.at]) {
			return false, nil
		}
		at, from = at+h.at-from, h.at
		value := data[at:]
		switch {
		case h.text && len(value) > 0 && value[0] == '"':
			value = value[:jsonscan.After(value, 0)]
			said = value
		case h.text:
			return false, nil
		default:
			value = value[:digits(value)]
			now.set(h.field, value)
		}
		if len(value) == 0 {
			return false, nil
		}
		at += len(value)
	}
	if !bytes.Equal(data[at:], a.fixed[from:]) || !jsonread.Plain(said, &a.text, jsonread.Small, jsonread.String) {
		return false, nil
	}
	a.learned = 0
	if a.reports {
		d.report(&now, a.tier)
	}
	if a.text != "" {
		err = d.write(a.candidate, a.kind, a.text, emit)
	}
	return true, err
}
