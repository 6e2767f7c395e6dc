package catalog

import "aihigress/internal/llm"

// Where a model's capabilities were told: it decides what of the others it is known to lack.
const (
	CapabilitiesUnknown = ""
	CapabilitiesManual  = "manual"  // the whole list
	CapabilitiesCatalog = "catalog" // of the provider's preset
)

// knows is what the catalogue can tell of a model's capabilities. That a model has none of the others it does not say.
const knows = llm.NeedVision | llm.NeedReasoning

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
