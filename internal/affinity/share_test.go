package affinity

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/health"
	"aihigress/internal/id"
)

// What goes to other nodes comes out of its JSON as it was.
func TestEntriesComeBack(t *testing.T) {
	t.Parallel()
	want := entries{"n", []entry{{1<<64 - 1, health.Target{Provider: id.New[id.Provider](), Model: "m", Key: id.New[id.ProviderKey]()}}, {2, health.Target{Model: "keyless"}}}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got entries
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
