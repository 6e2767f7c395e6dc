package graph

import (
	"testing"
	"time"

	"aihigress/internal/id"
	"aihigress/internal/notify"
	"aihigress/internal/provider"
)

// tell has some told of something.
func (h *house) tell(kind, title string, to notify.Audience) {
	h.Helper()
	sent := must(h.domain.Inbox.Send(h.job, notify.Message{
		To: to, Kind: kind, Severity: notify.Warning, Title: title, Text: "More of it.", Subject: "prv_x", Details: map[string]string{"provider": "Example"},
	}))(h.T)
	h.same(title+": is told", sent.Told, true)
}

func TestNotifications(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.tell("test.first", "First", notify.Audience{Users: []id.User{h.member.ID}})
	h.tell("test.second", "Second", notify.Audience{Admins: true, Users: []id.User{h.member.ID}})
	h.tell("test.third", "Third", notify.Audience{Admins: true})
	const list = `query($f: NotificationFilter) { notifications(first: 1, filter: $f) { totalCount nodes { id kind severity title text subject readAt details { name value } } pageInfo { endCursor hasNextPage } } }`
	own := h.data(h.member.token, list, nil).Get("notifications")
	h.same("the member's", own.Get("totalCount"), 2)
	newest := own.Get("nodes.0")
	h.same("the newest", newest.Get("title"), "Second")
	h.same("the rest of it", newest.Get("details").Raw+newest.Get("severity").Raw+newest.Get("subject").Raw+newest.Get("readAt").Raw,
		`[{"name":"provider","value":"Example"}]"WARNING""prv_x"null`)
	h.same("behind it", h.data(h.member.token, `query($c: String) { notifications(after: $c) { nodes { title } } }`,
		map[string]any{"c": own.Get("pageInfo.endCursor").String()}).Get("notifications.nodes.#.title"), `["First"]`)
	h.same("the admin's", h.data(h.admin.token, list, nil).Get("notifications.totalCount"), 2)
	const node = `query($id: ID!) { node(id: $id) { ... on Notification { title createdAt } } }`
	one := map[string]any{"id": newest.Get("id").String()}
	h.same("by id", h.data(h.member.token, node, one).Get("node.title"), "Second")
	h.same("another's", h.data(h.admin.token, node, one).Get("node"), "")

	const mark = `mutation($ids: [ID!]) { markNotificationsRead(input: {ids: $ids}) { notifications { title readAt } userErrors { code path } } }`
	h.same("none named", h.data(h.member.token, mark, map[string]any{"ids": []string{}}).Get("markNotificationsRead.notifications.#"), 0)
	h.same("another's named", h.data(h.admin.token, mark, map[string]any{"ids": []any{one["id"]}}).Get("markNotificationsRead.notifications.#"), 0)
	read := h.data(h.member.token, mark, map[string]any{"ids": []any{one["id"]}}).Get("markNotificationsRead.notifications")
	h.same("one read", read.Get("#.title"), `["Second"]`)
	if at := read.Get("0.readAt").Time(); time.Since(at) > time.Minute {
		t.Errorf("it was read at %v", at)
	}
	unread := map[string]any{"f": map[string]any{"unread": true}}
	h.same("unread", h.data(h.member.token, list, unread).Get("notifications.nodes.#.title"), `["First"]`)
	h.same("all read", h.data(h.member.token, mark, nil).Get("markNotificationsRead.notifications.#.title"), `["First"]`)
	h.same("none is left", h.data(h.member.token, list, unread).Get("notifications.totalCount"), 0)
	h.same("the admin's are unread", h.data(h.admin.token, list, unread).Get("notifications.totalCount"), 2)
	h.same("nobody's", h.failed("", list, nil), "UNAUTHENTICATED")
}

func TestNotificationReceived(t *testing.T) {
	t.Parallel()
	h := open(t)
	live := h.listen(h.member.token, "subscription { notificationReceived { title kind } }")
	h.tell("test.other", "For admins", notify.Audience{Admins: true})
	h.tell("test.own", "For members", notify.Audience{Users: []id.User{h.member.ID, id.New[id.User]()}})
	_, first, _ := live.next()
	h.same("what a member hears first", first.Get("data.notificationReceived").Raw, `{"title":"For members","kind":"test.own"}`)
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($in: CreateWebhookInput!) { createWebhook(input: $in) { secret webhook { id url enabled createdAt } userErrors { code path } } }`
	in := map[string]any{"url": "https://hooks.example.com/x?token=1"}
	made := h.data(h.member.token, create, map[string]any{"in": in}).Get("createWebhook")
	if secret := made.Get("secret").String(); len(secret) < 40 || secret[:6] != "whsec_" {
		t.Errorf("the secret is %q", secret)
	}
	hook := made.Get("webhook.id").String()
	for field, bad := range map[string]map[string]any{
		"url":    {"url": "ftp://example.com"},
		"secret": {"url": "https://example.com", "secret": "short"},
	} {
		h.same("a wrong "+field, h.refused(h.member.token, create, map[string]any{"in": bad}), "INVALID "+field)
	}
	const list = `{ webhooks { id url enabled deliveries { title state attempts httpStatus error endedAt } } }`
	h.same("the admin has none", h.data(h.admin.token, list, nil).Get("webhooks.#"), 0)
	h.tell("test.kind", "Something", notify.Audience{Users: []id.User{h.member.ID}})
	var delivery id.Delivery
	if err := h.pool.QueryRow(t.Context(), "SELECT id FROM webhook_deliveries").Scan(&delivery.UUID); err != nil {
		t.Fatal(err)
	}
	if err := h.domain.Inbox.Deliver(h.job, delivery, false); err == nil {
		t.Error("410 is a success")
	}
	h.same("what was sent", h.data(h.member.token, list, nil).Get("webhooks.0.deliveries").Raw,
		`[{"title":"Something","state":"PENDING","attempts":1,"httpStatus":410,"error":"HTTP 410","endedAt":null}]`)

	const update = `mutation($in: UpdateWebhookInput!) { updateWebhook(input: $in) { webhook { url enabled } userErrors { code path } } }`
	h.same("another's", h.refused(h.admin.token, update, map[string]any{"in": map[string]any{"id": hook, "enabled": false}}), "NOT_FOUND")
	h.same("changed", h.data(h.member.token, update, map[string]any{"in": map[string]any{"id": hook, "enabled": false, "url": "https://example.org/y"}}).
		Get("updateWebhook.webhook").Raw, `{"url":"https://example.org/y","enabled":false}`)
	const remove = `mutation($id: ID!) { deleteWebhook(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("another's", h.refused(h.admin.token, remove, map[string]any{"id": hook}), "NOT_FOUND")
	h.same("removed", h.data(h.member.token, remove, map[string]any{"id": hook}).Get("deleteWebhook.deletedId"), hook)
	h.same("none is left", h.data(h.member.token, list, nil).Get("webhooks.#"), 0)
	h.same("the audit log", h.data(h.admin.token, `query($t: ID) { auditEvents(filter: {target: $t}) { nodes { action } } }`, map[string]any{"t": hook}).
		Get("auditEvents.nodes.#.action"), `["webhook.delete","webhook.update","webhook.create"]`)
}

func TestDeadProviderKeys(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	const keys = `query($id: ID!) { node(id: $id) { ... on Provider { keys { id enabled disabledReason disabledAt checkAt } } } }`
	at := map[string]any{"id": vendor.ID.String()}
	before := h.data(h.admin.token, keys, at).Get("node.keys.0")
	h.same("alive", before.Get("disabledReason").Raw+before.Get("disabledAt").Raw+before.Get("checkAt").Raw, "nullnullnull")
	key := must(id.Parse[id.ProviderKey](before.Get("id").String()))(t)
	h.vendor.verdict = provider.KeyRefused
	if err := h.domain.Providers.CheckKey(h.job, key, time.Time{}); err != nil {
		t.Fatal(err)
	}
	dead := h.data(h.admin.token, keys, at).Get("node.keys.0")
	h.same("why", dead.Get("disabledReason"), "REFUSED")
	h.same("by whom", dead.Get("enabled"), true)
	if since := time.Since(dead.Get("disabledAt").Time()); since > time.Minute || !dead.Get("checkAt").Time().After(time.Now()) {
		t.Errorf("since %v, until %v", since, dead.Get("checkAt"))
	}
	const set = `mutation($id: ID!, $on: Boolean!) { setProviderKeyEnabled(input: {id: $id, enabled: $on}) { key { enabled disabledReason } userErrors { code } } }`
	h.same("as member", h.failed(h.member.token, set, map[string]any{"id": key.String(), "on": true}), "FORBIDDEN")
	h.same("by hand", h.data(h.admin.token, set, map[string]any{"id": key.String(), "on": true}).Get("setProviderKeyEnabled.key").Raw, `{"enabled":true,"disabledReason":null}`)
	h.same("not used", h.data(h.admin.token, set, map[string]any{"id": key.String(), "on": false}).Get("setProviderKeyEnabled.key.enabled"), false)
}
