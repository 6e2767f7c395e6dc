package views

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/credit"
	"aihigress/views/i18n"
)

// keyForm is a key as its form has it: text, kept as typed when it comes back with a problem.
type keyForm struct {
	Name                                            string
	Platform                                        bool
	Models, IPRanges                                string // one a line
	RequestsPerMinute, TokensPerMinute, Concurrency string
	Budget, BudgetWindow                            string
	Strategy, TimeoutMs                             string
	ExpiresOn                                       string // a day, in UTC; the key works to its end
	Problems                                        problems
}

func readKeyForm(r *http.Request) keyForm {
	return keyForm{
		Name: strings.TrimSpace(r.PostFormValue("name")), Platform: r.PostFormValue("platform") == "on",
		Models: r.PostFormValue("models"), IPRanges: r.PostFormValue("ipRanges"),
		RequestsPerMinute: r.PostFormValue("requestsPerMinute"), TokensPerMinute: r.PostFormValue("tokensPerMinute"),
		Concurrency: r.PostFormValue("concurrency"), Budget: strings.TrimSpace(r.PostFormValue("budget")), BudgetWindow: r.PostFormValue("budgetWindow"), Strategy: r.PostFormValue("strategy"), TimeoutMs: r.PostFormValue("timeoutMs"), ExpiresOn: r.PostFormValue("expiresAt"),
		Problems: problems{},
	}
}

func keyFormOf(k apikey.Key) keyForm {
	f := keyForm{Name: k.Name, Models: strings.Join(k.Models, "\n"), IPRanges: strings.Join(k.IPRanges, "\n")}
	f.RequestsPerMinute = optionalNumber(k.Limits.RequestsPerMinute)
	f.TokensPerMinute = optionalNumber(k.Limits.TokensPerMinute)
	f.Concurrency = optionalNumber(k.Limits.Concurrency)
	if b := k.Limits.Budget; b != nil {
		f.Budget, f.BudgetWindow = b.Amount.String(), string(b.Window)
	}
	f.Strategy = string(k.Strategy)
	if k.Timeout > 0 {
		f.TimeoutMs = strconv.FormatInt(k.Timeout.Milliseconds(), 10)
	}
	if k.ExpiresAt != nil {
		f.ExpiresOn = k.ExpiresAt.UTC().Add(-time.Nanosecond).Format(time.DateOnly)
	}
	return f
}

func optionalNumber[N int32 | int64 | int](n *N) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

func (f keyForm) scopes() []apikey.Scope {
	if f.Platform {
		return []apikey.Scope{apikey.Inference, apikey.Platform}
	}
	return []apikey.Scope{apikey.Inference}
}

// limits reads the numbers and notes what is not one.
func (f keyForm) limits(ctx context.Context) apikey.Limits {
	var budget *credit.Budget
	if f.Budget != "" {
		window := credit.Window(f.BudgetWindow)
		if window == "" {
			window = credit.Month
		}
		budget = &credit.Budget{Amount: readAmount(ctx, f.Problems, "budget", f.Budget), Window: window}
	}
	return apikey.Limits{
		Budget:            budget,
		RequestsPerMinute: readLimit[int32](ctx, f.Problems, "requestsPerMinute", f.RequestsPerMinute),
		TokensPerMinute:   readLimit[int64](ctx, f.Problems, "tokensPerMinute", f.TokensPerMinute),
		Concurrency:       readLimit[int32](ctx, f.Problems, "concurrency", f.Concurrency),
	}
}

// readLimit reads an optional whole number above zero; nothing is nil, no limit.
func readLimit[N int32 | int64 | int](ctx context.Context, p problems, field, text string) *N {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if v := N(n); err == nil && n > 0 && int64(v) == n {
		return &v
	}
	p[field] = i18n.T(ctx, "Enter a whole number above zero, or leave it empty.")
	return nil
}

// timeout reads how long a call may take; nothing is 0, as long as the gateway allows.
func (f keyForm) timeout(ctx context.Context) time.Duration {
	ms := readLimit[int32](ctx, f.Problems, "timeoutMs", f.TimeoutMs)
	if ms == nil {
		return 0
	}
	return time.Duration(*ms) * time.Millisecond
}

// expiry is the end of the day that was chosen.
func (f keyForm) expiry(ctx context.Context) *time.Time {
	return readDay(ctx, f.Problems, "expiresAt", f.ExpiresOn)
}

// readDay reads the end of a day in UTC and notes where it is not one; nothing is nil.
func readDay(ctx context.Context, p problems, field, text string) *time.Time {
	if text == "" {
		return nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		p[field] = i18n.T(ctx, "Enter a date.")
		return nil
	}
	return new(day.AddDate(0, 0, 1))
}

// lines splits a text area into its lines, without the empty ones.
func lines(text string) []string {
	out := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// budgetWindow is the window that is chosen, a month where none was.
func (f keyForm) budgetWindow() string {
	if f.BudgetWindow == "" {
		return string(credit.Month)
	}
	return f.BudgetWindow
}
