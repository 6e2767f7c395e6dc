package catalog_test

import (
	"testing"

	"aihigress/internal/catalog"
)

func TestLacks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list         []string
		source, want string
	}{
		{[]string{"text", "tools"}, catalog.CapabilitiesManual, "vision+audio+structured_output+reasoning"},
		{[]string{"text", "vision"}, catalog.CapabilitiesCatalog, "reasoning"}, // of sound and tools it knows nothing
		{[]string{"vision"}, catalog.CapabilitiesUnknown, ""},
		{nil, catalog.CapabilitiesManual, ""},
		{nil, catalog.CapabilitiesCatalog, ""},
	} {
		if got := catalog.Lacks(tt.list, tt.source); got.String() != tt.want {
			t.Errorf("%q by %q lacks %q, want %q", tt.list, tt.source, got, tt.want)
		}
	}
}
