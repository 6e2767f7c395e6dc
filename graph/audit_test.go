package graph

import "testing"

func TestAuditEvents(t *testing.T) {
	t.Parallel()
	h := open(t)
	key, _ := h.key(h.member)
	const list = `query($f: AuditEventFilter) { auditEvents(filter: $f, orderBy: {field: AT, direction: ASC}) { totalCount nodes { id at actorKind actorName action target details ip requestId } } }`
	h.data(h.member.token, `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { userErrors { code } } }`, map[string]any{"id": key.ID.String()})
	events := h.data(h.admin.token, list, map[string]any{"f": map[string]any{"target": key.ID.String()}}).Get("auditEvents")
	h.same("what happened", events.Get("nodes.#.action"), `["key.create","key.revoke"]`)
	last := events.Get("nodes.1")
	h.same("who did it", last.Get("actorName"), h.member.Email)
	h.same("as what", last.Get("actorKind"), "user")
	h.same("from where", last.Get("ip"), "127.0.0.1")
	if last.Get("requestId").String() == "" {
		t.Error("the event has no request id")
	}
	h.same("by action", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"action": "key.revoke", "since": "2020-01-01T00:00:00Z"}}).Get("auditEvents.totalCount"), 1)
	h.same("before all", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"until": "2020-01-01T00:00:00+01:00"}}).Get("auditEvents.totalCount"), 0)
	h.same("as member", h.failed(h.member.token, list, nil), "FORBIDDEN")
	h.same("a time that is none", h.failed(h.admin.token, list, map[string]any{"f": map[string]any{"since": "yesterday"}}), "BAD_USER_INPUT")
	node := h.data(h.admin.token, `query($id: ID!) { node(id: $id) { ... on AuditEvent { action } } }`, map[string]any{"id": last.Get("id").String()})
	h.same("by id", node.Get("node.action"), "key.revoke")
}
