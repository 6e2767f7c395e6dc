package pricing

import (
	"encoding/json"
	"fmt"
	"reflect"

	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/money"
)

// MaxTiers is how many tiers of context length a rate has at most.
const MaxTiers = 8

// Rare are the prices that few models have. A nil one is as the price behind it says. Parts of the input and the output
// (sound, pictures, reasoning) cost their own price instead of that of the whole, where they have one.
type Rare struct {
	CacheWrite1h *money.Price `json:"cacheWrite1h,omitempty"` // CacheWrite
	Reasoning    *money.Price `json:"reasoning,omitempty"`    // Output
	AudioInput   *money.Price `json:"audioInput,omitempty"`   // Input
	AudioOutput  *money.Price `json:"audioOutput,omitempty"`  // Output
	ImageInput   *money.Price `json:"imageInput,omitempty"`   // Input
	ImageOutput  *money.Price `json:"imageOutput,omitempty"`  // Output

	// Beside the tokens, and nothing where they are nil. Who bills by these alone has a price of 0 for tokens.
	Characters *money.Price  `json:"characters,omitempty"` // for 1,000,000 of text that is read out
	Request    *money.Amount `json:"request,omitempty"`    // for each that used anything
	Image      *money.Amount `json:"image,omitempty"`      // for each that was made
	Second     *money.Amount `json:"second,omitempty"`     // for each of sound that was listened to

	Tiers []Tier `json:"tiers,omitempty"` // by Above, the lowest first

	// What the whole is multiplied with where the vendor says that it served the request so. Nil changes nothing.
	Batch    *Factor `json:"batch,omitempty"`
	Flex     *Factor `json:"flex,omitempty"`
	Priority *Factor `json:"priority,omitempty"`

	Windows []Window `json:"windows,omitempty"` // the first that holds when a request begins counts
}

// A Tier is what all tokens of a request cost whose prompt is above a length. A nil price is as below it.
type Tier struct {
	Above        int64        `json:"above"` // tokens of the whole input
	Input        *money.Price `json:"input,omitempty"`
	CachedInput  *money.Price `json:"cachedInput,omitempty"`
	CacheWrite   *money.Price `json:"cacheWrite,omitempty"`
	CacheWrite1h *money.Price `json:"cacheWrite1h,omitempty"`
	Output       *money.Price `json:"output,omitempty"`
	Reasoning    *money.Price `json:"reasoning,omitempty"`
}

// OrNil is nil for prices that say nothing.
func (r *Rare) OrNil() *Rare {
	if r != nil && len(r.Tiers) == 0 && len(r.Windows) == 0 {
		bare := *r
		bare.Tiers, bare.Windows = nil, nil
		if reflect.DeepEqual(bare, Rare{}) {
			return nil
		}
	}
	return r
}

func refused(field, format string, args ...any) error {
	err := fault.Field(field, format, args...)
	err.Path = []string{"rarePrices", field}
	return err
}

// Check refuses what cannot be a price list, naming the field within rarePrices.
func (r *Rare) Check() error {
	if r == nil {
		return nil
	}
	for field, p := range map[string]*money.Price{
		"cacheWrite1h": r.CacheWrite1h, "reasoning": r.Reasoning, "audioInput": r.AudioInput, "audioOutput": r.AudioOutput,
		"imageInput": r.ImageInput, "imageOutput": r.ImageOutput, "characters": r.Characters,
	} {
		if p != nil && *p < 0 {
			return refused(field, "a price is not negative")
		}
	}
	for field, a := range map[string]*money.Amount{"request": r.Request, "image": r.Image, "second": r.Second} {
		if a != nil && (*a < 0 || *a > MaxCost) {
			return refused(field, "a price is not negative, and at most %s", MaxCost)
		}
	}
	for field, f := range map[string]*Factor{"batch": r.Batch, "flex": r.Flex, "priority": r.Priority} {
		if f != nil && !f.Valid() {
			return refused(field, "a factor is between 0 and %s", MaxFactor)
		}
	}
	if err := checkWindows(r.Windows); err != nil {
		return err
	}
	return checkTiers(r.Tiers)
}

func checkTiers(tiers []Tier) error {
	if len(tiers) > MaxTiers {
		return refused("tiers", "there are at most %d tiers", MaxTiers)
	}
	for i := range tiers {
		t := &tiers[i]
		if t.Above < 1 || t.Above > llm.MaxTokens || i > 0 && t.Above <= tiers[i-1].Above {
			return refused("tiers", "each tier is above more tokens than the one before, the first above at least 1")
		}
		for _, p := range []*money.Price{t.Input, t.CachedInput, t.CacheWrite, t.CacheWrite1h, t.Output, t.Reasoning} {
			if p != nil && *p < 0 {
				return refused("tiers", "a price is not negative")
			}
		}
	}
	return nil
}

// ReadRare reads rare prices as JSON has them; an empty object is nil.
func ReadRare(raw []byte) (*Rare, error) {
	if len(raw) == 0 || string(raw) == "{}" { // nearly all
		return nil, nil
	}
	var r Rare
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read rare prices: %w", err)
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("read rare prices: %w", err)
	}
	return r.OrNil(), nil
}

// JSON is what ReadRare reads.
func (r *Rare) JSON() json.RawMessage {
	if r.OrNil() == nil {
		return json.RawMessage("{}")
	}
	raw, _ := json.Marshal(r) // texts and numbers: never fails
	return raw
}

// IsZero reports whether a rate knows no price at all.
func (r Rate) IsZero() bool {
	return r.Input == nil && r.CachedInput == nil && r.CacheWrite == nil && r.Output == nil && r.Rare.OrNil() == nil
}

// Equal reports whether two rates have the same prices.
func (r Rate) Equal(other Rate) bool { return reflect.DeepEqual(r, other) }

// Or is the rate with what it does not say taken from another.
func (r Rate) Or(other Rate) Rate {
	for to, from := range map[**money.Price]*money.Price{
		&r.Input: other.Input, &r.CachedInput: other.CachedInput, &r.CacheWrite: other.CacheWrite, &r.Output: other.Output,
	} {
		if *to == nil {
			*to = from
		}
	}
	if r.Rare == nil {
		r.Rare = other.Rare
	}
	return r
}
