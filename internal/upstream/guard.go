package upstream

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// errBlocked says that a name led to an address that is not on the public Internet.
var errBlocked = errors.New("address is not public")

// refusePrivate is a net.Dialer's Control: it runs after the name was resolved, with the very address that is about to
// be connected to. Neither a strange spelling nor a name that resolves differently the second time gets past it.
func refusePrivate(allowLoopback bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %q", errBlocked, address)
		case public(to.Addr()), allowLoopback && to.Addr().Unmap().IsLoopback():
			return nil
		}
		return errBlocked
	}
}

// special are the blocks that netip's own predicates do not cover: IANA's IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890 and its updates), without what is globally reachable.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // carrier-grade NAT; some clouds serve metadata here
	"192.0.0.0/24",    // IETF protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays, deprecated
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and broadcast
	"::/96",           // IPv4-compatible, deprecated; unspecified and loopback
	"64:ff9b:1::/48",  // local NAT64
	"100::/64",        // discard
	"2001::/23",       // IETF protocol assignments, Teredo
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: carries any IPv4 address
	"3fff::/20",       // documentation
	"5f00::/16",       // segment routing
	"fec0::/10",       // site-local, deprecated
)

// nat64 carries an IPv4 address in its last four bytes (RFC 6052): that one is judged.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// public reports whether an address is one of the public Internet's.
func public(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		raw := addr.As16()
		addr = netip.AddrFrom4([4]byte(raw[12:]))
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() { // the former excludes loopback, link-local, multicast, unspecified
		return false
	}
	for _, block := range special {
		if block.Contains(addr) {
			return false
		}
	}
	return true
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}
