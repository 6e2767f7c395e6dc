package pricing

import (
	"errors"
	"strconv"
	"strings"
)

// A Factor multiplies prices, in ten-thousandths: 12_500 is one and a quarter.
type Factor int64

const (
	// One changes nothing.
	One Factor = 10_000
	// MaxFactor is the largest factor: a hundred.
	MaxFactor = 100 * One

	factorDigits = 4
)

// ErrFactor says that a text is no factor.
var ErrFactor = errors.New("not a decimal number from 0 to 100 with at most 4 places")

// ParseFactor reads a plain decimal number: "1.25".
func ParseFactor(text string) (Factor, error) {
	whole, places, dot := strings.Cut(text, ".")
	if whole == "" || dot && places == "" || len(places) > factorDigits || len(whole) > 3 {
		return 0, ErrFactor
	}
	n, err := strconv.ParseUint(whole+places+strings.Repeat("0", factorDigits-len(places)), 10, 32)
	if err != nil || Factor(n) > MaxFactor {
		return 0, ErrFactor
	}
	return Factor(n), nil
}

// Valid reports whether the factor is between 0 and MaxFactor.
func (f Factor) Valid() bool { return f >= 0 && f <= MaxFactor }

// Column is the factor as a column takes it: what is out of range stays so.
func (f Factor) Column() int32 { return int32(min(max(f, -1), MaxFactor+1)) }

// String is the shortest decimal number, as ParseFactor reads it.
func (f Factor) String() string {
	return strconv.FormatFloat(float64(f)/float64(One), 'f', -1, 64)
}

// MarshalText and UnmarshalText carry a factor through JSON as a decimal text.
func (f Factor) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (f *Factor) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFactor(string(text))
	return err
}

// A Markup is what is charged above what the vendor charges, in hundred-millionths of it. The zero Markup charges just that,
// one of -100,000,000 nothing.
type Markup int64

const atCost = int64(One) * int64(One)

// MarkupOf is that of a provider's factor and a model's, exactly.
func MarkupOf(provider, model Factor) Markup { return Markup(int64(provider)*int64(model) - atCost) }

// Factor is what the cost is multiplied with, for people.
func (m Markup) Factor() string {
	return strconv.FormatFloat(float64(m.times())/float64(atCost), 'f', -1, 64)
}

// times is what the cost is multiplied with, in hundred-millionths.
func (m Markup) times() int64 { return max(atCost+int64(m), 0) }
