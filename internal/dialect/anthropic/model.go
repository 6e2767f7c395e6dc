package anthropic

import (
	"strconv"
	"strings"
)

const (
	// minBudget is the least thinking.budget_tokens that the API takes.
	minBudget = 1024
)

// model is what requests must know of a model. The API refuses what a model does not take, so it is told by name; the
// facts are from Anthropic's pages on adaptive thinking, effort, structured outputs, prefill and migration.
type model struct {
	claude bool
	// version is major*100+minor: 405 for claude-sonnet-4-5, 307 for claude-3-7-sonnet. A Claude without numbers is taken
	// for the newest.
	version int
	// alwaysThinks: it thinks as it sees fit and cannot be told not to (Fable and Mythos).
	alwaysThinks bool
	opus         bool
}

const newest = 9900

// modelOf reads a model's name as Anthropic, Vertex (@date) and Bedrock (anthropic.…-v1:0) write it. The version stands
// before the family's name in older models and behind it in later ones; numbers of more than two digits are dates.
func modelOf(name string) model {
	name = strings.ToLower(name)
	at := strings.Index(name, "claude")
	if at < 0 {
		return model{}
	}
	m := model{claude: true, version: newest}
	m.alwaysThinks = strings.Contains(name, "fable") || strings.Contains(name, "mythos")
	m.opus = strings.Contains(name, "opus")
	var numbers [2]int
	found := 0
	for part := range strings.FieldsFuncSeq(name[at:], func(r rune) bool { return strings.ContainsRune("-@.:_/", r) }) {
		n, err := 0, strconv.ErrSyntax
		if len(part) <= 2 {
			n, err = strconv.Atoi(part)
		}
		if err == nil && found < len(numbers) {
			numbers[found] = n
			found++
		} else if found > 0 {
			break
		}
	}
	if found > 0 {
		m.version = numbers[0]*100 + numbers[1]
	}
	return m
}

// thinks: extended thinking came with 3.7. Models of others that speak this dialect are believed to take it.
func (m model) thinks() bool { return !m.claude || m.version >= 307 }

// adaptive: thinking.type adaptive and output_config.effort, from 4.6 on.
func (m model) adaptive() bool { return m.claude && m.version >= 406 }

// efforts: output_config.effort, which Opus had first.
func (m model) efforts() bool { return !m.claude || m.adaptive() || m.opus && m.version >= 405 }

// answers is the limit of an answer, in tokens, where nobody names one: the least that models of the generation can give
// (Anthropic's overview of models: Opus 4 32,000, 3.5 8,192, 3 4,096).
func (m model) answers() int64 {
	switch {
	case m.claude && m.version >= 307:
		return 32_000
	case m.claude && m.version >= 305:
		return 8192
	}
	return 4096
}

// AnswerLimit is the limit that a request for a model names, in tokens, where neither its caller nor Target.MaxOutput does.
// A thinking budget that does not fit into it raises it.
func AnswerLimit(name string) int64 { return modelOf(name).answers() }

// budgets: thinking.budget_tokens, which 4.7 gave up.
func (m model) budgets() bool { return m.thinks() && (!m.claude || m.version < 407) }

// canBeQuiet: thinking.type disabled.
func (m model) canBeQuiet() bool { return !m.alwaysThinks }

// thinksUnasked: models from 5 on think where the request says nothing of it.
func (m model) thinksUnasked() bool { return m.claude && m.version >= 500 }

// structured: output_config.format and strict tools, from 4.5 on.
func (m model) structured() bool { return m.claude && m.version >= 405 }

// samples: temperature, top_p and top_k, which 4.7 gave up.
func (m model) samples() bool { return !m.claude || m.version < 407 }

// eitherOr: temperature or top_p, but not both, from 4.1 on.
func (m model) eitherOr() bool { return m.claude && m.version >= 401 }

// prefills: the last message may be the beginning of the answer, until 4.6.
func (m model) prefills() bool { return !m.claude || m.version < 406 }

// effort is the word that the model takes for an effort.
func (m model) effort(word string) string {
	switch word {
	case "minimal":
		return "low"
	case "xhigh":
		if m.version < 407 {
			return "high"
		}
	}
	return word
}
