package views

import (
	"encoding/json"
	"math"
	"time"

	"github.com/a-h/templ"

	"aihigress/internal/account"
	"aihigress/internal/apikey"
	"aihigress/internal/audit"
	"aihigress/internal/auth"
	"aihigress/internal/authz"
	"aihigress/internal/catalog"
	"aihigress/internal/credit"
	"aihigress/internal/egress"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/keypool"
	"aihigress/internal/llm"
	"aihigress/internal/money"
	"aihigress/internal/overload"
	"aihigress/internal/page"
	"aihigress/internal/plan"
	"aihigress/internal/pricing"
	"aihigress/internal/provider"
	"aihigress/internal/quota"
	"aihigress/internal/routing"
	"aihigress/internal/usage"
	"aihigress/views/ui"
)

var (
	sampleTime     = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	sampleUser     = account.User{ID: id.New[id.User](), Email: "admin@example.com", Name: "Admin", Role: authz.Admin, CreatedAt: sampleTime}
	sampleMember   = account.User{ID: id.New[id.User](), Email: "member@example.com", Role: authz.Member, CreatedAt: sampleTime, DisabledAt: &sampleTime}
	sampleProvider = provider.Provider{
		ID: id.New[id.Provider](), Slug: "example", Name: "Example AI", Dialect: "openai", Kind: "direct", BaseURL: "https://api.example.com/v1",
		Headers: map[string]string{"X-Team": "search"}, Paths: map[string]string{"generate": "/run/{model}"}, Streaming: provider.StreamsOnly,
		Visibility: "public", Weight: 1, AskStreamUsage: true, Enabled: true, CreatedAt: sampleTime,
		Health: provider.Health{State: "healthy", HTTPStatus: 200, Latency: 312 * time.Millisecond, CheckedAt: sampleTime},
	}
)

func ptr[T any](v T) *T { return &v }

// cut is a page whose search ended before the page was full.
func cut[T any](p page.Page[T]) page.Page[T] {
	p.Unfinished(sampleTime, "x")
	return p
}

func paged[T any](items ...T) page.Page[T] {
	return page.New(items, page.MaxSize, func(T) string { return "" })
}

func sampleKeys() []apikey.Key {
	limits := apikey.Limits{RequestsPerMinute: ptr[int32](600), TokensPerMinute: ptr[int64](200000), Concurrency: ptr[int32](20)}
	return []apikey.Key{
		{ID: id.New[id.Key](), UserID: sampleUser.ID, Name: "production", Hint: "sk-hg-3f…Qz8", Limits: limits, CreatedAt: sampleTime},
		{ID: id.New[id.Key](), UserID: sampleMember.ID, Name: "a key with a name as long as anybody would make it", Hint: "sk-hg-9a…0bC", CreatedAt: sampleTime, ExpiresAt: &sampleTime},
		{ID: id.New[id.Key](), UserID: sampleMember.ID, Name: "old", Hint: "sk-hg-aa…xyz", CreatedAt: sampleTime, RevokedAt: &sampleTime},
	}
}

func sampleLoads() []overload.Load {
	return []overload.Load{
		{Target: health.Target{Model: "large-2", Key: id.New[id.ProviderKey]()}, InFlight: 42, Limit: 41, Limited: true, Waiting: 7},
		{Target: health.Target{Model: "a-model-with-a-name-as-long-as-vendors-make-them-2026-03-14"}, InFlight: 3, Limit: 1000},
	}
}

func sampleModels() []provider.Model {
	price := func(text string) *money.Price {
		p, err := money.ParsePrice(text)
		if err != nil {
			panic(err)
		}
		return &p
	}
	return []provider.Model{
		{ID: id.New[id.ProviderModel](), UpstreamID: "large-2", Alias: "large", ContextTokens: 200000, Rate: pricing.Rate{Input: price("3"), Output: price("15")}, Enabled: true},
		{ID: id.New[id.ProviderModel](), UpstreamID: "vendor/embedding-with-a-long-name-3", Enabled: true},
		{ID: id.New[id.ProviderModel](), UpstreamID: "gone-1", Enabled: true, MissingSince: &sampleTime},
	}
}

var vendorKeys = []provider.Key{
	{ID: id.New[id.ProviderKey](), Label: "first", Hint: "sk-…abc", Weight: 3, CreatedAt: sampleTime, Limits: provider.KeyLimits{
		MaxQPS: 50, MaxConcurrency: 200, RequestsPerMinute: 4000, TokensPerMinute: 2_000_000,
	}},
	{ID: id.New[id.ProviderKey](), Hint: "sk-…def", Weight: 1, CreatedAt: sampleTime},
}

func sampleRequests() []usage.Request {
	key := sampleKeys()[0].ID
	out := make([]usage.Request, 0, len(usage.Outcomes()))
	for i, outcome := range usage.Outcomes() {
		at := sampleTime.Add(-time.Duration(i) * time.Minute)
		req := usage.Request{
			ID: usage.NewID(at), RequestID: "req-0123456789", StartedAt: at, KeyID: key, UserID: sampleUser.ID, Model: "large",
			ProviderID: &sampleProvider.ID, UpstreamModel: "large-2", Dialect: "openai", Endpoint: "/v1/chat/completions", Streamed: true,
			HTTPStatus: 200, Outcome: outcome, Duration: 3210 * time.Millisecond, FirstToken: 1412 * time.Millisecond,
			Usage:  llm.Usage{Input: 1200, CachedInput: 8000, Output: 512, Reasoning: 100, ImageInput: 300, ImageOutput: 20, ToolUses: 2, Estimated: i%2 == 1},
			Charge: ptr(money.Amount(12_340_000)), Cost: ptr(money.Amount(10_000_000)), Tags: map[string]string{"team": "search"},
			Attempts: []usage.Attempt{
				{ProviderSlug: "broken", Status: 503, Error: "upstream_error", StartedAt: at.Add(20 * time.Millisecond), Duration: 400 * time.Millisecond},
				{ProviderSlug: "slow", Status: 200, Error: "hedge_lost", StartedAt: at.Add(420 * time.Millisecond), Duration: 500 * time.Millisecond, Charge: 1_000_000},
				{ProviderSlug: "example", Status: 200, StartedAt: at.Add(450 * time.Millisecond), Duration: 2700 * time.Millisecond},
			},
		}
		if i == 0 {
			req.Plan = &usage.Plan{Strategy: "balanced", More: 2, Targets: []usage.Planned{
				{ProviderSlug: "broken", UpstreamModel: "large-2-with-a-date-2026-03-14", KeyID: id.New[id.ProviderKey](), Score: ptr(0.81254)}, {ProviderSlug: "example", UpstreamModel: "large-2", Score: ptr(1.5)},
				{ProviderSlug: "other", UpstreamModel: "tiny", Out: "vision+context"}, {ProviderSlug: "example", UpstreamModel: "large-2", Out: "rate_limited"},
			}}
		}
		if outcome == usage.Refused {
			req.ProviderID, req.Attempts, req.Charge, req.Unpriced = nil, nil, nil, true
		}
		out = append(out, req)
	}
	return out
}

func sampleEgress() (egress.Pool, []egress.Proxy) {
	pool := egress.Pool{
		ID: id.New[id.EgressPool](), Name: "Europe", Choice: egress.Sticky, AllowDirect: true, AllowHosts: []string{"10.0.0.0/8"}, CreatedAt: sampleTime,
		ListHost: "https://lists.example.com", ListFetchedAt: &sampleTime, ListError: "2 lines are no proxies",
	}
	return pool, []egress.Proxy{
		{ID: id.New[id.EgressProxy](), PoolID: pool.ID, Source: egress.Manual, Address: "socks5://proxy-1.example.com:1080", Hint: "…9876", State: provider.Healthy, Latency: 120 * time.Millisecond, CheckedAt: &sampleTime, CreatedAt: sampleTime},
		{ID: id.New[id.EgressProxy](), PoolID: pool.ID, Source: egress.Listed, Address: "http://a-proxy-with-a-long-name.somewhere.example.com:3128", State: provider.Unhealthy, Error: "the proxy could not be reached", CheckedAt: &sampleTime, CreatedAt: sampleTime},
		{ID: id.New[id.EgressProxy](), PoolID: pool.ID, Source: egress.Manual, Address: "https://proxy-2.example.com:443", State: provider.Unknown, CreatedAt: sampleTime},
	}
}

func sampleFigures(n int) []figures {
	out := make([]figures, n)
	for i := range out {
		level := 1 + math.Sin(float64(i)/6)
		out[i] = figures{
			At: sampleTime.Add(time.Duration(i) * time.Minute), Requests: 120 * level, Errors: 3 * level, Tokens: 40000 * level,
			Charge: money.Amount(float64(money.Credit) * 0.3 * level),
			Duration: usage.Percentiles{
				P50: time.Duration(800+200*level) * time.Millisecond, P95: time.Duration(2000+500*level) * time.Millisecond,
				P99: time.Duration(4000+700*level) * time.Millisecond,
			},
			FirstToken: usage.Percentiles{P50: time.Duration(300+50*level) * time.Millisecond, P95: time.Duration(700+90*level) * time.Millisecond},
		}
	}
	return out
}

// samplePlan is a plan that compares, with one candidate of each standing.
func samplePlan(keys []apikey.Key) simulatorView {
	key := provider.Key{ID: id.New[id.ProviderKey](), Label: "first"}
	terms := routing.Terms{FirstToken: 0.41, Generation: 3.2, Price: 0.00512, Errors: 0.021, InFlight: 3, Known: 48.25, Score: 0.81254}
	unknown := routing.Terms{FirstToken: 0.41, Generation: 3.2, Price: math.NaN(), Errors: 0.02, Score: math.MaxFloat64}
	return simulatorView{
		Form: simulatorForm{Model: "large", Key: keys[0].ID.String(), Strategy: "balanced", Caller: "anthropic", Prompt: "12000", Needs: llm.NeedVision | llm.NeedReasoning},
		Keys: keys, Models: []string{"large", "small"},
		Named: planNames{Providers: map[id.Provider]provider.Provider{sampleProvider.ID: sampleProvider}, Keys: map[id.ProviderKey]provider.Key{key.ID: key}},
		Plan: &plan.Answer{Strategy: catalog.Balanced, Compares: true, Candidates: []plan.Candidate{
			{ProviderID: sampleProvider.ID, KeyID: key.ID, UpstreamID: "large-2-with-a-date-2026-03-14", Chance: 0.952, Terms: terms, Failures: []health.Failure{{Class: health.RateLimited, Share: 0.02}}, Reasons: []string{"priority 0", "weight 3 of 4", "first token after 0.41 s", "2.1 % fail"}},
			{ProviderID: sampleProvider.ID, UpstreamID: "large-2", Terms: terms, LeftOut: true, Lacks: llm.NeedReasoning, Reasons: []string{"lacks reasoning", "only when the others fail"}},
			{ProviderID: id.New[id.Provider](), UpstreamID: "tiny", Terms: unknown, LeftOut: true, Unfit: true, Lacks: llm.NeedVision | llm.NeedContext, Reasons: []string{"lacks vision", "context of 8192 tokens is too short for about 12000"}},
		}},
	}
}

func sampleLimits() ([]quota.Limit, map[quota.Limit]quota.Standing) {
	limits := []quota.Limit{
		{Subject: quota.Role, SubjectName: "member", Label: "member", EachUser: true, Dimension: quota.InputTokens, Window: quota.Day, Amount: 2_000_000},
		{Subject: quota.Model, SubjectName: "large", Label: "large", Dimension: quota.Requests, Window: quota.Minute, Amount: 600, Closed: true},
		{Subject: quota.Provider, Label: "vendor", Dimension: quota.Concurrency, Window: quota.Call, Amount: 40},
		{Subject: quota.Tag, SubjectName: "team=research", Label: "team=research", Dimension: quota.Spend, Window: quota.Month, Spend: 250 * money.Credit},
		{Subject: quota.User, Label: "member@example.com", Dimension: quota.OutputTokens, Window: quota.Minute, Amount: 9000},
		{Subject: quota.Key, Label: "production", Dimension: quota.Tokens, Window: quota.Day, Amount: 50_000_000},
	}
	for i := range limits {
		limits[i].ID, limits[i].CreatedAt = id.New[id.Limit](), sampleTime
	}
	return limits, map[quota.Limit]quota.Standing{limits[1]: {Used: 600}, limits[2]: {Used: 7}, limits[3]: {Spent: 12 * money.Credit}, limits[4]: {Used: 120}, limits[5]: {}}
}

// samples is every page by its name, filled in.
func samples(p ui.Page) map[string]templ.Component {
	keys, models := sampleKeys(), sampleModels()
	requests := sampleRequests()
	found := names{Keys: map[id.Key]string{requests[0].KeyID: "production"}, Providers: map[id.Provider]string{sampleProvider.ID: sampleProvider.Name}}
	account1 := credit.Account{ID: id.New[id.Account](), UserID: sampleUser.ID, Balance: 125 * money.Credit, Reserved: 3 * money.Credit, Recharge: &credit.Rule{Threshold: 10 * money.Credit, Target: 100 * money.Credit, DailyCap: 300 * money.Credit, Enabled: true}}
	logical := catalog.Model{ID: id.New[id.Model](), Name: "large", Description: "For hard questions", Strategy: catalog.Weighted, Enabled: true,
		Routes: []catalog.Route{{ProviderID: sampleProvider.ID, UpstreamID: "large-2", Weight: 3, Enabled: true}, {ProviderID: id.New[id.Provider](), UpstreamID: "hidden", Weight: 1, Enabled: true}}}
	form := modelFormOf(logical)
	form.Providers = []provider.Provider{sampleProvider}
	bad := problems{"": "Something about the whole form.", "name": "A name is needed.", "baseUrl": "Must start with https://", "amount": "Enter a number.", "routes": "Choose a provider."}
	figures := sampleFigures(60)
	session := auth.Session{Current: true, ID: id.New[id.Session](), UserAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19 Safari/605.1.15", IP: "203.0.113.7", CreatedAt: sampleTime, LastSeenAt: sampleTime}
	other := session
	other.ID, other.UserAgent, other.Current = id.New[id.Session](), "curl/8.9.1", false
	pool, proxies := sampleEgress()
	limits, standings := sampleLimits()
	return map[string]templ.Component{
		"login":           loginPage(ui.Page{Title: p.Title, Lang: p.Lang, Theme: p.Theme, Path: "/login"}, loginInput{Email: "admin@example.com", Problem: "Wrong e-mail address or password."}),
		"error":           errorPage(p, failure{title: "Something went wrong", text: "It has been logged.", internal: true}, "req-1"),
		"dashboard":       dashboardPage(p, dashboardView{Span: spans[1], Points: figures, Total: totals{Requests: 12345, Errors: 37, Input: 4_000_000, Output: 900_000, Charge: 12_345_678_900, Unpriced: 12}, Admin: true}),
		"dashboard-new":   dashboardPage(p, dashboardView{Span: spans[0], Welcome: true, Admin: true}),
		"requests":        requestsPage(p, requestsView{Page: paged(requests...), Names: found, Live: "/requests/live", NextPage: "/requests?after=x"}),
		"requests-empty":  requestsPage(p, requestsView{Live: "/requests/live"}),
		"requests-cut":    requestsPage(p, requestsView{Page: cut(paged(requests...)), Names: found, FirstPage: "/requests", NextPage: "/requests?after=x"}),
		"requests-none":   requestsPage(p, requestsView{Form: requestFilterForm{Model: "x", Key: "y"}}),
		"request":         requestPage(p, requestView{Request: requests[0], Names: found, Lanes: lanes(requests[0]), Admin: true}),
		"request-refused": requestPage(p, requestView{Request: requests[len(requests)-1], Names: found}),
		"keys":            keysPage(p, keysView{Page: paged(keys...), Owners: map[id.User]account.User{sampleUser.ID: sampleUser, sampleMember.ID: sampleMember}, NextPage: "/keys?after=x"}),
		"keys-empty":      keysPage(p, keysView{}),
		"limits":          limitsPage(p, limitsView{Page: paged(limits...), Standings: standings, NextPage: "/limits?after=x"}),
		"limits-empty":    limitsPage(p, limitsView{}),
		"limits-none":     limitsPage(p, limitsView{Query: "x"}),
		"limit-new":       limitNewPage(p, limitForm{Amount: "x", EachUser: true, Problems: bad}),
		"limit":           limitPage(p, limitView{Limit: limits[1], Known: true, Standing: standings[limits[1]], Form: limitFormOf(limits[1])}),
		"limit-spend":     limitPage(p, limitView{Limit: limits[3], Form: limitFormOf(limits[3])}),
		"key-new":         keyNewPage(p, keyForm{Problems: bad}),
		"key-secret":      keySecretPage(p, keys[0], "sk-hg-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG012345", "curl http://127.0.0.1:8080/v1/chat/completions"),
		"key":             keyPage(p, keys[0], nil, keyFormOf(keys[0])),
		"key-revoked":     keyPage(p, keys[2], nil, keyFormOf(keys[2])),
		"providers":       providersPage(p, providersView{Page: paged(sampleProvider), MayCreate: true}),
		"providers-empty": providersPage(p, providersView{MayCreate: true}),
		"presets":         presetsPage(p, catalog.Presets()),
		"provider-new":    providerNewPage(p, providerForm{Name: "Example", Problems: bad}),
		"provider": providerPage(p, providerView{Provider: sampleProvider, Pool: &pool, MayChange: true, Models: models, Loads: sampleLoads(),
			Keys: vendorKeys, Rooms: map[id.ProviderKey]float64{vendorKeys[0].ID: 0.425}}),
		"provider-key": providerKeyPage(p, sampleProvider, vendorKeys[0], providerKeyFormOf(vendorKeys[0]), []keypool.Learnt{
			{UpstreamID: "large-2", Dimension: keypool.Requests, Limit: 4000, Remaining: 3999, ResetAt: sampleTime},
			{UpstreamID: "vendor/embedding-with-a-long-name-3", Dimension: keypool.OutputTokens, Limit: 2_000_000, ResetAt: sampleTime},
		}),
		"provider-member": providerPage(p, providerView{Provider: sampleProvider}),
		"provider-edit":   providerEditPage(p, sampleProvider, providerFormOf(sampleProvider)),
		"provider-model":  providerModelPage(p, sampleProvider, models[0], providerModelFormOf(models[0])),
		"models":          modelsPage(p, modelsView{Page: paged(logical), Providers: map[id.Provider]provider.Provider{sampleProvider.ID: sampleProvider}, MayChange: true}),
		"models-empty":    modelsPage(p, modelsView{MayChange: true}),
		"model-new":       modelNewPage(p, modelForm{Problems: bad}.padded()),
		"model":           modelPage(p, logical, form.padded(), true),
		"simulator":       simulatorPage(p, simulatorView{Models: []string{"large"}, Keys: keys}),
		"simulator-bad":   simulatorPage(p, simulatorView{Form: simulatorForm{Model: "x", Prompt: "many", Problems: problems{"model": "none", "promptTokens": "number", "needs": "odd"}}}),
		"simulator-plan":  simulatorPage(p, samplePlan(keys)),
		"simulator-draw":  simulatorPage(p, simulatorView{Plan: &plan.Answer{Candidates: []plan.Candidate{{ProviderID: sampleProvider.ID, UpstreamID: "large-2", Chance: 1, Reasons: []string{"priority 0", "weight 1 of 1"}}}}}),
		"credit": creditPage(p, creditView{Account: account1, Owner: sampleUser, MayGrant: true, Lots: []credit.Lot{
			{Kind: credit.KindGrant, Amount: 100 * money.Credit, Left: 20 * money.Credit, Reason: "first", ExpiresAt: sampleTime},
		}, Entries: paged(
			credit.Entry{ID: id.New[id.Entry](), Kind: credit.KindGrant, Amount: 100 * money.Credit, Reason: "first", CreatedAt: sampleTime},
			credit.Entry{ID: id.New[id.Entry](), Kind: credit.KindCharge, Amount: -12_340_000, Reason: "large", RequestID: ptr(requests[0].ID), CreatedAt: sampleTime},
		)}),
		"credit-paused": creditPage(p, creditView{Account: credit.Account{Recharge: &credit.Rule{Enabled: true, Paused: &credit.Pause{At: sampleTime, Reason: credit.PauseCap}}},
			Owner: sampleUser, MayGrant: true}),
		"credit-empty":    creditPage(p, creditView{Owner: sampleMember, Own: true}),
		"grant":           grantPage(p, grantForm{Owner: sampleMember, Problems: bad}),
		"sign-up":         signUpPage(p, signUpForm{Amount: "5", ValidDays: "x", Problems: problems{"validDays": "Enter a number."}}),
		"recharge":        rechargePage(p, rechargeForm{Owner: sampleMember}),
		"sessions":        sessionsPage(p, []auth.Session{session, other}),
		"password":        passwordPage(p, problems{"currentPassword": "That is not your password."}),
		"egress":          egressPage(p, egressView{Page: paged(pool, egress.Pool{ID: id.New[id.EgressPool](), Name: "empty", Choice: egress.Random, CreatedAt: sampleTime}), Proxies: map[id.EgressPool][]egress.Proxy{pool.ID: proxies}}),
		"egress-empty":    egressPage(p, egressView{}),
		"egress-new":      egressNewPage(p, egressForm{Problems: problems{"proxies": "A name is needed.", "": "Something about the whole form."}}),
		"egress-pool":     egressPoolPage(p, egressPoolView{Pool: pool, Proxies: proxies, Form: egressFormOf(pool), Watch: 3}),
		"egress-pool-new": egressPoolPage(p, egressPoolView{Pool: egress.Pool{ID: id.New[id.EgressPool](), Name: "empty"}, Form: egressForm{Problems: problems{"": "Something about the whole form.", "listUrl": "Must start with https://"}}, Problems: problems{"addProxies": "A name is needed."}}),
		"users":           usersPage(p, usersView{Page: paged(sampleUser, sampleMember)}),
		"users-none":      usersPage(p, usersView{Query: "x"}),
		"user-new":        userNewPage(p, userForm{Problems: bad}),
		"user":            userPage(p, userView{User: sampleMember, Credit: account1, Form: userForm{Role: authz.Member}}),
		"audit":           auditPage(p, auditView{Page: paged(audit.Event{ID: id.New[id.Audit](), At: sampleTime, ActorName: "admin@example.com", Action: "key.create", Target: keys[0].ID.String(), Details: json.RawMessage(`{"name":"production"}`), IP: "203.0.113.7", RequestID: "req-1"})}),
		"audit-nothing":   auditPage(p, auditView{}),
	}
}
