package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/authz"
	"aihigress/internal/devstack/redistest"
	"aihigress/internal/id"
	"aihigress/internal/limit"
	"aihigress/internal/money"
	"aihigress/internal/quota"
	"aihigress/internal/snapshot"
	"aihigress/internal/usage"
	"aihigress/proxy"
)

// limiting holds a world of one node to limits. A provider's is of the first one.
func limiting(limits ...quota.Limit) func(*proxy.Options, *snapshot.Contents) {
	return func(o *proxy.Options, c *snapshot.Contents) {
		o.Limits = limit.New(nil, slog.New(slog.DiscardHandler), time.Now)
		c.Keys[0].Role = authz.Member
		for _, l := range limits {
			l.ID = id.New[id.Limit]()
			switch {
			case l.SubjectID != uuid.Nil:
			case l.Subject == quota.Key:
				l.SubjectID = c.Keys[0].ID.UUID
			case l.Subject == quota.User:
				l.SubjectID = c.Keys[0].UserID.UUID
			case l.Subject == quota.Provider:
				l.SubjectID = c.Providers[0].ID.UUID
			}
			c.Limits = append(c.Limits, l)
		}
	}
}

func daily(s quota.Subject, name string, d quota.Dimension, amount int64) quota.Limit {
	return quota.Limit{Subject: s, SubjectName: name, Dimension: d, Window: quota.Day, Amount: amount}
}

// The refusal names the limit that was met, in the caller's dialect, and says when to come back; others are not held.
func TestLimitsOfEverySubjectInEveryDialect(t *testing.T) {
	t.Parallel()
	for _, caller := range speakers {
		for _, tt := range []struct {
			limit quota.Limit
			says  string
		}{
			{daily(quota.Key, "", quota.Requests, 1), "This key is limited to 1 request per day."},
			{daily(quota.User, "", quota.Requests, 1), "The user of this key is limited to 1 request per day."},
			{daily(quota.Role, "member", quota.Requests, 1), "The role member is limited to 1 request per day."},
			{quota.Limit{Subject: quota.Role, SubjectName: "member", EachUser: true, Dimension: quota.Requests, Window: quota.Minute, Amount: 1},
				"Each user of the role member is limited to 1 request per minute."},
			{daily(quota.Model, "m", quota.InputTokens, 100), "The model `m` is limited to 100 input tokens per day."},
			{daily(quota.Model, "m", quota.OutputTokens, 20), "The model `m` is limited to 20 output tokens per day."},
			{daily(quota.Tag, "team=red", quota.Tokens, 120), "The tag team=red is limited to 120 tokens per day."},
			{daily(quota.Provider, "", quota.Requests, 1), "The provider v0 is limited to 1 request per day."},
		} {
			t.Run(caller.name+" "+string(tt.limit.Subject)+" "+string(tt.limit.Dimension), func(t *testing.T) {
				t.Parallel()
				other := mint()
				w := newWorld(t, []vendor{{handler: answer(caller.answer)}}, speaking(caller.name), limiting(tt.limit), func(_ *proxy.Options, c *snapshot.Contents) {
					k := newKey(other)
					k.Role = authz.Admin
					c.Keys = append(c.Keys, k)
				})
				tags := []string{"X-Aihigress-Tags", "app=x, team=red"}
				if a := w.says(caller, false, "", tags...); a.StatusCode != 200 {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
				a := w.says(caller, false, "", tags...)
				r := caller.read(t, a.body)
				of := "Tokens"
				if tt.limit.Dimension == quota.Requests {
					of = "Requests"
				}
				wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
				if a.StatusCode != 429 || !strings.Contains(r.err, tt.says) || err != nil || wait < 1 || a.Header.Get("X-Aihigress-Error-Source") != "gateway" ||
					a.Header.Get("X-Ratelimit-Limit-"+of) != fmt.Sprint(tt.limit.Amount) || a.Header.Get("X-Ratelimit-Remaining-"+of) != "0" || a.Header.Get("X-Ratelimit-Reset-"+of) == "" {
					t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
				}
				if e := w.meter.finished[1]; e.Outcome != usage.Refused || len(e.Attempts) != 0 || e.ErrorCode != "rate_limit_exceeded" {
					t.Errorf("%+v", e)
				}
				if tt.limit.Subject == quota.Model || tt.limit.Subject == quota.Provider { // everybody's
					return
				}
				w.key = other
				if a := w.says(caller, false, ""); a.StatusCode != 200 {
					t.Errorf("another is refused: %d %s", a.StatusCode, a.body)
				}
			})
		}
	}
}

// A limit of a model counts calls by all its names, and no others.
func TestLimitOfAModelIsOfItsAliases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}}, limiting(daily(quota.Model, "m", quota.Requests, 1)), func(_ *proxy.Options, c *snapshot.Contents) {
		c.Aliases = []snapshot.Alias{{OwnerID: c.Keys[0].UserID, Pattern: "mine", Target: "m"}}
	})
	for _, tt := range []struct {
		model  string
		status int
	}{{"mine", 200}, {"m", 429}, {"mine", 429}, {"v0/up-m", 200}} {
		if a := w.post("/chat/completions", strings.Replace(chat, `"m"`, `"`+tt.model+`"`, 1)); a.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.model, a.StatusCode, a.body)
		}
	}
}

// A provider at its limit is left out of the plan; the call is refused where all are, and then counts for nothing.
func TestProviderAtItsLimitIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []vendor{{handler: answer(completion)}, {handler: answer(completion)}}, limiting(
		daily(quota.Provider, "", quota.Requests, 2),
		quota.Limit{Subject: quota.Key, Dimension: quota.Requests, Window: quota.Day, Amount: 4},
	), func(_ *proxy.Options, c *snapshot.Contents) {
		c.Limits = append(c.Limits, quota.Limit{ID: id.New[id.Limit](), Subject: quota.Provider, SubjectID: c.Providers[1].ID.UUID,
			EachUser: true, Dimension: quota.Tokens, Window: quota.Minute, Amount: 120})
	})
	var by []string
	for range 3 {
		by = append(by, w.post("/chat/completions", chat).Header.Get("X-Aihigress-Provider"))
	}
	if fmt.Sprint(by) != "[v0 v0 v1]" {
		t.Errorf("answered by %q", by)
	}
	for range 5 {
		a := w.post("/chat/completions", chat)
		if e := readError(t, a); a.StatusCode != 429 || e.Code != "rate_limit_exceeded" || e.Message != "Each user of the provider v1 is limited to 120 tokens per minute." || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if got := a.Header.Get("X-Ratelimit-Remaining-Requests"); got != "0" { // of the key, with this call
			t.Errorf("%s requests remain", got)
		}
	}
}

// What may come out is held until it is known what did, and what goes in is corrected by what the vendor counted.
func TestTokensAreHeldAndCorrected(t *testing.T) {
	t.Parallel()
	enter, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, []vendor{{handler: func(rw http.ResponseWriter, r *http.Request) {
		enter <- struct{}{}
		<-leave
		answer(completion)(rw, r)
	}}}, limiting(daily(quota.Model, "m", quota.OutputTokens, 100), daily(quota.Tag, "in=1", quota.InputTokens, 150)))
	long := strings.Replace(chat, `{`, `{"max_tokens":70,`, 1)
	first := make(chan answered)
	go func() { first <- w.post("/chat/completions", long) }()
	<-enter
	if a := w.post("/chat/completions", long); a.StatusCode != 429 || !strings.Contains(a.body, "100 output tokens") {
		t.Errorf("70 and 70 of 100: %d %s", a.StatusCode, a.body)
	}
	close(leave)
	if a := <-first; a.StatusCode != 200 {
		t.Fatal(a.body)
	}
	go func() { <-enter; <-enter; <-enter }()
	if a := w.post("/chat/completions", long, "X-Aihigress-Tags", "in=1"); a.StatusCode != 200 { // 20 are used, and 20 more
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	short := strings.Replace(chat, `{`, `{"max_tokens":5,`, 1)
	if a := w.post("/chat/completions", short, "X-Aihigress-Tags", "in=1"); a.StatusCode != 200 { // 100 of 150 went in
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.post("/chat/completions", short, "X-Aihigress-Tags", "in=1"); a.StatusCode != 429 || !strings.Contains(a.body, "The tag in=1 is limited to 150 input tokens per day.") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := w.post("/chat/completions", strings.Replace(chat, `"m"`, `"v0/up-m"`, 1)); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// A limit says itself what becomes of it while Redis is away, and the caller is told. Once Redis is back it holds as before.
func TestLimitsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, []vendor{{handler: answer(completion)}}, limiting(
		daily(quota.Tag, "policy=open", quota.Requests, 100),
		quota.Limit{Subject: quota.Tag, SubjectName: "policy=closed", Dimension: quota.Requests, Window: quota.Day, Amount: 100, Closed: true},
	), func(o *proxy.Options, _ *snapshot.Contents) {
		limiter := limit.New(server.Client(), slog.New(slog.DiscardHandler), time.Now).Patience(5 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- limiter.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		o.Limits = limiter
	})
	call := func(policy string) answered {
		return w.post("/chat/completions", chat, "X-Aihigress-Tags", "policy="+policy)
	}
	for _, policy := range []string{"open", "closed"} {
		if a := call(policy); a.StatusCode != 200 {
			t.Fatal(a.body)
		}
	}
	server.Stop()
	passed := map[string]int{}
	var last answered
	for range 50 {
		for _, policy := range []string{"open", "closed"} {
			if a := call(policy); a.StatusCode == 200 {
				passed[policy]++
			} else {
				last = a
			}
		}
	}
	if passed["open"] != 50 || passed["closed"] > 3 { // what a node had leased for its first call
		t.Errorf("passed: %v", passed)
	}
	if want := "The tag policy=closed is limited to 100 requests per day. That cannot be counted at the moment, and so nothing passes."; last.StatusCode != 429 || readError(t, last).Message != want || last.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", last.StatusCode, last.body)
	}
	for range 49 { // the share of the only node is all of it
		call("open")
	}
	if a := call("open"); a.StatusCode != 429 || readError(t, a).Message != "The tag policy=open is limited to 100 requests per day." {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	server.Start()
	deadline := time.After(10 * time.Second)
	for a := call("closed"); a.StatusCode != 200; a = call("closed") {
		select {
		case <-deadline:
			t.Fatal("Redis is back, and the limit is still closed")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Tags that nobody limits make nothing, however many a caller thinks of.
func TestUnlimitedTagsAreNotKept(t *testing.T) {
	t.Parallel()
	claimed := &claims{seen: map[limit.Subject]bool{}}
	w := newWorld(t, []vendor{{handler: answer(completion)}}, limiting(daily(quota.Tag, "team=red", quota.Requests, 1000)), func(o *proxy.Options, _ *snapshot.Contents) {
		claimed.Limiter = o.Limits
		o.Limits = claimed
	})
	for i := range 200 {
		w.post("/chat/completions", chat, "X-Aihigress-Tags", fmt.Sprintf("team=red, x%d=y, team%d=red, user=%d", i, i, i))
	}
	if n := len(claimed.seen); n != 1 {
		t.Errorf("%d subjects are claimed", n)
	}
}

// claims notes whose limits are claimed.
type claims struct {
	proxy.Limiter
	seen map[limit.Subject]bool
}

func (c *claims) Admit(ctx context.Context, use limit.Use, claims []limit.Claim) (*limit.Lease, limit.State, error) {
	for _, claim := range claims {
		c.seen[claim.Subject] = true
	}
	return c.Limiter.Admit(ctx, use, claims)
}

// A budget of a limit is held and settled like any other, of a provider where that one answered; the event names those that
// are charged. A provider whose budget has too little left is not asked.
func TestBudgetsOfLimits(t *testing.T) {
	t.Parallel()
	spend := func(s quota.Subject, name string, each bool) quota.Limit {
		return quota.Limit{Subject: s, SubjectName: name, EachUser: each, Dimension: quota.Spend, Window: quota.Month, Spend: money.Credit}
	}
	p := &purse{}
	var limits []quota.Limit
	var user id.User
	w := newWorld(t, []vendor{{handler: answer(completion)}, {handler: answer(completion)}}, limiting(
		spend(quota.Provider, "", false), spend(quota.Model, "m", false), spend(quota.Role, "member", true), spend(quota.Tag, "team=blue", false),
	), func(o *proxy.Options, c *snapshot.Contents) {
		o.Budgets = p
		second := spend(quota.Provider, "", false)
		second.ID, second.SubjectID = id.New[id.Limit](), c.Providers[1].ID.UUID
		c.Limits = append(c.Limits, second)
		limits, user = c.Limits, c.Keys[0].UserID
	})
	first, second := limits[0].ID.UUID, limits[4].ID.UUID
	common := []uuid.UUID{quota.Owner(limits[2].ID, true, user), limits[1].ID.UUID}
	check := func(call int, provider string, owner uuid.UUID) {
		t.Helper()
		a := w.post("/chat/completions", chat)
		if a.StatusCode != 200 || a.Header.Get("X-Aihigress-Provider") != provider {
			t.Fatalf("%d by %s: %s", a.StatusCode, a.Header.Get("X-Aihigress-Provider"), a.body)
		}
		for _, e := range []usage.Event{w.meter.admitted[call], w.meter.finished[call]} {
			if want := append(slices.Clone(common), owner); !slices.Equal(e.Budgets, want) {
				t.Errorf("charged to %v, want %v", e.Budgets, want)
			}
		}
	}
	check(0, "v0", first)
	if len(p.held) != 4 || len(p.settled) != 3 || p.stillHeld() != 0 {
		t.Errorf("held %v, settled %v, %d open", p.held, p.settled, p.stillHeld())
	}
	p.empty = first
	check(1, "v1", second)
	if p.stillHeld() != 0 || w.credit.stillHeld() != 0 {
		t.Errorf("%d of budgets and %d of credit are still held", p.stillHeld(), w.credit.stillHeld())
	}
}

// A call that is refused for a budget, or where no provider is left, has taken nothing of any limit.
func TestRefusedCallsTakeNothing(t *testing.T) {
	t.Parallel()
	p := &purse{}
	w := newWorld(t, []vendor{{handler: answer(completion)}}, limiting(
		quota.Limit{Subject: quota.Provider, Dimension: quota.Spend, Window: quota.Day, Spend: 5 * money.Credit},
		daily(quota.Key, "", quota.Requests, 2), daily(quota.Model, "m", quota.InputTokens, 1000), daily(quota.User, "", quota.Concurrency, 1),
	), func(o *proxy.Options, c *snapshot.Contents) {
		c.Limits[3].Window = quota.Call
		o.Budgets, p.empty = p, c.Limits[0].ID.UUID
	})
	for range 10 {
		a := w.post("/chat/completions", chat)
		if e := readError(t, a); a.StatusCode != 429 || e.Code != "insufficient_quota" || !strings.HasPrefix(e.Message, "The daily budget of the provider v0, 5 credits, has too little left") {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	p.empty = uuid.Nil
	for range 2 {
		if a := w.post("/chat/completions", chat); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if a := w.post("/chat/completions", chat); a.StatusCode != 429 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// An attempt of several calls counts each as a request, and their tokens once.
func TestTokensOfSeveralCallsOfAnAttemptCountOnce(t *testing.T) {
	t.Parallel()
	limiter := limit.New(nil, slog.New(slog.DiscardHandler), time.Now)
	vectors := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := strings.Count(string(body), `"content"`)
		answer(fmt.Sprintf(`{"embeddings":[%s],"usageMetadata":{"promptTokenCount":%d}}`, strings.Repeat(`{"values":[1]},`, n-1)+`{"values":[1]}`, n))(w, r)
	}
	w := newWorld(t, []vendor{{handler: vectors}}, ofDialect("gemini", "/v1beta"), limiting(
		daily(quota.Provider, "", quota.InputTokens, 100_000), daily(quota.Provider, "", quota.Requests, 100_000),
	), func(o *proxy.Options, _ *snapshot.Contents) { o.Limits = limiter })
	if a := w.post("/embeddings", `{"model":"m","input":["a"`+strings.Repeat(`,"a"`, 250)+`]}`); a.StatusCode != http.StatusOK {
		t.Fatal(a.body)
	}
	p, _ := w.snapshot.ProviderBySlug("v0")
	for _, claim := range p.Claims(nil, id.User{}) {
		for i, want := range []float64{251, 3} {
			claim := limit.Claim{Subject: claim.Subject, Limits: claim.Limits[i : i+1]}
			if got := math.Round((1 - limiter.Room(claim)) * 100_000); math.Abs(got-want) > 1 {
				t.Errorf("%v of %s are counted, want %v", got, claim.Limits[0], want)
			}
		}
	}
}
