// Package money holds amounts and prices as integers. There are no floats in it: a float that comes from outside is
// taken through its shortest decimal text.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// An Amount is in nano-credits: 1e-9 of a credit. int64 holds about ±9.2 billion credits.
type Amount int64

// A Price is in micro-credits per 1,000,000 tokens, which is 1e-12 credit a token.
type Price int64

const (
	// Credit is one whole credit: one US dollar unless configured otherwise.
	Credit Amount = 1_000_000_000
	// MaxAmount is the largest amount.
	MaxAmount Amount = math.MaxInt64

	amountDigits = 9
	priceDigits  = 6
)

var (
	// ErrRange says that a number does not fit.
	ErrRange = errors.New("number out of range")
	// ErrSyntax says that a text is not a plain decimal number, or has more places than are kept.
	ErrSyntax = errors.New("not a decimal number")
)

// ParseAmount reads a plain decimal number of credits with at most 9 places: "12", "-0.5".
func ParseAmount(text string) (Amount, error) {
	n, err := parse(text, amountDigits)
	if err != nil {
		return 0, fmt.Errorf("amount %w", err)
	}
	return Amount(n), nil
}

// ParsePrice reads a plain decimal number of credits per 1,000,000 tokens with at most 6 places. A price is not negative.
func ParsePrice(text string) (Price, error) {
	n, err := parse(text, priceDigits)
	if err != nil {
		return 0, fmt.Errorf("price %w", err)
	}
	if n < 0 {
		return 0, fmt.Errorf("price %w: negative", ErrRange)
	}
	return Price(n), nil
}

// PriceFromFloat converts a catalogue's credits per 1,000,000 tokens through its shortest decimal text, rounding half
// up at the sixth place.
func PriceFromFloat(f float64) (Price, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return 0, fmt.Errorf("price %w", ErrRange)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	whole, places, _ := strings.Cut(text, ".")
	if len(places) <= priceDigits {
		return ParsePrice(text)
	}
	p, err := ParsePrice(whole + "." + places[:priceDigits])
	if err == nil && places[priceDigits] >= '5' {
		p++
	}
	return p, err
}

func parse(text string, digits int) (int64, error) {
	rest, negative := strings.CutPrefix(text, "-")
	whole, places, dot := strings.Cut(rest, ".")
	if whole == "" || (dot && places == "") || len(places) > digits || len(whole) > 19 {
		return 0, ErrSyntax
	}
	all := whole + places + strings.Repeat("0", digits-len(places))
	for _, c := range []byte(all) {
		if c < '0' || c > '9' {
			return 0, ErrSyntax
		}
	}
	if negative {
		all = "-" + all // before it is read, since the smallest number has no positive twin
	}
	n, err := strconv.ParseInt(all, 10, 64)
	if err != nil {
		return 0, ErrRange
	}
	return n, nil
}

// String is the shortest decimal number of credits, as ParseAmount reads it.
func (a Amount) String() string { return format(int64(a), amountDigits) }

// String is the shortest decimal number of credits per 1,000,000 tokens, as ParsePrice reads it.
func (p Price) String() string { return format(int64(p), priceDigits) }

func format(n int64, digits int) string {
	sign, u := "", uint64(n)
	if n < 0 {
		sign, u = "-", -uint64(n)
	}
	text := strconv.FormatUint(u, 10)
	if len(text) <= digits {
		text = strings.Repeat("0", digits-len(text)+1) + text
	}
	whole, places := text[:len(text)-digits], strings.TrimRight(text[len(text)-digits:], "0")
	if places == "" {
		return sign + whole
	}
	return sign + whole + "." + places
}

// MarshalText and UnmarshalText carry an amount through JSON as a decimal text, since a JSON number is read as a float.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAmount(string(text))
	return err
}

// MarshalText and UnmarshalText carry a price through JSON as they do an amount.
func (p Price) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *Price) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrice(string(text))
	return err
}

// Add is a+b, or the nearest bound where that does not fit: a sum that wraps would turn a debt into a fortune.
func (a Amount) Add(b Amount) Amount {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && sum >= 0:
		return math.MinInt64
	}
	return sum
}

// A Sum adds up tokens times prices exactly, in 128 bits of 1e-12 credit, and may be multiplied. The zero value is ready.
type Sum struct {
	hi, lo uint64
	over   bool
}

// Add adds tokens at a price. Neither may be negative: callers clamp what comes from outside before it gets here.
func (s *Sum) Add(tokens int64, p Price) {
	if tokens <= 0 || p <= 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(tokens), uint64(p))
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, carry = bits.Add64(s.hi, hi, carry)
	s.over = s.over || carry != 0
}

// Amount is the sum in nano-credits, rounded half up once. What does not fit is MaxAmount.
func (s *Sum) Amount() Amount { return s.Per(1000) } // 1e-12 in 1e-9

// Per is the sum divided by a unit, rounded half up once. What does not fit is MaxAmount.
func (s *Sum) Per(unit uint64) Amount {
	lo, carry := bits.Add64(s.lo, unit/2, 0)
	hi, carry := bits.Add64(s.hi, 0, carry)
	if s.over || carry != 0 || hi >= unit {
		return MaxAmount
	}
	q, _ := bits.Div64(hi, lo, unit)
	if q > math.MaxInt64 {
		return MaxAmount
	}
	return Amount(q)
}

// Times multiplies the sum. A factor below zero is none.
func (s *Sum) Times(factor int64) {
	n := uint64(max(factor, 0))
	hi, lo := bits.Mul64(s.lo, n)
	over, top := bits.Mul64(s.hi, n)
	top, carry := bits.Add64(top, hi, 0)
	s.hi, s.lo, s.over = top, lo, s.over || over != 0 || carry != 0
}

// AtMost lowers the sum to a number of units where it is above it.
func (s *Sum) AtMost(n Amount, unit uint64) {
	hi, lo := bits.Mul64(uint64(max(n, 0)), unit)
	if s.over || s.hi > hi || s.hi == hi && s.lo > lo {
		*s = Sum{hi: hi, lo: lo}
	}
}
