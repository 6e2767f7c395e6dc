package proxy

import (
	"net/http"
	"strings"
	"time"
)

// What follows is an open list: every header goes through but those that are named here.

// keepFromUpstream are the caller's headers that do not reach the vendor.
var keepFromUpstream = set(
	// Of one connection (RFC 9110, section 7.6.1), and what our own transport decides.
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
	"Content-Length", "Accept-Encoding", "Host",
	// The caller's credentials, for us. Organization and project choose an account, which is ours to choose.
	"Authorization", "Proxy-Authorization", "Proxy-Authenticate", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie",
	"Openai-Organization", "Openai-Project", "Chatgpt-Account-Id", "X-Goog-User-Project", "X-Goog-Iam-Authorization-Token", "X-Goog-Authenticated-User-Email",
	// Where the caller is, which is none of the vendor's business.
	"Forwarded", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Via", "Origin", "Referer",
	// What would leave out of a Google API's answer what it is billed by, and what would make another method of the call.
	"X-Goog-Fieldmask", "X-Http-Method-Override",
	// Ours, sent separately.
	"X-Request-Id",
)

// keepFromCaller are the vendor's headers that do not reach the caller.
var keepFromCaller = set(
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Content-Length", "Date", "Set-Cookie", "Www-Authenticate", "Proxy-Authenticate", "X-Request-Id", "Request-Id",
	// Who we are at the vendor, and what we have left there.
	"Openai-Organization", "Openai-Project", "Anthropic-Organization-Id",
	// What the vendor says about its own host is not true of ours.
	"Location", "Content-Location", "Link", "Alt-Svc", "Strict-Transport-Security", "Nel", "Report-To",
	"Reporting-Endpoints", "Via", "Server", "X-Powered-By", "Content-Security-Policy", "X-Content-Type-Options",
)

// Prefixes of the same two kinds, and of the headers that mean something within one vendor's API alone: between dialects
// they stay where they are.
var (
	// What proxies before us say of the caller: addresses, and who signed in (oauth2-proxy, Amazon's load balancers,
	// Cloudflare, whose own hosts also refuse requests with its headers).
	keepPrefixFromUpstream = []string{"X-Aihigress-", "Sec-", "Proxy-", "X-Forwarded-", "X-Auth-Request-", "X-Amzn-Oidc-", "Cf-"}
	keepPrefixFromCaller   = []string{"X-Aihigress-", "X-Ratelimit-", "Anthropic-Ratelimit-", "Access-Control-", "Cf-"}
	families               = []string{"Anthropic-", "Openai-", "X-Openai-", "X-Stainless-", "X-Goog-", "X-Claude-", "X-Codex-"}
)

// aboutRetry is what a vendor's header says about trying again, which callers of every dialect are told with its errors.
var aboutRetry = []string{"Retry-After", "Retry-After-Ms", "X-Should-Retry"}

func set(names ...string) map[string]struct{} {
	s := make(map[string]struct{}, len(names))
	for _, name := range names {
		s[http.CanonicalHeaderKey(name)] = struct{}{}
	}
	return s
}

// upstreamHeader is what of the caller's header goes to the vendor. The values are shared, the map is not.
func (c *call) upstreamHeader(w *way) http.Header {
	in := c.r.Header
	out := make(http.Header, len(in)+2) // about as many stay behind as are added
	copyHeader(out, in, keepFromUpstream, keepPrefixFromUpstream)
	if !w.same {
		for name := range out {
			if hasPrefix(name, families) {
				delete(out, name)
			}
		}
	}
	if !w.passes {
		out["Content-Type"] = jsonType
		delete(out, "Accept") // it is about the caller's answer
		delete(out, "Content-Md5")
		delete(out, "Digest")
	}
	for name, values := range w.address.Header {
		if _, said := out[name]; !said {
			out[name] = values
		}
	}
	out["Accept-Encoding"] = identity // usage must be readable
	out["X-Request-Id"] = c.idHeader
	return out
}

var (
	identity = []string{"identity"}
	jsonType = []string{"application/json"}
)

// callerHeader adds to out what of the vendor's header goes to the caller.
func callerHeader(out, in http.Header) {
	copyHeader(out, in, keepFromCaller, keepPrefixFromCaller)
	nameRequest(out, in)
}

// translatedHeader adds to out what of the vendor's header goes to the caller beside a body that was made anew.
func translatedHeader(out, in http.Header, same bool) {
	if same {
		callerHeader(out, in)
		for _, name := range [...]string{"Content-Type", "Content-Encoding", "Content-Md5", "Digest", "Etag", "Accept-Ranges"} {
			delete(out, name)
		}
		return
	}
	nameRequest(out, in)
}

// failedHeader adds to out what of the vendor's header goes to the caller with an error of the vendor's.
func failedHeader(out, in http.Header, origin, dialect string) {
	translatedHeader(out, in, origin == dialect)
	for _, name := range aboutRetry {
		if values := in[name]; len(values) > 0 {
			out[name] = values
		}
	}
	limitHeader(out, in, dialect, time.Now())
}

// nameRequest tells the caller by which id the vendor knows the request.
func nameRequest(out, in http.Header) {
	for _, name := range [...]string{"X-Request-Id", "Request-Id"} { // the latter is Anthropic's
		if values := in[name]; len(values) > 0 {
			out["X-Upstream-Request-Id"] = values[:1]
			return
		}
	}
}

func copyHeader(out, in http.Header, keep map[string]struct{}, prefixes []string) {
	connection := in["Connection"]
	for name, values := range in {
		if _, ok := keep[name]; ok || hasPrefix(name, prefixes) || named(connection, name) {
			continue
		}
		out[name] = values
	}
}

func hasPrefix(name string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// named reports whether a Connection header makes another header one of the connection.
func named(connection []string, name string) bool {
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

// parseTags reads x-aihigress-tags: k=v,k=v. What is malformed or too much is left out, since a report is not worth a
// refusal.
func parseTags(header string) map[string]string {
	const maxTags, maxLength = 16, 64
	if header == "" {
		return nil
	}
	tags := map[string]string{}
	for pair := range strings.SplitSeq(header, ",") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if ok && name != "" && len(name) <= maxLength && len(value) <= maxLength && len(tags) < maxTags {
			tags[name] = value
		}
	}
	return tags
}
