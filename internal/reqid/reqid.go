// Package reqid carries the request id: what correlates an answer, its log line, its audit events and its logged call.
// It is correlation only. Callers may choose it, so nothing is ever looked up or booked by it.
package reqid

import "context"

const maxLength = 128

type key struct{}

// With puts the request id into the context.
func With(ctx context.Context, requestID string) context.Context {
	return context.WithValue(ctx, key{}, requestID)
}

// From is the request id in the context, "" where there is none.
func From(ctx context.Context) string {
	requestID, _ := ctx.Value(key{}).(string)
	return requestID
}

// Valid reports whether a caller's request id is taken: 1 to 128 letters, digits and . _ : - since it is logged and
// sent back in a header.
func Valid(requestID string) bool {
	if requestID == "" || len(requestID) > maxLength {
		return false
	}
	for _, c := range []byte(requestID) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}
