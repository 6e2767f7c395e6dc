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
	toolEnd  bool   // the last message is a tool's result
	parallel bool   // more than one call at a time is welcome
	limit    int    // output tokens, 0 for none
	choices  int
	format   string // JSON schema that the text must satisfy, empty for prose
	seed     uint64
	thinking bool // whether reasoning may be shown at all
}

// turn is one message of a prompt: all that is needed of it is its size and its identity.
type turn struct {
	tokens int
	digest uint64
}

// tool is a function that the model may call.
type tool struct {
	name   string
	schema string
}

// finish reasons, neutral; each dialect has its own words for them.
type finish uint8

const (
	finishStop finish = iota
	finishLength
	finishTools
)

type kind uint8

const (
	kindStart     kind = iota // a choice begins
	kindReasoning             // text of shown reasoning
	kindText                  // text of the answer
	kindCall                  // a tool call begins
	kindArgs                  // text of its arguments
	kindFinish                // a choice ends
)

// event is one step of an answer. Reasoning, text, calls and arguments are a token each.
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
}

// usage is what an answer costs in tokens. Cached is part of prompt, reasoning part of completion.
type usage struct {
	prompt, cached, completion, reasoning int
}

// script is a whole answer before it is put into the words of a dialect.
type script struct {
	id      string // without the dialect's prefix
	created time.Time
	model   string
	choices int
	calls   [][]toolCall // by choice
	events  []event
	usage   usage
	pad     int
	last    bool // usage belongs on the finish
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
	sc.id = identifier(mix(base, number))
	sc.created = s.now()
	sc.model, sc.choices, sc.pad, sc.last = a.model, a.choices, k.pad, k.usage == usageLast
	for _, t := range a.prompt {
		sc.usage.prompt += t.tokens
		base = mix(base, t.digest)
	}
	if k.cache {
		sc.usage.cached = s.cache.visit(a)
	}
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

// choice appends the events of one choice, at most budget tokens of them.
func (sc *script) choice(a *ask, k *knobs, c uint16, seed uint64, budget int) {
	sc.events = append(sc.events, event{kind: kindStart, choice: c})
	sc.calls = append(sc.calls, nil)
	left := budget
	end := finishStop
	add := func(e event) {
		if left == 0 {
			end = finishLength
			return
		}
		left--
		e.choice = c
		sc.events = append(sc.events, e)
		sc.usage.completion++
	}
	if a.thinking && k.thinking {
		for _, piece := range text(mix(seed, 1), k.reasoning) {
			add(event{kind: kindReasoning, text: piece})
		}
		sc.usage.reasoning += min(k.reasoning, budget)
	} else {
		hidden := min(k.reasoning, budget)
		left -= hidden
		sc.usage.reasoning += hidden
		sc.usage.completion += hidden
	}
	if calls := a.calls(k); len(calls) > 0 {
		end = finishTools
		for i, t := range calls {
			if left > 0 {
				sc.calls[c] = append(sc.calls[c], toolCall{id: identifier(mix(seed, 2, uint64(i))), name: t.name})
			}
			add(event{kind: kindCall, call: uint16(i)})
			for _, piece := range cutPieces(sample(t.schema, mix(seed, 3, uint64(i)))) {
				add(event{kind: kindArgs, call: uint16(i), text: piece})
			}
		}
	} else {
		pieces := a.text(k, seed)
		for i, piece := range pieces {
			if i == 0 {
				piece = strings.TrimPrefix(piece, " ")
			}
			add(event{kind: kindText, text: piece})
		}
	}
	sc.events = append(sc.events, event{kind: kindFinish, choice: c, finish: end})
}

// text returns the pieces of a choice that answers in words or JSON.
func (a *ask) text(k *knobs, seed uint64) []string {
	if a.format != "" {
		return cutPieces(sample(a.format, seed))
	}
	n := k.tokens
	if n == unset {
		n = 16 + int(seed%32)
	}
	return text(seed, n)
}

// calls returns the tools to call: those that the request forces, else as many as the knob says, else one. A tool's
// result is answered with text.
func (a *ask) calls(k *knobs) []tool {
	if len(a.tools) == 0 || a.toolEnd {
		return nil
	}
	n := 1
	if k.tools != unset {
		n = k.tools
	}
	if a.required || a.force != "" {
		n = max(n, 1)
	}
	if !a.parallel {
		n = min(n, 1)
	}
	calls := make([]tool, 0, n)
	for i := range n {
		t := a.tools[i%len(a.tools)]
		for _, named := range a.tools {
			if named.name == a.force {
				t = named
			}
		}
		calls = append(calls, t)
	}
	return calls
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
