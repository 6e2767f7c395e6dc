package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// ClientIP is the caller's address, as far as trusted proxies tell it; the zero Addr where it is unknown.
func ClientIP(ctx context.Context) netip.Addr {
	if f := frameOf(ctx); f != nil {
		return f.client
	}
	return netip.Addr{}
}

// clientIP walks X-Forwarded-For from the nearest hop outwards and stops at the first address that is not a trusted
// proxy: everything to the left of it was written by somebody we do not know.
func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a unix socket has no address
	}
	addr := peer.Addr().Unmap()
	if len(trusted) == 0 || !within(addr, trusted) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
		if !within(addr, trusted) {
			break
		}
	}
	return addr
}

func within(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
