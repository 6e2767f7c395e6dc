package egress

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/secret"
)

const (
	// MaxName is how many bytes a pool's name has at most.
	MaxName = 100
	// MaxPools is how many pools there are at most.
	MaxPools = 100
	// MaxProxies is how many proxies a pool has at most, by hand and from its list.
	MaxProxies = 256
	// MaxList is how many bytes a list has at most.
	MaxList = 1 << 20
	// maxAddress is how many bytes the address of a proxy or a list has at most.
	maxAddress = 1000
	// maxCredential is how many bytes a user name or password has at most: as many as SOCKS5 carries (RFC 1929).
	maxCredential = 255
)

// checkRow holds a pool's fields against their rules. Lists of hosts are checked where they come in.
func checkRow(row db.EgressPool) error {
	switch {
	case row.Name == "" || len(row.Name) > MaxName || !utf8.ValidString(row.Name) || strings.ContainsFunc(row.Name, unicode.IsControl):
		return fault.Field("name", "a name is text of 1 to %d bytes", MaxName)
	case !Choice(row.Choice).Valid():
		return fault.Field("choice", "a choice is %s, %s or %s", Random, RoundRobin, Sticky)
	case strings.HasPrefix(row.ListHost, "http:") && !row.ListPlain:
		return fault.Field("listUrl", "a list is read over https unless you allow http")
	}
	return nil
}

// An address is a proxy's, checked.
type address struct {
	url   secret.Text // scheme://user:password@host:port
	shown string      // scheme://host:port
	hint  string
}

var errAddress = fault.New(fault.Invalid, "a proxy is written as scheme://user:password@host:port, with the scheme http, https or socks5")

// parseAddress reads a proxy's address. Without a scheme it is http. The failure does not repeat the text, which holds
// credentials.
func parseAddress(text string) (address, *fault.Error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxAddress || u.Opaque != "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return address{}, errAddress
	}
	if u.Scheme == "socks5h" { // names are resolved here in any case
		u.Scheme = "socks5"
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	number, err := strconv.Atoi(port)
	if u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" || err != nil || number < 1 || number > 65535 ||
		host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }) {
		return address{}, errAddress
	}
	clean := url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	a := address{shown: clean.String()}
	if u.User != nil {
		user := u.User.Username()
		password, _ := u.User.Password()
		if user == "" || len(user) > maxCredential || len(password) > maxCredential {
			return address{}, fault.New(fault.Invalid, "a proxy's user name and password have at most %d bytes each", maxCredential)
		}
		if strings.Contains(user, ":") || strings.ContainsFunc(user+password, unicode.IsControl) {
			return address{}, fault.New(fault.Invalid, "a proxy's user name has no colon, and neither it nor the password control characters")
		}
		if u.Scheme == "socks5" && password == "" { // RFC 1929 takes none that is empty
			return address{}, fault.New(fault.Invalid, "a socks5 proxy takes a user name with a password")
		}
		clean.User = url.UserPassword(user, password)
		a.hint = secret.NewText(password).Hint()
	}
	a.url = secret.NewText(clean.String())
	return a, nil
}

// readList reads the proxies of a list, one a line; empty lines and those that begin with # are left out, and each proxy is
// there once. skipped counts the lines that are none.
func readList(raw []byte) (found []address, skipped int, err error) {
	seen := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAddress(line)
		if err != nil {
			skipped++
			continue
		}
		if seen[a.url.Reveal()] {
			continue
		}
		if len(found) == MaxProxies {
			return nil, 0, fault.New(fault.Upstream, "the list has more than %d proxies", MaxProxies)
		}
		seen[a.url.Reveal()] = true
		found = append(found, a)
	}
	if len(found) == 0 {
		return nil, 0, fault.New(fault.Upstream, "the list has no proxy in it")
	}
	return found, skipped, nil
}

// checkList is the address of a list: the address as it is kept, and what is shown of it.
func checkList(text secret.Text) (clean secret.Text, host string, err error) {
	trimmed := strings.TrimSpace(text.Reveal())
	u, err := url.Parse(trimmed)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "" || u.User != nil || len(trimmed) > maxAddress {
		return secret.Text{}, "", fault.Field("listUrl", "the address of a list begins with https:// and names a host, with no user name before it")
	}
	shown := url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}
	return secret.NewText(trimmed), shown.String(), nil
}
