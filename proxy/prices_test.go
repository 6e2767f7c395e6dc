package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/internal/snapshot"
	"aihigress/proxy"
)

// dear is a rate whose rarer prices all show in a charge.
func dear() pricing.Rate {
	each := func(n money.Amount) *money.Amount { return &n }
	return pricing.Rate{Input: price("1"), Output: price("10"), Rare: &pricing.Rare{
		Reasoning: price("20"), AudioInput: price("5"), Batch: new(pricing.One / 2), Priority: new(2 * pricing.One), Characters: price("15"), Request: each(7), Image: each(40_000_000), Second: each(100_000),
		Tiers: []pricing.Tier{{Above: 150, Input: price("2")}},
	}}
}

func priced(rate pricing.Rate, markup pricing.Markup) func(*proxy.Options, *snapshot.Contents) {
	return func(_ *proxy.Options, c *snapshot.Contents) {
		c.Providers[0].Models["up-m"].Rate = rate
		c.Models[0].Routes[0].Markup = markup
	}
}

// TestRarePricesAreCharged: what vendors tell of tiers, parts and pieces is charged at its own price, and within the hold.
func TestRarePricesAreCharged(t *testing.T) {
	t.Parallel()
	tail := func(fields string) string {
		return strings.Replace(completion, `"usage":{"prompt_tokens":100`, fields+`"usage":{"prompt_tokens":100`, 1)
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		path   string
		body   string
		want   llm.Usage
		cost   money.Amount
	}{
		"standard":           {answer(completion), "/chat/completions", chat, llm.Usage{Input: 100, Output: 20}, 300_007},
		"at priority":        {answer(tail(`"service_tier":"priority",`)), "/chat/completions", chat, llm.Usage{Input: 100, Output: 20, Tier: llm.Priority}, 600_014},
		"a batch, in events": {events(word, strings.Replace(tokens, `"choices"`, `"service_tier":"batch","choices"`, 1), done), "/chat/completions", stream, llm.Usage{Input: 100, Output: 20, Tier: llm.Batch}, 150_004},
		"reasoning": {answer(strings.Replace(completion, `"total_tokens":120`, `"total_tokens":120,"completion_tokens_details":{"reasoning_tokens":15}`, 1)), "/chat/completions", chat,
			llm.Usage{Input: 100, Output: 20, Reasoning: 15}, 450_007},
		"a long prompt": {answer(strings.Replace(completion, `"prompt_tokens":100`, `"prompt_tokens":151`, 1)), "/chat/completions", chat, llm.Usage{Input: 151, Output: 20}, 502_007},
		"pictures": {answer(`{"created":1,"data":[{"url":"a"},{"url":"b"}],"usage":{"input_tokens":10,"output_tokens":20,"total_tokens":30}}`), "/images/generations",
			`{"model":"m","prompt":"a cat","n":2}`, llm.Usage{Input: 10, Output: 20, Images: 2}, 80_210_007},
		"characters": {script(200, "audio/mpeg", "\xff\xfbsound"), "/audio/speech", `{"model":"m","voice":"alloy","input":"Gr\u00fc\u00dfe, 世界"}`,
			llm.Usage{Input: 5, Characters: 9, Estimated: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: tt.answer}}, priced(dear(), 50_000_000))
			if a := w.post(tt.path, tt.body); a.StatusCode != 200 {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			e := w.only()
			if tt.cost == 0 { // of an estimate
				if e.Usage.Characters != tt.want.Characters {
					t.Fatalf("%+v", e.Usage)
				}
				tt.want = e.Usage
				tt.cost, _ = dear().Cost(e.Usage, e.StartedAt)
			}
			if e.Usage != tt.want || *e.Cost != tt.cost {
				t.Errorf("%+v costs %d; want %+v, %d", e.Usage, *e.Cost, tt.want, tt.cost)
			}
			if _, charge, _ := dear().Charge(e.Usage, 50_000_000, e.StartedAt); *e.Charge != charge || charge < *e.Cost {
				t.Errorf("charged %d for %d, want %d", *e.Charge, *e.Cost, charge)
			}
			if name != "a long prompt" && *e.Charge > e.Hold { // which no estimate could foresee
				t.Errorf("%d is charged and %d held", *e.Charge, e.Hold)
			}
			if want := (pricing.Version{Rate: dear(), Markup: 50_000_000}).ID(); e.PriceVersion != want {
				t.Errorf("billed by version %q, want %q", e.PriceVersion, want)
			}
			if len(w.credit.settled) != 1 || w.credit.settled[0] != *e.Charge {
				t.Errorf("settled %v, charged %d", w.credit.settled, *e.Charge)
			}
		})
	}
}

// TestHoursAreCharged: a request is charged and held by the hours that it began in.
func TestHoursAreCharged(t *testing.T) {
	t.Parallel()
	var held [2]money.Amount
	for i, times := range []pricing.Factor{pricing.One, pricing.One / 2} {
		rate := dear()
		rate.Rare.Windows = []pricing.Window{{To: 24 * 60, Times: times}}
		w := newWorld(t, []vendor{{handler: answer(completion)}}, priced(rate, 0))
		if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		e := w.only()
		if want := money.Amount(300_007+i) / money.Amount(1+i); *e.Charge != want {
			t.Errorf("times %s: charged %d, want %d", times, *e.Charge, want)
		}
		held[i] = e.Hold
	}
	if held[1] != (held[0]+1)/2 {
		t.Errorf("held %v", held)
	}
}

// TestUsageThatCannotBe: what no vendor can mean is booked by estimate, within the hold; what shrinks, as it was told last.
func TestUsageThatCannotBe(t *testing.T) {
	t.Parallel()
	told := func(prompt, completion string) string {
		return strings.NewReplacer(`"prompt_tokens":100`, `"prompt_tokens":`+prompt, `"completion_tokens":20`, `"completion_tokens":`+completion).Replace(tokens)
	}
	for name, tt := range map[string]struct {
		usage         []string
		input, output int64 // 0 is an estimate
	}{
		"no number":                 {[]string{told("NaN", "20")}, 0, 0}, // not even JSON
		"a text":                    {[]string{told(`"NaN"`, "20")}, 0, 0},
		"negative":                  {[]string{told("-100", "20")}, 0, 0},
		"negative output":           {[]string{told("100", "-1")}, 0, 0},
		"infinite":                  {[]string{told("1e999", "20")}, 0, 0},
		"beyond 64 bits":            {[]string{told("99999999999999999999999", "20")}, 0, 0},
		"more than the context":     {[]string{told("1001", "20")}, 0, 0},
		"more out than the context": {[]string{told("100", "1001")}, 0, 0},
		"just the context":          {[]string{told("1000", "20")}, 1000, 20},
		"shrinking":                 {[]string{told("100", "20"), told("90", "10")}, 90, 10},
		"back to nothing":           {[]string{told("100", "20"), told("0", "0")}, 100, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, []vendor{{handler: events(append(append([]string{word, end}, tt.usage...), done)...)}}, func(_ *proxy.Options, c *snapshot.Contents) {
				c.Providers[0].Models["up-m"].Context = 1000
			})
			w.post("/chat/completions", stream)
			e := w.only()
			if tt.input == 0 {
				if !e.Usage.Estimated || e.Usage.Input < 1 || e.Usage.Input > 50 || e.Usage.Output > 50 || *e.Charge > e.Hold {
					t.Errorf("%+v is charged %d of %d held", e.Usage, *e.Charge, e.Hold)
				}
				return
			}
			if want := (llm.Usage{Input: tt.input, Output: tt.output}); e.Usage != want {
				t.Errorf("%+v, want %+v", e.Usage, want)
			}
		})
	}
}

// TestSecondsAreCharged: sound is paid by the second where the vendor tells its length.
func TestSecondsAreCharged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(`{"text":"hello","usage":{"type":"duration","seconds":61.2}}`)}}, priced(dear(), 0))
	const form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n%s\r\n--b--\r\n"
	a := w.post("/audio/transcriptions", fmt.Sprintf(form, strings.Repeat("s", 300_000)), "Content-Type", "multipart/form-data; boundary=b")
	if a.StatusCode != 200 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	e := w.only()
	if want, _ := dear().Cost(e.Usage, e.StartedAt); e.Usage.Seconds != 62 || *e.Charge != want || *e.Charge < 62*100_000 || *e.Charge > e.Hold {
		t.Errorf("%+v is charged %d, %d held", e.Usage, *e.Charge, e.Hold)
	}
}

// TestFactorsPartChargeFromCost: what the account pays follows the factors, what the vendor charges does not, and the hold is
// of what the account pays.
func TestFactorsPartChargeFromCost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		markup pricing.Markup
		charge money.Amount
	}{{0, charged}, {pricing.MarkupOf(12_500, 10_000), charged * 5 / 4}, {pricing.MarkupOf(5_000, 5_000), charged / 4}, {pricing.MarkupOf(0, 10_000), 0}} {
		w := newWorld(t, []vendor{{handler: answer(completion)}}, func(_ *proxy.Options, c *snapshot.Contents) { c.Models[0].Routes[0].Markup = tt.markup })
		w.post("/chat/completions", chat)
		if e := w.only(); *e.Cost != charged || *e.Charge != tt.charge || e.Hold < *e.Charge {
			t.Errorf("markup %d: cost %d, charge %d, hold %d", tt.markup, *e.Cost, *e.Charge, e.Hold)
		}
		held := w.credit.held[0]
		plain, _ := (pricing.Rate{Input: price("1"), Output: price("10")}).Ceiling(pricing.Bound{Input: 13, Output: 4096}, tt.markup, time.Now())
		if held < plain*9/10 || held > plain*11/10 {
			t.Errorf("markup %d: %d held, about %d expected", tt.markup, held, plain)
		}
	}
}
