package replay_test

import (
	"strings"
	"sync/atomic"

	"aihigress/internal/llm"
)

// A change is what a target's dialect says in another way, so that it is not lost though it reads differently, and what it
// wants said that nobody said. Lost and added are how such facts begin. Where both are set they go together, and what
// follows must be the same unless the change is of another measure.
type change struct {
	targets     []string
	lost, added string
	measure     bool
	reason      string
}

var changes = []change{
	{[]string{llm.Anthropic, llm.Gemini}, "developer: ", "system: ", false, "there is one role for both"},
	{messages, "", "max tokens ", false, "a limit must be given"},
	{messages, "format 1", "tool aih_answer_json ", true, "there is no JSON mode: a tool must be called, and its call is the answer"},
	{messages, "", "schema of aih_answer_json: ", false, "the same"},
	{messages, "", "choice 3 of []", false, "the same"},
	{[]string{llm.Anthropic, llm.Gemini}, "format is called ", "", false, "formats have no names"},
	{contents, "", "format is called response", false, "and get one when they are read, since others want one"},
	{[]string{llm.OpenAI, llm.Responses}, "", "format is called answer", false, "formats must have names"},
	{[]string{llm.Anthropic, llm.Gemini}, "format is strict", "", false, "formats always hold strictly"},
	{[]string{llm.OpenAI, llm.Anthropic, llm.Gemini}, "include reasoning.encrypted_content", "", false, "states come in any case"},
	{items, "", "include reasoning.encrypted_content", false, "states are wanted, and nothing is kept"},
	{[]string{llm.OpenAI, llm.Anthropic, llm.Gemini}, "store false", "", false, "nothing is kept unless it is asked for"},
	{items, "", "store false", false, "the dialect keeps answers unless told not to"},
	{everybody, "choice 1 of []", "", false, "the model's choice is every dialect's habit"},
	{everybody, "parallel true", "", false, "as are calls side by side"},
	{chat, "thinks as it likes", "", false, "which saying nothing says"},
	{[]string{llm.Responses, llm.Anthropic}, "thinks as it likes", "thinks medium", true, "there is no word for it"},
	{contents, "thinks medium", "thinks high", true, "Gemini 3 Pro has nothing between low and high"},
	{items, "", "developer: Answer with a JSON object.", false, "JSON mode is refused where no message speaks of JSON"},
	{contents, "", "summary auto", false, "thinking is hidden unless asked for, which is no other dialect's habit"},
	{items, "", "summary auto", false, "the same"},
	{chat, "summary auto", "", false, "the vendors of chat show what they show"},
	{chat, "", "user attaches name document.pdf", false, "files must have names"},
	{items, "", "user attaches name document.pdf", false, "the same"},
	{contents, "", "user attaches type ", false, "files must have types, which their names tell"},
}

// explained takes away what changes explain.
func explained(target string, lost, added []fact) (_, _ []fact) {
	for i := range changes {
		c := &changes[i]
		if !strings.Contains(strings.Join(c.targets, " "), target) {
			continue
		}
		switch {
		case c.lost != "" && c.added != "":
			lost, added = c.pairs(lost, added, &metChanges[i])
		case c.lost != "":
			lost = without(lost, c.lost, &metChanges[i])
		default:
			added = without(added, c.added, &metChanges[i])
		}
	}
	return lost, added
}

// metChanges are those that some request has.
var metChanges = make([]atomic.Bool, len(changes))

func without(list []fact, prefix string, met *atomic.Bool) []fact {
	var rest []fact
	for _, f := range list {
		if strings.HasPrefix(f.what, prefix) {
			met.Store(true)
		} else {
			rest = append(rest, f)
		}
	}
	return rest
}

// pairs takes away what was lost together with what stands for it.
func (c *change) pairs(lost, added []fact, met *atomic.Bool) (_, _ []fact) {
	var rest []fact
	for _, f := range lost {
		said, ok := strings.CutPrefix(f.what, c.lost)
		at := -1
		for i := range added {
			if now, fits := strings.CutPrefix(added[i].what, c.added); ok && fits && (c.measure || now == said) {
				at = i
			}
		}
		if at < 0 {
			rest = append(rest, f)
			continue
		}
		met.Store(true)
		added = append(added[:at:at], added[at+1:]...)
	}
	return rest, added
}
