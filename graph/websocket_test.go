package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/tidwall/gjson"

	"aihigress/internal/apikey"
)

// A wire is the client's end of a WebSocket.
type wire struct {
	*house
	conn *websocket.Conn
}

func (h *house) dial(protocol string, headers ...string) wire {
	h.Helper()
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	conn, response, err := websocket.Dial(h.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{
		HTTPClient: h.client, HTTPHeader: header, Subprotocols: []string{protocol},
	})
	if err != nil {
		h.Fatalf("dial: %v (%v)", err, response)
	}
	h.Cleanup(func() { _ = conn.CloseNow() })
	return wire{h, conn}
}

// connect is dial with connection_init done. auth is what its payload names; "" is nobody.
func (h *house) connect(auth string) wire {
	h.Helper()
	w := h.dial(subprotocol)
	payload := map[string]string{}
	if auth != "" {
		payload["authorization"] = auth
	}
	w.send(map[string]any{"type": "connection_init", "payload": payload})
	h.same("the answer to connection_init", w.read().Get("type"), "connection_ack")
	return w
}

func (w wire) send(message any) {
	w.Helper()
	raw, ok := message.(string)
	if !ok {
		raw = string(must(json.Marshal(message))(w.T))
	}
	if err := w.conn.Write(w.Context(), websocket.MessageText, []byte(raw)); err != nil {
		w.Fatal(err)
	}
}

func (w wire) subscribe(id, query string) {
	w.Helper()
	sent(query)
	w.send(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query}})
}

// read is the next message.
func (w wire) read() gjson.Result {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	_, raw, err := w.conn.Read(ctx)
	if err != nil {
		w.Fatal(err)
	}
	return gjson.ParseBytes(raw)
}

// hear is the next message, for which something is done again and again: the protocol does not tell when a subscription
// stands.
func (w wire) hear(do func()) gjson.Result {
	w.Helper()
	heard := make(chan gjson.Result, 1)
	go func() { heard <- w.read() }()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case message := <-heard:
			return message
		case <-again.C:
			do()
		}
	}
}

// closed reads on until the server closes, and is the code.
func (w wire) closed() websocket.StatusCode {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := w.conn.Read(ctx); err != nil {
			if _, ok := errors.AsType[websocket.CloseError](err); !ok {
				w.Errorf("the connection broke: %v", err)
			}
			return websocket.CloseStatus(err)
		}
	}
}

func TestWebSocketCloseCodes(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.door.initTimeout = 200 * time.Millisecond
	ready := func(h *house) wire { return h.connect(h.admin.token) }
	early := func(h *house) wire { return h.dial(subprotocol) }
	const live = "subscription { liveMetrics { at } }"
	for _, c := range []struct {
		name string
		open func(*house) wire
		do   func(wire)
		code websocket.StatusCode
	}{
		{"no JSON", ready, func(w wire) { w.send("hello") }, 4400},
		{"not an object", ready, func(w wire) { w.send("[]") }, 4400},
		{"no type", ready, func(w wire) { w.send("{}") }, 4400},
		{"unknown type", ready, func(w wire) { w.send(`{"type":"start"}`) }, 4400},
		{"a server's type", ready, func(w wire) { w.send(`{"type":"connection_ack"}`) }, 4400},
		{"binary", ready, func(w wire) {
			if err := w.conn.Write(w.Context(), websocket.MessageBinary, []byte(`{"type":"ping"}`)); err != nil {
				w.Fatal(err)
			}
		}, 4400},
		{"subscribe without id", ready, func(w wire) { w.send(`{"type":"subscribe","payload":{"query":"{ __typename }"}}`) }, 4400},
		{"subscribe without payload", ready, func(w wire) { w.send(`{"type":"subscribe","id":"1"}`) }, 4400},
		{"subscribe with a wrong query", ready, func(w wire) { w.send(`{"type":"subscribe","id":"1","payload":{"query":1}}`) }, 4400},
		{"init with a wrong payload", early, func(w wire) { w.send(`{"type":"connection_init","payload":"x"}`) }, 4400},
		{"subscribe before init", early, func(w wire) { w.subscribe("1", live) }, 4401},
		{"init with a wrong token", early, func(w wire) { w.send(`{"type":"connection_init","payload":{"authorization":"Bearer x"}}`) }, 4403},
		{"no init", early, func(wire) {}, 4408},
		{"the same id twice", ready, func(w wire) { w.subscribe("1", live); w.subscribe("1", live) }, 4409},
		{"init twice", ready, func(w wire) { w.send(`{"type":"connection_init"}`) }, 4429},
		{"another protocol", func(h *house) wire { return h.dial("graphql-ws") }, func(wire) {}, 4406},
		{"a message too long", ready, func(w wire) { w.send(`{"type":"ping","payload":"` + strings.Repeat("x", maxMessage) + `"}`) }, websocket.StatusMessageTooBig},
		{"too many at once", ready, func(w wire) {
			for i := range maxSubscriptions + 1 {
				w.subscribe(string(rune('A'+i)), live)
			}
		}, websocket.StatusPolicyViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.open(h)
			c.do(w)
			if code := w.closed(); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
		})
	}
}

func TestWebSocketOperations(t *testing.T) {
	t.Parallel()
	h := open(t)
	w := h.connect(h.member.token)
	w.send(`{"type":"ping","payload":{"at":1}}`)
	h.same("the pong", w.read().Raw, `{"type":"pong","payload":{"at":1}}`)
	w.send(`{"type":"pong"}`)
	for range 2 { // an id is free once its operation is complete
		w.subscribe("q", "{ viewer { email } }")
		h.same("the result", w.read().Raw, `{"id":"q","type":"next","payload":{"data":{"viewer":{"email":"member@example.com"}}}}`)
		h.same("the end", w.read().Raw, `{"id":"q","type":"complete"}`)
	}
	w.subscribe("bad", "{ nothing }")
	wrong := w.read()
	h.same("the error", wrong.Get("type"), "error")
	h.same("its code", wrong.Get("payload.0.extensions.code"), "GRAPHQL_VALIDATION_FAILED")
	w.subscribe("denied", `mutation { createUser(input: {email: "x@example.com", password: "long enough 1"}) { user { id } } }`)
	h.same("a member's createUser", w.read().Get("payload.errors.0.extensions.code"), "FORBIDDEN")
	h.same("its end", w.read().Get("type"), "complete")

	nobody := h.connect("")
	nobody.subscribe("1", "subscription { liveMetrics { at } }")
	refused := nobody.read()
	h.same("nobody's subscription", refused.Get("type"), "error")
	h.same("its code", refused.Get("payload.0.extensions.code"), "UNAUTHENTICATED")
}

func TestWebSocketAuthentication(t *testing.T) {
	t.Parallel()
	h := open(t)
	_, text := h.key(h.member, apikey.Platform)
	h.reload()
	viewer := func(w wire) string {
		w.subscribe("v", "{ viewer { email } }")
		return w.read().Get("payload.data.viewer.email").String()
	}
	byHeader := h.dial(subprotocol, "Authorization", h.admin.token)
	byHeader.send(`{"type":"connection_init"}`)
	h.same("ack", byHeader.read().Get("type"), "connection_ack")
	h.same("by header", viewer(byHeader), "admin@example.com")
	h.same("by payload", viewer(h.connect(h.admin.token)), "admin@example.com")
	h.same("by key", viewer(h.connect("Bearer "+text)), "member@example.com")
	h.same("nobody", viewer(h.connect("")), "")

	byCookie := h.dial(subprotocol, "Cookie", h.cookie(h.member))
	byCookie.send(`{"type":"connection_init","payload":null}`)
	h.same("ack", byCookie.read().Get("type"), "connection_ack")
	h.same("by cookie", viewer(byCookie), "member@example.com")

	for origin, want := range map[string]int{"https://elsewhere.example.com": http.StatusForbidden, strings.TrimSuffix(h.url, Path): http.StatusSwitchingProtocols} {
		conn, response, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.url, "http"), &websocket.DialOptions{
			HTTPClient: h.client, Subprotocols: []string{subprotocol}, HTTPHeader: http.Header{"Origin": {origin}},
		})
		if err == nil {
			_ = conn.CloseNow()
		}
		if response == nil || response.StatusCode != want {
			t.Errorf("from %s: %v, %v", origin, response, err)
		}
	}
}

func TestWebSocketEndsWithItsSession(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.door.keepAlive = 50 * time.Millisecond
	w := h.connect(h.member.token)
	w.subscribe("1", "subscription { liveMetrics { at } }")
	h.same("a first result", w.read().Get("type"), "next")
	if err := h.domain.Auth.Revoke(h.as(h.member), h.member.session); err != nil {
		t.Fatal(err)
	}
	h.reload()
	h.same("the close code", int(w.closed()), 4401)
}

func TestWebSocketEndsWithItsKey(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.door.keepAlive = 50 * time.Millisecond
	key, text := h.key(h.member, apikey.Platform)
	h.reload()
	w := h.connect("Bearer " + text)
	if _, err := h.domain.Keys.Revoke(h.as(h.member), key.ID); err != nil {
		t.Fatal(err)
	}
	h.reload()
	h.same("the close code", int(w.closed()), 4401)
}

func TestWebSocketEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	h := open(t)
	w := h.connect(h.member.token)
	w.subscribe("1", "subscription { liveMetrics { at } }")
	w.read()
	code := make(chan websocket.StatusCode, 1)
	go func() { code <- w.closed() }()
	h.drain()
	h.door.Wait()
	h.same("the close code", int(<-code), int(websocket.StatusGoingAway))
}
