package llm

// Budgets by effort: what Google's OpenAI compatibility layer takes low, medium and high for (ai.google.dev, "OpenAI
// compatibility", thinking); those around them carry the same scale on.
var efforts = []struct {
	name   string
	budget int64
}{
	{"minimal", 512}, {"low", 1024}, {"medium", 8192}, {"high", 24576}, {"xhigh", 32768}, {"max", 65536},
}

// BudgetOf is how many thinking tokens an effort stands for; 0 for "none" and for words that are not known.
func BudgetOf(effort string) int64 {
	for _, e := range efforts {
		if e.name == effort {
			return e.budget
		}
	}
	return 0
}

// EffortOf is the effort that a budget stands for: the least of low, medium and high that is not below it. Words beyond
// these are never chosen, since many models refuse them.
func EffortOf(budget int64) string {
	switch {
	case budget == Dynamic:
		return "medium"
	case budget <= 0:
		return "none"
	case budget <= BudgetOf("low"):
		return "low"
	case budget <= BudgetOf("medium"):
		return "medium"
	}
	return "high"
}
