package upstream

import (
	"context"
	"errors"
	"net"

	"aihigress/internal/fault"
)

// Codes of the Upstream failures that Do returns. With the first six the vendor has not seen the request.
const (
	CodeConnect        = "connect"         // no such host, refused, unreachable
	CodeConnectTimeout = "connect_timeout" // no connection in time
	CodeTLS            = "tls"             // the certificate or the handshake is wrong
	CodeBlocked        = "blocked_address" // a private address, and the provider is not allowed one
	CodeEgress         = "egress"          // none of the provider's egress proxies led to it
	CodeCredential     = "credential"      // the key got no token: a failure of the key, and not of the provider
	CodeTimeout        = "timeout"         // connected, but no answer in time
	CodeBroken         = "broken"          // the connection ended, or what came was not HTTP
)

// Unsent reports whether err is a failure of Do after which the vendor cannot have seen the request.
func Unsent(err error) bool {
	failure, ok := fault.As(err)
	if !ok {
		return false
	}
	switch failure.Code {
	case CodeConnect, CodeConnectTimeout, CodeTLS, CodeBlocked, CodeEgress, CodeCredential:
		return true
	}
	return false
}

// Unconnected reports whether err says that no connection came about, by what may be over in a moment. That is one of the
// cases of Unsent.
func Unconnected(err error) bool {
	failure, ok := fault.As(err)
	return ok && (failure.Code == CodeConnect || failure.Code == CodeConnectTimeout || failure.Code == CodeTLS)
}

// classify gives a transport's error its code. Messages name no host: they reach callers. What the caller cancelled
// stays as it is.
func classify(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	opErr, isOp := errors.AsType[*net.OpError](err)
	dialing := isOp && opErr.Op == "dial"
	_, isProxy := errors.AsType[*proxyError](err)
	switch {
	case errors.Is(err, errBlocked) && !isProxy:
		return fault.Wrap(err, fault.Upstream, "the provider's address is not allowed").WithCode(CodeBlocked)
	case errors.Is(err, errHandshake):
		return fault.Wrap(err, fault.Upstream, "no secure connection to the provider").WithCode(CodeTLS)
	case isProxy || errors.Is(err, errNoExit):
		return fault.Wrap(err, fault.Upstream, "no egress proxy led to the provider").WithCode(CodeEgress)
	case timedOut(ctx, err) && dialing:
		return fault.Wrap(err, fault.Upstream, "the provider could not be reached in time").WithCode(CodeConnectTimeout)
	case timedOut(ctx, err):
		return fault.Wrap(err, fault.Upstream, "the provider did not answer in time").WithCode(CodeTimeout)
	case dialing:
		return fault.Wrap(err, fault.Upstream, "the provider could not be reached").WithCode(CodeConnect)
	}
	return fault.Wrap(err, fault.Upstream, "the connection to the provider broke").WithCode(CodeBroken)
}

func timedOut(ctx context.Context, err error) bool {
	netErr, ok := errors.AsType[net.Error](err)
	return ctx.Err() != nil || ok && netErr.Timeout()
}

// errHandshake marks failures of the TLS handshake, timeouts included.
var errHandshake = errors.New("TLS handshake")
