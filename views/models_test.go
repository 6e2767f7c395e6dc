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
