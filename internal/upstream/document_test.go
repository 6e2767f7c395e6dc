package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/secret"
)

func TestReadListing(t *testing.T) {
	t.Parallel()
	const limit = 100
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tagged":
			w.Header().Set("ETag", `"one"`)
			if r.Header.Get("If-None-Match") == `"one"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(w, "{}")
		case "/longtag":
			w.Header().Set("ETag", `"`+strings.Repeat("x", maxETag)+`"`)
		case "/full":
			_, _ = io.WriteString(w, strings.Repeat("x", limit))
		case "/endless":
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", limit)); err != nil {
					return
				}
			}
		case "/cut":
			w.Header().Set("Content-Length", "50")
			_, _ = io.WriteString(w, "{")
		case "/unasked":
			w.WriteHeader(http.StatusNotModified)
		case "/moved":
			http.Redirect(w, r, "/tagged", http.StatusMovedPermanently)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c := client(t, Options{Resolver: resolver(hidden)})
	for _, tc := range []struct {
		path, etag, want, newEtag string
		fresh                     bool
	}{
		{"/tagged?token=canary", "", "{}", `"one"`, true},
		{"/tagged", `"one"`, "", `"one"`, false},
		{"/tagged", `"two"`, "{}", `"one"`, true},
		{"/longtag", "", "", "", true},
		{"/full", "", "xxx", "", true},
	} {
		raw, etag, fresh, err := c.ReadListing(t.Context(), secret.NewText(server.URL+tc.path), []string{"127.0.0.1"}, tc.etag, limit)
		if err != nil || etag != tc.newEtag || fresh != tc.fresh || !strings.HasPrefix(string(raw), tc.want) {
			t.Errorf("%s: %q, %q, %t, %v", tc.path, raw, etag, fresh, err)
		}
	}
	for path, want := range map[string]string{
		"/endless": "larger than", "/cut": "could not be reached", "/unasked": "HTTP 304", "/moved": "HTTP 301", "/canary": "HTTP 404",
	} {
		_, _, _, err := c.ReadListing(t.Context(), secret.NewText(server.URL+path), []string{"127.0.0.1"}, "", limit)
		if failure, ok := fault.As(err); !ok || failure.Kind != fault.Upstream || !strings.Contains(failure.Message, want) || strings.Contains(failure.Message, "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, _, _, err := c.ReadListing(t.Context(), secret.NewText(server.URL+"/tagged"), nil, "", limit); err == nil || !strings.Contains(err.Error(), "not public") {
		t.Errorf("this machine: %v", err)
	}
}
