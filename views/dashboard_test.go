package views_test

import (
	"strings"
	"testing"
)

func TestDashboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	b.get("/").is(200).shows("No requests yet", `hx-sse:connect="/live"`, `href="/keys/new"`)
	s.logged(t, s.admin.ID, nil)
	b.get("/").is(200).hides("No requests yet")
	s.signIn(t, memberEmail).get("/").is(200).shows("No requests yet").hides(`href="/providers/new"`)
}

// The live page's stream brings tiles, and a row for each chart, from the first second on.
func TestDashboardIsLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	event := s.signIn(t, memberEmail).events("/live")()
	for _, want := range []string{`hx-target="#tiles"`, "Requests a second", `hx-target="#chart-requests-rows"`, `hx-target="#chart-first-rows"`, "<time datetime="} {
		if !strings.Contains(event, want) {
			t.Errorf("the event has no %s: %s", want, event)
		}
	}
}
