// Package pricing turns what a request used into money. It is pure and exact: integers throughout, rounded once.
package pricing

import (
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// MaxCost is the most that one request costs: a million credits. Beyond it somebody has mistyped a price, and a few such
// sums would not fit a balance any more.
const MaxCost = 1_000_000 * money.Credit

// A Rate is what one model of one provider costs. A nil price is unknown, which is not the same as free: a price of zero,
// as of a model on one's own machine, is a pointer to 0.
//
// An unknown CachedInput or CacheWrite is taken to be the Input price, since a vendor who names no discount gives none;
// nothing stands in for Input and Output.
type Rate struct {
	Input       *money.Price
	CachedInput *money.Price // read from the vendor's prompt cache
	CacheWrite  *money.Price // written to it, for however long: catalogues name one price
	Output      *money.Price // reasoning included
}

// Cost is the price of what was used, rounded half up once. priced is false, and the amount zero, where tokens were used
// whose price is unknown: such a request is shown as unpriced and must not pass for a free one. A price that nothing was
// used of is not asked for.
//
// Counts are clamped first (llm.Usage.Clamp): a negative one is none, one above llm.MaxTokens is llm.MaxTokens. So an
// upstream that reports nonsense can neither pay its caller nor ruin them. No amount is above MaxCost.
func (r Rate) Cost(u llm.Usage) (amount money.Amount, priced bool) {
	u, _ = u.Clamp()
	return total(
		term{u.Input, r.Input},
		term{u.CachedInput, r.cachedInput()},
		term{u.CacheWrite5m, r.cacheWrite()},
		term{u.CacheWrite1h, r.cacheWrite()},
		term{u.Output, r.Output},
	)
}

// Ceiling is the most that a request of so many tokens can cost: what to hold while its usage is unknown. Each input
// token counts at the dearest of the input prices, since a prompt that is written to a cache may cost more than one that
// is read in full. Counts are clamped as in Cost, and priced means the same.
func (r Rate) Ceiling(inputTokens, maxOutput int64) (amount money.Amount, priced bool) {
	u, _ := llm.Usage{Input: inputTokens, Output: maxOutput}.Clamp()
	return total(
		term{u.Input, dearest(r.Input, r.cachedInput(), r.cacheWrite())},
		term{u.Output, r.Output},
	)
}

func (r Rate) cachedInput() *money.Price {
	if r.CachedInput != nil {
		return r.CachedInput
	}
	return r.Input
}

func (r Rate) cacheWrite() *money.Price {
	if r.CacheWrite != nil {
		return r.CacheWrite
	}
	return r.Input
}

// dearest is the highest price, or nil where one is unknown: a bound that leaves something out is none.
func dearest(prices ...*money.Price) *money.Price {
	highest := prices[0]
	for _, p := range prices {
		if p == nil {
			return nil
		}
		if *p > *highest {
			highest = p
		}
	}
	return highest
}

// A term is tokens of one kind and what a million of them cost.
type term struct {
	tokens int64
	price  *money.Price
}

func total(terms ...term) (money.Amount, bool) {
	var sum money.Sum
	for _, t := range terms {
		if t.tokens == 0 {
			continue
		}
		if t.price == nil {
			return 0, false
		}
		sum.Add(t.tokens, *t.price)
	}
	return min(sum.Amount(), MaxCost), true
}
