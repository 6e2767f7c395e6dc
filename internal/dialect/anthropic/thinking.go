package anthropic

import (
	"strconv"

	"aihigress/internal/llm"
)

// answerRoom is how many tokens are added to a thinking budget for the answer itself, where the caller sets no limit.
const answerRoom = 4096

// chooseThinking settles max_tokens, thinking and effort.
func (w *requestWriter) chooseThinking() {
	r := &w.r.Reasoning
	w.maxTokens = w.r.MaxTokens
	off := r.Off || r.Effort == "none"
	// In this dialect effort is about the whole answer, and thinking is asked for apart.
	asked := !off && (r.Effort != "" && !w.native() || r.Budget != 0 || r.Adaptive)
	if shown := r.Summary != "" && r.Summary != "none"; shown && !off && !asked {
		// Who wants to see thinking takes it that there is some. Where the model decides by itself that costs little.
		asked = w.model.adaptive()
		w.drops.If(!asked, llm.FieldSummary)
	}
	w.drops.If(r.Measured(), llm.FieldSummary)
	if w.forced() {
		// A tool must be called, which the API does not allow beside thinking. Who demands a call or a format breaks without it;
		// who asked for thinking gets a worse answer at most.
		switch {
		case w.model.alwaysThinks && w.asTool:
			w.tools = w.tools[:len(w.tools)-1]
			w.asTool, w.instruct, w.choice = false, true, w.r.Choice
		case w.model.alwaysThinks:
			w.choice = llm.Choice{Mode: llm.Auto}
			w.drops.Add(llm.FieldChoice)
		default:
			w.drops.If(asked, llm.FieldReasoning)
			asked, off = false, off || w.model.thinksUnasked()
		}
	}
	switch {
	case off && w.model.canBeQuiet():
		if w.model.thinks() {
			w.thinking = []byte(`{"type":"disabled"}`)
		}
	case off:
		w.drops.Add(llm.FieldReasoning)
		w.thinks = true
	case !asked:
		w.thinks = w.model.alwaysThinks || w.model.thinksUnasked()
	case w.model.adaptive() && (r.Budget <= 0 || !w.model.budgets() || w.unsigned()):
		w.thinkAdaptively()
	case w.model.budgets():
		w.thinkWithin()
	default:
		w.drops.Add(llm.FieldReasoning)
	}
	w.nativeEffort()
	w.limit()
}

// native says that the caller speaks this dialect.
func (w *requestWriter) native() bool { return w.r.Dialect == llm.Anthropic }

// nativeEffort passes on the effort of a caller of this dialect who said more of thinking than that, or nothing.
func (w *requestWriter) nativeEffort() {
	r := &w.r.Reasoning
	if !w.native() || r.Effort == "" || w.effort != "" || r.Adaptive && r.Budget == 0 && !w.model.efforts() {
		return
	}
	if w.model.efforts() {
		w.effort = w.model.effort(r.Effort)
		return
	}
	w.drops.Add(llm.FieldReasoning)
}

// forced says that the answer must have a tool call.
func (w *requestWriter) forced() bool { return w.choice.Mode == llm.Required && len(w.tools) > 0 }

// limit settles max_tokens where the caller and thinking left it open. A caller's limit stays as it is, also above what is
// known of the model, which may be out of date: the vendor will say so.
func (w *requestWriter) limit() {
	if w.maxTokens == 0 {
		w.maxTokens = w.t.MaxOutput
	}
	if w.maxTokens == 0 {
		w.maxTokens = w.model.answers()
	}
}

func (w *requestWriter) thinkAdaptively() {
	r := &w.r.Reasoning
	effort := r.Effort
	if effort == "" && r.Budget > 0 {
		effort = llm.EffortOf(r.Budget)
	}
	w.effort = w.model.effort(effort)
	w.thinks = true
	w.thinking = append(w.display([]byte(`{"type":"adaptive"`)), '}')
}

// thinkWithin sets a budget. It must be below max_tokens, which counts thinking and answer together in every dialect; so
// a limit of the caller's stays, and the budget gives way.
func (w *requestWriter) thinkWithin() {
	r := &w.r.Reasoning
	budget := r.Budget
	if budget <= 0 {
		effort := r.Effort
		if effort == "" {
			effort = "medium"
		}
		budget = llm.BudgetOf(effort)
	}
	budget = max(budget, minBudget)
	if w.maxTokens == 0 {
		if w.maxTokens = w.t.MaxOutput; w.maxTokens == 0 {
			w.maxTokens = max(budget+answerRoom, w.model.answers())
		}
	}
	if budget >= w.maxTokens {
		budget = w.maxTokens - w.maxTokens/5
	}
	if budget < minBudget || budget >= w.maxTokens || w.unsigned() {
		w.drops.Add(llm.FieldReasoning)
		return
	}
	w.thinks = true
	w.thinking = strconv.AppendInt([]byte(`{"type":"enabled","budget_tokens":`), budget, 10)
	w.thinking = append(w.display(w.thinking), '}')
}

func (w *requestWriter) display(dst []byte) []byte {
	switch w.r.Reasoning.Summary {
	case "":
	case "none":
		dst = append(dst, `,"display":"omitted"`...)
	default:
		dst = append(dst, `,"display":"summarized"`...)
	}
	return dst
}

// unsigned says that the request goes on with a tool loop whose last turn does not begin with thinking that Anthropic
// signed: another vendor's model made it, or thinking was off. With a budget the API refuses that; where the model decides
// by itself it does not.
func (w *requestWriter) unsigned() bool {
	for i := len(w.turns) - 1; i > 0; i-- {
		t := &w.turns[i]
		if t.role != llm.User {
			continue
		}
		if len(t.blocks) == 0 || t.blocks[0].Kind != llm.ToolResult {
			return false
		}
		said := w.turns[i-1].blocks
		for _, b := range said {
			if b.Kind != llm.Thinking || signed(b) {
				return b.Kind != llm.Thinking
			}
		}
		return true
	}
	return false
}

// signed says that a block of thinking is Anthropic's own.
func signed(b *llm.Block) bool { return b.State.Origin == llm.Anthropic && b.State.Data != "" }
