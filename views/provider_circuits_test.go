package views

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/provider"
)

// The circuit of a key that is disabled is tried by no request.
func TestCircuitOfADisabledKeyIsNotTried(t *testing.T) {
	t.Parallel()
	key := provider.Key{ID: id.New[id.ProviderKey](), Hint: "…abcd", Enabled: true}
	for _, tt := range []struct {
		change func(k *provider.Key)
		says   string
	}{
		{func(*provider.Key) {}, "by the next request"},
		{func(k *provider.Key) { k.Enabled = false }, "not while its key is disabled"},
		{func(k *provider.Key) { k.DisabledAt = &sampleTime }, "not while its key is disabled"},
	} {
		k := key
		tt.change(&k)
		v := providerView{Keys: []provider.Key{k}, Circuits: []health.Change{{
			Place: health.Place{Scope: health.OfKey, Target: health.Target{Key: k.ID}}, Open: &health.Opening{Why: health.Unauthorized, Since: time.Now(), Until: time.Now().Add(-time.Second)},
		}}}
		var page strings.Builder
		if err := providerCircuits(v).Render(t.Context(), &page); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(page.String(), tt.says) {
			t.Errorf("%+v: want %q in %s", k, tt.says, page.String())
		}
	}
}
