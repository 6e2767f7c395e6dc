package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"aihigress/internal/reach"
)

// errBlocked says that a name led to an address that is neither public nor allowed.
var errBlocked = errors.New("address is not public")

// A guard says which addresses may be connected to.
type guard struct {
	open     bool       // all
	loopback bool       // this machine's
	allowed  reach.List // what an admin allows besides
}

// judge is nil where a connection to host may go to addr, which host led to.
func (g guard) judge(host string, addr netip.Addr) error {
	if g.open || g.allowed.Allows(host, addr) || g.loopback && addr.Unmap().IsLoopback() {
		return nil
	}
	return errBlocked
}

// A dialer makes connections that its guard allows.
type dialer struct {
	net.Dialer
	guard guard
}

// DialContext connects to host:port. Addresses are judged after the name was resolved, each as it is about to be connected
// to: neither a strange spelling nor a name that resolves differently the second time gets past it.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d.Control = func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q", errBlocked, address)
		}
		return d.guard.judge(host, to.Addr())
	}
	return d.Dialer.DialContext(ctx, network, address)
}

// resolve is an address of host that may be connected to, for whoever connects there in the gateway's place. One of IPv4
// goes first: proxies often have nothing else.
func (d dialer) resolve(ctx context.Context, host string) (netip.Addr, error) {
	resolver := d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	var best netip.Addr
	err = errBlocked
	for _, addr := range found {
		addr = addr.Unmap()
		if d.guard.judge(host, addr) == nil && (!best.IsValid() || addr.Is4() && !best.Is4()) {
			best, err = addr, nil
		}
	}
	return best, err
}
