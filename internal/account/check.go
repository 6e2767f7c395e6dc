package account

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"aihigress/internal/fault"
)

const (
	// MinPassword is how many characters a new password has at least.
	MinPassword = 10
	// MaxPassword is how many bytes a password has at most.
	MaxPassword = 256
	// MaxName is how many characters a name has at most.
	MaxName = 100
	// maxEmail is RFC 5321's limit of a path, in bytes.
	maxEmail = 254
)

// normalEmail is the address as it is stored and compared: lower case, nothing around it. Only ASCII is taken, so that
// no two addresses look alike, and so that Go and Postgres agree on what lower case is.
func normalEmail(text string) (string, error) {
	email := strings.ToLower(strings.TrimSpace(text))
	parsed, err := mail.ParseAddress(email)
	switch {
	case email == "":
		return "", fault.Field("email", "an e-mail address is needed")
	case len(email) > maxEmail:
		return "", fault.Field("email", "an e-mail address has at most %d characters", maxEmail)
	case err != nil, parsed.Address != email, strings.ContainsFunc(email, notEmail):
		return "", fault.Field("email", "this is not an e-mail address")
	}
	return email, nil
}

func notEmail(r rune) bool { return r <= ' ' || r > '~' || r == '"' }

func normalName(text string) (string, error) {
	name := norm.NFC.String(strings.TrimSpace(text))
	switch {
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		return "", fault.Field("name", "a name has no control characters")
	case utf8.RuneCountInString(name) > MaxName:
		return "", fault.Field("name", "a name has at most %d characters", MaxName)
	}
	return name, nil
}

// normalPassword makes one password of what keyboards and input methods may send for it: composed or not, full width
// or not (NFKC, as NIST SP 800-63B asks).
func normalPassword(text string) string { return norm.NFKC.String(text) }

// newPassword is normalPassword of one that is good enough to be set.
func newPassword(field, text string) (string, error) {
	password := normalPassword(text)
	switch {
	case len(text) > MaxPassword, len(password) > MaxPassword:
		return "", fault.Field(field, "a password has at most %d bytes", MaxPassword)
	case utf8.RuneCountInString(password) < MinPassword:
		return "", fault.Field(field, "a password has at least %d characters", MinPassword)
	}
	return password, nil
}
