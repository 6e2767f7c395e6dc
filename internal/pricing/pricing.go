// Package pricing turns what a request used into money. It is pure and exact: integers throughout, rounded once.
package pricing

import (
	"time"

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
// nothing stands in for Input and Output. Embeddings cost the Input price.
type Rate struct {
	Input       *money.Price `json:"input,omitempty"`
	CachedInput *money.Price `json:"cachedInput,omitempty"` // read from the vendor's prompt cache
	CacheWrite  *money.Price `json:"cacheWrite,omitempty"`  // written to it: for five minutes, and for longer where Rare does not say
	Output      *money.Price `json:"output,omitempty"`      // reasoning included, where Rare does not say
	Rare        *Rare        `json:"rare,omitempty"`        // nil has none; never changed once it is here
}

// Cost is the price of what was used, rounded half up once. priced is false, and the amount zero, where tokens were used
// whose price is unknown, or nothing but pieces without one: such a request is shown as unpriced and must not pass for a free
// one. A price that nothing was used of is not asked for.
//
// A request is priced by when it began. Counts are clamped first (llm.Usage.Clamp): a negative one is none, one above
// llm.MaxTokens is llm.MaxTokens. So an upstream that reports nonsense can neither pay its caller nor ruin them. No amount is
// above MaxCost.
func (r Rate) Cost(u llm.Usage, began time.Time) (amount money.Amount, priced bool) {
	amount, _, priced = r.Charge(u, 0, began)
	return amount, priced
}

// Charge is Cost, and what the account pays for it, each rounded once from the exact sum.
func (r Rate) Charge(u llm.Usage, m Markup, began time.Time) (cost, charge money.Amount, priced bool) {
	sum, priced := r.sum(u)
	if !priced {
		return 0, 0, false
	}
	sum.Times(int64(r.served(u.Tier)) * int64(r.at(began)))
	cost, charge = amounts(sum, m)
	return cost, charge, true
}

// picosPerNano has Sum's unit in that of amounts.
const picosPerNano = 1000

// amounts are what a sum times One twice is as a cost, and with its markup.
func amounts(sum money.Sum, m Markup) (cost, charge money.Amount) {
	const unit = picosPerNano * uint64(atCost)
	sum.AtMost(MaxCost, unit)
	cost = sum.Per(unit)
	if m == 0 {
		return cost, cost
	}
	sum.Times(m.times())
	return cost, min(sum.Per(unit*uint64(atCost)), MaxCost)
}

func (r Rate) sum(u llm.Usage) (money.Sum, bool) {
	u, _ = u.Clamp()
	if r.unmet(u) {
		return money.Sum{}, false
	}
	if r.Rare == nil {
		return total(
			term{u.Input, r.Input},
			term{u.CachedInput, r.cachedInput()},
			term{u.CacheWrite5m, r.cacheWrite()},
			term{u.CacheWrite1h, r.cacheWrite()},
			term{u.Output, r.Output},
		)
	}
	p := r.long(u.TotalInput())
	input, output := u.Input, u.Output
	audioIn, imageIn := part(&input, u.AudioInput), part(&input, u.ImageInput)
	reasoning, audioOut, imageOut := part(&output, u.Reasoning), part(&output, u.AudioOutput), part(&output, u.ImageOutput)
	sum, priced := total(
		term{input, p.input}, term{audioIn, p.audioInput}, term{imageIn, p.imageInput},
		term{u.CachedInput, p.cachedInput}, term{u.CacheWrite5m, p.cacheWrite}, term{u.CacheWrite1h, p.cacheWrite1h},
		term{output, p.output}, term{reasoning, p.reasoning}, term{audioOut, p.audioOutput}, term{imageOut, p.imageOutput},
	)
	r.Rare.pieces(&sum, Bound{Input: u.TotalInput(), Output: u.Output, Images: u.Images, Seconds: u.Seconds, Characters: u.Characters})
	return sum, priced
}

// unmet reports whether pieces were used that nobody told a price of, and no tokens that pay for them: a price of tokens says
// nothing of them then, unless it is 0.
func (r Rate) unmet(u llm.Usage) bool {
	if u.Images|u.Seconds|u.Characters == 0 {
		return false
	}
	rare := r.Rare
	if rare == nil {
		rare = &Rare{}
	}
	return rare.Request == nil &&
		(u.Images > 0 && u.Output == 0 && rare.Image == nil && !free(r.Output) ||
			u.Seconds > 0 && u.TotalInput() == 0 && rare.Second == nil && !free(r.Input) ||
			u.Characters > 0 && u.TotalInput() == 0 && rare.Characters == nil && !free(r.Input))
}

func free(p *money.Price) bool { return p != nil && *p == 0 }

// part takes what has a price of its own out of its whole. Of parts that are more than the whole together, the last give way.
func part(whole *int64, n int64) int64 {
	n = min(n, *whole)
	*whole -= n
	return n
}

// A Bound is what a request uses at most.
type Bound struct {
	Input  int64 // tokens, however they are read
	Output int64 // tokens

	Images, Seconds, Characters int64
}

// Ceiling is the most that is charged for a request within a bound: what to hold while its usage is unknown. Each token
// counts at the dearest price that it may have, since a prompt that is written to a cache may cost more than one that is
// read in full, and the whole at the dearest tier of service, which the vendor may choose. When it began is known, and so
// is the one window of time that counts. Counts are clamped as in Cost, and priced means the same.
func (r Rate) Ceiling(b Bound, m Markup, began time.Time) (charge money.Amount, priced bool) {
	u, _ := llm.Usage{Input: b.Input, Output: b.Output, Images: b.Images, Seconds: b.Seconds, Characters: b.Characters}.Clamp()
	b = Bound{u.Input, u.Output, u.Images, u.Seconds, u.Characters}
	input, output := r.dearest(b.Input)
	sum, priced := total(term{b.Input, input}, term{b.Output, output})
	if !priced {
		return 0, false
	}
	times := One
	if r.Rare != nil {
		r.Rare.pieces(&sum, b)
		for _, tier := range [...]llm.Tier{llm.Batch, llm.Flex, llm.Priority} {
			times = max(times, r.served(tier))
		}
	}
	sum.Times(int64(times) * int64(r.at(began)))
	_, charge = amounts(sum, m)
	return charge, true
}

// dearest is the highest price of a token of input, and of output, whatever becomes of it in a prompt of at most that length.
func (r Rate) dearest(length int64) (input, output *money.Price) {
	if r.Rare == nil {
		return dearest(r.Input, r.cachedInput(), r.cacheWrite()), r.Output
	}
	for i := -1; i < len(r.Rare.Tiers) && (i < 0 || r.Rare.Tiers[i].Above < length); i++ {
		p := r.of(i)
		in := dearest(p.input, p.cachedInput, p.cacheWrite, p.cacheWrite1h, p.audioInput, p.imageInput)
		out := dearest(p.output, p.reasoning, p.audioOutput, p.imageOutput)
		if i < 0 {
			input, output = in, out
			continue
		}
		input, output = dearest(input, in), dearest(output, out)
	}
	return input, output
}

// pieces adds what is not paid by the token.
func (r *Rare) pieces(sum *money.Sum, b Bound) {
	each := func(n int64, a *money.Amount) {
		if a != nil {
			sum.Add(n*picosPerNano, money.Price(*a)) // n is clamped
		}
	}
	each(b.Images, r.Image)
	each(b.Seconds, r.Second)
	if b != (Bound{}) {
		each(1, r.Request)
	}
	if r.Characters != nil {
		sum.Add(b.Characters, *r.Characters)
	}
}

// served is what a tier of service multiplies the cost with.
func (r Rate) served(tier llm.Tier) Factor {
	if r.Rare == nil {
		return One
	}
	var f *Factor
	switch tier {
	case llm.Batch:
		f = r.Rare.Batch
	case llm.Flex:
		f = r.Rare.Flex
	case llm.Priority:
		f = r.Rare.Priority
	case llm.Standard:
	}
	if f == nil {
		return One
	}
	return *f
}

// prices is a rate with every price filled in that another stands in for.
type prices struct {
	input, audioInput, imageInput, cachedInput, cacheWrite, cacheWrite1h *money.Price
	output, reasoning, audioOutput, imageOutput                          *money.Price
}

// long is what the tokens of a request with a prompt of that length cost.
func (r Rate) long(length int64) prices {
	tier := -1
	for tier+1 < len(r.Rare.Tiers) && length > r.Rare.Tiers[tier+1].Above {
		tier++
	}
	return r.of(tier)
}

// of is what tokens cost in a tier; -1 is below the first. A tier that does not name a price has that of the tier below.
func (r Rate) of(tier int) prices {
	rare := r.Rare
	base := Tier{Input: r.Input, CachedInput: r.CachedInput, CacheWrite: r.CacheWrite, CacheWrite1h: rare.CacheWrite1h, Output: r.Output, Reasoning: rare.Reasoning}
	for i := range tier + 1 {
		t := &rare.Tiers[i]
		base = Tier{
			Input: either(t.Input, base.Input), CachedInput: either(t.CachedInput, base.CachedInput), CacheWrite: either(t.CacheWrite, base.CacheWrite),
			CacheWrite1h: either(t.CacheWrite1h, base.CacheWrite1h), Output: either(t.Output, base.Output), Reasoning: either(t.Reasoning, base.Reasoning),
		}
	}
	p := prices{
		input: base.Input, audioInput: either(rare.AudioInput, base.Input), imageInput: either(rare.ImageInput, base.Input),
		cachedInput: either(base.CachedInput, base.Input), cacheWrite: either(base.CacheWrite, base.Input),
		output: base.Output, reasoning: either(base.Reasoning, base.Output),
		audioOutput: either(rare.AudioOutput, base.Output), imageOutput: either(rare.ImageOutput, base.Output),
	}
	p.cacheWrite1h = either(base.CacheWrite1h, p.cacheWrite)
	return p
}

func (r Rate) cachedInput() *money.Price { return either(r.CachedInput, r.Input) }

func (r Rate) cacheWrite() *money.Price { return either(r.CacheWrite, r.Input) }

// either is a price, or what stands in for it.
func either(p, other *money.Price) *money.Price {
	if p != nil {
		return p
	}
	return other
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

func total(terms ...term) (sum money.Sum, priced bool) {
	for _, t := range terms {
		if t.tokens == 0 {
			continue
		}
		if t.price == nil {
			return money.Sum{}, false
		}
		sum.Add(t.tokens, *t.price)
	}
	return sum, true
}
