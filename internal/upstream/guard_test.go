package upstream

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/snapshot"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "172.32.0.1": true, "100.128.0.1": true, "2606:4700:4700::1111": true,
		"64:ff9b::101:101":       true, // NAT64 of 1.1.1.1
		"0.0.0.0":                false,
		"0.1.2.3":                false,
		"10.0.0.1":               false,
		"100.100.100.200":        false, // a cloud's metadata in carrier-grade NAT
		"127.0.0.1":              false,
		"127.255.255.254":        false,
		"169.254.169.254":        false, // most clouds' metadata
		"172.16.0.1":             false,
		"192.168.1.1":            false,
		"198.18.0.1":             false,
		"224.0.0.1":              false,
		"240.0.0.1":              false,
		"255.255.255.255":        false,
		"::":                     false,
		"::1":                    false,
		"::127.0.0.1":            false, // IPv4-compatible
		"::ffff:127.0.0.1":       false, // IPv4-mapped
		"::ffff:169.254.169.254": false,
		"64:ff9b::7f00:1":        false, // NAT64 of 127.0.0.1
		"64:ff9b::a9fe:a9fe":     false, // NAT64 of 169.254.169.254
		"2002:7f00:1::":          false, // 6to4 of 127.0.0.1
		"2001:0:4136:e378::":     false, // Teredo
		"fc00::1":                false,
		"fd00:ec2::254":          false, // a cloud's metadata
		"fe80::1%eth0":           false,
		"fec0::1":                false,
		"ff02::1":                false,
		"2001:db8::1":            false,
	} {
		parsed, err := netip.ParseAddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := public(parsed); got != want {
			t.Errorf("public(%s) = %v", addr, got)
		}
	}
}

// Every spelling of a private address, and every name that leads to one, is refused before a byte is sent.
func TestGuardedDialerRefuses(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Resolver: resolver(map[string][4]byte{
		"rebound.example.com.":  {127, 0, 0, 1},
		"metadata.example.com.": {169, 254, 169, 254},
		"intranet.example.com.": {10, 1, 2, 3},
	})})
	t.Cleanup(c.Close)
	for _, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "0.0.0.0",
		"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "017700000001", // decimal, hex, octal, short
		"169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "10.0.0.1", "[64:ff9b::7f00:1]",
		"rebound.example.com", "metadata.example.com", "intranet.example.com",
	} {
		call := Call{Provider: &snapshot.Provider{BaseURL: &url.URL{Scheme: "http", Host: host + ":" + port}}}
		_, err := c.Do(t.Context(), call)
		failure, ok := fault.As(err)
		if !ok || failure.Kind != fault.Upstream || !Unsent(err) {
			t.Errorf("%s: %v", host, err)
			continue
		}
		// What only some resolvers take for an address may also be an unknown name; all else must be refused as what it is.
		if _, literal := netip.ParseAddr(strings.Trim(host, "[]")); literal == nil || strings.HasSuffix(host, "example.com") {
			if failure.Code != CodeBlocked {
				t.Errorf("%s: %s, want %s: %v", host, failure.Code, CodeBlocked, err)
			}
		}
		if strings.Contains(failure.Message, host) {
			t.Errorf("%s: the message names the host: %s", host, failure.Message)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections got through", n)
	}
	allowed := Call{Provider: &snapshot.Provider{AllowPrivate: true, BaseURL: &url.URL{Scheme: "http", Host: "rebound.example.com:" + port}}}
	response, err := c.Do(t.Context(), allowed)
	if err != nil {
		t.Fatalf("an admin allowed it: %v", err)
	}
	response.Body.Close()
	if reached.Load() != 1 {
		t.Error("the allowed call did not arrive")
	}
	// The idle connection of the allowed provider must not serve the other one.
	allowed.Provider = &snapshot.Provider{BaseURL: allowed.Provider.BaseURL}
	if _, err := c.Do(t.Context(), allowed); err == nil {
		t.Error("a provider that is not allowed took an allowed one's connection")
	}
}

func TestLoopbackAloneIsAllowedWhereDevelopersAre(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "1.1.1.1:443": true,
		"10.0.0.1:80": false, "169.254.169.254:80": false, "0.0.0.0:80": false, "nonsense": false,
	} {
		if got := refusePrivate(true)("tcp", address, nil) == nil; got != want {
			t.Errorf("%s: allowed %v", address, got)
		}
	}
}

// resolver answers A queries from a table and knows nothing else.
func resolver(table map[string][4]byte) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe() // not a PacketConn: messages are framed as over TCP
		go func() {
			defer server.Close()
			for {
				var length [2]byte
				if _, err := io.ReadFull(server, length[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(server, query); err != nil {
					return
				}
				answer := answer(query, table)
				framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
				if _, err := server.Write(append(framed, answer...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// answer writes the DNS message (RFC 1035, section 4) for the one question of a query.
func answer(query []byte, table map[string][4]byte) []byte {
	var name strings.Builder
	end := 12
	for query[end] != 0 {
		name.Write(query[end+1 : end+1+int(query[end])])
		name.WriteByte('.')
		end += 1 + int(query[end])
	}
	end++
	kind := binary.BigEndian.Uint16(query[end:])
	end += 4
	addr, known := table[strings.ToLower(name.String())]
	message := append([]byte(nil), query[:2]...)
	switch {
	case !known:
		message = append(message, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0) // no such name
	case kind == 1:
		message = append(message, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0)
	default:
		message = append(message, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	}
	message = append(message, query[12:end]...)
	if known && kind == 1 {
		message = append(message, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		message = append(message, addr[:]...)
	}
	return message
}
