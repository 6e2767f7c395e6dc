// Package reqid carries the id by which a request is known outside: in x-request-id, in the log, in error answers and
// in the audit log. It is correlation only, never the identity of anything stored.
package reqid

import "context"

// MaxLength is how long a caller's own id may be, in bytes.
const MaxLength = 128

type contextKey struct{}

// With puts the request's id into the context.
func With(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// From is the id of the request in the context, "" where there is none: in jobs and on the command line.
func From(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}

// Valid reports whether a caller's id may be taken over: 1 to MaxLength of [A-Za-z0-9._:-]. Anything else could forge
// log lines or headers.
func Valid(id string) bool {
	if id == "" || len(id) > MaxLength {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}
