package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	streamEvents = 64
	largeBody    = 150 << 10 // bytes

	// The mock is steered by words in the model's name, since everything else of a request passes through unchanged.
	modelSmall = "bench-small"
	modelLarge = "bench-large" // answers largeBody bytes
	modelFast  = "bench-fast"  // streams as fast as it can
	modelPaced = "bench-paced" // streams an event every eventGap

	eventGap = 5 * time.Millisecond
	stamp    = `"content":"t`
)

// newMock is a vendor that does nothing but answer. Each event of a paced stream carries the time at which it was
// written, so that the reader can tell how long it was on the way.
func newMock() http.Handler {
	small, large := answer(16), answer(largeBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := make([]byte, 4096)
		n, _ := io.ReadFull(r.Body, head)
		_, _ = io.Copy(io.Discard, r.Body)
		head = head[:n]
		switch {
		case bytes.Contains(head, []byte(modelFast)):
			stream(w, 0)
		case bytes.Contains(head, []byte(modelPaced)):
			stream(w, eventGap)
		case bytes.Contains(head, []byte(modelLarge)):
			reply(w, large)
		default:
			reply(w, small)
		}
	})
}

func reply(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func answer(size int) []byte {
	return fmt.Appendf(nil, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}`,
		strings.Repeat("x", size))
}

func stream(w http.ResponseWriter, gap time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	var buf []byte
	for range streamEvents {
		buf = append(buf[:0], `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{`...)
		buf = append(buf, stamp...)
		buf = strconv.AppendInt(buf, time.Now().UnixNano(), 10)
		buf = append(buf, `"},"finish_reason":null}],"usage":null}`+"\n\n"...)
		if _, err := w.Write(buf); err != nil || flush.Flush() != nil {
			return
		}
		if gap > 0 {
			time.Sleep(gap)
		}
	}
	_, _ = io.WriteString(w, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":64,"total_tokens":73}}`+"\n\ndata: [DONE]\n\n")
}

// newProxy is the bare proxy that everything is held against: the standard library's, with connections kept open.
func newProxy(target string) (http.Handler, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 512
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport:     transport,
		FlushInterval: -1,
	}, nil
}
