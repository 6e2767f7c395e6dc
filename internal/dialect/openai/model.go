package openai

import (
	"slices"
	"strconv"
	"strings"

	"aihigress/internal/llm"
)

// model is what is known of a model by its name. Names of deployments, as Azure has them, say nothing.
type model struct {
	name         string
	major, minor int // of gpt-5.4-mini: 5 and 4; 0 where it is no GPT, or an open one
}

func modelOf(name string) model {
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.TrimPrefix(name, "ft:")
	m := model{name: name}
	if version, ok := strings.CutPrefix(name, "gpt-"); ok {
		version, _, _ = strings.Cut(version, "-")
		major, minor, _ := strings.Cut(version, ".")
		m.major, _ = strconv.Atoi(strings.TrimRight(major, "abcdefghijklmnopqrstuvwxyz")) // of 4o, and no number is 0
		m.minor, _ = strconv.Atoi(minor)
	}
	return m
}

// since reports whether it is of a GPT generation or a later one.
func (m model) since(major, minor int) bool {
	return m.major > major || m.major == major && m.minor >= minor
}

// reasoner reports whether it is known to think: the o series, and GPT from 5 on but for its chat variants.
func (m model) reasoner() bool {
	if len(m.name) > 1 && m.name[0] == 'o' && m.name[1] >= '1' && m.name[1] <= '9' {
		return true
	}
	return m.since(5, 0) && !strings.Contains(m.name, "-chat")
}

// idle reports whether it does not think when asked for an effort: from 5.1 on it can be told not to, which 5.1 to 5.4 do
// unasked.
func (m model) idle(effort string) bool {
	return m.since(5, 1) && (effort == "none" || effort == "" && !m.since(5, 5))
}

// takesEffort reports whether a model of OpenAI's takes reasoning_effort: the families before o1 answer it with an error.
func (m model) takesEffort() bool {
	return m.major != 3 && m.major != 4 && !strings.HasPrefix(m.name, "chatgpt-") && (m.major == 0 || !strings.Contains(m.name, "-chat"))
}

// Refused lists the settings that a model answers with an error at an effort, by who serves it. Who is not known is taken to
// pass on what OpenAI says of models with its names.
func Refused(host, model, effort string) []llm.Field {
	if v := vendorOf(host); v.refuses != nil {
		return v.refuses(model, effort)
	}
	return refuses(model, effort)
}

// refuses lists the settings that a model of OpenAI's answers with an error while it thinks ("Unsupported parameter: 'stop'
// is not supported with this model", "Unsupported value: 'temperature' does not support 0.5 with this model. Only the
// default (1) value is supported."): OpenAI's guides to reasoning and to GPT-5.2, the description of its API for stop, and
// the errors that public issue trackers quote. Stop is refused by GPT-5 even where it does not think.
func refuses(name, effort string) []llm.Field {
	m := modelOf(name)
	if !m.reasoner() {
		return nil
	}
	var fields []llm.Field
	if m.since(5, 0) || strings.HasPrefix(m.name, "o4") || m.name == "o3" || strings.HasPrefix(m.name, "o3-2") {
		fields = append(fields, llm.FieldStop)
	}
	if m.idle(effort) {
		return fields
	}
	return append(fields, llm.FieldTemperature, llm.FieldTopP, llm.FieldPresence, llm.FieldFrequency, llm.FieldLogprobs, llm.FieldLogitBias, llm.FieldPrediction)
}

// grokRefuses lists what a model of xAI's answers with an error: docs.x.ai, "Reasoning", and for the efforts what its API
// was seen to take ("Model grok-4 does not support parameter reasoningEffort").
func grokRefuses(name, _ string) []llm.Field {
	if strings.Contains(name, "non-reasoning") || strings.HasPrefix(name, "grok-2") || strings.HasPrefix(name, "grok-3") && !strings.HasPrefix(name, "grok-3-mini") {
		return []llm.Field{llm.FieldReasoning}
	}
	fields := []llm.Field{llm.FieldStop, llm.FieldPresence, llm.FieldFrequency}
	dials := []string{"grok-3-mini", "grok-4.20-multi-agent", "grok-4.3", "grok-4.5", "grok-latest"}
	if strings.HasPrefix(name, "grok-") && !slices.ContainsFunc(dials, func(d string) bool { return strings.HasPrefix(name, d) }) {
		fields = append(fields, llm.FieldReasoning)
	}
	return fields
}

// Effort is how much a model of OpenAI's is to think, in the nearest word that it takes: "Unsupported value: 'minimal' is
// not supported with the 'gpt-5.1' model" is what it says to others. It is empty where there is none: a model that does not
// think, or cannot do without. Of models that are not known the word stays as it is.
func Effort(name, word string) string {
	m := modelOf(name)
	switch {
	case word == "" || !m.takesEffort():
		return ""
	case !m.reasoner():
		return word
	}
	if word == "max" && !m.since(5, 6) {
		word = "xhigh"
	}
	switch {
	case word == "xhigh" && !m.since(5, 2) && !strings.Contains(m.name, "codex-max"):
		return "high"
	case word == "minimal" && (m.major != 5 || m.minor != 0):
		return "low"
	case word == "none" && m.since(5, 0) && !m.since(5, 1):
		return "minimal" // which GPT-5 alone has, in its place
	case word == "none" && !m.since(5, 1):
		return ""
	}
	return word
}
