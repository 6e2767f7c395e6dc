package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"aihigress/db"
	"aihigress/internal/fault"
	"aihigress/internal/pricing"
)

// check holds a model's own fields against their rules. A name is taken as it is: it must equal what callers send.
func check(row db.Model) error {
	switch {
	case row.Name == "" || len(row.Name) > MaxName:
		return fault.Field("name", "a name has between 1 and %d bytes", MaxName)
	case !isWord(row.Name):
		return fault.Field("name", "a name has no spaces or control characters")
	case len(row.Description) > MaxDescription || !utf8.ValidString(row.Description) || strings.ContainsRune(row.Description, 0):
		return fault.Field("description", "a description is text of at most %d bytes", MaxDescription)
	case !Strategy(row.Strategy).Valid():
		return fault.Field("strategy", "there is no such strategy")
	case !Unsupported(row.Unsupported).Valid():
		return fault.Field("unsupportedFields", "what cannot be taken is handled by %s, %s or %s", Drop, Reject, Keep)
	case !RequestErrors(row.RequestErrors).Valid():
		return fault.Field("requestErrors", "refused requests are handled by %s or %s", Return, Failover)
	case !pricing.Factor(row.Multiplier).Valid():
		return fault.Field("multiplier", "a multiplier is between 0 and %s", pricing.MaxFactor)
	case row.RetryBudget < 0 || row.RetryBudget > 100:
		return fault.Field("retryBudget", "a retry budget is between 0 and 100 per cent")
	case row.BalanceLatency == 0 && row.BalancePrice == 0 && row.BalanceErrors == 0:
		return fault.Field("balance", "at least one of latency, price and errors must count")
	}
	for _, counts := range [...]float64{row.BalanceLatency, row.BalancePrice, row.BalanceErrors} {
		if !(counts >= 0 && counts <= MaxBalance) { // also what is no number
			return fault.Field("balance", "each of latency, price and errors counts from 0 to %d", MaxBalance)
		}
	}
	return nil
}

// isWord reports whether text is of printable characters without spaces.
func isWord(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}
