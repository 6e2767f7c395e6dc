package reach

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/fault"
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
		"192.0.0.192":            false, // a cloud's metadata
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
		"64:ff9b:1::101:101":     false, // somebody's own NAT64
		"2002:7f00:1::":          false, // 6to4 of 127.0.0.1
		"2001:0:4136:e378::":     false, // Teredo
		"fc00::1":                false,
		"fd00:ec2::254":          false, // a cloud's metadata
		"fe80::1%eth0":           false,
		"fec0::1":                false,
		"ff02::1":                false,
		"2001:db8::1":            false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Public(%s) = %v", addr, got)
		}
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	got, err := Normal("f", []string{" LLM.Internal. ", "10.1.2.3/8", "", "::ffff:10.0.0.1", "fd00::1/128", "llm.internal", "localhost", "_srv.a-b.example"})
	want := []string{"llm.internal", "10.0.0.0/8", "10.0.0.1", "fd00::1", "localhost", "_srv.a-b.example"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: %v", got, want, err)
	}
	if again, err := Normal("f", got); err != nil || !slices.Equal(again, got) {
		t.Errorf("what is normal is not: %q, %v", again, err)
	}
	many := make([]string, MaxEntries+1)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()
	}
	for _, bad := range [][]string{
		{"2130706433"}, {"0x7f000001"}, {"0177.0.0.1"}, {"127.1"}, {"a.0x1"}, // what some resolvers take for addresses
		{"http://a.example"}, {"a.example:80"}, {"*.example"}, {"a b"}, {"-a.example"}, {"a..example"}, {"ä.example"}, {"10.0.0.0/33"},
		{"fe80::1%eth0"}, {"::ffff:10.0.0.0/104"}, {strings.Repeat("a", 64)}, {strings.Repeat("a.", 128)}, many,
	} {
		if got, err := Normal("f", bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%.40q is taken as %q: %v", bad, got, err)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allowed    string
		host, addr string
		want       bool
	}{
		{"", "a.example", "1.1.1.1", true},
		{"", "a.example", "10.0.0.1", false},
		{"a.example", "A.Example.", "10.0.0.1", true},
		{"a.example", "a.example", "127.0.0.1", true},
		{"a.example", "a.example", "::ffff:10.0.0.1", true},
		{"a.example", "b.a.example", "10.0.0.1", false},
		{"a.example", "a.example", "169.254.169.254", false}, // a name is no leave for metadata
		{"a.example", "a.example", "169.254.1.1", false},
		{"a.example", "a.example", "fd00:ec2::254", false},
		{"a.example", "a.example", "100.100.100.200", false},
		{"10.0.0.0/8", "b.example", "10.9.9.9", true},
		{"10.0.0.0/8", "b.example", "::ffff:10.9.9.9", true},
		{"10.0.0.0/8", "b.example", "64:ff9b::a09:909", false},
		{"10.0.0.0/8", "b.example", "11.0.0.1", true},
		{"10.0.0.0/8", "b.example", "192.168.0.1", false},
		{"127.0.0.1", "localhost", "127.0.0.1", true},
		{"127.0.0.1", "localhost", "::1", false},
		{"169.254.0.0/16", "x", "169.254.1.1", true},
		{"169.254.0.0/16", "x", "169.254.169.254", false}, // a range is no leave for metadata either
		{"169.254.169.254", "x", "169.254.169.254", true},
		{"fe80::/10", "x", "fe80::1%eth0", true},
		{"0.0.0.0/0", "x", "169.254.170.2", false},
	} {
		normal, err := Normal("f", []string{c.allowed})
		if err != nil {
			t.Fatal(err)
		}
		if got := Of(normal).Allows(c.host, netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("with %q allowed, %s at %s: %v", c.allowed, c.host, c.addr, got)
		}
	}
}

func FuzzNormal(f *testing.F) {
	for _, seed := range []string{"a.example", "10.0.0.0/8", "::1", "fe80::1%x", "127.1", "::ffff:1.2.3.4/100"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		normal, err := Normal("f", []string{entry})
		if err != nil || len(normal) == 0 {
			return
		}
		again, err := Normal("f", normal)
		if err != nil || !slices.Equal(again, normal) {
			t.Errorf("%q is %q, and that %q: %v", entry, normal, again, err)
		}
		if l := Of(normal); len(l.hosts)+len(l.ranges) != 1 {
			t.Errorf("%q: %+v", entry, l)
		}
	})
}
