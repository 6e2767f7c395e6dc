package gemini

import (
	"strconv"
	"strings"
)

// version is what a model's name tells of its generation: 2.5 is {2, 5}. The zero version is unknown.
type version struct{ major, minor int }

// versionOf reads a model's name, with or without what stands before it. Names that end in "-latest" without a number are
// aliases of the newest generation, which is 3 or later.
func versionOf(model string) version {
	_, name := splitModel(model)
	if at := strings.LastIndexByte(name, '/'); at >= 0 {
		name = name[at+1:] // relays name models vendor/model
	}
	rest, ok := strings.CutPrefix(strings.ToLower(name), "gemini-")
	if !ok {
		return version{}
	}
	number, _, _ := strings.Cut(rest, "-")
	major, minor, _ := strings.Cut(number, ".")
	v := version{}
	var err error
	if v.major, err = strconv.Atoi(major); err != nil || v.major < 0 {
		if strings.HasSuffix(rest, "-latest") {
			return version{major: 3}
		}
		return version{}
	}
	if v.minor, err = strconv.Atoi(minor); err != nil {
		v.minor = 0
	}
	return v
}

// atLeast reports whether the generation is known and not before another.
func (v version) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// jsonSchema reports whether the model takes JSON schemas as they are (parametersJsonSchema, responseJsonSchema), which
// Google documents from 2.5 on; others get the subset of OpenAPI's that all take.
func (v version) jsonSchema() bool { return v.atLeast(2, 5) }

// prefills reports whether a conversation may end with words of the model's, which go on as its answer. Google gave that up
// with 3.6 Flash and 3.5 Flash-Lite, and aliases may lead to those.
func prefills(model string) bool {
	return !versionOf(model).atLeast(3, 5) && !strings.HasSuffix(strings.ToLower(model), "-latest")
}

// quiet reports whether a model is known not to think: those of 2.5 that draw and speak.
func quiet(model string) bool {
	return versionOf(model) == version{2, 5} && (strings.Contains(model, "-image") || strings.Contains(model, "-tts"))
}

// budgets is the range of thinkingBudget of a model of generation 2.5, and whether 0 turns thinking off (ai.google.dev,
// "Gemini thinking"). Unknown models get the widest range that all of them share, and are let off.
func budgets(model string) (least, most int64, off bool) {
	switch {
	case strings.Contains(model, "2.5-pro"):
		return 128, 32768, false
	case strings.Contains(model, "flash-lite"):
		return 512, 24576, true
	}
	return 1, 24576, true
}

// onVertex reports whether a host is one of Vertex AI's.
func onVertex(host string) bool { return strings.HasSuffix(host, "aiplatform.googleapis.com") }
