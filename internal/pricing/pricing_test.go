package pricing_test

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

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

// rich has every kind of price that a token can have.
var rich = pricing.Rate{Input: perMillion("3"), CachedInput: perMillion("0.3"), CacheWrite: perMillion("3.75"), Output: perMillion("15"), Rare: &pricing.Rare{
	CacheWrite1h: perMillion("6"), Reasoning: perMillion("12"), AudioInput: perMillion("10"), AudioOutput: perMillion("20"),
	ImageInput: perMillion("5"), ImageOutput: perMillion("40"), Batch: new(pricing.One / 2), Priority: new(pricing.Factor(17_500)),
	Tiers:   []pricing.Tier{{Above: 200_000, Input: perMillion("6")}},
	Windows: []pricing.Window{{From: 16*60 + 30, To: 30, Times: pricing.One / 2, Days: []pricing.Weekday{pricing.Friday}}},
}}

// pieces bills by everything but tokens.
var pieces = pricing.Rate{Input: perMillion("0"), Output: perMillion("0"), Rare: &pricing.Rare{
	Characters: perMillion("15"), Request: each("0.0070"), Image: each("0.04"), Second: each("0.0001"),
}}

func each(text string) *money.Amount { return new(amount(text)) }

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
		{"a picture at no price", full, llm.Usage{Input: 10, Images: 1}, 0, false},
		{"a picture paid by its tokens", full, llm.Usage{Output: 10, Images: 1}, amount("0.00015"), true},
		{"sound at no price", full, llm.Usage{Seconds: 5, Output: 1}, 0, false},
		{"sound of an unknown model", pricing.Rate{}, llm.Usage{Seconds: 5}, 0, false},
		{"sound that is free", pricing.Rate{Input: perMillion("0")}, llm.Usage{Seconds: 5}, 0, true},
		{"sound paid by the request", pieces, llm.Usage{Seconds: 10}, amount("0.008"), true},
		{"unknown everything", pricing.Rate{}, llm.Usage{Input: 1}, 0, false},
		{"unknown everything, nothing used", pricing.Rate{}, llm.Usage{}, 0, true},
		{"unknown output", pricing.Rate{Input: perMillion("3")}, llm.Usage{Input: 5, Output: 1}, 0, false},
		{"unknown output, as of an embedding", pricing.Rate{Input: perMillion("3")}, llm.Usage{Input: 1_000_000}, amount("3"), true},
		{"unknown input", pricing.Rate{CachedInput: perMillion("1"), Output: perMillion("3")}, llm.Usage{Input: 1, CachedInput: 1}, 0, false},
		{"unknown input, all of it cached", pricing.Rate{CachedInput: perMillion("1"), Output: perMillion("3")}, llm.Usage{CachedInput: 1_000_000}, amount("1"), true},

		{"negative counts are none", full, llm.Usage{Input: -1_000_000, Output: 1_000_000}, amount("15"), true},
		{"an absurd count is cut", full, llm.Usage{Output: math.MaxInt64}, amount("1500"), true},
		{"each part at its own price", rich, llm.Usage{Input: 1000, AudioInput: 100, ImageInput: 200, CacheWrite5m: 10, CacheWrite1h: 10, Output: 1000, Reasoning: 300, AudioOutput: 100, ImageOutput: 50},
			amount("0.0200475"), true}, // 700x3 + 100x10 + 200x5, 10x3.75 + 10x6, 550x15 + 300x12 + 100x20 + 50x40
		{"parts that are more than the whole", rich, llm.Usage{Output: 10, Reasoning: 8, AudioOutput: 8, ImageOutput: 8}, amount("0.000136"), true},
		{"above a length", rich, llm.Usage{Input: 200_001}, amount("1.200006"), true},
		{"just that length", rich, llm.Usage{Input: 200_000}, amount("0.6"), true},
		{"a tier raises what it does not name through what stands in", pricing.Rate{Input: perMillion("1"), Output: perMillion("1"), Rare: &pricing.Rare{Tiers: []pricing.Tier{{Above: 10, Input: perMillion("2")}}}},
			llm.Usage{Input: 500_000, CachedInput: 500_000, Output: 1_000_000}, amount("3"), true},
		{"a batch", rich, llm.Usage{Input: 1_000, Tier: llm.Batch}, amount("0.0015"), true},
		{"at priority", rich, llm.Usage{Input: 1_000, Tier: llm.Priority}, amount("0.00525"), true},
		{"a tier of service without a factor", rich, llm.Usage{Input: 1_000, Tier: llm.Flex}, amount("0.003"), true},
		{"by the piece", pieces, llm.Usage{Input: 5, Output: 900, ImageOutput: 900, Images: 3, Seconds: 61, Characters: 1_000_000}, amount("15.1331"), true},
		{"by the piece, nothing used", pieces, llm.Usage{}, 0, true},
		{"a piece whose tokens have no price", pricing.Rate{Rare: &pricing.Rare{Image: each("0.04")}}, llm.Usage{Output: 10, Images: 1}, 0, false},

		{"a mistyped price", pricing.Rate{Input: new(money.Price(math.MaxInt64)), Output: new(money.Price(math.MaxInt64))}, llm.Usage{Input: math.MaxInt64, Output: math.MaxInt64}, pricing.MaxCost, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, priced := tt.rate.Cost(tt.usage, noon)
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
		{"at the dearest of everything", rich, 100_000, 100_000, amount("8.75"), true}, // (10 + 40) x 1.75 / 10
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, priced := tt.rate.Ceiling(pricing.Bound{Input: tt.input, Output: tt.output}, 0, noon)
			if got != tt.want || priced != tt.priced {
				t.Errorf("Ceiling = %s, %t; want %s, %t", got, priced, tt.want, tt.priced)
			}
		})
	}
}

// drawPrice draws a price that is often unknown, often zero, and up to 1,000,000 credits for a million.
func drawPrice(t *rapid.T, label string) *money.Price {
	return rapid.Ptr(rapid.OneOf(
		rapid.Just(money.Price(0)),
		rapid.Map(rapid.Int64Range(0, 1_000_000_000_000), func(n int64) money.Price { return money.Price(n) }),
	), true).Draw(t, label)
}

func drawAmount(t *rapid.T, label string) *money.Amount {
	return rapid.Ptr(rapid.Map(rapid.Int64Range(0, int64(pricing.MaxCost)), func(n int64) money.Amount { return money.Amount(n) }), true).Draw(t, label)
}

func drawFactor(t *rapid.T, label string) pricing.Factor {
	return pricing.Factor(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(pricing.MaxFactor))).Draw(t, label))
}

func drawMarkup(t *rapid.T) pricing.Markup {
	return pricing.MarkupOf(drawFactor(t, "provider factor"), drawFactor(t, "model factor"))
}

func drawRate(t *rapid.T) pricing.Rate {
	r := pricing.Rate{
		Input:       drawPrice(t, "input price"),
		CachedInput: drawPrice(t, "cached input price"),
		CacheWrite:  drawPrice(t, "cache write price"),
		Output:      drawPrice(t, "output price"),
	}
	if !rapid.Bool().Draw(t, "rare") {
		return r
	}
	maybe := func(label string) *pricing.Factor {
		if !rapid.Bool().Draw(t, label+" known") {
			return nil
		}
		return new(drawFactor(t, label))
	}
	r.Rare = &pricing.Rare{
		CacheWrite1h: drawPrice(t, "cache write 1h"), Reasoning: drawPrice(t, "reasoning price"),
		AudioInput: drawPrice(t, "audio in"), AudioOutput: drawPrice(t, "audio out"), ImageInput: drawPrice(t, "image in"), ImageOutput: drawPrice(t, "image out"),
		Characters: drawPrice(t, "characters price"), Request: drawAmount(t, "request"), Image: drawAmount(t, "image"), Second: drawAmount(t, "second"),
		Batch: maybe("batch"), Flex: maybe("flex"), Priority: maybe("priority"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "windows") {
		w := pricing.Window{From: pricing.Clock(rapid.IntRange(0, 1439).Draw(t, "from")), Times: drawFactor(t, "times")}
		w.To = pricing.Clock(rapid.IntRange(0, 1440).Filter(func(n int) bool { return n != int(w.From) }).Draw(t, "to"))
		if rapid.Bool().Draw(t, "some days") {
			days := rapid.Permutation([]pricing.Weekday{pricing.Sunday, pricing.Monday, pricing.Tuesday, pricing.Wednesday, pricing.Thursday, pricing.Friday, pricing.Saturday}).Draw(t, "week")
			w.Days = days[:rapid.IntRange(1, 7).Draw(t, "days")]
		}
		r.Rare.Windows = append(r.Rare.Windows, w)
	}
	above := int64(0)
	for range rapid.IntRange(0, 3).Draw(t, "tiers") {
		above += rapid.Int64Range(1, 1_000_000).Draw(t, "above")
		r.Rare.Tiers = append(r.Rare.Tiers, pricing.Tier{
			Above: above, Input: drawPrice(t, "tier input"), CachedInput: drawPrice(t, "tier cached"), CacheWrite: drawPrice(t, "tier write"),
			CacheWrite1h: drawPrice(t, "tier write 1h"), Output: drawPrice(t, "tier output"), Reasoning: drawPrice(t, "tier reasoning"),
		})
	}
	return r
}

// drawTime is a time of any year and zone; a window's edge is as likely as all the rest.
func drawTime(t *rapid.T, rate pricing.Rate) time.Time {
	at := time.Unix(rapid.OneOf(rapid.Int64Range(-1e9, 4e9), rapid.Int64Range(1_700_000_000, 1_700_700_000)).Draw(t, "began"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
	if rate.Rare != nil && len(rate.Rare.Windows) > 0 && rapid.Bool().Draw(t, "at an edge") {
		w := rapid.SampledFrom(rate.Rare.Windows).Draw(t, "window")
		edge := rapid.SampledFrom([]pricing.Clock{w.From, w.To}).Draw(t, "edge")
		at = at.UTC().Truncate(24 * time.Hour).Add(time.Duration(edge)*time.Minute + time.Duration(rapid.IntRange(-1, 0).Draw(t, "just before")))
	}
	return at.In(rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 5*3600+1800), time.FixedZone("", -11*3600)}).Draw(t, "zone"))
}

// inForce is the factor of a time, told by comparing texts.
func inForce(windows []pricing.Window, at time.Time) pricing.Factor {
	at = at.UTC()
	now, on := at.Format("15:04"), func(w pricing.Window, day time.Time) bool {
		return len(w.Days) == 0 || slices.ContainsFunc(w.Days, func(d pricing.Weekday) bool { return strings.EqualFold(d.String(), day.Format("Mon")) })
	}
	for _, w := range windows {
		from, to := w.From.String(), w.To.String()
		switch yesterday := at.AddDate(0, 0, -1); {
		case from < to && from <= now && now < to && on(w, at), from > to && from <= now && on(w, at), from > to && now < to && on(w, yesterday):
			return w.Times
		}
	}
	return pricing.One
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func drawUsage(t *rapid.T, tokens *rapid.Generator[int64]) llm.Usage {
	return llm.Usage{
		Input:        tokens.Draw(t, "input"),
		CachedInput:  tokens.Draw(t, "cached"),
		CacheWrite5m: tokens.Draw(t, "write 5m"),
		CacheWrite1h: tokens.Draw(t, "write 1h"),
		Output:       tokens.Draw(t, "output"),
		Reasoning:    tokens.Draw(t, "reasoning"),
		AudioInput:   tokens.Draw(t, "audio in"),
		AudioOutput:  tokens.Draw(t, "audio out"),
		ImageInput:   tokens.Draw(t, "image in"),
		ImageOutput:  tokens.Draw(t, "image out"),
		Images:       tokens.Draw(t, "images"),
		Seconds:      tokens.Draw(t, "seconds"),
		Characters:   tokens.Draw(t, "characters"),
		Tier:         llm.Tier(rapid.IntRange(0, 3).Draw(t, "tier")),
	}
}

var (
	anyTokens  = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-10, 1_000_000), rapid.Int64())
	saneTokens = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1_000_000))
)

// TestChargeIsExact holds Cost and Charge against fractions of unlimited size.
func TestChargeIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, usage, markup := drawRate(t), drawUsage(t, anyTokens), drawMarkup(t)
		began := drawTime(t, rate)
		exactly, wantPriced := exact(rate, usage)
		if wantPriced && rate.Rare != nil {
			exactly.Mul(exactly, big.NewRat(int64(inForce(rate.Rare.Windows, began)), 10_000))
		}
		cost, charge, priced := rate.Charge(usage, markup, began)
		if priced != wantPriced {
			t.Fatalf("priced is %t", priced)
		}
		if !priced {
			if cost != 0 || charge != 0 {
				t.Fatalf("unpriced, and yet %d and %d", cost, charge)
			}
			return
		}
		if most := big.NewRat(int64(pricing.MaxCost), 1); exactly.Cmp(most) > 0 {
			exactly = most
		}
		if want := rounded(exactly); cost != want {
			t.Fatalf("cost %d, want %d", cost, want)
		}
		times := big.NewRat(100_000_000+int64(markup), 100_000_000)
		if want := rounded(times.Mul(times, exactly)); charge != want {
			t.Fatalf("charge %d, want %d", charge, want)
		}
		if alone, _ := rate.Cost(usage, began); alone != cost {
			t.Fatalf("Cost = %d, Charge says %d", alone, cost)
		}
	})
}

// rounded is half up, and at most MaxCost.
func rounded(r *big.Rat) money.Amount {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	floor := new(big.Int).Div(r.Num(), r.Denom())
	if floor.Cmp(big.NewInt(int64(pricing.MaxCost))) > 0 {
		return pricing.MaxCost
	}
	return money.Amount(floor.Int64())
}

// exact is a second telling of the rules, in nano-credits.
func exact(rate pricing.Rate, u llm.Usage) (*big.Rat, bool) {
	for _, n := range []*int64{&u.Input, &u.CachedInput, &u.CacheWrite5m, &u.CacheWrite1h, &u.Output, &u.Reasoning, &u.AudioInput, &u.AudioOutput,
		&u.ImageInput, &u.ImageOutput, &u.Images, &u.Seconds, &u.Characters} {
		*n = min(max(*n, 0), llm.MaxTokens)
	}
	rare := pricing.Rare{}
	if rate.Rare != nil {
		rare = *rate.Rare
	}
	input, cached, write, write1h := rate.Input, rate.CachedInput, rate.CacheWrite, rare.CacheWrite1h
	output, reasoning := rate.Output, rare.Reasoning
	for _, tier := range rare.Tiers {
		if u.Input+u.CachedInput+u.CacheWrite5m+u.CacheWrite1h <= tier.Above {
			continue
		}
		for to, from := range map[**money.Price]*money.Price{&input: tier.Input, &cached: tier.CachedInput, &write: tier.CacheWrite, &write1h: tier.CacheWrite1h,
			&output: tier.Output, &reasoning: tier.Reasoning} {
			if from != nil {
				*to = from
			}
		}
	}
	audioIn := min(u.AudioInput, u.Input)
	imageIn := min(u.ImageInput, u.Input-audioIn)
	thought := min(u.Reasoning, u.Output)
	audioOut := min(u.AudioOutput, u.Output-thought)
	imageOut := min(u.ImageOutput, u.Output-thought-audioOut)
	for _, piece := range []struct {
		n, tokens int64
		price     bool
		token     *money.Price
	}{
		{u.Images, u.Output, rare.Image != nil, rate.Output},
		{u.Seconds, u.TotalInput(), rare.Second != nil, rate.Input},
		{u.Characters, u.TotalInput(), rare.Characters != nil, rate.Input},
	} {
		if piece.n > 0 && piece.tokens == 0 && !piece.price && rare.Request == nil && (piece.token == nil || *piece.token > 0) {
			return nil, false
		}
	}
	sum := new(big.Rat)
	for _, kind := range []struct {
		tokens int64
		prices []*money.Price // the first that is known
	}{
		{u.Input - audioIn - imageIn, []*money.Price{input}},
		{audioIn, []*money.Price{rare.AudioInput, input}},
		{imageIn, []*money.Price{rare.ImageInput, input}},
		{u.CachedInput, []*money.Price{cached, input}},
		{u.CacheWrite5m, []*money.Price{write, input}},
		{u.CacheWrite1h, []*money.Price{write1h, write, input}},
		{u.Output - thought - audioOut - imageOut, []*money.Price{output}},
		{thought, []*money.Price{reasoning, output}},
		{audioOut, []*money.Price{rare.AudioOutput, output}},
		{imageOut, []*money.Price{rare.ImageOutput, output}},
	} {
		if kind.tokens == 0 {
			continue
		}
		var price *money.Price
		for _, p := range kind.prices {
			if price == nil {
				price = p
			}
		}
		if price == nil {
			return nil, false
		}
		// Micro-credits per million tokens, in nano-credits: a thousandth a token.
		sum.Add(sum, new(big.Rat).Mul(big.NewRat(kind.tokens, 1), big.NewRat(int64(*price), 1000)))
	}
	if rare.Characters != nil {
		sum.Add(sum, new(big.Rat).Mul(big.NewRat(u.Characters, 1), big.NewRat(int64(*rare.Characters), 1000)))
	}
	requests := int64(0)
	if u.Total()+u.Images+u.Seconds+u.Characters > 0 {
		requests = 1
	}
	for n, a := range map[*int64]*money.Amount{&u.Images: rare.Image, &u.Seconds: rare.Second, &requests: rare.Request} {
		if a != nil {
			sum.Add(sum, new(big.Rat).Mul(big.NewRat(*n, 1), big.NewRat(int64(*a), 1)))
		}
	}
	if f := map[llm.Tier]*pricing.Factor{llm.Batch: rare.Batch, llm.Flex: rare.Flex, llm.Priority: rare.Priority}[u.Tier]; f != nil {
		sum.Mul(sum, big.NewRat(int64(*f), 10_000))
	}
	return sum, true
}

// TestCeilingHolds: whatever way a prompt of so many tokens is read, however much of the answer is used and at whatever tier
// the vendor served it, it is charged no more than its ceiling.
func TestCeilingHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, u, markup := drawRate(t), drawUsage(t, saneTokens), drawMarkup(t)
		spare := func(n int64) int64 { return n + saneTokens.Draw(t, "spare") }
		bound := pricing.Bound{
			Input: spare(u.TotalInput()), Output: spare(u.Output), Images: spare(u.Images), Seconds: spare(u.Seconds), Characters: spare(u.Characters),
		}
		began := drawTime(t, rate)
		ceiling, known := rate.Ceiling(bound, markup, began)
		if !known {
			t.Skip("no ceiling without prices")
		}
		_, charge, priced := rate.Charge(u, markup, began)
		if !priced && u.Images+u.Seconds+u.Characters == 0 || charge > ceiling {
			t.Fatalf("charge %d, %t; ceiling %d", charge, priced, ceiling)
		}
	})
}

// TestMoreCostsNoLess: one more of anything costs at least as much, where no tier of length is cheaper than the one below.
func TestMoreCostsNoLess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate, u, markup := drawRate(t), drawUsage(t, saneTokens), drawMarkup(t)
		if rate.Rare != nil {
			rate.Rare.Tiers = nil
		}
		more, began := u, drawTime(t, rate)
		n := rapid.Int64Range(1, 1000).Draw(t, "more")
		for _, counts := range [][]*int64{
			{&more.Input}, {&more.CachedInput}, {&more.CacheWrite5m}, {&more.CacheWrite1h}, {&more.Output}, {&more.Images}, {&more.Seconds}, {&more.Characters},
			{&more.Input, &more.AudioInput}, {&more.Output, &more.Reasoning},
		} {
			more = u
			for _, count := range counts {
				*count += n
			}
			cost, charge, priced := rate.Charge(u, markup, began)
			dearer, chargedMore, still := rate.Charge(more, markup, began)
			if priced && still && (dearer < cost || chargedMore < charge) {
				t.Fatalf("%+v costs %d, charged %d; %+v %d, %d", u, cost, charge, more, dearer, chargedMore)
			}
		}
	})
}

// TestPricesAreReadBack: what is stored of rare prices is what comes back.
func TestPricesAreReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rare := drawRate(t).Rare.OrNil()
		back, err := pricing.ReadRare(rare.JSON())
		if err != nil || !(pricing.Rate{Rare: back}).Equal(pricing.Rate{Rare: rare}) {
			t.Fatalf("%s, %v: %s", rare.JSON(), err, back.JSON())
		}
	})
}

func TestRefusedPrices(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"reasoning":"-1"}`, `{"reasoning":1e400}`, `{"reasoning":"NaN"}`, `{"request":"-1"}`, `{"image":"1000001"}`, `{"batch":"101"}`, `{"batch":"-1"}`,
		`{"tiers":[{"above":0,"input":"1"}]}`, `{"tiers":[{"above":5},{"above":5}]}`, `{"tiers":[{"above":100000001}]}`,
		`{"tiers":[{"above":1},{"above":2},{"above":3},{"above":4},{"above":5},{"above":6},{"above":7},{"above":8},{"above":9}]}`, `[]`, `{`,
	} {
		if rare, err := pricing.ReadRare([]byte(text)); err == nil {
			t.Errorf("%s was taken: %+v", text, rare)
		}
	}
}

// TestOffPeak is a vendor's discount that begins on Friday evenings and ends after midnight.
func TestOffPeak(t *testing.T) {
	t.Parallel()
	friday := time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC)
	u := llm.Usage{Input: 1_000_000}
	for at, want := range map[time.Duration]string{
		16*time.Hour + 29*time.Minute + 59*time.Second: "3", 16*time.Hour + 30*time.Minute: "1.5", 24*time.Hour - 1: "1.5", 24 * time.Hour: "1.5",
		24*time.Hour + 30*time.Minute - 1: "1.5", 24*time.Hour + 30*time.Minute: "3", 40*time.Hour + 30*time.Minute: "3", 0: "3", 29 * time.Minute: "3",
	} {
		rate := rich
		rare := *rich.Rare
		rare.Tiers = nil
		rate.Rare = &rare
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 8*3600)} {
			began := friday.Add(at).In(zone)
			cost, charge, _ := rate.Charge(u, 0, began)
			held, _ := rate.Ceiling(pricing.Bound{Input: 1_000_000}, 0, began)
			if cost != amount(want) || charge != cost || held < charge || held > 8*charge {
				t.Errorf("%s: %s, held %s, want %s", began, cost, held, want)
			}
		}
	}
}

func TestFactors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]pricing.Factor{"0": 0, "1": pricing.One, "1.25": 12_500, "0.0001": 1, "100": pricing.MaxFactor} {
		if got, err := pricing.ParseFactor(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q is %d (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "100.0001", "1000", "0.00001", "1e2", "NaN", "+1", "1_0"} {
		if got, err := pricing.ParseFactor(text); err == nil {
			t.Errorf("%q was taken for %s", text, got)
		}
	}
	if pricing.MarkupOf(pricing.One, pricing.One) != 0 || pricing.MarkupOf(12_000, 5_000) != -40_000_000 || pricing.MarkupOf(0, pricing.One) != -100_000_000 {
		t.Error("a markup is not the product of its factors")
	}
}

func TestPricingDoesNotAllocate(t *testing.T) {
	u := llm.Usage{Input: 250_000, CachedInput: 10, Output: 100, Reasoning: 10, Tier: llm.Priority}
	for _, rate := range []pricing.Rate{full, rich} {
		if n := testing.AllocsPerRun(100, func() {
			rate.Charge(u, 5, noon)
			rate.Ceiling(pricing.Bound{Input: 250_000, Output: 100}, 5, noon)
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkCharge(b *testing.B) {
	u := llm.Usage{Input: 250_000, CachedInput: 10, Output: 100, Reasoning: 10, Tier: llm.Priority}
	for name, rate := range map[string]pricing.Rate{"plain": full, "rare": rich} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				rate.Charge(u, 5, noon)
			}
		})
	}
}
