package simulator

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// call is a tool with the arguments that the conversation gave for it, which may be none.
type call struct {
	tool
	args string
}

// arguments returns those that were given, or made-up ones. A tool without a form takes a text: a given JSON string, or the
// "input" of a given object, stands for it.
func (c call) arguments(seed uint64) string {
	switch {
	case c.args == "" && c.free:
		return strings.TrimSpace(strings.Join(text(seed, 3), ""))
	case c.args == "":
		return sample(c.schema, seed)
	case c.free && gjson.Valid(c.args):
		given := gjson.Parse(c.args)
		if in := given.Get("input"); in.Type == gjson.String {
			return in.Str
		}
		if given.Type == gjson.String {
			return given.Str
		}
	}
	return c.args
}

// calls returns the calls to make: those that the conversation orders, else so many tools as the knobs say in each of so
// many turns, by default one. A tool that the request demands is called whatever the conversation says.
func (a *ask) calls(k *knobs) []call {
	if len(a.tools) == 0 {
		return nil
	}
	due, asked := a.talk.ordered(a.tools, a.parallel)
	if a.force != "" {
		return []call{a.forced(due)}
	}
	var calls []call
	for _, o := range due {
		if t, ok := a.tool(o.name); ok {
			calls = append(calls, call{t, o.args})
		}
	}
	if !asked {
		calls = a.inTurn(k)
	}
	if len(calls) == 0 && a.required {
		calls = []call{{tool: a.tools[0]}}
	}
	return calls
}

// inTurn returns the next of the request's tools.
func (a *ask) inTurn(k *knobs) []call {
	n, turns := 1, 1
	if k.tools != unset {
		n = k.tools
	}
	if !a.parallel {
		n = min(n, 1)
	}
	if k.turns != unset {
		turns = k.turns
	}
	if a.required {
		n = max(n, 1)
	}
	if n == 0 || a.talk.results >= turns*n || a.talk.results > 0 && k.turns == unset {
		return nil
	}
	calls := make([]call, 0, n)
	for i := range n {
		calls = append(calls, call{tool: a.tools[(a.talk.results+i)%len(a.tools)]})
	}
	return calls
}

// forced returns the call of the one tool that must be called, with the arguments of an order for it.
func (a *ask) forced(due []order) call {
	t, ok := a.tool(a.force)
	if !ok {
		t = a.tools[0]
	}
	for _, o := range due {
		if o.name == t.name {
			return call{t, o.args}
		}
	}
	return call{tool: t}
}

func (a *ask) tool(name string) (tool, bool) {
	for _, t := range a.tools {
		if t.name == name {
			return t, true
		}
	}
	return tool{}, false
}

// text returns the pieces of a choice that answers in words or JSON.
func (a *ask) text(k *knobs, seed uint64) []string {
	final := a.talk.final()
	if a.format != "" {
		if a.talk.say != "" && json.Valid([]byte(final)) {
			return cutPieces(final)
		}
		return cutPieces(sample(a.format, seed))
	}
	if due, _ := a.talk.ordered(a.tools, true); len(due) > 0 && len(a.tools) > 0 {
		final = fmt.Sprintf("I was told to call %q, but no such tool was offered.", due[0].name)
	}
	if final != "" {
		pieces := cutPieces(final)
		return append(pieces, text(seed, max(0, k.tokens-len(pieces)))...)
	}
	n := k.tokens
	if n == unset {
		n = 16 + int(seed%32)
	}
	return text(seed, n)
}

// folded is one choice put together.
type folded struct {
	reasoning, text, refusal string
	args                     []string // by call
	end                      finish
	image                    bool
}

// fold puts a choice together, for answers that are not streamed.
func (sc *script) fold(c uint16) folded {
	var reasoning, words, refusal strings.Builder
	args := make([]strings.Builder, len(sc.calls[c]))
	f := folded{}
	for _, e := range sc.events {
		if e.choice != c {
			continue
		}
		switch e.kind {
		case kindReasoning:
			reasoning.WriteString(e.text)
		case kindText:
			words.WriteString(e.text)
		case kindRefusal:
			refusal.WriteString(e.text)
		case kindArgs:
			args[e.call].WriteString(e.text)
		case kindImage:
			f.image = true
		case kindFinish:
			f.end = e.finish
		case kindStart, kindCall:
		}
	}
	f.reasoning, f.text, f.refusal = reasoning.String(), words.String(), refusal.String()
	for i := range args {
		f.args = append(f.args, args[i].String())
	}
	return f
}
