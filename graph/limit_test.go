package graph

import "testing"

func TestLimitsOfSubjects(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	const create = `mutation($in: CreateLimitInput!) { createLimit(input: $in) { userErrors { code path message } limit {
		id subject subjectId name eachUser dimension window amount spend redisAway createdAt usage { amount spend } } } }`
	in := func(pairs ...any) map[string]any {
		fields := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			fields[pairs[i].(string)] = pairs[i+1]
		}
		return map[string]any{"in": fields}
	}
	made := h.data(h.admin.token, create, in("subject", "PROVIDER", "of", "vendor", "dimension", "INPUT_TOKENS", "window", "DAY", "amount", 5_000_000_000, "redisAway", "CLOSED")).Get("createLimit.limit")
	limit := made.Get("id").String()
	for field, want := range map[string]string{
		"subject": "PROVIDER", "subjectId": vendor.ID.String(), "name": "vendor", "eachUser": "false", "dimension": "INPUT_TOKENS", "window": "DAY",
		"amount": "5000000000", "spend": "", "redisAway": "CLOSED", "usage.amount": "0", "usage.spend": "",
	} {
		h.same(field, made.Get(field), want)
	}
	spend := h.data(h.admin.token, create, in("subject", "MODEL", "of", "chat", "dimension", "SPEND", "window", "MONTH", "spend", "2.5")).Get("createLimit.limit")
	h.same("spend", spend.Get("spend").String()+spend.Get("amount").String()+" "+spend.Get("usage").Raw, `2.5 {"amount":null,"spend":"0"}`)
	each := h.data(h.admin.token, create, in("subject", "ROLE", "of", "member", "dimension", "CONCURRENCY", "amount", 3, "eachUser", true)).Get("createLimit.limit")
	h.same("each user's", each.Get("eachUser").Raw+each.Get("window").Raw+each.Get("usage").Raw+each.Get("subjectId").Raw, "truenullnullnull")
	for _, more := range []map[string]any{
		in("subject", "KEY", "of", key.ID.String(), "dimension", "TOKENS", "window", "DAY", "amount", 1),
		in("subject", "USER", "of", h.member.Email, "dimension", "OUTPUT_TOKENS", "window", "MINUTE", "amount", 1),
		in("subject", "TAG", "of", "team=red", "dimension", "REQUESTS", "window", "MINUTE", "amount", 1),
	} {
		h.data(h.admin.token, create, more)
	}
	h.same("the same again", h.refused(h.admin.token, create, in("subject", "TAG", "of", "team=red", "dimension", "REQUESTS", "window", "MINUTE", "amount", 9)), "CONFLICT")
	h.same("no such provider", h.refused(h.admin.token, create, in("subject", "PROVIDER", "of", "x", "dimension", "REQUESTS", "window", "MINUTE", "amount", 9)), "INVALID of")
	h.same("no amount", h.refused(h.admin.token, create, in("subject", "MODEL", "of", "x", "dimension", "REQUESTS", "window", "MINUTE", "spend", "1")), "INVALID spend")
	h.same("no window", h.refused(h.admin.token, create, in("subject", "MODEL", "of", "x", "dimension", "SPEND", "spend", "1")), "INVALID window")
	h.same("as member", h.failed(h.member.token, create, in("subject", "MODEL", "of", "x", "dimension", "REQUESTS", "window", "DAY", "amount", 1)), "FORBIDDEN")

	const update = `mutation($in: UpdateLimitInput!) { updateLimit(input: $in) { userErrors { code path } limit { amount spend redisAway } } }`
	h.same("a change", h.data(h.admin.token, update, in("id", limit, "amount", 7, "redisAway", "OPEN")).Get("updateLimit.limit"), `{"amount":7,"spend":null,"redisAway":"OPEN"}`)
	h.same("of spend", h.data(h.admin.token, update, in("id", spend.Get("id").String(), "spend", "0.000000001")).Get("updateLimit.limit"), `{"amount":null,"spend":"0.000000001","redisAway":"OPEN"}`)
	h.same("nothing", h.refused(h.admin.token, update, in("id", limit, "amount", 0)), "INVALID amount")

	const list = `query($f: LimitFilter, $after: String) { limits(first: 4, after: $after, filter: $f) { totalCount nodes { name usage { amount } } edges { cursor node { dimension } } pageInfo { hasNextPage endCursor } } }`
	page := h.data(h.admin.token, list, nil).Get("limits")
	h.same("the newest", page.Get("nodes.#.name"), `["team=red","`+h.member.Email+`","`+key.Name+`","member"]`)
	h.same("the rest", h.data(h.admin.token, list, map[string]any{"after": page.Get("pageInfo.endCursor").String()}).Get("limits.nodes.#.name"), `["chat","vendor"]`)
	h.same("some", h.data(h.admin.token, list, map[string]any{"f": map[string]any{"subject": "TAG", "dimension": "REQUESTS", "query": "red"}}).Get("limits.totalCount"), 1)
	oldest := `{ limits(first: 1, orderBy: {field: CREATED_AT, direction: ASC}) { nodes { name } } }`
	h.same("the oldest", h.data(h.admin.token, oldest, nil).Get("limits.nodes.0.name"), "vendor")
	h.same("as member", h.failed(h.member.token, list, nil), "FORBIDDEN")

	const remove = `mutation($id: ID!) { deleteLimit(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("what is gone", h.data(h.admin.token, remove, map[string]any{"id": limit}).Get("deleteLimit.deletedId"), limit)
	h.same("gone twice", h.refused(h.admin.token, remove, map[string]any{"id": limit}), "NOT_FOUND")
}
