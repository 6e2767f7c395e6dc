package views_test

import (
	"testing"

	"aihigress/internal/authz"
	"aihigress/internal/provider"
)

func TestPrices(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, member := s.signIn(t, adminEmail), s.signIn(t, memberEmail)
	b.get("/models").is(200).shows(`href="/prices"`)
	member.get("/models").is(200).hides(`href="/prices"`)
	member.get("/prices").is(403)
	member.post("/prices/refresh").is(403)

	b.get("/prices").is(200).shows("https://prices.example.com/api.json", "Never", "All models in use have a price").hides("canary")
	b.post("/prices/refresh").redirects("/prices")
	b.get("/prices").is(200).shows("The last try brought nothing: the catalogue&#39;s server could not be reached.")

	made, err := s.providers.Create(authz.With(t.Context(), authz.Job("test")), provider.CreateInput{Slug: "claude", PresetID: "anthropic", Models: []provider.ModelInput{{UpstreamID: "claude-x"}, {UpstreamID: "claude-y"}}})
	if err != nil {
		t.Fatal(err)
	}
	s.prices = `{"anthropic":{"models":{"claude-x":{"cost":{"input":1,"output":2}},"claude-z":{"cost":{"input":-1}}}}}`
	b.get("/prices").is(200).shows("claude-x", "claude-y")
	b.get("/models").is(200).shows("2 models of providers have no price.")
	b.post("/prices/refresh").redirects("/prices")
	b.get("/prices").is(200).shows("The price catalogue is read.", "1, 1 of them new or changed", "1 models of providers", "claude-z", "is negative", "claude-y", "/providers/"+made.ID.String()+"/models/").
		hides(">claude-x<")
}
