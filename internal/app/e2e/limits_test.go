package e2e

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"aihigress/internal/money"
)

// A limit has what was used of it.
type subjectLimit struct {
	ID    string
	Usage *struct {
		Amount *int64
		Spend  *string
	}
}

func (g *graph) limit(t testing.TB, in vars) subjectLimit {
	t.Helper()
	var out struct{ CreateLimit struct{ Limit subjectLimit } }
	g.do(t, `mutation($in: CreateLimitInput!) { createLimit(input: $in) { limit { id } userErrors { code message } } }`, vars{"in": in}, &out)
	return out.CreateLimit.Limit
}

func amount(t testing.TB, text string) money.Amount {
	t.Helper()
	a, err := money.ParseAmount(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestLimitsHoldOverGateways holds a model to its calls in a day over two gateways, and what it spends to a budget: each
// change holds on both within a second, and what was used is told to the call and to the nano-credit.
func TestLimitsHoldOverGateways(t *testing.T) {
	t.Parallel()
	const most = 12
	p := startPair(t)
	c := newTenant(t, p.admin, p.vendor, terms{})
	both := []*tenant{c, c.on(p.b)}
	eventually(t, patience(time.Second), "the key works on the other node", func() bool { return both[1].status(t, "/v1/models/"+c.model) == http.StatusOK })
	// call is the code of a refusal, or none, and the limit that the header names.
	call := func(at *tenant) (code string, limit int) {
		t.Helper()
		var response *http.Response
		client := at.sdk()
		_, err := client.Chat.Completions.New(t.Context(), hello(c.model), option.WithResponseInto(&response))
		refusal, refused := errors.AsType[*openai.Error](err)
		switch {
		case refused && refusal.StatusCode == http.StatusTooManyRequests:
			code, response = refusal.Code, refusal.Response
		case err != nil:
			t.Fatal(err)
		}
		limit, _ = strconv.Atoi(response.Header.Get("X-Ratelimit-Limit-Requests"))
		return code, limit
	}
	limit := p.admin.limit(t, vars{"subject": "MODEL", "of": c.model, "dimension": "REQUESTS", "window": "DAY", "amount": most})
	spend := p.admin.limit(t, vars{"subject": "MODEL", "of": c.model, "dimension": "SPEND", "window": "MONTH", "spend": "100"})
	<-time.After(patience(time.Second)) // which is how long a change may take
	passed := 0
	for i := range 3 * most {
		if code, _ := call(both[i%2]); code == "" {
			passed++
		} else if code != "rate_limit_exceeded" {
			t.Errorf("refused for %s", code)
		}
	}
	if passed != most {
		t.Errorf("%d of %d calls in a day passed", passed, most)
	}

	p.admin.do(t, `mutation($id: ID!) { updateLimit(input: {id: $id, amount: 1000, redisAway: CLOSED}) { userErrors { code message } } }`, vars{"id": limit.ID}, nil)
	for _, at := range both {
		took := eventually(t, patience(time.Second), "the limit is raised", func() bool { code, amount := call(at); return code == "" && amount == 1000 })
		t.Logf("raised, and held after %s", took.Round(time.Millisecond))
	}
	var out struct{ Node subjectLimit }
	used := func(id string) subjectLimit {
		p.admin.do(t, `query($id: ID!) { node(id: $id) { ... on Limit { id usage { amount spend } } } }`, vars{"id": id}, &out)
		return out.Node
	}
	eventually(t, patience(5*time.Second), "what was used is told", func() bool {
		u := used(limit.ID).Usage
		return u != nil && u.Amount != nil && *u.Amount >= most+1 && *u.Amount <= most+10 // one may have flowed off, and the raise have let a few more through
	})
	// The budget of the model is charged with exactly what its only caller is.
	var account struct{ CreditAccount struct{ Balance string } }
	eventually(t, patience(5*time.Second), "what was spent is told", func() bool {
		p.admin.do(t, `query($id: ID!) { creditAccount(userId: $id) { balance } }`, vars{"id": c.userID}, &account)
		u := used(spend.ID).Usage
		return u != nil && u.Spend != nil && *u.Spend != "0" && amount(t, *u.Spend)+amount(t, account.CreditAccount.Balance) == 1000*money.Credit
	})

	budget := p.admin.limit(t, vars{"subject": "USER", "of": c.email, "dimension": "SPEND", "window": "DAY", "spend": "0.000000001"})
	for _, at := range both {
		eventually(t, patience(time.Second), "the budget is known", func() bool { code, _ := call(at); return code == "insufficient_quota" })
	}
	for _, id := range []string{budget.ID, limit.ID} {
		p.admin.do(t, `mutation($id: ID!) { deleteLimit(input: {id: $id}) { userErrors { code message } } }`, vars{"id": id}, nil)
	}
	for _, at := range both {
		eventually(t, patience(time.Second), "nothing is limited", func() bool { code, amount := call(at); return code == "" && amount == 0 })
	}
}
