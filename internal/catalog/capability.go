package catalog

import (
	"slices"
	"strings"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
)

// Where a model's capabilities were told: it decides what of the others it is known to lack.
const (
	CapabilitiesUnknown = ""
	CapabilitiesManual  = "manual"  // the whole list
	CapabilitiesCatalog = "catalog" // of the provider's preset
)

// knows is what the catalogue can tell of a model's capabilities. That a model has none of the others it does not say.
const knows = llm.NeedVision | llm.NeedReasoning

// NamedCapabilities is a list of capabilities by their own names, each once. An unknown one is refused with the names that
// there are.
func NamedCapabilities(list []string) ([]string, error) {
	names := make([]string, 0, len(llm.Capabilities))
	for _, word := range list {
		name, ok := llm.Capability(word)
		if !ok {
			return nil, fault.Field("capabilities", "there is no capability %.40q: known are %s", word, strings.Join(llm.Capabilities, ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Lacks is what a model with these capabilities is known to be unable to do.
func Lacks(capabilities []string, source string) llm.Needs {
	switch source {
	case CapabilitiesManual:
		return llm.LackedBy(capabilities, llm.Abilities)
	case CapabilitiesCatalog:
		return llm.LackedBy(capabilities, knows)
	}
	return 0
}
