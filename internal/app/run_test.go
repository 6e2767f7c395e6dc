package app

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A deadline that one answer leaves on its connection does not hold for the next: the proxy relies on net/http for that.
func TestDeadlineEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	const text = "answer"
	from := make(chan string, 2)
	server := (&Gateway{}).server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from <- r.RemoteAddr
		w.Header().Set("Content-Length", "6")
		_, _ = io.WriteString(w, text)
		control := http.NewResponseController(w)
		_ = control.Flush()
		_ = control.SetWriteDeadline(time.Now().Add(-time.Second))
	}))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	defer func() { server.Close(); <-ended }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != text || err != nil {
			t.Errorf("%q %v", body, err)
		}
	}
	if one, two := <-from, <-from; one != two {
		t.Errorf("from %s, then from %s", one, two)
	}
}
