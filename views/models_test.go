package views_test

import (
	"strings"
	"testing"
)

func TestModelFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	provider := strings.TrimPrefix(b.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1").provider(), "/providers/")
	b.get("/models").is(200).shows("No models yet")
	b.get("/models/new").is(200).shows(provider, `name="provider.2"`)

	b.post("/models/new", "name", "large", "strategy", "weighted", "unsupportedFields", "keep",
		"provider.0", provider, "upstream.0", "large-2", "weight.0", "3", "priority.0", "0", "enabled.0", "on",
		"provider.1", "", "upstream.1", "", "weight.1", "1", "priority.1", "0",
	).redirects("/models")
	list := b.get("/models").is(200).shows("Callers can use large now.", "By weight", "/large-2", "Active")
	path := list.find(`href="(/models/[a-z]+_[a-z0-9]+)"`)
	b.get(path).is(200).shows(`<option value="keep" selected>`, `value="large-2"`, `value="3"`, `name="provider.3"`)

	b.post(path, "name", "large", "description", "For hard questions", "strategy", "priority", "enabled", "on",
		"provider.0", provider, "upstream.0", "large-2", "weight.0", "1", "priority.0", "1", "enabled.0", "on",
		"provider.1", provider, "upstream.1", "small-2", "weight.1", "1", "priority.1", "2", "enabled.1", "on",
	).redirects(path)
	b.get(path).is(200).shows(`<option value="keep" selected>`)
	b.get("/models").is(200).shows("Heaviest first", "/large-2", "/small-2", "For hard questions")
	b.post(path, "name", "large", "strategy", "priority").redirects(path)
	b.get("/models").is(200).shows("Disabled").hides("/large-2")

	b.post("/models/new", "name", "large", "strategy", "weighted").is(409).shows(`id="f-name-error"`)
	b.post(path + "/delete").redirects("/models")
	b.get(path).is(404)
}

func TestModelFormComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.post("/models/new", "name", "large", "strategy", "weighted", "provider.0", "", "upstream.0", "typed", "weight.0", "1", "priority.0", "0").
		is(422).shows("Choose a provider for each route.", `value="typed"`, `value="large"`)
	b.post("/models/new", "name", "", "strategy", "weighted").is(422).shows(`id="f-name-error"`)
	b.post("/models/new", "name", "x", "strategy", "nonsense").is(422)
	b.post("/models/new", "name", "x", "strategy", "weighted", "unsupportedFields", "nonsense").is(422).shows(`id="f-unsupportedFields-error"`)
	member := s.signIn(t, memberEmail)
	member.post("/models/new", "name", "x", "strategy", "weighted").is(403)
	member.get("/models").is(200).hides("New model")
}

// What few models need is behind details, and says what it is set to.
func TestModelPoliciesAndOverrides(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	provider := strings.TrimPrefix(b.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1").provider(), "/providers/")
	b.get("/models/new").is(200).shows(`name="balanceErrors"`, `<option value="return" selected>`, `name="region.2"`)
	b.post("/models/new", "name", "large", "strategy", "balanced", "balanceLatency", "2.5", "balancePrice", "0", "balanceErrors", "1", "requestErrors", "failover",
		"retryBudget", "0", "hedge", "on", "provider.0", provider, "upstream.0", "large-2", "weight.0", "1", "priority.0", "0", "enabled.0", "on",
		"region.0", "eu-west", "capabilities.0", "vision, tools", "context.0", "1000", "maxOutput.0", "500",
		"multiplier", "1.25", "inputPrice.0", "0.25", "outputPrice.0", "2", "cachedInputPrice.0", "0", "cacheWritePrice.0", "0.5",
	).redirects("/models")
	path := b.get("/models").find(`href="(/models/[a-z]+_[a-z0-9]+)"`)
	page := b.get(path).is(200).shows(`value="2.5"`, `value="1.25"`, `<option value="failover" selected>`, `value="eu-west"`, `value="vision tools"`, `value="1000"`, `value="500"`, `value="0.25"`, `value="0.5"`)
	if strings.Count(page.body, "<details class=\"col-span-full\" open>") != 1 {
		t.Error("what is set is not open, or what is not set is")
	}
	back := b.post(path, "name", "large", "strategy", "balanced", "balanceLatency", "much", "balancePrice", "1", "balanceErrors", "1", "retryBudget", "few",
		"provider.0", provider, "upstream.0", "large-2", "weight.0", "1", "priority.0", "0", "context.0", "0").is(422)
	back.shows("Enter three numbers", "Enter a whole number", "whole numbers of tokens", `value="much"`, `value="few"`)
	b.post(path, "name", "large", "strategy", "balanced", "balanceLatency", "0", "balancePrice", "0", "balanceErrors", "0").is(422).shows("At least one of latency, price and errors must count")
	b.post(path, "name", "large", "strategy", "balanced", "retryBudget", "101").is(422).shows(`id="f-retryBudget-error"`)
	b.post(path, "name", "large", "strategy", "balanced", "multiplier", "-1").is(422).shows(`id="f-multiplier-error"`)
	b.post(path, "name", "large", "strategy", "weighted", "requestErrors", "never").is(422).shows(`id="f-requestErrors-error"`)
	b.post(path, "name", "large", "strategy", "balanced", "provider.0", provider, "upstream.0", "large-2", "weight.0", "1", "priority.0", "0", "capabilities.0", "-").redirects(path)
	b.get(path).is(200).shows(`value="-"`, `value="2.5"`, `<option value="failover" selected>`).hides("eu-west")
}
