package app

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/snapshot"
	"aihigress/internal/web"
)

// The metrics take a key by all of its rules.
func TestPlatformKey(t *testing.T) {
	t.Parallel()
	home := netip.MustParsePrefix("192.0.2.0/24") // where httptest's requests come from
	for name, tt := range map[string]struct {
		key  snapshot.Key
		want bool
	}{
		"good":      {snapshot.Key{Scopes: []string{"platform"}}, true},
		"at home":   {snapshot.Key{Scopes: []string{"platform"}, IPRanges: []netip.Prefix{home}}, true},
		"elsewhere": {snapshot.Key{Scopes: []string{"platform"}, IPRanges: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, false},
		"expired":   {snapshot.Key{Scopes: []string{"platform"}, ExpiresAt: time.Now().Add(-time.Second)}, false},
		"for calls": {snapshot.Key{Scopes: []string{"inference"}}, false},
	} {
		secret := apikey.Mint().Reveal()
		tt.key.Hash = apikey.Hash(secret)
		s := snapshot.New(snapshot.Contents{Keys: []*snapshot.Key{&tt.key}})
		var got bool
		handler := web.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = hasPlatformKey(s, r) }),
			web.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		if r.Header.Set("Authorization", "Bearer "+apikey.Mint().Reveal()); hasPlatformKey(s, r) {
			t.Errorf("%s: another key passes", name)
		}
	}
}
