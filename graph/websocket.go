package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const subprotocol = "graphql-transport-ws"

// Limits of one connection.
const (
	initTimeout      = 5 * time.Second  // from the upgrade to connection_init
	pingEvery        = 20 * time.Second // a peer that does not pong before the next ping is gone
	writeTimeout     = 10 * time.Second // for one message to a slow peer
	maxMessage       = 1 << 20          // bytes
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

// webSocket is the graphql-transport-ws protocol as a gqlgen transport. gqlgen's own answers a breach of the protocol with
// code 1002 where the protocol names codes of its own, which clients tell apart.
type webSocket struct {
	// authenticate turns the payload of connection_init into a context with an actor; an error refuses the connection.
	authenticate func(ctx context.Context, authorization string) (context.Context, error)
	// valid is asked at each ping whether the actor may still be here: a subscription must not outlive its session.
	valid func(ctx context.Context) bool
}

// A message is one frame of the protocol, either way.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Supports is asked by gqlgen which transport takes a request.
func (webSocket) Supports(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// Do serves one connection to its end. The library refuses origins other than our own.
func (t webSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeNotAcceptable, "Subprotocol not acceptable")
		return
	}
	conn.SetReadLimit(maxMessage)
	ctx, cancel := context.WithCancel(r.Context())
	s := &socket{webSocket: t, conn: conn, exec: exec, header: r.Header, active: map[string]context.CancelFunc{}}
	defer s.wg.Wait()
	defer cancel()
	s.serve(ctx)
}

// A socket is one connection.
type socket struct {
	webSocket
	conn   *websocket.Conn
	exec   graphql.GraphExecutor
	header http.Header
	wg     sync.WaitGroup // operations and the pinger

	mu     sync.Mutex
	active map[string]context.CancelFunc // by operation id
}

// serve reads messages until the peer goes, breaks the protocol, or may no longer be here.
func (s *socket) serve(ctx context.Context) {
	timeout := time.AfterFunc(initTimeout, func() { s.close(closeInitTimeout, "Connection initialisation timeout") })
	defer timeout.Stop()
	initialised, acknowledged := false, false
	for {
		m, ok := s.read(ctx)
		if !ok {
			return
		}
		switch m.Type {
		case "connection_init":
			if initialised {
				s.close(closeTooManyInits, "Too many initialisation requests")
				return
			}
			initialised = true
			timeout.Stop()
			next, ok := s.init(ctx, m.Payload)
			if !ok {
				return
			}
			ctx, acknowledged = next, true
			s.wg.Go(func() { s.ping(next) })
		case "ping":
			s.write(ctx, message{Type: "pong", Payload: m.Payload})
		case "pong":
		case "subscribe":
			if !acknowledged {
				s.close(closeUnauthorized, "Unauthorized")
				return
			}
			if !s.subscribe(ctx, m) {
				return
			}
		case "complete":
			s.end(m.ID)
		default:
			s.close(closeInvalidMessage, "Invalid message received")
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
		s.close(closeInvalidMessage, "Invalid message received")
		return message{}, false
	}
	return m, true
}

func (s *socket) init(ctx context.Context, payload json.RawMessage) (context.Context, bool) {
	var fields map[string]any
	if len(payload) > 0 && json.Unmarshal(payload, &fields) != nil {
		s.close(closeInvalidMessage, "Invalid message received")
		return nil, false
	}
	authorization, _ := fields["authorization"].(string)
	if authorization == "" {
		authorization, _ = fields["Authorization"].(string)
	}
	ctx, err := s.authenticate(ctx, authorization)
	if err != nil {
		s.close(closeForbidden, "Forbidden")
		return nil, false
	}
	return ctx, s.write(ctx, message{Type: "connection_ack"})
}

// ping keeps proxies from closing an idle connection, notices a dead peer, and ends what may no longer be here.
func (s *socket) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.valid(ctx) {
			s.close(closeUnauthorized, "Unauthorized")
			return
		}
		pong, cancel := context.WithTimeout(ctx, pingEvery)
		err := s.conn.Ping(pong)
		cancel()
		if err != nil {
			s.conn.CloseNow()
			return
		}
	}
}

// subscribe starts one operation; false ends the connection.
func (s *socket) subscribe(ctx context.Context, m message) bool {
	var params graphql.RawParams
	if m.ID == "" || json.Unmarshal(m.Payload, &params) != nil || params.Query == "" {
		s.close(closeInvalidMessage, "Invalid message received")
		return false
	}
	params.Headers = s.header
	ctx, ok := s.begin(ctx, m.ID)
	if ok {
		s.wg.Go(func() {
			defer s.end(m.ID)
			s.execute(ctx, m.ID, &params)
		})
	}
	return ok
}

// begin takes an operation's id, until end; false has closed the connection.
func (s *socket) begin(ctx context.Context, operation string) (context.Context, bool) {
	s.mu.Lock()
	_, taken := s.active[operation]
	full := len(s.active) >= maxSubscriptions
	if !taken && !full {
		ctx, s.active[operation] = context.WithCancel(ctx)
	}
	s.mu.Unlock()
	switch {
	case taken:
		s.close(closeSubscriberExists, "Subscriber for "+operation+" already exists")
	case full:
		s.close(closeTooManySubscribers, "Too many operations at once")
	}
	return ctx, !taken && !full
}

// end cancels an operation and frees its id.
func (s *socket) end(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.active[operation]; ok {
		cancel()
		delete(s.active, operation)
	}
}

// execute runs one operation to its end and tells the peer, unless the peer ended it.
func (s *socket) execute(ctx context.Context, operation string, params *graphql.RawParams) {
	ctx = graphql.StartOperationTrace(ctx)
	params.ReadTime.Start = graphql.Now()
	params.ReadTime.End = params.ReadTime.Start
	op, refused := s.exec.CreateOperationContext(ctx, params)
	if refused != nil {
		response := s.exec.DispatchError(graphql.WithOperationContext(ctx, op), refused)
		s.fail(ctx, operation, response.Errors)
		return
	}
	ctx = graphql.WithOperationContext(ctx, op)
	defer func() {
		if p := recover(); p != nil {
			err, ok := errors.AsType[*gqlerror.Error](op.Recover(ctx, p))
			if !ok {
				err = gqlerror.Errorf("internal error")
			}
			s.fail(ctx, operation, gqlerror.List{err})
		}
	}()
	responses, ctx := s.exec.DispatchOperation(ctx, op)
	for response := responses(ctx); response != nil; response = responses(ctx) {
		if ctx.Err() != nil {
			return
		}
		// An operation that failed before its first result has no result to give.
		if response.Data == nil && len(response.Errors) > 0 {
			s.fail(ctx, operation, response.Errors)
			return
		}
		raw, err := json.Marshal(response)
		if err != nil || !s.write(ctx, message{ID: operation, Type: "next", Payload: raw}) {
			return
		}
	}
	if ctx.Err() == nil {
		s.write(ctx, message{ID: operation, Type: "complete"})
	}
}

func (s *socket) fail(ctx context.Context, operation string, errs gqlerror.List) {
	raw, err := json.Marshal(errs)
	if err != nil {
		raw = json.RawMessage(`[{"message":"internal error"}]`)
	}
	s.write(ctx, message{ID: operation, Type: "error", Payload: raw})
}

// write sends a message and reports whether it went out. A peer that does not take it in time is cut off.
func (s *socket) write(ctx context.Context, m message) bool {
	raw, err := json.Marshal(m)
	if err != nil {
		return false
	}
	// Cancelling a write half way closes the connection, so the end of one operation must not cancel its last message.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, raw) == nil
}

// close tells the peer why and ends the connection. A reason is at most 123 bytes.
func (s *socket) close(code websocket.StatusCode, reason string) {
	_ = s.conn.Close(code, reason[:min(len(reason), 123)])
}
