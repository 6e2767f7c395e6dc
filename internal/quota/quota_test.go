package quota_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/page"
	"aihigress/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.With(m)) }

// A house has a user with a key, a provider, and an admin.
type house struct {
	*testing.T
	pool     *pgxpool.Pool
	limiter  *limit.Limiter
	limits   *quota.Limits
	user     id.User
	key      id.Key
	provider id.Provider
	admin    context.Context
}

func newHouse(t *testing.T) *house {
	t.Helper()
	pool, err := db.Open(t.Context(), pgtest.New(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	h := &house{T: t, pool: pool, limiter: limit.New(nil, slog.New(slog.DiscardHandler), time.Now), user: id.New[id.User](), key: id.New[id.Key](), provider: id.New[id.Provider]()}
	h.limits = quota.New(pool, audit.New(pool), h.limiter)
	h.exec(`INSERT INTO users (id, email, role, password_hash) VALUES ($1, 'Member@example.com', 'member', '')`, h.user)
	h.exec(`INSERT INTO api_keys (id, user_id, name, hint, secret_hash) VALUES ($1, $2, 'app', '', 'x')`, h.key, h.user)
	h.exec(`INSERT INTO providers (id, slug, name, dialect, base_url) VALUES ($1, 'vendor', 'Vendor', 'openai', 'https://vendor.example/v1')`, h.provider)
	h.admin = authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Admin, UserID: h.user})
	return h
}

func (h *house) exec(sql string, args ...any) {
	h.Helper()
	if _, err := h.pool.Exec(h.Context(), sql, args...); err != nil {
		h.Fatal(err)
	}
}

func (h *house) create(in quota.LimitInput) quota.Limit {
	h.Helper()
	made, err := h.limits.Create(h.admin, in)
	if err != nil {
		h.Fatal(err)
	}
	return made
}

func TestLimitFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.create(quota.LimitInput{Subject: quota.User, Of: " member@EXAMPLE.com ", Dimension: quota.InputTokens, Window: quota.Day, Amount: 1000, Closed: true})
	if made.Label != "Member@example.com" || made.SubjectID != h.user.UUID || made.SubjectName != "" || !made.Closed || made.CreatedAt.IsZero() {
		t.Errorf("%+v", made)
	}
	if got, err := h.limits.Get(h.admin, made.ID); err != nil || got != made {
		t.Errorf("%+v, %v", got, err)
	}
	more, open := int64(2000), false
	changed, err := h.limits.Update(h.admin, made.ID, quota.LimitChange{Amount: &more, Closed: &open})
	if made.Amount, made.Closed = 2000, false; err != nil || changed != made {
		t.Errorf("%+v, %v", changed, err)
	}
	if err := h.limits.Delete(h.admin, made.ID); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		h.limits.Delete(h.admin, made.ID),
		func() error { _, err := h.limits.Get(h.admin, made.ID); return err }(),
		func() error { _, err := h.limits.Update(h.admin, made.ID, quota.LimitChange{}); return err }(),
	} {
		if !errors.Is(err, fault.NotFound) {
			t.Errorf("of what is gone: %v", err)
		}
	}
	var actions string
	if err := h.pool.QueryRow(t.Context(), `SELECT string_agg(action, ' ' ORDER BY id) FROM audit_events`).Scan(&actions); err != nil || actions != "limit.create limit.update limit.delete" {
		t.Errorf("recorded: %q, %v", actions, err)
	}
}

func TestLimitsAreListed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, in := range []quota.LimitInput{
		{Subject: quota.Key, Of: h.key.String(), Dimension: quota.Requests, Window: quota.Day, Amount: 1},
		{Subject: quota.User, Of: h.user.String(), Dimension: quota.Tokens, Window: quota.Minute, Amount: 2},
		{Subject: quota.Role, Of: "member", EachUser: true, Dimension: quota.Concurrency, Amount: 3},
		{Subject: quota.Role, Of: "member", Dimension: quota.Concurrency, Window: quota.Call, Amount: 4},
		{Subject: quota.Model, Of: "vendor/gpt", Dimension: quota.OutputTokens, Window: quota.Day, Amount: quota.MaxAmount},
		{Subject: quota.Provider, Of: "vendor", Dimension: quota.Spend, Window: quota.Month, Spend: credit.MaxGrant},
		{Subject: quota.Tag, Of: "team=the red ones", Dimension: quota.Requests, Window: quota.Minute, Amount: 7},
	} {
		h.create(in)
	}
	labels := func(f quota.Filter, args page.Args) (string, page.Page[quota.Limit]) {
		t.Helper()
		p, err := h.limits.List(h.admin, f, args)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range p.Items {
			all = append(all, l.Label)
		}
		return strings.Join(all, ","), p
	}
	all := "team=the red ones,vendor,vendor/gpt,member,member,Member@example.com,app"
	if got, p := labels(quota.Filter{}, page.Args{}); got != all || *p.Total != 7 {
		t.Error(got)
	}
	first, p := labels(quota.Filter{}, page.Args{First: 3})
	second, q := labels(quota.Filter{}, page.Args{First: 9, After: p.End()})
	if first+","+second != all || !p.HasNext || q.HasNext {
		t.Errorf("%s and %s", first, second)
	}
	for want, f := range map[string]quota.Filter{
		"member,member":     {Subject: quota.Role},
		"vendor":            {SubjectID: h.provider.UUID},
		"vendor/gpt":        {Dimension: quota.OutputTokens},
		"team=the red ones": {Query: "RED"},
		"vendor,vendor/gpt": {Query: "vendor"},
		"":                  {Query: "%"},
	} {
		if got, _ := labels(f, page.Args{}); got != want {
			t.Errorf("%+v: %s", f, got)
		}
	}
}

// Whatever is senseless is refused, and the field named.
func TestLimitsThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := quota.LimitInput{Subject: quota.Model, Of: "m", Dimension: quota.Requests, Window: quota.Minute, Amount: 1}
	for name, tt := range map[string]struct {
		change func(*quota.LimitInput)
		field  string
	}{
		"no subject":                    {func(in *quota.LimitInput) { in.Subject = "" }, "subject"},
		"no name":                       {func(in *quota.LimitInput) { in.Of = " " }, "of"},
		"two words":                     {func(in *quota.LimitInput) { in.Of = "a b" }, "of"},
		"a long name":                   {func(in *quota.LimitInput) { in.Of = strings.Repeat("x", 257) }, "of"},
		"broken text":                   {func(in *quota.LimitInput) { in.Of = "\xff" }, "of"},
		"an unknown role":               {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Role, "owner" }, "of"},
		"a tag without value":           {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Tag, "team" }, "of"},
		"a tag without name":            {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Tag, "=red" }, "of"},
		"two tags":                      {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Tag, "a=b,c=d" }, "of"},
		"a long tag":                    {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Tag, "a="+strings.Repeat("x", 65) }, "of"},
		"a tag that no caller can send": {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Tag, "a= b" }, "of"},
		"an unknown user":               {func(in *quota.LimitInput) { in.Subject, in.Of = quota.User, "nobody@example.com" }, "of"},
		"a key by its name":             {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Key, "app" }, "of"},
		"a user's id of a key":          {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Key, h.user.String() }, "of"},
		"no id":                         {func(in *quota.LimitInput) { in.Subject, in.Of = quota.Key, "" }, "of"},
		"each user of a user":           {func(in *quota.LimitInput) { in.Subject, in.Of, in.EachUser = quota.User, h.user.String(), true }, "eachUser"},
		"nothing":                       {func(in *quota.LimitInput) { in.Amount = 0 }, "amount"},
		"less than nothing":             {func(in *quota.LimitInput) { in.Amount = -1 }, "amount"},
		"absurdly much":                 {func(in *quota.LimitInput) { in.Amount = quota.MaxAmount + 1 }, "amount"},
		"too much money": {func(in *quota.LimitInput) {
			in.Dimension, in.Window, in.Amount = quota.Spend, quota.Day, int64(credit.MaxGrant)+1
		}, "amount"},
		"no dimension":      {func(in *quota.LimitInput) { in.Dimension = "words" }, "dimension"},
		"requests a month":  {func(in *quota.LimitInput) { in.Window = quota.Month }, "window"},
		"no window":         {func(in *quota.LimitInput) { in.Window = "" }, "window"},
		"spend in a minute": {func(in *quota.LimitInput) { in.Dimension = quota.Spend }, "window"},
		"calls in a minute": {func(in *quota.LimitInput) { in.Dimension = quota.Concurrency }, "window"},
		"spend without Redis": {func(in *quota.LimitInput) {
			in.Dimension, in.Window, in.Amount, in.Spend, in.Closed = quota.Spend, quota.Day, 0, 1, true
		}, "redisAway"},
	} {
		in := good
		tt.change(&in)
		_, err := h.limits.Create(h.admin, in)
		if f, ok := fault.As(err); !ok || f.Kind != fault.Invalid || fmt.Sprint(f.Path) != "["+tt.field+"]" {
			t.Errorf("%s: %v", name, err)
		}
	}
	made := h.create(good)
	if _, err := h.limits.Create(h.admin, good); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same again: %v", err)
	}
	for _, amount := range []int64{0, -5, quota.MaxAmount + 1} {
		if _, err := h.limits.Update(h.admin, made.ID, quota.LimitChange{Amount: &amount}); !errors.Is(err, fault.Invalid) {
			t.Errorf("changed to %d: %v", amount, err)
		}
	}
	member := authz.With(t.Context(), authz.Actor{Kind: authz.User, Role: authz.Member, UserID: h.user})
	if _, err := h.limits.Create(member, good); !errors.Is(err, fault.Denied) {
		t.Errorf("a member: %v", err)
	}
	if _, err := h.limits.List(member, quota.Filter{}, page.Args{}); !errors.Is(err, fault.Denied) {
		t.Errorf("a member: %v", err)
	}
}

// What was used is told, of the whole but not of each user, and what is left of a budget follows its amount.
func TestStandings(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	requests := h.create(quota.LimitInput{Subject: quota.Model, Of: "m", Dimension: quota.Requests, Window: quota.Day, Amount: 10})
	each := h.create(quota.LimitInput{Subject: quota.Provider, Of: "vendor", EachUser: true, Dimension: quota.Requests, Window: quota.Day, Amount: 10})
	spend := h.create(quota.LimitInput{Subject: quota.Model, Of: "m", Dimension: quota.Spend, Window: quota.Month, Spend: 1000})
	eachSpend := h.create(quota.LimitInput{Subject: quota.Model, Of: "m", EachUser: true, Dimension: quota.Spend, Window: quota.Month, Spend: 1000})
	rate, _ := requests.Rate()
	for range 3 {
		if _, err := h.limiter.Take(t.Context(), limit.Use{}, limit.Claim{Subject: requests.Of(), Limits: []limit.Limit{rate}}); err != nil {
			t.Fatal(err)
		}
	}
	leases := credit.NewLeases(h.pool, id.New[id.Node](), slog.New(slog.DiscardHandler), time.Now)
	if err := leases.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	budgets := credit.NewBudgets(leases)
	reserve := func(l quota.Limit, user id.User, amount money.Amount) error {
		owner := credit.Owner{ID: quota.Owner(l.ID, l.EachUser, user), Limit: l.ID.UUID}
		hold, err := budgets.Reserve(t.Context(), owner, credit.Month, time.Now(), amount)
		if err == nil {
			hold.Settle(amount)
		}
		return err
	}
	if err := errors.Join(reserve(spend, h.user, 900), reserve(eachSpend, h.user, 900), reserve(eachSpend, id.New[id.User](), 900)); err != nil {
		t.Fatal(err)
	}
	if err := reserve(eachSpend, h.user, 900); !errors.Is(err, fault.Exhausted) {
		t.Errorf("twice 900 of 1000 of one user: %v", err)
	}
	h.exec(`UPDATE credit_accounts a SET balance = balance - 900 FROM budget_spends s WHERE s.account_id = a.id`) // as if booked
	check := func(want map[quota.Limit]quota.Standing) {
		t.Helper()
		got, err := h.limits.Standings(h.admin, []quota.Limit{requests, each, spend, eachSpend})
		if err != nil || len(got) != len(want) {
			t.Fatalf("%+v, %v", got, err)
		}
		for l, s := range want {
			if got[l] != s {
				t.Errorf("%+v, want %+v", got[l], s)
			}
		}
	}
	check(map[quota.Limit]quota.Standing{requests: {Used: 3}, spend: {Spent: 900}})
	less := money.Amount(800)
	var err error
	if spend, err = h.limits.Update(h.admin, spend.ID, quota.LimitChange{Spend: &less}); err != nil {
		t.Fatal(err)
	}
	check(map[quota.Limit]quota.Standing{requests: {Used: 3}, spend: {Spent: 900}})
	more := money.Amount(5000)
	if _, err := h.limits.Update(h.admin, eachSpend.ID, quota.LimitChange{Spend: &more}); err != nil {
		t.Fatal(err)
	}
	var left []int64
	rows, _ := h.pool.Query(t.Context(), `SELECT a.balance FROM credit_accounts a JOIN budget_spends s ON s.account_id = a.id WHERE s.limit_id = $1`, eachSpend.ID)
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		left = append(left, n)
	}
	if fmt.Sprint(left) != "[4100 4100]" {
		t.Errorf("%v are left of what each user has", left)
	}
	if _, told := (quota.Limit{Dimension: quota.Spend}).Rate(); told || quota.Owner(spend.ID, false, h.user) != spend.ID.UUID || quota.Owner(spend.ID, true, h.user) == uuid.Nil {
		t.Error("owners")
	}
}
