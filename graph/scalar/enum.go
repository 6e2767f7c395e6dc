package scalar

import (
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"aihigress/internal/fault"
)

// MarshalDialect writes a dialect, which the domain keeps as text in lower case.
func MarshalDialect(v string) graphql.Marshaler { return upper(v) }

// UnmarshalDialect reads a dialect. That there is such a one, validation has seen to.
func UnmarshalDialect(v any) (string, error) { return lower(v) }

// MarshalProviderKind writes the kind of a provider, which the domain keeps as text in lower case.
func MarshalProviderKind(v string) graphql.Marshaler { return upper(v) }

// UnmarshalProviderKind reads the kind of a provider.
func UnmarshalProviderKind(v any) (string, error) { return lower(v) }

// MarshalProviderOperation writes an operation of a provider, which the domain keeps as text in lower case.
func MarshalProviderOperation(v string) graphql.Marshaler { return upper(v) }

// UnmarshalProviderOperation reads an operation of a provider.
func UnmarshalProviderOperation(v any) (string, error) { return lower(v) }

// MarshalPriceSource writes where a price came from; no source is UNKNOWN.
func MarshalPriceSource(v string) graphql.Marshaler {
	if v == "" {
		v = "unknown"
	}
	return upper(v)
}

// UnmarshalPriceSource is not used: no input has one.
func UnmarshalPriceSource(v any) (string, error) { return lower(v) }

// MarshalKeyDeath writes why a key is dead, which the domain keeps as text in lower case.
func MarshalKeyDeath(v string) graphql.Marshaler { return upper(v) }

// UnmarshalKeyDeath is not used: no input has one.
func UnmarshalKeyDeath(v any) (string, error) { return lower(v) }

func upper(v string) graphql.Marshaler { return graphql.MarshalString(strings.ToUpper(v)) }

func lower(v any) (string, error) {
	text, ok := v.(string)
	if !ok {
		return "", fault.New(fault.Invalid, "an enum value is expected")
	}
	return strings.ToLower(text), nil
}
