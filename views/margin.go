package views

import (
	"net/http"
	"strings"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/money"
	"aihigress/internal/statement"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type marginView struct {
	First, Last string // days
	Parts       []marginPart
	Refunded    money.Amount
	Problems    problems
}

// marginPart is the margin by one dimension.
type marginPart struct {
	By    string
	Names lineNames
	CSV   string
	statement.Statement
}

// margin is what is left of charges when vendors are paid, by provider, model and user.
func (c *console) margin(w http.ResponseWriter, r *http.Request) error {
	if !admin(r) {
		return fault.New(fault.Denied, "Only administrators see what vendors charge.")
	}
	ctx, q := r.Context(), r.URL.Query()
	v := marginView{First: strings.TrimSpace(q.Get("from")), Last: strings.TrimSpace(q.Get("to"))}
	status := http.StatusOK
	period, err := readPeriod(q, time.Now())
	if err == nil {
		v.First, v.Last = period.From.Format(time.DateOnly), period.Last().Format(time.DateOnly)
		err = c.marginParts(r, period, &v)
	}
	if p, code, ok := refused(r, err); ok {
		v.Problems, status, err = p, code, nil
	}
	if err != nil {
		return err
	}
	return c.render(w, r, status, marginPage(c.frame(r, ui.Margin, i18n.T(ctx, "Margin")), v))
}

func (c *console) marginParts(r *http.Request, period statement.Period, v *marginView) error {
	for _, d := range dimensions {
		if d.Name != "provider" && d.Name != "model" && d.Name != "user" {
			continue
		}
		part := marginPart{By: d.Name, CSV: csvAddress("/statements/export.csv", statementForm{First: v.First, Last: v.Last, By: []string{d.Name}})}
		var err error
		if part.Statement, err = c.Statements.Statement(r.Context(), statement.Input{Period: period, GroupBy: []statement.Dimension{d.By}}); err != nil {
			return err
		}
		if part.Names, err = c.namesOfLines(r.Context(), part.Lines); err != nil {
			return err
		}
		v.Parts = append(v.Parts, part)
	}
	for _, m := range v.Parts[0].Ledger {
		if m.Kind == credit.KindRefund {
			v.Refunded = m.Amount
		}
	}
	return nil
}
