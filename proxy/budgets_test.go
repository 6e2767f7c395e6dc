package proxy_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/money"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// purse gives holds of budgets, but of one.
type purse struct {
	creditor
	empty uuid.UUID
	ended uuid.UUID
	at    []time.Time
}

func (p *purse) Reserve(ctx context.Context, owner credit.Owner, window credit.Window, at time.Time, amount money.Amount) (proxy.Hold, error) {
	if owner.ID == p.empty {
		return nil, fault.New(fault.Exhausted, "too little").WithCode(credit.CodeInsufficient)
	}
	if owner.ID == p.ended {
		return nil, nil
	}
	p.at = append(p.at, at)
	return p.creditor.Reserve(ctx, id.Account{}, amount)
}

func TestBudgetsAreHeldAndSettled(t *testing.T) {
	t.Parallel()
	p := &purse{ended: uuid.New()}
	w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, c *snapshot.Contents) {
		o.Budgets = p
		c.Keys[0].Budgets = []snapshot.Budget{
			{Owner: c.Keys[0].ID.UUID, Window: "day", Amount: money.Credit}, {Owner: p.ended, Window: "month", Amount: money.Credit},
			{Owner: c.Keys[0].UserID.UUID, Window: "month", Amount: money.Credit, Whose: "this user"},
		}
	})
	if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
		t.Fatal(a.StatusCode, a.body)
	}
	e := w.only()
	if len(p.held) != 2 || p.held[0] != e.Hold || p.held[1] != e.Hold || p.stillHeld() != 0 {
		t.Errorf("held %v of %v, %d open", p.held, e.Hold, p.stillHeld())
	}
	if len(p.settled) != 2 || p.settled[0] != charged || p.settled[1] != charged {
		t.Errorf("settled %v", p.settled)
	}
	if !p.at[0].Equal(e.StartedAt) {
		t.Errorf("the window of %s, and the charge is of %s", p.at[0], e.StartedAt)
	}
}

// TestBudgetRefusalNamesTheBudget: and gives back what the call had taken by then.
func TestBudgetRefusalNamesTheBudget(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]string{"The daily budget of this key, 2.5 credits,": "day", "The monthly budget of this user, 2.5 credits,": "month"} {
		p := &purse{empty: uuid.New()}
		w := newWorld(t, []vendor{{handler: answer(completion)}}, func(o *proxy.Options, c *snapshot.Contents) {
			o.Budgets = p
			c.Keys[0].Budgets = []snapshot.Budget{
				{Owner: uuid.New(), Window: "day", Amount: money.Credit},
				{Owner: p.empty, Window: window, Amount: 5 * money.Credit / 2, Whose: map[string]string{"day": "this key", "month": "this user"}[window]},
			}
		})
		a := w.post("/chat/completions", chat)
		e := readError(t, a)
		next := credit.Window(window).End(time.Now()).Format(time.RFC3339)
		if a.StatusCode != 429 || e.Code != "insufficient_quota" || a.Header.Get("X-Should-Retry") != "false" || a.Header.Get("Retry-After") != "" {
			t.Errorf("%d %s: %s", a.StatusCode, header(a.Header, "X-Should-Retry", "Retry-After"), a.body)
		}
		if !strings.Contains(e.Message, name) || !strings.Contains(e.Message, next) {
			t.Errorf("%q does not name %q until %s", e.Message, name, next)
		}
		if e := w.only(); e.Outcome != usage.Refused || e.ErrorCode != "insufficient_quota" {
			t.Errorf("%+v", e)
		}
		if p.stillHeld() != 0 || w.credit.stillHeld() != 0 {
			t.Errorf("%d of budgets and %d of credit are still held", p.stillHeld(), w.credit.stillHeld())
		}
	}
}
