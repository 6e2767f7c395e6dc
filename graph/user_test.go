package graph

import (
	"encoding/json"
	"testing"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	h := open(t)
	made := h.data(h.admin.token, `mutation($in: CreateUserInput!) { createUser(input: $in) {
		user { id email name role disabledAt createdAt creditAccount { balance user { email } } sessions { id } } userErrors { code message path }
	} }`, map[string]any{"in": map[string]any{"email": "New@Example.com", "password": password, "role": "MEMBER", "name": "Somebody"}}).Get("createUser.user")
	h.same("e-mail", made.Get("email"), "new@example.com")
	h.same("role", made.Get("role"), "MEMBER")
	h.same("balance", made.Get("creditAccount.balance"), "0")
	h.same("the account's user", made.Get("creditAccount.user.email"), "new@example.com")

	list := h.data(h.admin.token, `{ users(first: 2, filter: {query: "example"}, orderBy: {field: CREATED_AT, direction: ASC}) {
		totalCount nodes { email } edges { cursor node { email } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`, nil).Get("users")
	h.same("total", list.Get("totalCount"), 3)
	h.same("first page", list.Get("nodes.#.email"), `["admin@example.com","member@example.com"]`)
	h.same("edges", list.Get("edges.#.node.email"), `["admin@example.com","member@example.com"]`)
	h.same("there is more", list.Get("pageInfo.hasNextPage"), true)
	h.same("end cursor", list.Get("pageInfo.endCursor"), list.Get("edges.1.cursor"))
	rest := h.data(h.admin.token, `query($after: String) { users(first: 2, after: $after, orderBy: {field: CREATED_AT, direction: ASC}) {
		nodes { email } pageInfo { hasNextPage hasPreviousPage } } }`, map[string]any{"after": list.Get("pageInfo.endCursor").String()}).Get("users")
	h.same("second page", rest.Get("nodes.#.email"), `["new@example.com"]`)
	h.same("the end", rest.Get("pageInfo.hasNextPage"), false)
	h.same("not the beginning", rest.Get("pageInfo.hasPreviousPage"), true)

	changed := h.data(h.admin.token, `mutation($in: UpdateUserInput!) { updateUser(input: $in) { user { name role disabledAt } userErrors { code } } }`,
		map[string]any{"in": map[string]any{"id": made.Get("id").String(), "name": "Else", "disabled": true}}).Get("updateUser.user")
	h.same("name", changed.Get("name"), "Else")
	if changed.Get("disabledAt").String() == "" {
		t.Error("the user was not disabled")
	}
}

func TestUsersAsMemberAndAsNobody(t *testing.T) {
	t.Parallel()
	h := open(t)
	create := `mutation { createUser(input: {email: "x@example.com", password: "long enough 1"}) { userErrors { code } } }`
	h.same("createUser as member", h.failed(h.member.token, create, nil), "FORBIDDEN")
	h.same("createUser as nobody", h.failed("", create, nil), "UNAUTHENTICATED")
	h.same("users as nobody", h.failed("", `{ users { nodes { id } } }`, nil), "UNAUTHENTICATED")
	h.same("users as member", h.data(h.member.token, `{ users { nodes { email } } }`, nil).Get("users.nodes.#.email"), `["member@example.com"]`)
	h.same("viewer as nobody", h.data("", `{ viewer { id } }`, nil).Get("viewer"), "")
	h.same("viewer", h.data(h.member.token, `{ viewer { email role } }`, nil).Get("viewer"), `{"email":"member@example.com","role":"MEMBER"}`)
}

func TestUserErrors(t *testing.T) {
	t.Parallel()
	h := open(t)
	create := `mutation($in: CreateUserInput!) { createUser(input: $in) { user { id } userErrors { code message path } } }`
	h.same("short password", h.refused(h.admin.token, create, map[string]any{"in": map[string]any{"email": "x@example.com", "password": "short"}}), "INVALID password")
	h.same("taken e-mail", h.refused(h.admin.token, create, map[string]any{"in": map[string]any{"email": h.member.Email, "password": password}}), "CONFLICT email")
	update := `mutation($id: ID!) { updateUser(input: {id: $id, name: "x"}) { userErrors { code } } }`
	h.same("unknown user", h.refused(h.admin.token, update, map[string]any{"id": "usr_00000000000000000000000000"}), "NOT_FOUND")
	h.same("another noun's id", h.failed(h.admin.token, update, map[string]any{"id": "key_00000000000000000000000000"}), "BAD_USER_INPUT")
	h.same("no id at all", h.failed(h.admin.token, update, map[string]any{"id": "hello"}), "BAD_USER_INPUT")
	h.same("last admin", h.refused(h.admin.token, `mutation($id: ID!) { updateUser(input: {id: $id, disabled: true}) { userErrors { code } } }`, map[string]any{"id": h.admin.ID.String()}), "CONFLICT")
	h.same("page too large", h.failed(h.admin.token, `{ users(first: 101) { nodes { id } } }`, nil), "BAD_USER_INPUT")
	h.same("empty page", h.failed(h.admin.token, `{ users(first: 0) { nodes { id } } }`, nil), "BAD_USER_INPUT")
	h.same("number out of range", h.failed(h.admin.token, `query($n: Int) { users(first: $n) { nodes { id } } }`, map[string]any{"n": json.Number("99999999999999999999")}), "GRAPHQL_VALIDATION_FAILED")
	h.same("foreign cursor", h.failed(h.admin.token, `{ users(after: "x") { nodes { id } } }`, nil), "BAD_USER_INPUT")
}
