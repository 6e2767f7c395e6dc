package provider

import (
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
)

const (
	// MaxName is how many bytes a name, a label, an alias or an upstream id has at most.
	MaxName = 200
	// MaxURL is how many bytes a base URL has at most.
	MaxURL = 500
	// MaxHeaders is how many headers a provider sends at most.
	MaxHeaders = 32
	// MaxHeader is how many bytes a header's value has at most.
	MaxHeader = 1024
	// MaxWeight is the largest weight of a provider or key.
	MaxWeight = 1_000_000
	// MaxKeys is how many keys a provider has at most.
	MaxKeys = 100
	// MaxSecret is how many bytes a key has at most.
	MaxSecret = 4096
	// MaxAccount is how many bytes a service account's key has at most: room for RSA keys of 4096 bits.
	MaxAccount = 8192
	// MaxModels is how many models a provider has at most.
	MaxModels = 5000
	// maxSlug is how many bytes a slug has at most.
	maxSlug = 63
	// MaxBatch is how many providers ByIDs gives at once.
	MaxBatch = 1000
)

var (
	slugs  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	tokens = regexp.MustCompile("^[0-9A-Za-z!#$%&'*+.^_`|~-]{1,100}$") // RFC 9110, section 5.6.2
)

// denied are headers that a provider must not set: they are the gateway's, one connection's, or a credential's, which
// belongs among the keys, where it is sealed.
var denied = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "X-Api-Key": true, "X-Goog-Api-Key": true, "Api-Key": true, "Cookie": true,
	"Host": true, "Content-Length": true, "Content-Type": true, "Content-Encoding": true, "Accept-Encoding": true, "Expect": true,
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Idempotency-Key": true, "X-Idempotency-Key": true,
}

// checkRow holds a provider's fields against their rules. Headers are checked where they come in.
func checkRow(row db.Provider) error {
	switch {
	case !slugs.MatchString(row.Slug):
		return fault.Field("slug", "a slug has 1 to 63 lower-case letters, digits and hyphens, and begins with no hyphen")
	case row.Name == "" || !isText(row.Name):
		return fault.Field("name", "a name is text of 1 to %d bytes", MaxName)
	case Streaming(row.Streaming) != StreamsAsAsked && Streaming(row.Streaming) != StreamsOnly && Streaming(row.Streaming) != StreamsNever:
		return fault.Field("streaming", "streaming is empty, %s or %s", StreamsOnly, StreamsNever)
	case !Visibility(row.Visibility).Valid():
		return fault.Field("visibility", "a visibility is %s, %s or %s", Private, Shared, Public)
	case row.Weight < 0 || row.Weight > MaxWeight:
		return fault.Field("weight", "a weight is between 0 and %d", MaxWeight)
	}
	switch row.Dialect {
	case llm.OpenAI, llm.Responses, llm.Anthropic, llm.Gemini:
		return checkKind(row)
	}
	return fault.Field("dialect", "a dialect is openai, responses, anthropic or gemini")
}

// checkKind holds the kind against the dialects that it comes in, and Vertex against the form of its addresses.
func checkKind(row db.Provider) error {
	switch row.Kind {
	case KindDirect:
		return nil
	case KindClaudeCLI:
		if row.Dialect != llm.Anthropic {
			return fault.Field("kind", "the kind claude_cli is of the dialect anthropic alone")
		}
		return nil
	case KindVertex:
		if row.Dialect == llm.Responses {
			return fault.Field("kind", "the kind vertex comes in the dialects gemini, anthropic and openai")
		}
		if strings.Contains(row.BaseUrl, "/"+catalog.Project+"/") {
			return fault.Field("baseUrl", "put the name of your project into the base URL instead of %s", catalog.Project)
		}
		// Express mode has neither project nor location: …/v1
		if !strings.Contains(row.BaseUrl, "/projects/") && !strings.HasSuffix(row.BaseUrl, "/v1") && !strings.HasSuffix(row.BaseUrl, "/v1beta1") {
			return fault.Field("baseUrl", "a base URL of Vertex AI ends with /v1/projects/PROJECT/locations/LOCATION")
		}
		return nil
	}
	return fault.Field("kind", "a kind is %s, %s or %s", KindDirect, KindVertex, KindClaudeCLI)
}

// checkURL is a base URL as it is stored. What its name resolves to is judged when connecting, not here.
func checkURL(text string) (string, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	if len(text) > MaxURL {
		return "", fault.Field("baseUrl", "a base URL has at most %d bytes", MaxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return "", fault.Field("baseUrl", "a base URL begins with https:// or http:// and names a host")
	case u.User != nil:
		return "", fault.Field("baseUrl", "a base URL holds no user name or password: add a key instead")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return "", fault.Field("baseUrl", "a base URL has no ? and no #")
	case strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") || strings.Contains(u.Path, "/./"):
		return "", fault.Field("baseUrl", "a base URL's path has no dots between slashes")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", fault.Field("baseUrl", "a port is between 1 and 65535")
		}
	}
	return text, nil
}

// checkHeaders is headers under their canonical names.
func checkHeaders(headers map[string]string) (map[string]string, error) {
	if len(headers) > MaxHeaders {
		return nil, fault.Field("headers", "a provider sends at most %d headers", MaxHeaders)
	}
	canonical := make(map[string]string, len(headers))
	for name, value := range headers {
		key := textproto.CanonicalMIMEHeaderKey(name)
		_, twice := canonical[key]
		switch {
		case !tokens.MatchString(name):
			return nil, fault.Field("headers", "%.100q is not a header's name", name)
		case denied[key]:
			return nil, fault.Field("headers", "the header %s cannot be set here", key)
		case twice:
			return nil, fault.Field("headers", "the header %s is there twice", key)
		case len(value) > MaxHeader || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, fault.Field("headers", "the header %s needs a value of at most %d printable ASCII characters", key, MaxHeader)
		}
		canonical[key] = value
	}
	return canonical, nil
}

// checkPrivate lets only admins and the gateway itself open the way to private addresses.
func checkPrivate(g authz.Grant, allow bool) error {
	if !allow {
		return nil
	}
	return onlyAdmin(g)
}

// isText reports whether a name is printable and not too long. It may be empty.
func isText(s string) bool {
	return len(s) <= MaxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// isToken reports whether s can stand where one word is wanted, as a model's id.
func isToken(s string) bool {
	return s != "" && isText(s) && !strings.ContainsFunc(s, unicode.IsSpace)
}
