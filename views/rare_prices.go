package views

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"aihigress/internal/money"
	"aihigress/internal/pricing"
	"aihigress/views/i18n"
)

// rareForm is the prices that few models have, as a form has them: texts by the names of the fields.
type rareForm map[string]string

// rareFields are the fields in their order, but for the tiers.
var rareFields = []string{
	"cacheWrite1h", "reasoning", "audioInput", "audioOutput", "imageInput", "imageOutput", "characters", "request", "image", "second", "batch", "flex", "priority",
}

// What is entered a line each.
const (
	tiersField   = "tiers"
	windowsField = "windows"
)

// allRareFields are the fields with those of lines.
var allRareFields = append([]string{tiersField, windowsField}, rareFields...)

func rareLabel(ctx context.Context, field string) string {
	return map[string]string{
		"cacheWrite1h": i18n.T(ctx, "Cache write for an hour"), "reasoning": i18n.T(ctx, "Reasoning"), "audioInput": i18n.T(ctx, "Sound in"),
		"audioOutput": i18n.T(ctx, "Sound out"), "imageInput": i18n.T(ctx, "Pictures in"), "imageOutput": i18n.T(ctx, "Pictures out"),
		"characters": i18n.T(ctx, "1,000,000 characters read"), "request": i18n.T(ctx, "Each request"), "image": i18n.T(ctx, "Each picture made"),
		"second": i18n.T(ctx, "Each second of sound"), "batch": i18n.T(ctx, "Times, as a batch"), "flex": i18n.T(ctx, "Times, at flex"),
		"priority": i18n.T(ctx, "Times, at priority"),
	}[field]
}

// slots are where a price list keeps what the fields say.
func slots(r *pricing.Rare) map[string]any {
	return map[string]any{
		"cacheWrite1h": &r.CacheWrite1h, "reasoning": &r.Reasoning, "audioInput": &r.AudioInput, "audioOutput": &r.AudioOutput,
		"imageInput": &r.ImageInput, "imageOutput": &r.ImageOutput, "characters": &r.Characters,
		"request": &r.Request, "image": &r.Image, "second": &r.Second, "batch": &r.Batch, "flex": &r.Flex, "priority": &r.Priority,
	}
}

// tierSlots are where a tier keeps its prices, in their order.
func tierSlots(t *pricing.Tier) (names []string, prices []**money.Price) {
	return []string{"input", "output", "cachedInput", "cacheWrite", "cacheWrite1h", "reasoning"},
		[]**money.Price{&t.Input, &t.Output, &t.CachedInput, &t.CacheWrite, &t.CacheWrite1h, &t.Reasoning}
}

func rareFormOf(r *pricing.Rare) rareForm {
	f := rareForm{}
	if r == nil {
		return f
	}
	for field, slot := range slots(r) {
		if v := reflect.ValueOf(slot).Elem(); !v.IsNil() {
			f[field] = v.Elem().Interface().(interface{ String() string }).String()
		}
	}
	var lines []string
	for i := range r.Tiers {
		words := []string{strconv.FormatInt(r.Tiers[i].Above, 10)}
		names, prices := tierSlots(&r.Tiers[i])
		for j, p := range prices {
			if *p != nil {
				words = append(words, names[j]+"="+(*p).String())
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	if len(lines) > 0 {
		f[tiersField] = strings.Join(lines, "\n")
	}
	if text := windowLines(r.Windows); text != "" {
		f[windowsField] = text
	}
	return f
}

// windowLines are windows of time as readWindow reads them, a line each.
func windowLines(windows []pricing.Window) string {
	lines := make([]string, len(windows))
	for i, w := range windows {
		words := []string{w.From.String() + "-" + w.To.String(), "times=" + w.Times.String()}
		if len(w.Days) > 0 {
			days := make([]string, len(w.Days))
			for j, day := range w.Days {
				days[j] = day.String()
			}
			words = append(words, "days="+strings.Join(days, ","))
		}
		lines[i] = strings.Join(words, " ")
	}
	return strings.Join(lines, "\n")
}

// readWindow reads a line as in "16:30-00:30 times=0.5 days=mon,tue".
func readWindow(line string) (w pricing.Window, ok bool) {
	hours, rest, _ := strings.Cut(line, " ")
	from, to, _ := strings.Cut(hours, "-")
	var err error
	if w.From, err = pricing.ParseClock(from); err != nil {
		return w, false
	}
	if w.To, err = pricing.ParseClock(to); err != nil {
		return w, false
	}
	for _, word := range strings.Fields(rest) {
		name, text, _ := strings.Cut(word, "=")
		switch name {
		case "times":
			if w.Times, err = pricing.ParseFactor(text); err != nil {
				return w, false
			}
			ok = true
		case "days":
			for name := range strings.SplitSeq(text, ",") {
				day, err := pricing.ParseWeekday(name)
				if err != nil {
					return w, false
				}
				w.Days = append(w.Days, day)
			}
		default:
			return w, false
		}
	}
	return w, ok
}

func readRareForm(r *http.Request) rareForm {
	f := rareForm{}
	for _, field := range allRareFields {
		if text := strings.TrimSpace(r.PostFormValue(field)); text != "" {
			f[field] = text
		}
	}
	return f
}

// read makes prices of a form, and notes what is wrong; nil where there are none.
func (f rareForm) read(ctx context.Context, p problems) *pricing.Rare {
	var r pricing.Rare
	for field, slot := range slots(&r) {
		text, ok := f[field]
		if !ok {
			continue
		}
		var err error
		switch slot := slot.(type) {
		case **money.Price:
			*slot, err = parsed(money.ParsePrice, text)
		case **money.Amount:
			*slot, err = parsed(money.ParseAmount, text)
		case **pricing.Factor:
			*slot = readFactor(ctx, p, field, text)
		}
		if err != nil {
			p[field] = i18n.T(ctx, "Enter a decimal number, as in 0.25, or leave it empty.")
		}
	}
	for line := range strings.Lines(f[tiersField]) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		tier, ok := readTier(line)
		if !ok {
			p[tiersField] = i18n.T(ctx, "Enter a number of tokens and prices in each line, as in %s.", "200000 input=6 output=22.5")
			break
		}
		r.Tiers = append(r.Tiers, tier)
	}
	for line := range strings.Lines(f[windowsField]) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		window, ok := readWindow(line)
		if !ok {
			p[windowsField] = i18n.T(ctx, "Enter hours in UTC and a factor in each line, as in %s.", "16:30-00:30 times=0.5 days=mon,fri")
			break
		}
		r.Windows = append(r.Windows, window)
	}
	return r.OrNil()
}

func readTier(line string) (tier pricing.Tier, ok bool) {
	words := strings.Fields(line)
	var err error
	if tier.Above, err = strconv.ParseInt(words[0], 10, 64); err != nil {
		return tier, false
	}
	names, prices := tierSlots(&tier)
	for _, word := range words[1:] {
		name, text, _ := strings.Cut(word, "=")
		i := 0
		for i < len(names) && names[i] != name {
			i++
		}
		if i == len(names) {
			return tier, false
		}
		if *prices[i], err = parsed(money.ParsePrice, text); err != nil {
			return tier, false
		}
	}
	return tier, true
}

func parsed[T any](parse func(string) (T, error), text string) (*T, error) {
	v, err := parse(text)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// readFactor reads a factor and notes where it is not one; nothing is nil.
func readFactor(ctx context.Context, p problems, field, text string) *pricing.Factor {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	f, err := pricing.ParseFactor(text)
	if err != nil {
		p[field] = i18n.T(ctx, "Enter a decimal number from 0 to 100, as in 1.25.")
		return nil
	}
	return &f
}

// wrong reports whether something about the prices that few models have is wrong.
func (f rareForm) wrong(p problems) bool {
	for _, field := range allRareFields {
		if p.of(field) != "" {
			return true
		}
	}
	return false
}
