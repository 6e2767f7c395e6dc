package pricing_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
)

// perMillion is a price given in credits per 1,000,000 tokens.
func perMillion(text string) *money.Price {
	p, err := money.ParsePrice(text)
	if err != nil {
		panic(err)
	}
	return &p
}

func amount(text string) money.Amount {
	a, err := money.ParseAmount(text)
	if err != nil {
		panic(err)
	}
	return a
}

var full = pricing.Rate{Input: perMillion("3"), CachedInput: perMillion("0.3"), CacheWrite: perMillion("3.75"), Output: perMillion("15")}

func TestCost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		rate   pricing.Rate
		usage  llm.Usage
		want   money.Amount
		priced bool
	}{
		{"nothing used", full, llm.Usage{}, 0, true},
		{"input and output", full, llm.Usage{Input: 1_000_000, Output: 100_000}, amount("4.5"), true},
		{"one token", full, llm.Usage{Input: 1}, amount("0.000003"), true},
		{"each kind", full, llm.Usage{Input: 1000, CachedInput: 2000, CacheWrite5m: 400, CacheWrite1h: 600, Output: 10}, amount("0.0075"), true},
		{"parts are not charged again", full, llm.Usage{Input: 10, AudioInput: 10, Output: 10, Reasoning: 10, AudioOutput: 5}, amount("0.00018"), true},
		{"estimated costs the same", full, llm.Usage{Input: 1, Estimated: true}, amount("0.000003"), true},

		{"no discount named", pricing.Rate{Input: perMillion("2"), Output: perMillion("4")}, llm.Usage{CachedInput: 500, CacheWrite1h: 500}, amount("0.002"), true},
		{"half a nano is one", pricing.Rate{Input: perMillion("0.0005")}, llm.Usage{Input: 1}, 1, true},
		{"less than half is none", pricing.Rate{Input: perMillion("0.000499")}, llm.Usage{Input: 1}, 0, true},
		{"rounded once, not per kind", pricing.Rate{Input: perMillion("0.0004"), Output: perMillion("0.0004")}, llm.Usage{Input: 1, Output: 1}, 1, true},

		{"a price of zero is a price", pricing.Rate{Input: perMillion("0"), Output: perMillion("0")}, llm.Usage{Input: 5, CachedInput: 5, Output: 5}, 0, true},
		{"unknown everything", pricing.Rate{}, llm.Usage{Input: 1}, 0, false},
		{"unknown everything, nothing used", pricing.Rate{}, llm.Usage{}, 0, true},
		{"unknown output", pricing.Rate{Input: perMillion("3")}, llm.Usage{Input: 5, Output: 1}, 0, false},
		{"unknown output, as of an embedding", pricing.Rate{Input: perMillion("3")}, llm.Usage{Input: 1_000_000}, amount("3"), true},
		{"unknown input", pricing.Rate{CachedInput: perMillion("1"), Output: perMillion("3")}, llm.Usage{Input: 1, CachedInput: 1}, 0, false},
		{"unknown input, all of it cached", pricing.Rate{CachedInput: perMillion("1"), Output: perMillion("3")}, llm.Usage{CachedInput: 1_000_000}, amount("1"), true},

		{"negative counts are none", full, llm.Usage{Input: -1_000_000, Output: 1_000_000}, amount("15"), true},
		{"an absurd count is cut", full, llm.Usage{Output: math.MaxInt64}, amount("1500"), true},
		{"a mistyped price", pricing.Rate{Input: new(money.Price(math.MaxInt64)), Output: new(money.Price(math.MaxInt64))}, llm.Usage{Input: math.MaxInt64, Output: math.MaxInt64}, pricing.MaxCost, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, priced := tt.rate.Cost(tt.usage)
			if got != tt.want || priced != tt.priced {
				t.Errorf("Cost = %s, %t; want %s, %t", got, priced, tt.want, tt.priced)
			}
		})
	}
}

func TestCeiling(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		rate          pricing.Rate
		input, output int64
		want          money.Amount
		priced        bool
	}{
		{"at the dearest input price", full, 1_000_000, 1_000_000, amount("18.75"), true},
		{"input is the dearest", pricing.Rate{Input: perMillion("3"), CachedInput: perMillion("0.3"), Output: perMillion("15")}, 1_000_000, 0, amount("3"), true},
		{"free", pricing.Rate{Input: perMillion("0"), Output: perMillion("0")}, 1000, 1000, 0, true},
		{"negative", full, -1, -1, 0, true},
		{"absurd", full, 0, math.MaxInt64, amount("1500"), true},
		{"unknown output", pricing.Rate{Input: perMillion("3")}, 1, 1, 0, false},
		{"no output wanted", pricing.Rate{Input: perMillion("3")}, 1_000_000, 0, amount("3"), true},
		{"unknown input", pricing.Rate{CacheWrite: perMillion("3"), Output: perMillion("3")}, 1, 1, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, priced := tt.rate.Ceiling(tt.input, tt.output)
			if got != tt.want || priced != tt.priced {
				t.Errorf("Ceiling = %s, %t; want %s, %t", got, priced, tt.want, tt.priced)
			}
		})
	}
}

// drawRate draws prices that are often unknown, often zero, and up to 1,000,000 credits a token million.
func drawRate(t *rapid.T) pricing.Rate {
	price := rapid.Ptr(rapid.OneOf(
		rapid.Just(money.Price(0)),
		rapid.Map(rapid.Int64Range(0, 1_000_000_000_000), func(n int64) money.Price { return money.Price(n) }),
	), true)
	return pricing.Rate{
		Input:       price.Draw(t, "input price"),
		CachedInput: price.Draw(t, "cached input price"),
		CacheWrite:  price.Draw(t, "cache write price"),
		Output:      price.Draw(t, "output price"),
	}
}

func drawUsage(t *rapid.T) llm.Usage {
	tokens := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-10, 1_000_000), rapid.Int64())
	return llm.Usage{
		Input:        tokens.Draw(t, "input"),
		CachedInput:  tokens.Draw(t, "cached"),
		CacheWrite5m: tokens.Draw(t, "write 5m"),
		CacheWrite1h: tokens.Draw(t, "write 1h"),
		Output:       tokens.Draw(t, "output"),
		Reasoning:    tokens.Draw(t, "reasoning"),
		AudioInput:   tokens.Draw(t, "audio"),
	}
}

// TestCostIsExact holds Cost against fractions of unlimited size.
func TestCostIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, usage := drawRate(t), drawUsage(t)
		want, wantPriced := exact(rate, usage)
		got, priced := rate.Cost(usage)
		if got != want || priced != wantPriced {
			t.Fatalf("Cost = %d, %t; want %d, %t", got, priced, want, wantPriced)
		}
		if !priced && got != 0 {
			t.Fatalf("unpriced, and yet %d", got)
		}
	})
}

func exact(rate pricing.Rate, u llm.Usage) (money.Amount, bool) {
	sum := new(big.Rat)
	for _, kind := range []struct {
		tokens int64
		prices []*money.Price // the first that is known
	}{
		{u.Input, []*money.Price{rate.Input}},
		{u.CachedInput, []*money.Price{rate.CachedInput, rate.Input}},
		{u.CacheWrite5m, []*money.Price{rate.CacheWrite, rate.Input}},
		{u.CacheWrite1h, []*money.Price{rate.CacheWrite, rate.Input}},
		{u.Output, []*money.Price{rate.Output}},
	} {
		tokens := min(max(kind.tokens, 0), llm.MaxTokens)
		if tokens == 0 {
			continue
		}
		var price *money.Price
		for _, p := range kind.prices {
			if price == nil {
				price = p
			}
		}
		if price == nil {
			return 0, false
		}
		// Micro-credits per million tokens, in nano-credits: a thousandth a token.
		sum.Add(sum, new(big.Rat).Mul(big.NewRat(tokens, 1), big.NewRat(int64(*price), 1000)))
	}
	sum.Add(sum, big.NewRat(1, 2))
	floor := new(big.Int).Div(sum.Num(), sum.Denom())
	if floor.Cmp(big.NewInt(int64(pricing.MaxCost))) > 0 {
		return pricing.MaxCost, true
	}
	return money.Amount(floor.Int64()), true
}

// TestCeilingHolds: whatever way a prompt of so many tokens is cached and however much of the answer is used, it costs no
// more than its ceiling.
func TestCeilingHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := drawRate(t)
		tokens := rapid.Int64Range(0, 1_000_000)
		u := llm.Usage{
			Input: tokens.Draw(t, "input"), CachedInput: tokens.Draw(t, "cached"),
			CacheWrite5m: tokens.Draw(t, "write 5m"), CacheWrite1h: tokens.Draw(t, "write 1h"), Output: tokens.Draw(t, "output"),
		}
		ceiling, known := rate.Ceiling(u.TotalInput()+tokens.Draw(t, "spare input"), u.Output+tokens.Draw(t, "spare output"))
		if !known {
			t.Skip("no ceiling without prices")
		}
		cost, priced := rate.Cost(u)
		if !priced || cost > ceiling {
			t.Fatalf("cost %d, %t; ceiling %d", cost, priced, ceiling)
		}
	})
}
