package apikey

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aihigress/internal/catalog"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

const (
	// MaxName is how many characters a key's name has at most.
	MaxName = 100
	// MaxList is how many models, providers or address ranges a key names at most.
	MaxList = 100
	// MaxModelName is how many bytes a model's name has at most.
	MaxModelName = 200
	// MaxTimeout is the longest time that a key gives its calls.
	MaxTimeout = 24 * time.Hour
	// MaxActive is how many active keys a user has at most: every node keeps them all in memory.
	MaxActive = 1000
)

func checkName(text string) (string, error) {
	name := strings.TrimSpace(text)
	switch {
	case name == "":
		return "", fault.Field("name", "a key needs a name")
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		return "", fault.Field("name", "a name has no control characters")
	case utf8.RuneCountInString(name) > MaxName:
		return "", fault.Field("name", "a name has at most %d characters", MaxName)
	}
	return name, nil
}

// checkScopes sorts scopes and drops repeated ones; none is inference alone.
func checkScopes(scopes []Scope) ([]Scope, error) {
	if len(scopes) == 0 {
		return []Scope{Inference}, nil
	}
	for _, s := range scopes {
		if s != Inference && s != Platform {
			return nil, fault.Field("scopes", "a scope is %s or %s", Inference, Platform)
		}
	}
	return unique(scopes), nil
}

func checkModels(models []string) ([]string, error) {
	if len(models) > MaxList {
		return nil, fault.Field("models", "a key names at most %d models", MaxList)
	}
	checked := make([]string, len(models))
	for i, model := range models {
		checked[i] = strings.TrimSpace(model)
		switch {
		case checked[i] == "", len(checked[i]) > MaxModelName:
			return nil, fault.Field("models", "a model's name has 1 to %d bytes", MaxModelName)
		case !utf8.ValidString(model), strings.ContainsFunc(checked[i], unicode.IsControl):
			return nil, fault.Field("models", "a model's name has no control characters")
		}
	}
	return unique(checked), nil
}

func checkProviders(providers []id.Provider) ([]id.Provider, error) {
	if len(providers) > MaxList {
		return nil, fault.Field("providers", "a key names at most %d providers", MaxList)
	}
	checked := make([]id.Provider, 0, len(providers))
	for _, p := range providers {
		if !slices.Contains(checked, p) {
			checked = append(checked, p)
		}
	}
	return checked, nil
}

// checkIPRanges writes addresses and ranges as CIDR without host bits. An IPv4 address in IPv6 form becomes IPv4, since
// callers' addresses are compared so.
func checkIPRanges(ranges []string) ([]string, error) {
	if len(ranges) > MaxList {
		return nil, fault.Field("ipRanges", "a key names at most %d address ranges", MaxList)
	}
	checked := make([]string, len(ranges))
	for i, text := range ranges {
		prefix, ok := parseRange(strings.TrimSpace(text))
		if !ok {
			return nil, fault.Field("ipRanges", "%q is not an address or a range like 192.0.2.0/24", shorten(text))
		}
		checked[i] = prefix.String()
	}
	return unique(checked), nil
}

func parseRange(text string) (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, false
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, false // more than IPv4, less than IPv6: nobody means that
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), true
}

// shorten keeps what is repeated to a caller small.
func shorten(text string) string {
	if len(text) <= 50 {
		return text
	}
	return strings.ToValidUTF8(text[:50], "") + "…"
}

func checkLimits(l Limits) error {
	switch {
	case l.RequestsPerMinute != nil && *l.RequestsPerMinute < 1:
		return limitError("requestsPerMinute")
	case l.TokensPerMinute != nil && *l.TokensPerMinute < 1:
		return limitError("tokensPerMinute")
	case l.Concurrency != nil && *l.Concurrency < 1:
		return limitError("concurrency")
	case l.Budget != nil:
		if e, bad := fault.As(l.Budget.Check()); bad {
			e.Path = append([]string{"limits", "budget"}, e.Path...)
			return e
		}
	}
	return nil
}

func limitError(field string) error {
	e := fault.Field("limits", "a limit is at least 1, or left out")
	e.Path = append(e.Path, field)
	return e
}

// checkRouting holds a key's strategy and timeout against their rules.
func checkRouting(strategy catalog.Strategy, timeout time.Duration) error {
	switch {
	case strategy != "" && !strategy.Valid():
		return fault.Field("strategy", "there is no such strategy")
	case timeout < 0 || timeout > MaxTimeout || timeout%time.Millisecond != 0:
		return fault.Field("timeoutMs", "a timeout is between 1 and %d milliseconds, or left out", MaxTimeout.Milliseconds())
	}
	return nil
}

func checkExpiry(at *time.Time, now time.Time) error {
	if at != nil && !at.After(now) {
		return fault.Field("expiresAt", "a key expires in the future, or never")
	}
	return nil
}

func unique[T ~string](list []T) []T {
	sorted := slices.Sorted(slices.Values(list))
	if sorted == nil {
		return []T{} // the columns are not null
	}
	return slices.Compact(sorted)
}
