package views_test

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/authz"
	"aihigress/internal/health"
	"aihigress/internal/provider"
	"aihigress/internal/secret"
)

// ptr points to a value.
func ptr[T any](v T) *T { return &v }

func TestSimulator(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.get("/simulator").is(200).shows(`action="/simulator"`, `name="vision"`, "As yourself").hides("Candidates in order")

	job := authz.With(t.Context(), authz.Job("test"))
	var made []provider.Provider
	for _, p := range []struct {
		slug         string
		capabilities []string
	}{{"seeing", []string{"vision", "tools"}}, {"thinking", []string{"reasoning", "tools"}}} {
		one, err := s.providers.Create(job, provider.CreateInput{
			Slug: p.slug, Name: strings.ToUpper(p.slug), Dialect: "openai", BaseURL: "https://" + p.slug + ".example.com/v1", Visibility: provider.Public,
			Keys:   []provider.KeyInput{{Secret: secret.NewText("vendor-secret-" + p.slug), Label: p.slug + "-account"}},
			Models: []provider.ModelInput{{UpstreamID: "big", Capabilities: p.capabilities, ContextTokens: 8192}},
		})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, one)
	}
	b.post("/models/new", "name", "large", "strategy", "weighted", "unsupportedFields", "drop",
		"provider.0", made[0].ID.String(), "upstream.0", "big", "weight.0", "3", "priority.0", "0", "enabled.0", "on",
		"provider.1", made[1].ID.String(), "upstream.1", "big", "weight.1", "1", "priority.1", "0", "enabled.1", "on",
	).redirects("/models")
	key, _, err := s.keys.Create(job, apikey.CreateInput{Name: "narrow", UserID: s.admin.ID, Models: []string{"elsewhere"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.snapshots.Load(t.Context()); err != nil {
		t.Fatal(err)
	}

	path := b.get("/models").find(`href="(/models/[a-z]+_[a-z0-9]+)"`)
	b.get(path).is(200).shows(`href="/simulator?model=large"`)
	b.get("/simulator?model=large").is(200).shows("Candidates in order: By weight", "SEEING", "THINKING", "seeing-account", "75.0%", "25.0%", "weight 3 of 4", `value="large"`, "narrow").
		hides("vendor-secret", "First token")
	b.get("/simulator?model=large&vision=on").is(200).shows("Unfit", "lacks vision", "100.0%").find(`(checked[^>]*name="vision")`)
	b.get("/simulator?model=large&reasoning=on&caller=anthropic").is(200).shows("Left out", "lacks reasoning", "only when the others fail", `value="anthropic" selected`)
	b.get("/simulator?model=large&promptTokens=9000&maxOutputTokens=3000").is(200).shows("context of 8192 tokens is too short for about 12000", `value="9000"`)

	now, _ := s.snapshots.Current().ProviderBySlug("seeing")
	attempt, _ := s.health.Begin(health.Target{Provider: now.ID, Model: "big", Key: now.Keys[0].ID}, false)
	attempt.End(health.Result{Class: health.RateLimited, RetryAfter: time.Hour})
	b.get("/simulator?model=large&strategy=latency").is(200).shows("Fastest first", "First token", "Known by", "out of use: rate limited (key)", `value="latency" selected`)

	b.get("/simulator?model=unheard").is(422).shows(`id="f-model-error"`, "does not exist")
	b.get("/simulator?model=large&key=" + key.ID.String()).is(422).shows(`id="f-model-error"`)
	b.get("/simulator?model=large&key=nonsense").is(422).shows(`id="f-key-error"`)
	b.get("/simulator?model=large&strategy=nonsense").is(422).shows(`id="f-strategy-error"`)
	b.get("/simulator?model=large&promptTokens=-1&maxOutputTokens=many").is(422).shows(`id="f-promptTokens-error"`, `id="f-maxOutputTokens-error"`)

	member := s.signIn(t, memberEmail)
	member.get("/simulator?model=large").is(200).shows("SEEING").hides("seeing-account", "narrow")
	s.browser(t).get("/simulator").redirects("/login")
}
