package openai

import (
	"bytes"

	"aihigress/internal/dialect/jsonread"
	"aihigress/internal/dialect/jsonscan"
	"aihigress/internal/llm"
)

// like is what the last documents of a stream have in common, where all that they say is a piece of a block. Most documents are
// the one before with another text: those are compared and not read.
type like struct {
	known  bool
	proven bool // two documents were read that differ in nothing else, and each said its text

	front []byte // up to the text, with the quote in front of it
	after []byte // from the quote behind it on, up to the end or to where the obfuscation begins
	back  []byte // from the end of the obfuscation on, where there is one

	block, candidate int
	said             string // the last text that was read with its document
	at               string // the text of the document at hand, which would escape by itself
}

// maxLike is the longest common part that is kept, in bytes.
const maxLike = 2 << 10

// obfuscation is a member whose text is by chance, and means nothing.
const obfuscation = `"obfuscation":"`

// text is the text of a document that is like those before, if it is and has one.
func (l *like) text(document []byte) (text string, ok bool) {
	if !l.known || !bytes.HasPrefix(document, l.front) {
		return "", false
	}
	rest := document[len(l.front)-1:]
	if len(l.back) > 0 {
		if rest, ok = bytes.CutSuffix(rest, l.back); !ok {
			return "", false
		}
		from := bytes.LastIndexByte(rest, '"') + 1
		if jsonscan.Plain(rest[from:]) < len(rest)-from {
			return "", false
		}
		rest = rest[:from]
	}
	if !bytes.HasSuffix(rest, l.after) {
		return "", false
	}
	value := rest[:len(rest)-len(l.after)+1] // with both its quotes
	ok = jsonread.Plain(value, &l.at, jsonread.Small, jsonread.String)
	return l.at, ok && l.at != ""
}

// learn takes a document for one that others may be like, once it was read and told of. Again says that it is like those before,
// with the text.
func (d *decoder) learn(document []byte, text string, again bool) {
	l, e := &d.like, &d.event
	if d.told != 1 || e.Kind != llm.Delta || !d.in.saysOne() {
		l.known = false
		return
	}
	if again && text == e.Text && e.Index == l.block && e.Candidate == l.candidate {
		l.proven = l.proven || text != l.said
		return
	}
	*l = like{front: l.front[:0], after: l.after[:0], back: l.back[:0], block: e.Index, candidate: e.Candidate, said: e.Text}
	if len(document)-len(e.Text) > maxLike || len(document) > maxKept {
		return
	}
	quoted := append(append(append(l.front, '"'), e.Text...), '"')
	at := bytes.Index(document, quoted)
	if at < 0 || bytes.LastIndex(document, quoted) != at {
		return // it has escapes, or stands there twice
	}
	front, after := document[:at+1], document[at+len(quoted)-1:]
	if n := bytes.LastIndex(after, []byte(obfuscation)); n >= 0 {
		n += len(obfuscation)
		end := n + jsonscan.Plain(after[n:])
		l.back = append(l.back, after[end:]...)
		after = after[:n]
	}
	l.front, l.after, l.known = append(l.front, front...), append(l.after, after...), true
}

// saysOne reports whether a chunk has one thing to say at most: some are kept until later, and nothing is told of them. What else
// it says means the same the second time.
func (a *answer) saysOne() bool {
	if len(a.Choices.all) != 1 {
		return false
	}
	c := &a.Choices.all[0]
	return things(c.Text)+c.Delta.things()+c.Message.things() <= 1
}

// things counts what there is in a delta.
func (d *delta) things() int {
	n := len(d.Content.parts) + len(d.ReasoningDetails) + len(d.ToolCalls) + len(d.Images) + len(d.Annotations)
	if d.Audio != nil {
		n++
	}
	return n + things(d.Content.text, d.Refusal, d.ReasoningContent, string(d.Reasoning), d.FunctionCall.Name, string(d.FunctionCall.Arguments))
}

func things(texts ...string) int {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n
}
