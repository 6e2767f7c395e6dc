package graph

import (
	"testing"
	"time"

	"aihigress/internal/credit"
	"aihigress/internal/money"
)

const statementSums = ` { requests errors refused unpriced inputTokens cachedInputTokens cacheWriteTokens outputTokens reasoningTokens charge cost margin }`

const statementFields = ` { firstDay lastDay lines { labels { dimension value } sums` + statementSums + ` } rest` + statementSums + ` more total` + statementSums + ` ledger { kind entries amount } uncounted }`

func TestStatement(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	foreign, _ := h.key(h.admin)
	h.logged(h.member, key, &vendor)
	h.logged(h.admin, foreign, nil)
	must(first(h.domain.Ledger.Grant(h.job, credit.GrantInput{UserID: h.member.ID, Amount: money.Credit})))(t)
	const query = `query($p: StatementPeriodInput!, $by: [StatementDimension!], $tag: String, $f: MetricFilter, $n: Int) {
		statement(period: $p, groupBy: $by, tag: $tag, filter: $f, lines: $n)` + statementFields + ` }`
	now := time.Now().UTC()
	month := map[string]any{"month": now.Format("2006-01")}
	all := h.data(h.admin.token, query, map[string]any{"p": month, "by": []string{"USER", "API_KEY", "MODEL", "PROVIDER", "DAY"}}).Get("statement")
	h.same("lines", len(all.Get("lines").Array()), 2)
	mine := all.Get(`lines.#(labels.0.value=="` + h.member.ID.String() + `")`)
	h.same("labels", mine.Get("labels.#.value"), `["`+h.member.ID.String()+`","`+key.ID.String()+`","chat","`+vendor.ID.String()+`","`+now.Format(time.DateOnly)+`"]`)
	h.same("sums", mine.Get("sums"), `{"requests":1,"errors":0,"refused":0,"unpriced":0,"inputTokens":16,"cachedInputTokens":5,"cacheWriteTokens":1,"outputTokens":20,"reasoningTokens":4,"charge":"0.01","cost":"0.01","margin":"0"}`)
	h.same("the total", all.Get("total.charge"), "0.02")
	h.same("the ledger", all.Get(`ledger.#(kind=="CHARGE")`), `{"kind":"CHARGE","entries":2,"amount":"-0.02"}`)
	h.same("uncounted", all.Get("uncounted"), "0")

	short := h.data(h.admin.token, query, map[string]any{"p": month, "by": []string{"USER"}, "n": 1}).Get("statement")
	h.same("the rest", short.Get("rest.charge").String()+" of "+short.Get("more").String(), "0.01 of 1")
	own := h.data(h.member.token, query, map[string]any{"p": map[string]any{"firstDay": now.Format(time.DateOnly), "lastDay": now.Format(time.DateOnly)}, "by": []string{"TAG"}, "tag": "team"}).Get("statement")
	h.same("a member's", own.Get("lines.#.labels.0.value"), `["search"]`)
	h.same("a member's view of costs", own.Get("total.cost").String()+own.Get("total.margin").String(), "")
	h.same("a member's total", own.Get("total.charge"), "0.01")
	h.same("days", own.Get("firstDay").String()+own.Get("lastDay").String(), now.Format(time.DateOnly)+now.Format(time.DateOnly))
	cut := h.data(h.admin.token, query, map[string]any{"p": month, "f": map[string]any{"providerId": vendor.ID.String()}}).Get("statement")
	h.same("cut to a provider", cut.Get("total.requests").String()+cut.Get("ledger").String(), "1")

	for name, vars := range map[string]map[string]any{
		"both":      {"p": map[string]any{"month": "2026-01", "firstDay": "2026-01-01"}},
		"neither":   {"p": map[string]any{}},
		"backwards": {"p": map[string]any{"firstDay": "2026-01-02", "lastDay": "2026-01-01"}},
		"which tag": {"p": month, "by": []string{"TAG"}},
		"no lines":  {"p": month, "n": 0},
	} {
		h.same(name, h.failed(h.admin.token, query, vars), "BAD_USER_INPUT")
	}
	h.same("another's", h.failed(h.member.token, query, map[string]any{"p": month, "f": map[string]any{"userId": h.admin.ID.String()}}), "NOT_FOUND")
	h.same("as nobody", h.failed("", query, map[string]any{"p": month}), "UNAUTHENTICATED")
}

func TestMonthlyStatement(t *testing.T) {
	t.Parallel()
	h := open(t)
	key, _ := h.key(h.member)
	h.logged(h.member, key, nil)
	must(first(h.domain.Ledger.Grant(h.job, credit.GrantInput{UserID: h.member.ID, Amount: 5 * money.Credit})))(t)
	const query = `query($m: String!, $u: ID) { monthlyStatement(month: $m, userId: $u) {
		month user { email } opening closing ledger { kind entries amount } over byModel` + statementFields + ` byDay` + statementFields + ` } }`
	now := time.Now().UTC()
	got := h.data(h.member.token, query, map[string]any{"m": now.Format("2006-01")}).Get("monthlyStatement")
	h.same("balances", got.Get("opening").String()+" "+got.Get("closing").String()+" "+got.Get("over").String(), "0 4.99 false")
	h.same("whose", got.Get("user.email"), h.member.Email)
	h.same("ledger", got.Get("ledger"), `[{"kind":"CHARGE","entries":1,"amount":"-0.01"},{"kind":"GRANT","entries":1,"amount":"5"}]`)
	h.same("by model", got.Get("byModel.lines.0.labels.0.value"), "chat")
	h.same("by day", got.Get("byDay.lines.0.labels.0.value"), now.Format(time.DateOnly))
	old := h.data(h.admin.token, query, map[string]any{"m": "2020-02", "u": h.member.ID.String()}).Get("monthlyStatement")
	h.same("long ago", old.Get("month").String()+old.Get("closing").String()+old.Get("over").String()+old.Get("byDay.lastDay").String(), "2020-020true2020-02-29")
	h.same("another's", h.data(h.member.token, query, map[string]any{"m": "2020-02", "u": h.admin.ID.String()}).Get("monthlyStatement"), "")
	h.same("no month", h.failed(h.member.token, query, map[string]any{"m": "soon"}), "BAD_USER_INPUT")
}

func TestReconcileUsage(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	h.logged(h.member, key, &vendor)
	today := time.Now().UTC().Format(time.DateOnly)
	const mutation = `mutation($in: ReconcileUsageInput!) { reconcileUsage(input: $in) { reconciliation { firstDay lastDay columns { figure columns } rows empty outside
		badRows bad { line column reason } agreeing differences { day model missing figures { figure ours theirs difference differs } } more
		totals { figure ours theirs difference differs } } userErrors { code message path } } }`
	table := "date,model,output_tokens,cost_usd\n" + today + ",Small,21,0.01\n" + today + ",m,x,1\n" + today + ",m\n"
	in := map[string]any{"table": table, "providerId": vendor.ID.String(), "models": []any{map[string]any{"theirs": "Small", "ours": "small-2"}}}
	got := h.data(h.admin.token, mutation, map[string]any{"in": in}).Get("reconcileUsage")
	h.same("refusals", got.Get("userErrors"), "[]")
	got = got.Get("reconciliation")
	h.same("differences", got.Get("differences"), `[{"day":"`+today+`","model":"small-2","missing":null,"figures":[{"figure":"OUTPUT","ours":"20","theirs":"21","difference":"-1","differs":true},{"figure":"COST","ours":"0.01","theirs":"0.01","difference":"0","differs":false}]}]`)
	h.same("bad rows", got.Get("bad"), `[{"line":3,"column":"output_tokens","reason":"not a number"},{"line":4,"column":null,"reason":"it has 2 cells, and the head 4"}]`)
	h.same("columns", got.Get("columns.0"), `{"figure":"DAY","columns":["date"]}`)
	h.same("counts", got.Get("rows").String()+got.Get("empty").String()+got.Get("outside").String()+got.Get("badRows").String()+got.Get("agreeing").String()+got.Get("more").String(), "300200")

	in = map[string]any{
		"table": "when;n\n" + today + ";20\n", "period": map[string]any{"firstDay": today, "lastDay": today}, "tolerance": 100,
		"columns": []any{map[string]any{"figure": "DAY", "columns": []string{"when"}}, map[string]any{"figure": "OUTPUT", "columns": []string{"n"}}},
	}
	got = h.data(h.admin.token, mutation, map[string]any{"in": in}).Get("reconcileUsage.reconciliation")
	h.same("agreeing", got.Get("agreeing").String()+got.Get("differences").String(), "1[]")
	for name, c := range map[string]struct {
		in   map[string]any
		want string
	}{
		"no table":      {map[string]any{"table": ""}, "INVALID"},
		"no day":        {map[string]any{"table": "a,b\n1,2\n"}, "INVALID columns"},
		"a long period": {map[string]any{"table": table, "period": map[string]any{"firstDay": "2026-01-01", "lastDay": "2026-03-01"}}, "INVALID to"},
		"no period":     {map[string]any{"table": table, "period": map[string]any{}}, "INVALID from"},
	} {
		h.same(name, h.refused(h.admin.token, mutation, map[string]any{"in": c.in}), c.want)
	}
	h.same("a member", h.failed(h.member.token, mutation, map[string]any{"in": map[string]any{"table": table}}), "FORBIDDEN")
}

// first is a result without what comes with it.
func first[A, B any](a A, _ B, err error) (A, error) { return a, err }
