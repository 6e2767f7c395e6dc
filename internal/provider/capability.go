package provider

import (
	"slices"

	"aihigress/db"
	"aihigress/internal/catalog"
	"aihigress/internal/llm"
)

// setCapabilities takes a list by hand, or without one the catalogue's.
func setCapabilities(row *db.ProviderModel, known catalog.Vendor, list []string) error {
	if len(list) == 0 {
		row.Capabilities, row.CapabilitiesSource = []string{}, catalog.CapabilitiesUnknown
		if preset, ok := known.Known(row.UpstreamID); ok && preset.Capabilities != nil {
			row.Capabilities, row.CapabilitiesSource = preset.Capabilities, catalog.CapabilitiesCatalog
		}
		return nil
	}
	names, err := catalog.NamedCapabilities(list)
	if err != nil {
		return err
	}
	row.Capabilities, row.CapabilitiesSource = names, catalog.CapabilitiesManual
	return nil
}

// recall takes over what the catalogue says now of a model's capabilities, and reports whether that changed something. What
// was set by hand stays, and so do lists from before it was noted where they came from, unless they are the catalogue's.
func recall(row *db.ProviderModel, known catalog.Vendor) bool {
	preset, ok := known.Known(row.UpstreamID)
	if !ok || preset.Capabilities == nil || row.CapabilitiesSource == catalog.CapabilitiesManual {
		return false
	}
	without := slices.DeleteFunc(slices.Clone(preset.Capabilities), func(name string) bool { return name == llm.TextOnly })
	if row.CapabilitiesSource == catalog.CapabilitiesUnknown && len(row.Capabilities) > 0 && !slices.Equal(row.Capabilities, without) {
		return false
	}
	if row.CapabilitiesSource == catalog.CapabilitiesCatalog && slices.Equal(row.Capabilities, preset.Capabilities) {
		return false
	}
	row.Capabilities, row.CapabilitiesSource = preset.Capabilities, catalog.CapabilitiesCatalog
	return true
}
