package gemini

import (
	"strings"

	"aihigress/internal/llm"
)

// reasoning reads thinkingConfig. Thoughts are shown to those alone who ask for them, so that leaving includeThoughts out
// hides them; asking for them without an amount leaves the amount to the model, as Google does.
func (t *wireThinking) reasoning() llm.Reasoning {
	if t == nil {
		return llm.Reasoning{}
	}
	r := llm.Reasoning{Summary: "none"}
	if t.IncludeThoughts {
		r.Summary = "auto"
	}
	if level := strings.ToLower(t.ThinkingLevel); level != "" && level != "thinking_level_unspecified" {
		r.Effort = level
	}
	switch {
	case t.ThinkingBudget != nil && *t.ThinkingBudget == 0:
		r.Off, r.Summary = true, ""
	case t.ThinkingBudget != nil && *t.ThinkingBudget < 0:
		r.Budget = llm.Dynamic
	case t.ThinkingBudget != nil:
		r.Budget = int64(*t.ThinkingBudget)
	case t.IncludeThoughts && r.Effort == "":
		r.Budget = llm.Dynamic
	}
	return r
}

// thinkingConfig writes what a caller wants of thinking. From generation 3 on a model takes a level, before it a budget, and
// both together are refused; models before 2.5 do not think.
func thinkingConfig(r llm.Reasoning, model string, drops *llm.Drops) *wireThinking {
	if r.IsZero() {
		return nil
	}
	drops.If(r.Measured(), llm.FieldSummary)
	v := versionOf(model)
	off := r.Off || r.Effort == "none"
	known := v != version{}
	if known && !v.atLeast(2, 5) || quiet(model) {
		drops.If(!off && (r.Effort != "" || r.Budget != 0 || r.Adaptive), llm.FieldReasoning)
		return nil
	}
	t := &wireThinking{IncludeThoughts: !off && r.Summary != "none"}
	if v.atLeast(3, 0) {
		drops.If(off, llm.FieldReasoning) // the least level still thinks
		t.ThinkingLevel = level(r, off, model)
	} else {
		t.ThinkingBudget = budget(r, off, model, drops)
	}
	if *t == (wireThinking{}) {
		return nil
	}
	return t
}

// level is the thinkingLevel of a model of generation 3 or later; "" is the model's own. Pro models have no minimal, and 3
// Pro no medium (ai.google.dev, "Gemini 3", thinking level).
func level(r llm.Reasoning, off bool, model string) string {
	effort := r.Effort
	switch {
	case off:
		effort = "minimal"
	case effort == "" && r.Budget > 0:
		effort = llm.EffortOf(r.Budget)
	}
	pro := strings.Contains(model, "pro")
	switch effort {
	case "":
		return ""
	case "minimal":
		if pro {
			return "LOW"
		}
		return "MINIMAL"
	case "low":
		return "LOW"
	case "medium":
		if pro && strings.Contains(model, "gemini-3-pro") {
			return "HIGH"
		}
		return "MEDIUM"
	}
	return "HIGH"
}

// budget is the thinkingBudget of a model of generation 2.5; nil is the model's own.
func budget(r llm.Reasoning, off bool, model string, drops *llm.Drops) *integer {
	least, most, canOff := budgets(model)
	n := r.Budget
	switch {
	case off && !canOff:
		drops.Add(llm.FieldReasoning)
		n = least
	case off:
		return new(integer)
	case n == 0 && r.Effort != "":
		n = llm.BudgetOf(r.Effort)
		drops.If(n == 0, llm.FieldReasoning)
	case n == 0 && r.Adaptive:
		n = llm.Dynamic
	}
	if n == 0 {
		return nil
	}
	if n > 0 {
		n = min(max(n, least), most)
	}
	out := integer(n)
	return &out
}
