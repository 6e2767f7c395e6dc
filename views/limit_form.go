package views

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"aihigress/internal/money"
	"aihigress/internal/quota"
)

// limitForm is a limit as its forms have it.
type limitForm struct {
	Subject, Of, Dimension, Window, Amount string
	EachUser, Closed                       bool
	Problems                               problems
}

func limitFormOf(l quota.Limit) limitForm {
	form := limitForm{
		Subject: string(l.Subject), Of: l.Label, Dimension: string(l.Dimension), Window: string(l.Window), EachUser: l.EachUser, Closed: l.Closed,
		Amount: strconv.FormatInt(l.Amount, 10),
	}
	if l.Dimension == quota.Spend {
		form.Amount = l.Spend.String()
	}
	return form
}

func readLimitForm(r *http.Request) limitForm {
	return limitForm{
		Subject: r.PostFormValue("subject"), Of: strings.TrimSpace(r.PostFormValue("of")), Dimension: r.PostFormValue("dimension"),
		Window: r.PostFormValue("window"), Amount: strings.TrimSpace(r.PostFormValue("amount")),
		EachUser: r.PostFormValue("eachUser") == "on", Closed: r.PostFormValue("redisAway") == "closed", Problems: problems{},
	}
}

// amounts reads the amount: a whole number, or of spend credits.
func (f limitForm) amounts(ctx context.Context) (amount int64, spend money.Amount) {
	if f.Dimension == string(quota.Spend) {
		return 0, readAmount(ctx, f.Problems, "amount", f.Amount)
	}
	return readWhole(ctx, f.Problems, "amount", f.Amount), 0
}

// input is the new limit. Spend does not depend on Redis, and calls at once have no window, whatever the form says.
func (f limitForm) input(ctx context.Context) quota.LimitInput {
	in := quota.LimitInput{
		Subject: quota.Subject(f.Subject), Of: f.Of, EachUser: f.EachUser, Dimension: quota.Dimension(f.Dimension), Window: quota.Window(f.Window), Closed: f.Closed,
	}
	switch in.Dimension {
	case quota.Spend:
		in.Closed = false
	case quota.Concurrency:
		in.Window = quota.Call
	case quota.Requests, quota.InputTokens, quota.OutputTokens, quota.Tokens:
	}
	in.Amount, in.Spend = f.amounts(ctx)
	return in
}

// note takes over what the domain found wrong: it tells numbers and credits apart, which are one field here.
func (f *limitForm) note(p problems) {
	if text := p.of("spend"); text != "" {
		p = problems{"amount": text}
	}
	f.Problems = p
}
