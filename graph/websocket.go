package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"

	"aihigress/internal/authz"
)

const subprotocol = "graphql-transport-ws"

// Limits of one connection.
const (
	initTimeout      = 5 * time.Second  // from the upgrade to connection_init
	writeTimeout     = 10 * time.Second // for one message to a slow peer
	pongTimeout      = 10 * time.Second // for a peer to answer a ping; then it is dead
	maxMessage       = maxBody          // bytes
	maxSubscriptions = 50               // under way at once
)

// The protocol's own close codes.
// Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
const (
	closeInvalidMessage     websocket.StatusCode = 4400
	closeUnauthorized       websocket.StatusCode = 4401
	closeForbidden          websocket.StatusCode = 4403
	closeNotAcceptable      websocket.StatusCode = 4406
	closeInitTimeout        websocket.StatusCode = 4408
	closeSubscriberExists   websocket.StatusCode = 4409
	closeTooManyInits       websocket.StatusCode = 4429
	closeTooManySubscribers                      = websocket.StatusPolicyViolation
)

// A message is one frame of the protocol, either way.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// upgrade serves graphql-transport-ws on one connection, to its end. gqlgen's own transport answers a breach of the protocol
// with code 1002 where the protocol names codes of its own, which clients tell apart. The library refuses origins other
// than ours.
func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request) {
	ctx, err := h.authenticate(r)
	if err != nil {
		h.deny(w, r, mediaJSON, err)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeNotAcceptable, "Subprotocol not acceptable")
		return
	}
	h.sockets.Add(1)
	defer h.sockets.Done()
	conn.SetReadLimit(maxMessage)
	// When the server stops, the peer is to be told why before its operations end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &socket{
		Handler: h, stopping: r.Context().Done(), conn: conn, header: r.Header,
		acknowledged: make(chan context.Context, 1), active: map[string]*operation{},
	}
	s.wg.Go(func() { s.watch(ctx) })
	defer s.wg.Wait()
	defer cancel()
	s.serve(ctx)
}

// A socket is one connection.
type socket struct {
	*Handler
	conn         *websocket.Conn
	header       http.Header
	stopping     <-chan struct{}
	acknowledged chan context.Context // with the actor, once connection_init has been accepted
	wg           sync.WaitGroup       // operations and the watch

	mu     sync.Mutex
	active map[string]*operation
}

// serve reads messages until the peer goes, breaks the protocol, or may no longer be here.
func (s *socket) serve(ctx context.Context) {
	initialised := false
	for {
		m, ok := s.read(ctx)
		if !ok {
			return
		}
		switch m.Type {
		case "connection_init":
			if initialised {
				s.end(closeTooManyInits, "Too many initialisation requests")
				return
			}
			if ctx, initialised = s.init(ctx, m.Payload); !initialised {
				return
			}
		case "ping":
			s.write(message{Type: "pong", Payload: m.Payload})
		case "pong":
		case "subscribe":
			if !initialised {
				s.end(closeUnauthorized, "Unauthorized")
				return
			}
			if !s.subscribe(ctx, m) {
				return
			}
		case "complete":
			s.complete(m.ID)
		default:
			s.end(closeInvalidMessage, "Invalid message received")
			return
		}
	}
}

// read is the next message; ok is false where the connection is over.
func (s *socket) read(ctx context.Context) (m message, ok bool) {
	kind, raw, err := s.conn.Read(ctx)
	if err != nil {
		return message{}, false
	}
	if kind != websocket.MessageText || json.Unmarshal(raw, &m) != nil || m.Type == "" {
		s.end(closeInvalidMessage, "Invalid message received")
		return message{}, false
	}
	return m, true
}

// init accepts connection_init. Its payload may name the actor, in place of the upgrade's header or cookie.
func (s *socket) init(ctx context.Context, payload json.RawMessage) (context.Context, bool) {
	var fields map[string]any
	if len(payload) > 0 && json.Unmarshal(payload, &fields) != nil {
		s.end(closeInvalidMessage, "Invalid message received")
		return ctx, false
	}
	authorization, _ := fields["authorization"].(string)
	if authorization == "" {
		authorization, _ = fields["Authorization"].(string)
	}
	if authorization != "" {
		actor, err := s.actor(ctx, authorization)
		if err != nil {
			s.end(closeForbidden, "Forbidden")
			return ctx, false
		}
		ctx = authz.With(ctx, actor)
	}
	if !s.write(message{Type: "connection_ack"}) {
		return ctx, false
	}
	s.acknowledged <- ctx
	return ctx, true
}

// watch ends a connection that is not initialised in time, whose peer is dead, whose actor may no longer be here, or whose
// server stops. Its pings also keep proxies from closing an idle connection.
func (s *socket) watch(ctx context.Context) {
	timeout := time.NewTimer(s.initTimeout)
	defer timeout.Stop()
	tick := time.NewTicker(s.keepAlive)
	defer tick.Stop()
	actor := ctx
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stopping:
			s.end(websocket.StatusGoingAway, "The server is stopping")
			return
		case <-timeout.C:
			s.end(closeInitTimeout, "Connection initialisation timeout")
			return
		case actor = <-s.acknowledged:
			timeout.Stop()
		case <-tick.C:
			if !s.valid(actor) {
				s.end(closeUnauthorized, "Unauthorized")
				return
			}
			if !s.ping(ctx) {
				s.conn.CloseNow()
				return
			}
		}
	}
}

func (s *socket) ping(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pongTimeout)
	defer cancel()
	return s.conn.Ping(ctx) == nil
}

// subscribe starts one operation; false ends the connection.
func (s *socket) subscribe(ctx context.Context, m message) bool {
	params, err := bodyParams(m.Payload, s.header)
	if m.ID == "" || err != nil {
		s.end(closeInvalidMessage, "Invalid message received")
		return false
	}
	ctx, op, ok := s.begin(ctx, m.ID)
	if ok {
		s.wg.Go(func() { s.execute(ctx, op, params) })
	}
	return ok
}

// An operation is one that a subscribe started.
type operation struct {
	id     string
	cancel context.CancelFunc
}

// begin takes an operation's id; false has closed the connection.
func (s *socket) begin(ctx context.Context, name string) (context.Context, *operation, bool) {
	ctx, cancel := context.WithCancel(ctx)
	op := &operation{name, cancel}
	s.mu.Lock()
	_, taken := s.active[name]
	full := len(s.active) >= maxSubscriptions
	if !taken && !full {
		s.active[name] = op
	}
	s.mu.Unlock()
	switch {
	case taken:
		cancel()
		s.end(closeSubscriberExists, "Subscriber for "+name+" already exists")
	case full:
		cancel()
		s.end(closeTooManySubscribers, "Too many operations at once")
	}
	return ctx, op, !taken && !full
}

// complete ends an operation as its peer asked.
func (s *socket) complete(name string) {
	s.mu.Lock()
	op := s.active[name]
	delete(s.active, name)
	s.mu.Unlock()
	if op != nil {
		op.cancel()
	}
}

// release ends an operation and reports whether its peer still waits for it. From then on the id may be used again, maybe
// by a message that is on its way already.
func (s *socket) release(op *operation) bool {
	op.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active[op.id] != op {
		return false
	}
	delete(s.active, op.id)
	return true
}

// execute runs one operation to its end and tells the peer, unless the peer ended it.
func (s *socket) execute(ctx context.Context, o *operation, params *graphql.RawParams) {
	ctx, op, failed := s.prepare(ctx, params)
	if failed == nil {
		s.run(ctx, op, func() {}, func(response *graphql.Response) bool {
			if ctx.Err() != nil {
				return false
			}
			if response.Data == nil && len(response.Errors) > 0 {
				failed = response.Errors // before there was any result
				return false
			}
			raw, err := encode(response)
			return err == nil && s.write(message{ID: o.id, Type: "next", Payload: raw})
		})
	}
	if !s.release(o) {
		return
	}
	if failed == nil {
		s.write(message{ID: o.id, Type: "complete"})
		return
	}
	raw, err := json.Marshal(failed)
	if err != nil {
		panic(err) // texts and numbers
	}
	s.write(message{ID: o.id, Type: "error", Payload: raw})
}

// write sends a message and reports whether it went out. A peer that does not take it in time is cut off. It has a context of
// its own, since the end of one operation must not cut a message, and with it the connection, in half.
func (s *socket) write(m message) bool {
	raw, err := json.Marshal(m)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, raw) == nil
}

// end tells the peer why and ends the connection. A reason is at most 123 bytes.
func (s *socket) end(code websocket.StatusCode, reason string) {
	_ = s.conn.Close(code, reason[:min(len(reason), 123)])
}
