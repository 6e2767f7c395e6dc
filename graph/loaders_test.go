package graph

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/authz"
	"aihigress/internal/egress"
	"aihigress/internal/id"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

// TestAPageCostsOneQueryAField asks for the same fields of one row and of a hundred, and counts.
func TestAPageCostsOneQueryAField(t *testing.T) {
	t.Parallel()
	h := open(t)
	for i := range 100 {
		vendor := h.provider(fmt.Sprintf("vendor-%03d", i))
		pool := must(h.domain.Egress.Create(h.job, egress.CreateInput{Name: fmt.Sprint(i), Proxies: []secret.Text{secret.NewText("p.example.com:8080")}}))(t)
		must(h.domain.Providers.Update(h.job, vendor.ID, provider.UpdateInput{NetworkInput: provider.NetworkInput{EgressPoolID: new(&pool.ID)}}))(t)
		user := must(h.domain.Users.Create(h.job, account.CreateInput{Email: fmt.Sprintf("u%03d@example.com", i), Role: authz.Member, Password: password}))(t)
		key, _, err := h.domain.Keys.Create(h.as(h.admin), apikey.CreateInput{Name: "x", UserID: user.ID, ProviderIDs: []id.Provider{vendor.ID}})
		if err != nil {
			t.Fatal(err)
		}
		h.logged(person{User: user}, key, &vendor)
	}
	for name, query := range map[string]string{
		"requests, by nodes":    `query($n: Int) { requests(first: $n) { nodes { user { email } apiKey { name } provider { slug } } } }`,
		"requests, by edges":    `query($n: Int) { requests(first: $n) { edges { node { user { email } apiKey { name } provider { slug } } } } }`,
		"requests, both":        `query($n: Int) { requests(first: $n) { nodes { user { email } } edges { node { user { email } } } } }`,
		"keys":                  `query($n: Int) { apiKeys(first: $n) { edges { node { user { email } providers { slug } } } } }`,
		"providers":             `query($n: Int) { providers(first: $n) { edges { node { keys { label } models { upstreamId } health { state } } } } }`,
		"egress pools":          `query($n: Int) { egressPools(first: $n) { edges { node { proxies { address } } } } }`,
		"pools of providers":    `query($n: Int) { providers(first: $n) { nodes { egressPool { name proxies { address } } } } }`,
		"users":                 `query($n: Int) { users(first: $n) { edges { node { creditAccount { balance rechargeRule { target } user { email } } sessions { ip user { email } } } } } }`,
		"accounts and back":     `query($n: Int) { requests(first: $n) { nodes { user { creditAccount { balance } } provider { models { upstreamId } } } } }`,
		"providers of requests": `query($n: Int) { requests(first: $n) { nodes { apiKey { user { email } providers { keys { label } } } } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			count := func(n int) int64 {
				before := h.queries.Load()
				h.data(h.admin.token, query, map[string]any{"n": n})
				return h.queries.Load() - before
			}
			count(1) // prepares statements
			one, hundred := count(1), count(100)
			if one != hundred {
				t.Errorf("one row costs %d queries, a hundred cost %d", one, hundred)
			}
			if one < 2 {
				t.Errorf("one row costs %d queries: nothing is counted", one)
			}
		})
	}
}

// TestAMutationSeesWhatTheOneBeforeChanged asks twice within one operation.
func TestAMutationSeesWhatTheOneBeforeChanged(t *testing.T) {
	t.Parallel()
	h := open(t)
	answer := h.data(h.admin.token, `mutation($u: ID!) {
		first: grantCredit(input: {userId: $u, amount: "1", reason: "a", idempotencyKey: "a"}) { account { user { creditAccount { balance } } } userErrors { code } }
		second: grantCredit(input: {userId: $u, amount: "1", reason: "b", idempotencyKey: "b"}) { account { user { creditAccount { balance } } } userErrors { code } }
	}`, map[string]any{"u": h.member.ID.String()})
	h.same("after the first", answer.Get("first.account.user.creditAccount.balance"), "1")
	h.same("after the second", answer.Get("second.account.user.creditAccount.balance"), "2")
}

func TestLoaderFetchesInPortions(t *testing.T) {
	t.Parallel()
	var portions []int
	fail := errors.New("away")
	l := loader[int, string]{fetch: func(_ context.Context, keys []int) (map[int]string, error) {
		if fail != nil {
			return nil, fail
		}
		portions = append(portions, len(keys))
		found := map[int]string{}
		for _, k := range keys {
			if k%2 == 0 {
				found[k] = fmt.Sprint(k)
			}
		}
		return found, nil
	}}
	const n = 2*maxFetch + 10
	for i := range n {
		l.expect(i)
		l.expect(i)
	}
	if _, _, err := l.load(t.Context(), 1); !errors.Is(err, fail) {
		t.Fatalf("the failure is %v", err)
	}
	fail = nil // a failure is not remembered
	for i := range n {
		v, ok, err := l.load(t.Context(), i)
		if err != nil || ok != (i%2 == 0) || ok && v != fmt.Sprint(i) {
			t.Fatalf("load(%d) = %q, %v, %v", i, v, ok, err)
		}
	}
	if fmt.Sprint(portions) != fmt.Sprint([]int{maxFetch, maxFetch, 10}) {
		t.Errorf("fetched in portions of %v", portions)
	}
	if len(l.expected) != 0 {
		t.Errorf("%d keys are still expected", len(l.expected))
	}
}
