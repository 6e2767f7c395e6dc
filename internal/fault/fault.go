// Package fault holds the kinds of failure that callers tell apart, and the messages that may be shown to them.
//
// A kind is itself an error, so that errors.Is(err, fault.NotFound) asks the question. Anything that has no kind is
// internal: its text is for the log, and the caller gets a request id.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// A Kind says whose move it is after a failure.
type Kind int

// The kinds. Each door maps them to its own protocol in one place.
const (
	Internal        Kind = iota // ours: logged, never shown
	Invalid                     // the input is wrong; the same input will fail again
	Unauthenticated             // nobody known is asking
	Denied                      // somebody known may not
	NotFound                    // not there, or not visible to whom is asking
	Conflict                    // the state does not allow it now: taken, changed, in use
	Exhausted                   // credit or a budget is used up
	Limited                     // too fast or too much at once; RetryAfter tells when
	Upstream                    // somebody else's service failed
)

var kindNames = [...]string{"internal error", "invalid", "unauthenticated", "denied", "not found", "conflict", "exhausted", "limited", "upstream error"}

func (k Kind) Error() string { return kindNames[k] }

// Error is a failure with a message that is safe to show.
type Error struct {
	Kind    Kind
	Code    string        // for programs, as in insufficient_quota; "" lets the door choose by kind
	Message string        // for people; no secrets, hosts or SQL
	Path    []string      // the input field that is wrong
	Retry   time.Duration // how long to wait, where that is known
	cause   error
}

// New is a failure with a message for whoever caused it.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Field is an Invalid failure of one input field.
func Field(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Message: fmt.Sprintf(format, args...), Path: []string{field}}
}

// Wrap gives a cause a kind and a safe message; the cause's own text goes to the log only.
func Wrap(cause error, kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}

// WithCode sets the machine-readable code.
func (e *Error) WithCode(code string) *Error { e.Code = code; return e }

// After sets how long to wait before trying again.
func (e *Error) After(d time.Duration) *Error { e.Retry = d; return e }

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Message + ": " + e.cause.Error()
	}
	return e.Message
}

// Unwrap leads to the cause, and Is to the kind.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this failure's kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf is the kind of the first failure in the chain that has one, and Internal for all others.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Internal
}

// As is the failure in the chain whose message may be shown; ok is false where there is none.
func As(err error) (e *Error, ok bool) {
	if e, ok = errors.AsType[*Error](err); ok {
		return e, true
	}
	if k, isKind := errors.AsType[Kind](err); isKind && k != Internal {
		return &Error{Kind: k, Message: k.Error()}, true
	}
	return nil, false
}
