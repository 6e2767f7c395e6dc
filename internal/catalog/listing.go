package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
)

const (
	// MaxListing is how large a price catalogue may be, in bytes.
	MaxListing = 32 << 20
	// MaxListed is how many models are kept of price catalogues.
	MaxListed = 20_000
	// maxListedPrice is the highest price in US dollars per 1,000,000 tokens that a catalogue is believed.
	maxListedPrice = 10_000
	// maxProblems is how many of the models that were left out are named.
	maxProblems = 20
)

// A listing is a price catalogue in the form of models.dev's api.json, as far as its vendors are known here: an object of
// vendors by id, each with its models by id. Prices are US dollars per 1,000,000 tokens.
type listing struct {
	models   map[listed]PresetModel
	unpriced int // models without a price
	leftOut  int // models that cannot be believed
	problems []string
}

// listed names a model of a catalogue.
type listed struct{ vendor, upstreamID string }

// listedModel is one model as a catalogue has it.
type listedModel struct {
	Name       string `json:"name"`
	Reasoning  bool   `json:"reasoning"`
	Modalities struct {
		Input []string `json:"input"`
	} `json:"modalities"`
	Limit struct {
		Context int64 `json:"context"`
		Output  int64 `json:"output"`
	} `json:"limit"`
	Cost map[string]json.RawMessage `json:"cost"`
}

var errListing = errors.New("not a catalogue in the form of models.dev")

// readListing reads the vendors of a catalogue that are wanted. A model with anything wrong about it is left out and counted;
// a document without any model to use is an error.
func readListing(raw []byte, wanted map[string]bool) (*listing, error) {
	var vendors map[string]json.RawMessage
	if err := json.Unmarshal(raw, &vendors); err != nil {
		return nil, errListing
	}
	l := &listing{models: map[listed]PresetModel{}}
	for _, vendor := range slices.Sorted(maps.Keys(vendors)) {
		if !wanted[vendor] {
			continue
		}
		var of struct {
			Models map[string]json.RawMessage `json:"models"`
		}
		if err := json.Unmarshal(vendors[vendor], &of); err != nil {
			return nil, fmt.Errorf("%w: the models of %s", errListing, vendor)
		}
		for _, upstreamID := range slices.Sorted(maps.Keys(of.Models)) {
			l.add(listed{vendor, upstreamID}, of.Models[upstreamID])
		}
	}
	if len(l.models) == 0 {
		return nil, fmt.Errorf("%w: no model with a price", errListing)
	}
	return l, nil
}

func (l *listing) add(at listed, raw json.RawMessage) {
	m, err := readListed(at.upstreamID, raw)
	switch {
	case err != nil:
		l.leaveOut(at, err)
	case m.Rate.Input == nil:
		l.unpriced++
	default:
		l.models[at] = m
	}
}

// leaveOut counts a model that is not taken over and says why. A name that cannot be shown is not.
func (l *listing) leaveOut(at listed, why error) {
	l.leftOut++
	delete(l.models, at)
	if len(l.problems) < maxProblems {
		l.problems = append(l.problems, fmt.Sprintf("%s/%.80q: %v", at.vendor, at.upstreamID, why))
	}
}

func readListed(upstreamID string, raw json.RawMessage) (PresetModel, error) {
	var m listedModel
	if err := json.Unmarshal(raw, &m); err != nil {
		return PresetModel{}, errors.New("its fields are not what they should be")
	}
	if upstreamID == "" || len(upstreamID) > MaxName || !isWord(upstreamID) {
		return PresetModel{}, errors.New("its id is not a word")
	}
	for _, tokens := range []int64{m.Limit.Context, m.Limit.Output} {
		if tokens < 0 || tokens > llm.MaxTokens {
			return PresetModel{}, errors.New("its limits cannot be believed")
		}
	}
	rate, err := listedRate(m.Cost)
	if err != nil {
		return PresetModel{}, err
	}
	p := PresetModel{ID: upstreamID, Name: upstreamID, Context: m.Limit.Context, MaxOutput: m.Limit.Output, Rate: rate}
	if len(m.Name) <= MaxName && utf8.ValidString(m.Name) && !bytes.ContainsFunc([]byte(m.Name), func(r rune) bool { return !unicode.IsPrint(r) }) {
		p.Name = cmp.Or(m.Name, upstreamID)
	}
	if len(m.Modalities.Input) > 0 {
		p.Capabilities = capabilities(m.Reasoning, slices.Contains(m.Modalities.Input, "image"))
	}
	return p, nil
}

// listedRate is what a model costs. Of what it names, nothing may be passed over: a price that is not understood would be
// charged as none.
func listedRate(cost map[string]json.RawMessage) (r pricing.Rate, err error) {
	var rare pricing.Rare
	slots := map[string]**money.Price{
		"input": &r.Input, "output": &r.Output, "cache_read": &r.CachedInput, "cache_write": &r.CacheWrite,
		"reasoning": &rare.Reasoning, "input_audio": &rare.AudioInput, "output_audio": &rare.AudioOutput,
	}
	long, tiers := cost["context_over_200k"], cost["tiers"]
	if err := fillListed(slots, cost, "context_over_200k", "tiers"); err != nil {
		return pricing.Rate{}, err
	}
	if rare.Tiers, err = listedTiers(tiers, long); err != nil {
		return pricing.Rate{}, err
	}
	if err := rare.Check(); err != nil {
		return pricing.Rate{}, errors.New("its tiers are not in order")
	}
	if r.Input == nil {
		return pricing.Rate{}, nil
	}
	r.Rare = rare.OrNil()
	return r, nil
}

// fillListed reads prices into their slots. Keys besides are refused but for those that others read.
func fillListed(slots map[string]**money.Price, cost map[string]json.RawMessage, others ...string) error {
	for _, key := range slices.Sorted(maps.Keys(cost)) {
		if slices.Contains(others, key) {
			continue
		}
		slot, ok := slots[key]
		if !ok {
			return fmt.Errorf("it has a price of an unknown kind, %.40q", key)
		}
		p, err := listedPrice(cost[key])
		if err != nil {
			return fmt.Errorf("its price %q %w", key, err)
		}
		*slot = p
	}
	return nil
}

// listedTiers are the prices of long requests: tiers, or where there are none, those above 200,000 tokens.
func listedTiers(tiers, long json.RawMessage) ([]pricing.Tier, error) {
	var list []map[string]json.RawMessage
	if err := read(tiers, &list); err != nil {
		return nil, errors.New("its tiers are not what they should be")
	}
	if len(list) == 0 && !empty(long) {
		var one map[string]json.RawMessage
		if err := read(long, &one); err != nil {
			return nil, errors.New("its tiers are not what they should be")
		}
		tier, err := listedTier(one, 200_000)
		return []pricing.Tier{tier}, err
	}
	var found []pricing.Tier
	for _, one := range list {
		var at struct {
			Type string `json:"type"`
			Size int64  `json:"size"`
		}
		if err := read(one["tier"], &at); err != nil || at.Type != "" && at.Type != "context" {
			return nil, errors.New("its tiers are not by the length of the context")
		}
		tier, err := listedTier(one, at.Size)
		if err != nil {
			return nil, err
		}
		found = append(found, tier)
	}
	slices.SortFunc(found, func(a, b pricing.Tier) int { return int(a.Above - b.Above) })
	return found, nil
}

func listedTier(prices map[string]json.RawMessage, above int64) (pricing.Tier, error) {
	t := pricing.Tier{Above: above}
	err := fillListed(map[string]**money.Price{
		"input": &t.Input, "output": &t.Output, "cache_read": &t.CachedInput, "cache_write": &t.CacheWrite, "reasoning": &t.Reasoning,
	}, prices, "tier")
	return t, err
}

func empty(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

func read(raw json.RawMessage, into any) error {
	if empty(raw) {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// listedPrice reads a price. A zero is unknown, as with price: what is free and what is not known look alike.
func listedPrice(raw json.RawMessage) (*money.Price, error) {
	if empty(raw) {
		return nil, nil
	}
	var number json.Number
	if raw[0] == '"' || json.Unmarshal(raw, &number) != nil {
		return nil, errors.New("is not a number")
	}
	dollars, err := strconv.ParseFloat(number.String(), 64)
	switch {
	case err != nil || dollars > maxListedPrice:
		return nil, errors.New("is too high to be believed")
	case dollars < 0:
		return nil, errors.New("is negative")
	case dollars == 0:
		return nil, nil
	}
	p := price(dollars)
	if p == nil {
		return nil, errors.New("is too small to be kept")
	}
	return p, nil
}
