package gemini

import (
	"maps"
	"strings"

	"aihigress/internal/dialect/jsonscan"
)

// compile prepares paths whose keys may be spelt in snake_case as well. A part in parentheses may be there or not: tools([])
// stands for tools[] and for the lone object that protobuf takes for a list of one.
func compile(paths map[string]jsonscan.ID) *jsonscan.Paths {
	all := make(map[string]jsonscan.ID, 2*len(paths))
	for path, id := range paths {
		for _, p := range options(path) {
			all[p] = id
		}
	}
	return jsonscan.CompileSpelt(all, snake)
}

// options resolves the parts in parentheses.
func options(path string) []string {
	before, rest, found := strings.Cut(path, "(")
	if !found {
		return []string{path}
	}
	optional, after, _ := strings.Cut(rest, ")")
	return append(options(before+after), options(before+optional+after)...)
}

// below is the paths with a prefix.
func below(prefix string, paths map[string]jsonscan.ID) map[string]jsonscan.ID {
	out := make(map[string]jsonscan.ID, len(paths))
	for path, id := range paths {
		out[prefix+path] = id
	}
	return out
}

// join is all paths of several sets.
func join(sets ...map[string]jsonscan.ID) map[string]jsonscan.ID {
	all := map[string]jsonscan.ID{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}
