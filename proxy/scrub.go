package proxy

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"aihigress/internal/snapshot"
)

const (
	maxMessage = 2000    // bytes of a vendor's message that are passed on
	maxScrub   = 8 << 10 // bytes of it that are looked at
)

// What a vendor's message may tell about our account there, and what is put in its place.
var secrets = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*:\\?/\\?/[^\s"'<>]+`), "[url]"},
	{regexp.MustCompile(`(?i)\bbearer\s+[^\s"']+`), "[redacted]"},
	{regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`), "[redacted]"},
	// Keys and ids with a prefix, whole or masked by the vendor: sk-proj-ab**yz, org-9f8e, proj_1, AIzaSy…
	{regexp.MustCompile(`(?i)\b(?:sk|pk|rk|ak|gsk|xai|hf|key|org|proj|project|acct|account|user|team|ws|wrkspc|tenant|sub)[-_][\w*.…-]*[\d*…][\w*.…-]*`), "[redacted]"},
	{regexp.MustCompile(`(?i)\b(?:sk|gsk|xai|org|proj|acct)[-_][\w*.…-]{3,}`), "[redacted]"},
	{regexp.MustCompile(`\bAIza[\w*-]{4,}`), "[redacted]"},
	{regexp.MustCompile(`\b[A-Za-z0-9_-]*\*{3,}[A-Za-z0-9_-]*`), "[redacted]"},
	// Names of accounts: in organization 'acme', project acme-prod-1.
	{regexp.MustCompile("(?i)\\b(organi[sz]ation|project|account|tenant|subscription|workspace|deployment)((?:\\s+(?:id|name))?[:\\s]+)(?:\"[^\"]*\"|'[^']*'|`[^`]*`|[\\w.]*[-_\\d][\\w.-]*)"), "$1$2[redacted]"},
	// Hosts and addresses.
	{regexp.MustCompile(`\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\](:\d+)?`), "[host]"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`), "[host]"},
	{regexp.MustCompile(`(?i)\blocalhost(:\d+)?\b`), "[host]"},
	{regexp.MustCompile(`(?i)\b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|ai|cn|dev|app|cloud|co|us|eu|de|fr|uk|jp|sh|so|xyz|tech|internal|local|lan|svc|cluster|test|example|invalid)(?:\.[a-z]{2,})?(:\d+)?\b`), "[host]"},
}

// scrub takes out of a vendor's text what is between us and the vendor: the credentials of this provider and all that
// looks like one, URLs and hosts, account names. What is left may be shown to a caller.
func scrub(text string, provider *snapshot.Provider) string {
	if len(text) > maxScrub {
		// Half a secret is not recognised, so the cut is between words.
		text = text[:max(0, strings.LastIndexAny(text[:maxScrub], " \n\t"))]
	}
	text = strings.ToValidUTF8(text, "")
	for i := range provider.Keys {
		if secret := provider.Keys[i].Secret.Reveal(); len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	for _, values := range provider.Headers {
		for _, value := range values {
			if utf8.RuneCountInString(value) > 7 {
				text = strings.ReplaceAll(text, value, "[redacted]")
			}
		}
	}
	if provider.BaseURL != nil {
		for _, host := range []string{provider.BaseURL.Host, provider.BaseURL.Hostname()} {
			text = replaceFold(text, host, "[host]")
		}
	}
	for _, s := range secrets {
		text = s.pattern.ReplaceAllString(text, s.instead)
	}
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
}

// scrubToken is a type, code or parameter of a vendor's error: short, one word, and clean; else nothing.
func scrubToken(text string, provider *snapshot.Provider) string {
	if len(text) > 128 || strings.ContainsAny(text, " \r\n\t\x00") || scrub(text, provider) != text {
		return ""
	}
	return text
}

func replaceFold(text, old, instead string) string {
	if old == "" {
		return text
	}
	return regexp.MustCompile(`(?i)`+regexp.QuoteMeta(old)).ReplaceAllLiteralString(text, instead)
}
