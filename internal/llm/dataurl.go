package llm

import (
	"encoding/base64"
	"mime"
	"net/url"
	"strings"
)

// IsDataURL reports whether an address holds its content itself (RFC 2397).
func IsDataURL(address string) bool {
	return len(address) >= len("data:") && strings.EqualFold(address[:len("data:")], "data:")
}

// SplitDataURL takes a data URL apart. Data is base64 as Attachment has it, whatever it was in; not ok where it cannot be
// decoded, or is empty.
func SplitDataURL(address string) (mimeType, data string, ok bool) {
	if !IsDataURL(address) {
		return "", "", false
	}
	head, data, found := strings.Cut(address[len("data:"):], ",")
	if !found {
		return "", "", false
	}
	if strings.IndexByte(data, '%') >= 0 {
		var err error
		if data, err = url.PathUnescape(data); err != nil {
			return "", "", false
		}
	}
	if plain, is := strings.CutSuffix(head, ";base64"); is {
		data, ok = Base64(data)
		return bareType(plain), data, ok
	}
	return bareType(head), base64.StdEncoding.EncodeToString([]byte(data)), data != ""
}

// bareType is a MIME type without its parameters.
func bareType(s string) string {
	kind, _, err := mime.ParseMediaType(s)
	if err != nil {
		kind, _, _ = strings.Cut(s, ";")
	}
	return kind
}

// Base64 brings base64 into its standard form: that alphabet, padded, on one line. What looks like that already costs only
// a look and is not decoded, since it may be megabytes. Not ok where it cannot be decoded, or is empty.
func Base64(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	if len(s)%4 == 0 && strings.IndexByte(s, '-') < 0 && strings.IndexByte(s, '_') < 0 && strings.IndexByte(s, '\n') < 0 &&
		strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, ' ') < 0 {
		return s, true
	}
	s = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "").Replace(s)
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(raw), true
}
