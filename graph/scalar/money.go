package scalar

import (
	"github.com/99designs/gqlgen/graphql"

	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
)

// MarshalAmount writes an amount as a decimal text: a JSON number is read as a float.
func MarshalAmount(a money.Amount) graphql.Marshaler { return graphql.MarshalString(a.String()) }

// UnmarshalAmount reads a decimal text.
func UnmarshalAmount(v any) (money.Amount, error) { return decimal(v, money.ParseAmount) }

// MarshalPrice writes a price as a decimal text.
func MarshalPrice(p money.Price) graphql.Marshaler { return graphql.MarshalString(p.String()) }

// UnmarshalPrice reads a decimal text.
func UnmarshalPrice(v any) (money.Price, error) { return decimal(v, money.ParsePrice) }

func decimal[T money.Amount | money.Price](v any, parse func(string) (T, error)) (T, error) {
	text, ok := v.(string)
	if !ok {
		return 0, fault.New(fault.Invalid, `an amount is a decimal text, as in "12.5"`)
	}
	n, err := parse(text)
	if err != nil {
		return 0, fault.Wrap(err, fault.Invalid, "%v", err)
	}
	return n, nil
}

// MarshalFactor writes a factor as decimal text.
func MarshalFactor(f pricing.Factor) graphql.Marshaler { return graphql.MarshalString(f.String()) }

// UnmarshalFactor reads decimal text.
func UnmarshalFactor(v any) (pricing.Factor, error) {
	if text, ok := v.(string); ok {
		if f, err := pricing.ParseFactor(text); err == nil {
			return f, nil
		}
	}
	return 0, fault.New(fault.Invalid, `a factor is decimal text from 0 to 100 with at most 4 places, as in "1.25"`)
}

// MarshalTimeOfDay writes a time of day as a text.
func MarshalTimeOfDay(c pricing.Clock) graphql.Marshaler { return graphql.MarshalString(c.String()) }

// UnmarshalTimeOfDay reads a text.
func UnmarshalTimeOfDay(v any) (pricing.Clock, error) {
	if text, ok := v.(string); ok {
		if c, err := pricing.ParseClock(text); err == nil {
			return c, nil
		}
	}
	return 0, fault.New(fault.Invalid, `a time of day is a text from "00:00" to "24:00"`)
}
