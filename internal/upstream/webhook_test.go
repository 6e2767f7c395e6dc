package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/upstream"
)

func TestPost(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		raw, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || string(raw) != "body" || r.Header.Get("X-Test") != "yes" || r.Header.Get("User-Agent") != "aihigress" {
			t.Errorf("%s %q %v", r.Method, raw, r.Header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	header := map[string]string{"X-Test": "yes"}

	open := upstream.New(upstream.Options{AllowLoopback: true})
	defer open.Close()
	if status, err := open.Post(t.Context(), server.URL, header, []byte("body")); status != http.StatusFound || err != nil || asked != 1 {
		t.Errorf("status %d after %d calls: %v", status, asked, err)
	}
	// Whoever writes the address down, it leads nowhere but to the public Internet.
	guarded := upstream.New(upstream.Options{})
	defer guarded.Close()
	_, err := guarded.Post(t.Context(), server.URL, header, []byte("body"))
	if failure, ok := fault.As(err); !ok || failure.Code != upstream.CodeBlocked || failure.Message != "the address is not allowed" || asked != 1 {
		t.Errorf("a private address: %v after %d calls", err, asked)
	}
	if _, err := guarded.Post(t.Context(), "http://[::1", header, nil); fault.KindOf(err) != fault.Upstream {
		t.Errorf("no address: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open.Post(ctx, server.URL, header, []byte("body")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
