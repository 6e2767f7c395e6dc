package simulator

import "strings"

// talk follows a conversation for what it says about the answer: the lines that steer it, and how far a tool loop is. It
// looks at the texts of users alone, so that system prompts do not disturb.
type talk struct {
	orders  []order // calls to make, from the last text that has any line for the simulator
	all     bool    // all of them in one turn
	say     string  // final text
	steered bool    // some text had such a line
	results int     // tools' results since that text; without one, since the user last took up the word
	last    string  // text of the last result
	replied bool    // the model spoke since the last user text or result
}

// order is a call that a line asked for. Arguments may be empty: then they are made up.
type order struct{ name, args string }

const steerPrefix = "sim: "

// user takes in a text of the user's. A text that follows tool results at once (a reminder that a client adds) does not
// begin a turn.
func (t *talk) user(text string) {
	if fresh := t.replied; fresh && !t.steered {
		t.results, t.last = 0, ""
	}
	t.replied = false
	if !strings.Contains(text, steerPrefix) {
		return
	}
	next := talk{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), steerPrefix)
		if !ok {
			continue
		}
		verb, rest, _ := strings.Cut(rest, " ")
		rest = strings.TrimSpace(rest)
		switch verb {
		case "call":
			name, args, _ := strings.Cut(rest, " ")
			next.orders = append(next.orders, order{name, strings.TrimSpace(args)})
		case "call-all":
			next.all = true
		case "say":
			next.say = rest
		default:
			continue
		}
		next.steered = true
	}
	if next.steered {
		*t = next
	}
}

// assistant takes in that the model spoke.
func (t *talk) assistant() { t.replied = true }

// result takes in a tool's result.
func (t *talk) result(text string) {
	t.results++
	t.last = text
	t.replied = false
}

// ordered returns the calls that the conversation asks for now; asked is false where it never asked for any.
func (t *talk) ordered(tools []tool, parallel bool) (due []order, asked bool) {
	orders := t.orders
	if t.all && len(orders) == 0 {
		for _, each := range tools {
			orders = append(orders, order{name: each.name})
		}
	}
	switch {
	case len(orders) == 0:
		return nil, t.say != ""
	case t.results >= len(orders):
		return nil, true
	case t.all && parallel:
		return orders[t.results:], true
	}
	return orders[t.results : t.results+1], true
}

// final returns the text that ends a tool loop, empty where there is none to end. It quotes the last result, so that who
// reads it can see that the result arrived.
func (t *talk) final() string {
	const maxQuote = 2000 // bytes
	quote := t.last
	if len(quote) > maxQuote {
		quote = strings.ToValidUTF8(quote[:maxQuote], "")
	}
	if t.say != "" {
		return strings.ReplaceAll(t.say, "{result}", quote)
	}
	if t.results > 0 {
		return "The tool said: " + quote
	}
	return ""
}
