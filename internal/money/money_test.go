package money_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/money"
)

func TestAmountText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Amount{
		"0": 0, "1": money.Credit, "-0.5": -money.Credit / 2, "0.000000001": 1, "9223372036.854775807": money.MaxAmount, "-9223372036.854775808": -money.MaxAmount - 1,
	} {
		got, err := money.ParseAmount(text)
		if err != nil || got != want {
			t.Errorf("ParseAmount(%q) = %d, %v; want %d", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("Amount(%d).String() = %q, want %q", got, got.String(), text)
		}
	}
	for _, text := range []string{"", "-", ".", "1.", ".5", "1e3", "0x1", "+1", " 1", "1_0", "NaN", "0.0000000001", "9223372036.854775808", "99999999999999999999", "--1"} {
		if got, err := money.ParseAmount(text); err == nil {
			t.Errorf("ParseAmount(%q) = %d, want an error", text, got)
		}
	}
}

func TestAmountTextRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := money.Amount(rapid.Int64().Draw(t, "amount"))
		got, err := money.ParseAmount(want.String())
		if err != nil || got != want {
			t.Fatalf("%d -> %q -> %d, %v", want, want.String(), got, err)
		}
	})
}

func TestPriceFromFloat(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]money.Price{0: 0, 0.15: 150_000, 2.5: 2_500_000, 0.1 + 0.2: 300_000, 1e-7: 0, 5e-7: 1, 75: 75_000_000} {
		if got, err := money.PriceFromFloat(f); err != nil || got != want {
			t.Errorf("PriceFromFloat(%v) = %d, %v; want %d", f, got, err, want)
		}
	}
	if _, err := money.PriceFromFloat(-1); err == nil {
		t.Error("a negative price was taken")
	}
}

func TestSumAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s money.Sum
		exact := new(big.Int)
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			tokens, price := rapid.Int64Min(0).Draw(t, "tokens"), rapid.Int64Min(0).Draw(t, "price")
			s.Add(tokens, money.Price(price))
			exact.Add(exact, new(big.Int).Mul(big.NewInt(tokens), big.NewInt(price)))
		}
		exact.Add(exact, big.NewInt(500)).Quo(exact, big.NewInt(1000))
		want := money.MaxAmount
		if exact.IsInt64() {
			want = money.Amount(exact.Int64())
		}
		if got := s.Amount(); got != want {
			t.Fatalf("Amount() = %d, want %d", got, want)
		}
	})
}

// TestProductsAgreeWithBigIntegers: a sum that is multiplied, bounded and divided is that of integers of any size.
func TestProductsAgreeWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s money.Sum
		tokens, price := rapid.Int64Min(0).Draw(t, "tokens"), rapid.Int64Min(0).Draw(t, "price")
		s.Add(tokens, money.Price(price))
		exact := new(big.Int).Mul(big.NewInt(tokens), big.NewInt(price))
		factor := rapid.OneOf(rapid.Int64Range(0, 20_000), rapid.Int64()).Draw(t, "factor")
		s.Times(factor)
		exact.Mul(exact, big.NewInt(max(factor, 0)))
		unit := rapid.Uint64Range(1, 1e15).Draw(t, "unit")
		if rapid.Bool().Draw(t, "bounded") {
			most := rapid.Int64Min(0).Draw(t, "most")
			s.AtMost(money.Amount(most), unit)
			if bound := new(big.Int).Mul(big.NewInt(most), new(big.Int).SetUint64(unit)); exact.Cmp(bound) > 0 {
				exact = bound
			}
		}
		exact.Add(exact, new(big.Int).SetUint64(unit/2)).Quo(exact, new(big.Int).SetUint64(unit))
		want := money.MaxAmount
		if exact.IsInt64() {
			want = money.Amount(exact.Int64())
		}
		if got := s.Per(unit); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	})
}

func TestAddSaturates(t *testing.T) {
	t.Parallel()
	if got := money.MaxAmount.Add(1); got != money.MaxAmount {
		t.Errorf("max+1 = %d", got)
	}
	if got := (-money.MaxAmount).Add(-money.Credit); got >= 0 {
		t.Errorf("min-1 credit = %d, want a debt", got)
	}
}
