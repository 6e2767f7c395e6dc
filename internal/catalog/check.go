package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"aihigress/internal/fault"
)

// check holds a model's own fields against their rules. A name is taken as it is: it must equal what callers send.
func check(name, description string, strategy Strategy, unsupported Unsupported) error {
	switch {
	case name == "" || len(name) > MaxName:
		return fault.Field("name", "a name has between 1 and %d bytes", MaxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fault.Field("name", "a name has no spaces or control characters")
	case len(description) > MaxDescription || !utf8.ValidString(description) || strings.ContainsRune(description, 0):
		return fault.Field("description", "a description is text of at most %d bytes", MaxDescription)
	case !strategy.Valid():
		return fault.Field("strategy", "there is no such strategy")
	case !unsupported.Valid():
		return fault.Field("unsupportedFields", "what cannot be taken is handled by %s, %s or %s", Drop, Reject, Keep)
	}
	return nil
}
