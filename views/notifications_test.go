package views_test

import (
	"strings"
	"testing"
	"time"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/health"
	"aihigress/internal/id"
	"aihigress/internal/notify"
)

// tell has somebody told of something.
func (s *site) tell(t *testing.T, m notify.Message) {
	t.Helper()
	if m.Severity == "" {
		m.Severity = notify.Warning
	}
	if _, err := s.inbox.Send(authz.With(t.Context(), authz.Job("test")), m); err != nil {
		t.Fatal(err)
	}
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, admin := s.signIn(t, memberEmail), s.signIn(t, adminEmail)
	b.get("/notifications").is(200).shows("No notifications yet", `hx-sse:connect="/notifications/live"`).hides("badge-primary")
	mine := notify.Audience{Users: []id.User{s.member.ID}}
	s.tell(t, notify.Message{To: mine, Kind: "test.plain", Title: "As it is <said>", Text: "More of it."})
	s.tell(t, notify.Message{To: mine, Kind: "provider.down", Severity: notify.Error, Title: "x", Subject: "prv_01hv6zcw0mf5t8n4xq9k2j7r3e",
		Details: map[string]string{"provider": "Example AI", "reason": "timeouts"}})
	b.get("/keys").is(200).shows(`id="bell"`, "badge-primary", "unread")
	b.get("/notifications").is(200).shows("As it is &lt;said&gt;", "More of it.", "Example AI is out of use: timeouts", `href="/providers/prv_01hv6zcw0mf5t8n4xq9k2j7r3e"`)
	b.get("/notifications/bell").is(200).shows(`hx-target="#bell"`, `hx-target="#bell-top"`)
	admin.get("/notifications").is(200).shows("No notifications yet")

	b.post("/preferences", "lang", "zh-CN", "next", "/notifications").redirects("/notifications")
	b.get("/notifications").is(200).shows("Example AI 已暂停使用：超时", "As it is &lt;said&gt;")
	b.post("/preferences", "lang", "en", "next", "/notifications").redirects("/notifications")

	one := b.get("/notifications").find(`name="id" value="([a-z0-9_]+)"`)
	admin.post("/notifications/read", "id", one).redirects("/notifications") // another's stays as it is
	b.get("/notifications?unread=on").is(200).shows("Example AI", "As it is")
	b.post("/notifications/read", "id", one).redirects("/notifications")
	b.get("/notifications?unread=on").is(200).shows("As it is").hides("Example AI")
	b.post("/notifications/read", "id", "nonsense").redirects("/notifications")
	b.get("/notifications?unread=on").is(200).shows("As it is")
	b.post("/notifications/read").redirects("/notifications")
	b.get("/notifications?unread=on").is(200).shows("Nothing unread").hides("badge-primary")
	b.get("/notifications").is(200).shows("Example AI", "As it is")
}

func TestNotificationsArrive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	next := s.signIn(t, memberEmail).events("/notifications/live")
	s.tell(t, notify.Message{To: notify.Audience{Admins: true}, Kind: "test", Title: "For admins"})
	s.tell(t, notify.Message{To: notify.Audience{Users: []id.User{s.member.ID}}, Kind: "test", Title: "For members"})
	event := next()
	for _, want := range []string{`hx-target="#notification-rows"`, "For members", `hx-target="#bell"`, "badge-primary"} {
		if !strings.Contains(event, want) {
			t.Errorf("the event has no %q: %s", want, event)
		}
	}
	if strings.Contains(event, "For admins") {
		t.Errorf("the event shows another's: %s", event)
	}
}

func TestWebhookPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, memberEmail)
	const path = "/notifications/webhooks"
	b.get(path).is(200).shows("New webhook")
	b.post(path, "url", "nonsense", "secret", "").is(422).shows(`id="f-url-error"`, `value="nonsense"`)
	b.post(path, "url", "https://hooks.example.com/a", "secret", "short").is(422).shows(`id="f-secret-error"`).hides(`value="short"`)
	made := b.post(path, "url", "https://hooks.example.com/a", "secret", "").is(200).shows("it is not shown again", "Nothing sent yet")
	key := made.find(`(whsec_[A-Za-z0-9+/=]+)`)
	b.get(path).is(200).shows("https://hooks.example.com/a").hides(key)
	b.post(path, "url", "https://hooks.example.com/b", "secret", "a-secret-of-my-own").redirects(path)

	s.tell(t, notify.Message{To: notify.Audience{Users: []id.User{s.member.ID}}, Kind: "test", Title: "Something"})
	rows, err := s.pool.Query(t.Context(), "SELECT id FROM webhook_deliveries ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var deliveries []id.Delivery
	for rows.Next() {
		var d id.Delivery
		if err := rows.Scan(&d.UUID); err != nil {
			t.Fatal(err)
		}
		deliveries = append(deliveries, d)
	}
	if err := rows.Err(); err != nil || len(deliveries) != 2 {
		t.Fatal(deliveries, err)
	}
	if err := s.inbox.Deliver(authz.With(t.Context(), authz.Job("test")), deliveries[0], true); err == nil {
		t.Fatal("a receiver that is gone")
	}
	page := b.get(path).is(200).shows("Something", "Given up", "HTTP 410", "On its way")
	hook := page.find(`action="(` + path + `/whk_[a-z0-9]+)/enabled"`)
	b.post(hook+"/enabled", "enabled", "false").redirects(path)
	b.get(path).shows(`value="true"`)
	s.signIn(t, adminEmail).post(hook + "/delete").is(404)
	b.post(hook + "/delete").redirects(path)
	b.get(path).is(200).hides("https://hooks.example.com/a", "Given up")
}

func TestDeadKeyAndCircuitsOfAProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	path := b.post("/providers/new", "name", "Example", "slug", "example", "dialect", "openai", "baseUrl", "https://api.example.com/v1",
		"visibility", "public", "weight", "1", "secret", "sk-upstream-very-secret-1234").provider()
	ctx := authz.With(t.Context(), authz.Job("test"))
	of, err := id.Parse[id.Provider](strings.TrimPrefix(path, "/providers/"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := s.providers.Keys(ctx, of)
	if err != nil {
		t.Fatal(err)
	}
	b.get(path).is(200).hides("Out of use", "Refused by the vendor")
	if err := s.providers.CheckKey(ctx, keys[0].ID, time.Time{}); err != nil {
		t.Fatal(err)
	}
	b.get(path).is(200).shows("Refused by the vendor", "Disabled by the gateway", "Tried again")
	b.get("/notifications").is(200).shows("A key of Example is disabled: the vendor refuses it", "…1234")
	b.post(path+"/keys/"+keys[0].ID.String()+"/enabled", "enabled", "true").redirects(path)
	b.get(path).is(200).hides("Refused by the vendor").shows("The key is used again.")
	b.post(path+"/keys/"+keys[0].ID.String()+"/enabled", "enabled", "false").redirects(path)
	member := s.signIn(t, memberEmail)
	member.post(path+"/keys/"+keys[0].ID.String()+"/enabled", "enabled", "true").is(403)

	// What live traffic finds out is shown, also to who already looks.
	next := b.events(path + "/live")
	target := health.Target{Provider: of, Model: "large<1>", Key: keys[0].ID}
	attempt, _ := s.health.Begin(target, true)
	attempt.End(health.Result{Class: health.RateLimited, RetryAfter: time.Hour})
	for name, shown := range map[string]string{"stream": next(), "page": b.get(path).is(200).body} {
		for _, want := range []string{"Out of use", "A key, for every model", "rate limited", "as the vendor asks", "1234"} {
			if !strings.Contains(shown, want) {
				t.Errorf("the %s does not show %q: %s", name, want, shown)
			}
		}
	}
	member.get(path).is(200).shows("A key, for every model", "rate limited").hides("1234")
	attempt, _ = s.health.Begin(target, true)
	attempt.End(health.Result{Class: health.OK})
	if event := next(); strings.Contains(event, "rate limited") {
		t.Errorf("it is closed: %s", event)
	}
	b.get(path).is(200).hides("Out of use")
}

func TestNotificationsOfMoney(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signIn(t, adminEmail)
	to := notify.Audience{Admins: true}
	s.tell(t, notify.Message{To: to, Kind: credit.KindMismatch, Severity: notify.Error, Title: "x", Details: map[string]string{"account": "acc_1", "balance": "2", "entries": "1"}})
	for _, reason := range []string{"pace", "cap"} {
		s.tell(t, notify.Message{To: to, Kind: credit.KindPaused, Severity: notify.Warning, Title: "x", Details: map[string]string{"reason": reason}})
	}
	for _, window := range []string{"day", "month"} {
		for _, key := range []string{"", "app"} {
			s.tell(t, notify.Message{To: to, Kind: credit.KindBudget, Title: "x", Details: map[string]string{"window": window, "key": key, "percent": "80", "spent": "4.1", "amount": "5"}})
		}
	}
	s.tell(t, notify.Message{To: to, Kind: credit.KindExpiring, Title: "x", Details: map[string]string{"amount": "12.5", "day": "2026-03-01"}})
	limit := id.New[id.Limit]()
	for _, window := range []string{"day", "month"} {
		s.tell(t, notify.Message{To: to, Kind: credit.KindBudget, Title: "x", Subject: limit.String(), Details: map[string]string{"window": window, "subject": "model", "of": "large", "percent": "50", "spent": "3", "amount": "5"}})
	}
	b.get("/notifications").is(200).shows(`href="/limits/`+limit.String()+`"`, "The daily budget of large is spent to 50 %", "The monthly budget of large is spent to 50 %", "The balance of acc_1 is not the sum of its entries", "The balance is 2 credits, its entries add up to 1.", "4.1 of 5 credits",
		"12.5 credits expire on 2026-03-01", "What is left of it then is taken back.", "An automatic recharge is paused", "It recharged six times within an hour.", "It used up its daily cap on three days in a row.",
		"Your daily budget is spent to 80 %", "Your monthly budget is spent to 80 %", "The daily budget of the key app is spent to 80 %", "The monthly budget of the key app is spent to 80 %")
	b.post("/preferences", "lang", "zh-CN", "next", "/notifications").redirects("/notifications")
	b.get("/notifications").is(200).shows("密钥 app 的每日预算已用 80%", "5 额度中已用 4.1", "账户 acc_1 的余额与明细合计不一致", "12.5 额度将于 2026-03-01 到期")
}
