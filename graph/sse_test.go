package graph

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// A listener reads server-sent events.
type listener struct {
	*house
	response *http.Response
	lines    *bufio.Scanner
}

func (h *house) listen(auth, query string) listener {
	h.Helper()
	sent(query)
	body := must(json.Marshal(map[string]string{"query": query}))(h.T)
	req := must(http.NewRequestWithContext(h.Context(), http.MethodPost, h.url, strings.NewReader(string(body))))(h.T)
	req.Header = http.Header{"Content-Type": {mediaJSON}, "Accept": {mediaStream}, "Authorization": {auth}}
	res := must(h.client.Do(req))(h.T)
	h.Cleanup(func() { _ = res.Body.Close() })
	h.same("the status", res.StatusCode, 200)
	if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, mediaStream) {
		h.Fatalf("the answer is %s", got)
	}
	return listener{h, res, bufio.NewScanner(res.Body)}
}

// next is the next event's name and data; comments are left out. ok is false at the end.
func (l listener) next() (name string, data gjson.Result, ok bool) {
	l.Helper()
	for l.lines.Scan() {
		line := l.lines.Text()
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case field == "event":
			name = value
		case field == "data":
			data = gjson.Parse(value)
		case line == "" && name != "":
			return name, data, true
		}
	}
	return "", data, false
}

func TestEventStreams(t *testing.T) {
	t.Parallel()
	h := open(t)
	l := h.listen(h.member.token, "{ viewer { email } }")
	name, data, _ := l.next()
	h.same("the event", name, "next")
	h.same("its data", data.Raw, `{"data":{"viewer":{"email":"member@example.com"}}}`)
	name, _, _ = l.next()
	h.same("the last event", name, "complete")
	if _, _, more := l.next(); more {
		t.Error("there is something behind complete")
	}

	l = h.listen(h.member.token, "{ nothing }")
	_, data, _ = l.next()
	h.same("a bad document", data.Get("errors.0.extensions.code"), "GRAPHQL_VALIDATION_FAILED")
	name, _, _ = l.next()
	h.same("its end", name, "complete")

	l = h.listen("", "subscription { liveMetrics { at } }")
	_, data, _ = l.next()
	h.same("nobody's subscription", data.Get("errors.0.extensions.code"), "UNAUTHENTICATED")

	status, header, raw := h.send(http.MethodPost, "", "{", "Content-Type", mediaJSON, "Accept", mediaStream)
	if status != http.StatusBadRequest || !strings.HasPrefix(header.Get("Content-Type"), mediaJSON) {
		t.Errorf("no JSON: %d %s %s", status, header.Get("Content-Type"), raw)
	}
	status, _, raw = h.send(http.MethodGet, "?query=%7B__typename%7D", "", "Accept", mediaStream)
	h.same("a query by GET", status, 200)
	h.same("its events", string(raw), ":\n\nevent: next\ndata: {\"data\":{\"__typename\":\"Query\"}}\n\nevent: complete\ndata:\n\n")
}

func TestEventStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.door.keepAlive = 50 * time.Millisecond
	l := h.listen(h.member.token, "subscription { liveMetrics { at } }")
	if name, _, _ := l.next(); name != "next" {
		t.Fatalf("the first event is %s", name)
	}
	if err := h.domain.Auth.Revoke(h.as(h.member), h.member.session); err != nil {
		t.Fatal(err)
	}
	h.reload()
	for {
		name, _, ok := l.next()
		if !ok {
			t.Fatal("the stream broke off without complete")
		}
		if name == "complete" {
			return
		}
	}
}

func TestEventStreamEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	h := open(t)
	l := h.listen(h.member.token, "subscription { liveMetrics { at } }")
	l.next()
	h.drain()
	for {
		name, _, ok := l.next()
		if !ok {
			t.Fatal("the stream broke off without complete")
		}
		if name == "complete" {
			return
		}
	}
}
