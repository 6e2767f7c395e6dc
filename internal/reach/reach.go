// Package reach says where outbound connections may go: to the public Internet, and to what an admin allows besides.
package reach

import (
	"net/netip"
	"regexp"
	"strings"

	"aihigress/internal/fault"
)

// MaxEntries is how many entries a list has at most.
const MaxEntries = 64

// A List is what an admin allows besides public addresses. The zero List allows nothing.
type List struct {
	hosts  map[string]struct{}
	ranges []netip.Prefix
}

// hosts are names as they stand in an address: ASCII, so that no two spellings of one name differ.
var hosts = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// numeric is the end of what some resolvers take for an IPv4 address, in whatever notation (WHATWG URL, "ends in a number").
var numeric = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)

// Normal is a list of host names, addresses and ranges in CIDR notation as it is stored: checked, in lower case, each once.
// The failure is of the field and names the entry.
func Normal(field string, entries []string) ([]string, error) {
	normal := make([]string, 0, len(entries))
	seen := map[string]bool{}
	for _, text := range entries {
		entry := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".")
		if entry == "" {
			continue
		}
		prefix, isRange := prefixOf(entry)
		switch {
		case isRange:
			entry = prefix.String()
			if prefix.IsSingleIP() {
				entry = prefix.Addr().String()
			}
		case len(entry) > 253 || !hosts.MatchString(entry) || numeric.MatchString(entry):
			return nil, fault.Field(field, "%.100q is no host name, address or range such as 10.0.0.0/8", text)
		}
		if !seen[entry] {
			seen[entry] = true
			normal = append(normal, entry)
		}
	}
	if len(normal) > MaxEntries {
		return nil, fault.Field(field, "at most %d hosts and ranges can be allowed", MaxEntries)
	}
	return normal, nil
}

// Of makes a list of what Normal gave. What Normal would refuse allows nothing.
func Of(normal []string) List {
	var l List
	for _, entry := range normal {
		if prefix, ok := prefixOf(entry); ok {
			l.ranges = append(l.ranges, prefix)
			continue
		}
		if l.hosts == nil {
			l.hosts = map[string]struct{}{}
		}
		l.hosts[entry] = struct{}{}
	}
	return l
}

func prefixOf(entry string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(entry); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	prefix, err := netip.ParsePrefix(entry)
	if err != nil || prefix.Addr().Is4In6() { // a range of mapped addresses would never meet one
		return prefix, false
	}
	return prefix.Masked(), true
}

// Allows reports whether a connection to host may go to addr, which host led to. An allowed name stands for private and
// loopback addresses. Addresses at which clouds give credentials to whoever asks are allowed by their own entry alone.
func (l List) Allows(host string, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if Public(addr) {
		return true
	}
	named := metadata[addr]
	for _, prefix := range l.ranges {
		if prefix.Contains(addr) && (!named || prefix.IsSingleIP()) {
			return true
		}
	}
	if named || !addr.IsPrivate() && !addr.IsLoopback() {
		return false
	}
	_, ok := l.hosts[strings.TrimSuffix(strings.ToLower(host), ".")]
	return ok
}

// metadata are the addresses at which clouds answer their machines.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // most
	netip.MustParseAddr("169.254.170.2"):   true, // Amazon's containers
	netip.MustParseAddr("169.254.170.23"):  true,
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("fd00:ec2::254"):   true, // Amazon
	netip.MustParseAddr("fd00:ec2::23"):    true,
	netip.MustParseAddr("fd20:ce::254"):    true, // Google
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

// Public reports whether an address is one of the public Internet's.
func Public(addr netip.Addr) bool {
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
