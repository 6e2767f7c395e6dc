package simulator

import (
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// ask is a request as every dialect understands it: what has to be known to make up an answer.
type ask struct {
	model    string // without knobs
	prompt   []turn
	tools    []tool
	force    string // name of the tool that must be called
	required bool   // some tool must be called
	talk     talk
	parallel bool // more than one call at a time is welcome
	limit    int  // output tokens, 0 for none
	choices  int
	format   string   // JSON schema that the text must satisfy, empty for prose
	stops    []string // texts that end the answer
	seed     uint64
	reason   int  // reasoning tokens where the knobs do not say
	thinking bool // whether reasoning may be shown at all
	shown    bool // whether it is shown without a knob
	image    bool // a picture belongs to the answer
}

// turn is one part of a prompt: all that is needed of it is its size and its identity, and whether a cache marker ends it.
type turn struct {
	tokens int
	digest uint64
	mark   mark
}

// mark is how long what is before it is to be cached.
type mark uint8

const (
	noMark mark = iota
	mark5m
	mark1h
)

// tool is a function that the model may call. One without a form takes any text.
type tool struct {
	name   string
	schema string
	free   bool
}

// finish reasons, neutral; each dialect has its own words for them.
type finish uint8

const (
	finishStop finish = iota
	finishLength
	finishTools
	finishFilter
	finishSequence
	finishPause
	finishRefusal
)

type kind uint8

const (
	kindStart     kind = iota // a choice begins
	kindReasoning             // text of shown reasoning
	kindText                  // text of the answer
	kindRefusal               // text of a refusal
	kindImage                 // a picture
	kindCall                  // a tool call begins
	kindArgs                  // text of its arguments
	kindFinish                // a choice ends
)

// event is one step of an answer. Reasoning, text, pictures, calls and arguments are a token each.
type event struct {
	kind   kind
	choice uint16
	call   uint16 // index of the call within the choice
	finish finish
	text   string
}

func (e event) isToken() bool { return e.kind != kindStart && e.kind != kindFinish }

// toolCall is a call that an answer makes.
type toolCall struct {
	id, name string
	free     bool
}

// usage is what an answer costs in tokens. Cached and written are parts of prompt, reasoning is part of completion.
type usage struct {
	prompt, cached, written5m, written1h, completion, reasoning int
}

// script is a whole answer before it is put into the words of a dialect.
type script struct {
	id       string // without the dialect's prefix
	created  time.Time
	model    string
	choices  int
	calls    [][]toolCall // by choice
	events   []event
	usage    usage
	pad      int
	last     bool   // usage belongs on the finish
	hidden   bool   // reasoning tokens that are not shown
	cited    bool   // the text cites a source
	unsigned bool   // reasoning comes without its signature
	redacted bool   // reasoning is to be shown, but only encrypted
	sequence string // the stop sequence that ended the answer
	seed     uint64 // of what belongs to the answer and is not words
}

var scriptPool = sync.Pool{New: func() any { return new(script) }}

// release gives the script's memory back.
func (sc *script) release() {
	events := sc.events[:0]
	*sc = script{events: events}
	scriptPool.Put(sc)
}

// write makes up the answer to a request. The number tells apart the ids of answers that are otherwise the same.
func (s *Server) write(a *ask, k *knobs, number uint64) *script {
	base := mix(s.seed, k.seed, a.seed, xxhash.Sum64String(a.model))
	sc := scriptPool.Get().(*script)
	sc.seed = mix(base, number)
	sc.id = identifier(sc.seed)
	sc.created = s.now()
	sc.model, sc.choices, sc.pad, sc.last = a.model, a.choices, k.pad, k.usage == usageLast
	sc.cited, sc.unsigned, sc.redacted = k.citations, k.unsigned, k.redacted
	for _, t := range a.prompt {
		sc.usage.prompt += t.tokens
		base = mix(base, t.digest)
	}
	s.cache.account(a, k, &sc.usage)
	budget := a.limit
	if budget == 0 {
		budget = maxTokens
	}
	for c := range a.choices {
		sc.choice(a, k, uint16(c), mix(base, uint64(c)), budget)
	}
	if a.choices > 1 {
		sc.interleave(a.choices)
	}
	return sc
}

// scribe appends the events of one choice, at most so many tokens of them.
type scribe struct {
	sc     *script
	choice uint16
	left   int
	end    finish
}

func (w *scribe) add(e event) {
	if w.left == 0 {
		w.end = finishLength
		return
	}
	w.left--
	e.choice = w.choice
	w.sc.events = append(w.sc.events, e)
	w.sc.usage.completion++
}

// say appends pieces of a text, the first without the space that parts it from what is before.
func (w *scribe) say(kind kind, pieces []string) {
	for i, piece := range pieces {
		if i == 0 {
			piece = strings.TrimPrefix(piece, " ")
		}
		w.add(event{kind: kind, text: piece})
	}
}

// choice appends the events of one choice, at most budget tokens of them.
func (sc *script) choice(a *ask, k *knobs, c uint16, seed uint64, budget int) {
	sc.events = append(sc.events, event{kind: kindStart, choice: c})
	sc.calls = append(sc.calls, nil)
	w := &scribe{sc: sc, choice: c, left: budget}
	w.reason(a, k, seed)
	calls := a.calls(k)
	switch {
	case k.refusal:
		w.end = finishRefusal
		w.say(kindRefusal, cutPieces("I'm sorry, but I can't help with that."))
	case len(calls) > 0:
		w.end = finishTools
		w.say(kindText, text(mix(seed, 7), k.preamble))
		for i, each := range calls {
			w.call(each, uint16(i), seed)
		}
	default:
		w.say(kindText, sc.stopAt(a, a.text(k, seed), w))
		if a.image {
			w.add(event{kind: kindImage})
		}
	}
	if k.finish != nil {
		w.end = *k.finish
	}
	sc.events = append(sc.events, event{kind: kindFinish, choice: c, finish: w.end})
}

// reason appends the reasoning, or takes its tokens off where it is hidden.
func (w *scribe) reason(a *ask, k *knobs, seed uint64) {
	n := k.reasoning
	if n == 0 {
		n = a.reason
	}
	n = min(n, w.left)
	w.sc.usage.reasoning += n
	if a.thinking && (k.thinking || a.shown) {
		w.say(kindReasoning, text(mix(seed, 1), n))
		return
	}
	w.left -= n
	w.sc.usage.completion += n
	w.sc.hidden = w.sc.hidden || n > 0
}

// call appends a tool call.
func (w *scribe) call(each call, i uint16, seed uint64) {
	if w.left > 0 {
		w.sc.calls[w.choice] = append(w.sc.calls[w.choice],
			toolCall{id: identifier(mix(seed, 2, uint64(i))), name: each.name, free: each.free})
	}
	w.add(event{kind: kindCall, call: i})
	for _, piece := range cutPieces(each.arguments(mix(seed, 3, uint64(i)))) {
		w.add(event{kind: kindArgs, call: i, text: piece})
	}
}

// stopAt cuts a text before the first of the request's stop sequences.
func (sc *script) stopAt(a *ask, pieces []string, w *scribe) []string {
	if len(a.stops) == 0 {
		return pieces
	}
	whole, at := strings.Join(pieces, ""), -1
	for _, stop := range a.stops {
		if i := strings.Index(whole, stop); stop != "" && i >= 0 && (at < 0 || i < at) {
			at, sc.sequence = i, stop
		}
	}
	if at < 0 {
		return pieces
	}
	w.end = finishSequence
	return cutPieces(whole[:at])
}

// interleave puts the events of several choices in turn, as vendors stream them.
func (sc *script) interleave(choices int) {
	queues := make([][]event, choices)
	for _, e := range sc.events {
		queues[e.choice] = append(queues[e.choice], e)
	}
	sc.events = sc.events[:0]
	for step := 0; ; step++ {
		more := false
		for _, q := range queues {
			if step < len(q) {
				sc.events = append(sc.events, q[step])
				more = true
			}
		}
		if !more {
			return
		}
	}
}

// identifier spells a number as 24 characters that look like a vendor's id.
func identifier(seed uint64) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b [24]byte
	for i := range b {
		if i%8 == 0 {
			seed = mix(seed)
		}
		b[i] = letters[seed%62]
		seed /= 62
	}
	return string(b[:])
}
