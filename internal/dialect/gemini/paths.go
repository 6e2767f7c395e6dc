package gemini

import (
	"maps"
	"strings"

	"aihigress/internal/dialect/jsonscan"
)

// spell adds the snake_case spelling of every path, and, for a part in parentheses, the path with and without it: tools([])
// stands for tools[] and for the lone object that protobuf takes for a list of one.
func spell(paths map[string]jsonscan.ID) map[string]jsonscan.ID {
	all := map[string]jsonscan.ID{}
	for path, id := range paths {
		for _, p := range options(path) {
			for _, spelt := range spellings(strings.Split(p, ".")) {
				all[spelt] = id
			}
		}
	}
	return all
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

// spellings combines both spellings of every key of a path.
func spellings(keys []string) []string {
	if len(keys) == 0 {
		return []string{""}
	}
	var all []string
	for _, rest := range spellings(keys[1:]) {
		for _, key := range []string{keys[0], snake(keys[0])} {
			if len(keys) > 1 {
				key += "." + rest
			}
			all = append(all, key)
		}
	}
	return all
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
