package views

import (
	"context"
	"net/http"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/statement"
)

var entryHead = []string{"id", "created_at", "kind", "amount", "reason", "request_id", "actor_id"}

// entriesExport is what moved an account, oldest first: of a month, of days, or all of it.
func (c *console) entriesExport(w http.ResponseWriter, r *http.Request) error {
	owner, _, err := c.creditOwner(r, r.URL.Query().Get("user"))
	if err != nil {
		return err
	}
	account, err := c.Ledger.Account(r.Context(), owner.ID)
	if err != nil {
		return err
	}
	var period statement.Period
	name := "entries-" + time.Now().UTC().Format(time.DateOnly) + ".csv"
	if q := r.URL.Query(); q.Get("month") != "" || q.Get("from") != "" || q.Get("to") != "" {
		if period, err = readPeriod(q, time.Now()); err != nil {
			return err
		}
		name = "entries-" + periodName(period) + ".csv"
	}
	return c.export(w, r, name, entryHead, func(ctx context.Context, put func(cells ...string) error) error {
		return c.Ledger.EachEntry(ctx, account.ID, period.From, period.To, func(e credit.Entry) error {
			request, actor := "", ""
			if e.RequestID != nil {
				request = e.RequestID.String()
			}
			if e.ActorID != nil {
				actor = e.ActorID.String()
			}
			return put(e.ID.String(), exportedAt(e.CreatedAt), string(e.Kind), e.Amount.String(), e.Reason, request, actor)
		})
	})
}
