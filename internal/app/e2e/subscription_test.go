package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// subscribeWebSocket follows a subscription over graphql-transport-ws until the test ends. The channel has the data of
// each message and is closed when the server ends the subscription.
func subscribeWebSocket(t testing.TB, g *graph, query string, v vars) <-chan json.RawMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, g.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatalf("websocket: %v", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || conn.Subprotocol() != "graphql-transport-ws" {
		t.Fatalf("websocket: status %d, protocol %q", resp.StatusCode, conn.Subprotocol())
	}
	send := func(message vars) {
		raw, err := json.Marshal(message)
		if err == nil {
			err = conn.Write(ctx, websocket.MessageText, raw)
		}
		if err != nil {
			t.Fatalf("websocket: send %v: %v", message["type"], err)
		}
	}
	send(vars{"type": "connection_init", "payload": vars{"authorization": "Bearer " + g.token}})
	if _, raw, err := conn.Read(ctx); err != nil || !strings.Contains(string(raw), `"connection_ack"`) {
		t.Fatalf("websocket: instead of an acknowledgement %s, %v", raw, err)
	}
	send(vars{"type": "subscribe", "id": "1", "payload": vars{"query": query, "variables": v}})

	following, stop := context.WithCancel(context.Background())
	return follow(t, func() { stop(); conn.CloseNow() }, func(data chan<- json.RawMessage) error {
		for {
			_, raw, err := conn.Read(following)
			if err != nil {
				return err
			}
			var message struct {
				Type    string
				Payload json.RawMessage
			}
			if err := json.Unmarshal(raw, &message); err != nil {
				return err
			}
			switch message.Type {
			case "next":
				if !push(following, data, message.Payload) {
					return following.Err()
				}
			case "ping":
				if err := conn.Write(following, websocket.MessageText, []byte(`{"type":"pong"}`)); err != nil {
					return err
				}
			case "complete":
				return nil
			default:
				return fmt.Errorf("message %s", raw)
			}
		}
	})
}

// subscribeSSE is subscribeWebSocket over server-sent events, in distinct connections mode.
func subscribeSSE(t testing.TB, g *graph, query string, v vars) <-chan json.RawMessage {
	t.Helper()
	following, stop := context.WithCancel(context.Background())
	resp, err := g.post(following, "text/event-stream", query, v)
	if err != nil {
		stop()
		t.Fatalf("sse: %v", err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		stop()
		t.Fatalf("sse: status %d, %s", resp.StatusCode, kind)
	}
	return follow(t, func() { stop(); resp.Body.Close() }, func(data chan<- json.RawMessage) error {
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		event := ""
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case name == "event":
				event = value
			case name == "data" && event == "next":
				if !push(following, data, json.RawMessage(value)) {
					return following.Err()
				}
			case event == "complete":
				return nil
			}
		}
		return lines.Err()
	})
}

// follow runs read in a goroutine of its own, which the end of the test stops and waits for.
func follow(t testing.TB, stop func(), read func(chan<- json.RawMessage) error) <-chan json.RawMessage {
	data, stopping, done := make(chan json.RawMessage, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer close(data)
		err := read(data)
		select {
		case <-stopping: // its end is then an error, and meant
		default:
			if err != nil {
				t.Errorf("subscription: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		close(stopping)
		stop()
		<-done
	})
	return data
}

func push(ctx context.Context, data chan<- json.RawMessage, raw json.RawMessage) bool {
	select {
	case data <- raw:
		return true
	case <-ctx.Done():
		return false
	}
}

// decode reads the data of a message of a subscription, which must have no errors.
func decode(t testing.TB, raw json.RawMessage, into any) {
	t.Helper()
	var message struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	err := json.Unmarshal(raw, &message)
	if err == nil && len(message.Errors) > 0 {
		err = fmt.Errorf("%s", message.Errors[0].Message)
	}
	if err == nil {
		err = json.Unmarshal(message.Data, into)
	}
	if err != nil {
		t.Fatalf("subscription: %s: %v", raw, err)
	}
}
