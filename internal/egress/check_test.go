package egress

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"aihigress/internal/secret"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]string{ // the whole, what is shown, the hint
		"p.example:8080":                           {"http://p.example:8080", "http://p.example:8080", ""},
		" HTTPS://P.Example:443/ ":                 {"https://p.example:443", "https://p.example:443", ""},
		"socks5h://u:p@[::1]:1080":                 {"socks5://u:p@[::1]:1080", "socks5://[::1]:1080", "…"},
		"u:a-long-password-1234@p.example:1":       {"http://u:a-long-password-1234@p.example:1", "http://p.example:1", "…1234"},
		"http://user-session-1:p%40ss@p.example:1": {"http://user-session-1:p%40ss@p.example:1", "http://p.example:1", "…"},
		"http://u@p.example:1":                     {"http://u:@p.example:1", "http://p.example:1", "…"},
	} {
		a, err := parseAddress(text)
		if err != nil || [3]string{a.url.Reveal(), a.shown, a.hint} != want {
			t.Errorf("%s: %s, %s, %s: %v", text, a.url.Reveal(), a.shown, a.hint, err)
		}
	}
	for _, bad := range []string{
		"", "p.example", "http://p.example", "http://:80", "ftp://p.example:21", "socks4://p.example:1", "http://p.example:0", "http://p.example:65536",
		"http://p.example:x", "http://p.example:80/path", "http://p.example:80?q", "http://p.example:80#f", "http://a b:80", "http://[fe80::1%25eth0]:80",
		"http://ä.example:80", "http://u:p@p.example:1@q.example:2:3", "http://:secretpw@p.example:1", "socks5://u@p.example:1", "http://u%3Ax:secretpw@p.example:1",
		"http://u:secretpw%0d%0aX: y@p.example:1", "http://u:" + strings.Repeat("s", maxCredential+1) + "@p.example:1", "http://" + strings.Repeat("a", maxAddress) + ":80",
		"\x00", "javascript:alert(1)", "//p.example:80x",
	} {
		a, err := parseAddress(bad)
		if err == nil {
			t.Errorf("%q is taken as %s", bad, a.url.Reveal())
		} else if strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%q: the failure repeats it: %v", bad, err)
		}
	}
}

func TestReadListOfProxies(t *testing.T) {
	t.Parallel()
	found, skipped, err := readList([]byte("# ours\r\n\r\na.example:1\r\nhttp://a.example:1\n  socks5://u:p@b.example:2  \n<html>\nb.example\n"))
	if err != nil || skipped != 2 || len(found) != 2 || found[1].url.Reveal() != "socks5://u:p@b.example:2" {
		t.Errorf("%d found, %d skipped: %v", len(found), skipped, err)
	}
	var full strings.Builder
	for i := range MaxProxies {
		fmt.Fprintf(&full, "p%d.example:1\n", i)
	}
	if found, _, err := readList([]byte(full.String())); err != nil || len(found) != MaxProxies {
		t.Errorf("%d: %v", len(found), err)
	}
	for name, bad := range map[string]string{
		"too many": full.String() + "one.more:1\n", "empty": "", "comments": "# a\n", "a page": "<!DOCTYPE html>\n<html></html>\n",
		"binary": "\x00\xff\n\x01", "one long line": strings.Repeat("x", MaxList),
	} {
		if found, _, err := readList([]byte(bad)); err == nil {
			t.Errorf("%s: %d are found", name, len(found))
		}
	}
}

func TestCheckList(t *testing.T) {
	t.Parallel()
	clean, host, err := checkList(secret.NewText(" https://Lists.Example:8443/get?token=x "))
	if err != nil || clean.Reveal() != "https://Lists.Example:8443/get?token=x" || host != "https://lists.example:8443" {
		t.Errorf("%s, %s: %v", clean.Reveal(), host, err)
	}
	for _, bad := range []string{"x", "ftp://a.example/secretpw", "https:///secretpw", "https://u:secretpw@a.example/", "https:secretpw", "https://%zz/secretpw", "https://a/" + strings.Repeat("x", maxAddress)} {
		if _, _, err := checkList(secret.NewText(bad)); err == nil || strings.Contains(err.Error(), "secretpw") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"p.example:8080", "socks5://u:p@[::1]:1080", "http://u%41:p%40@a:1", "https://a:1/", "http://[::ffff:1.2.3.4]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		again, err2 := parseAddress(a.url.Reveal())
		if err2 != nil || again.url.Reveal() != a.url.Reveal() || again.shown != a.shown {
			t.Fatalf("%q is %q, and that %q: %v", text, a.url.Reveal(), again.url.Reveal(), err2)
		}
		u, parsed := url.Parse(a.url.Reveal())
		if parsed != nil || u.Hostname() == "" || u.Port() == "" || strings.Contains(a.shown, "@") {
			t.Fatalf("%q is %q, shown as %q: %v", text, a.url.Reveal(), a.shown, parsed)
		}
	})
}
