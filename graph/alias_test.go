package graph

import (
	"testing"

	"aihigress/internal/catalog"
)

// alias makes an alias of somebody's own, of * a shared one, and is its identifier once it counts.
func (h *house) alias(who person, pattern, target string) string {
	h.Helper()
	made, err := h.domain.Aliases.Create(h.as(who), catalog.AliasInput{Pattern: pattern, Target: target, Shared: pattern == "*"})
	if err != nil {
		h.Fatal(err)
	}
	h.reload()
	return made.ID.String()
}

func TestAliases(t *testing.T) {
	t.Parallel()
	h := open(t)
	const create = `mutation($in: CreateAliasInput!) { createAlias(input: $in) { userErrors { code path } alias { id pattern target shared createdAt owner { email } } } }`
	made := h.data(h.member.token, create, map[string]any{"in": map[string]any{"pattern": "gpt-5*", "target": "vendor/gpt-5*"}}).Get("createAlias.alias")
	h.same("whose", made.Get("owner.email"), h.member.Email)
	h.same("shared", made.Get("shared"), "false")
	shared := map[string]any{"in": map[string]any{"pattern": "*", "target": "chat", "shared": true}}
	h.same("shared, as member", h.failed(h.member.token, create, shared), "FORBIDDEN")
	everybodys := h.data(h.admin.token, create, shared).Get("createAlias.alias")
	h.same("everybody's", everybodys.Get("owner").Raw+everybodys.Get("shared").Raw, "nulltrue")
	h.same("the same again", h.refused(h.admin.token, create, shared), "CONFLICT pattern")
	h.same("two *", h.refused(h.member.token, create, map[string]any{"in": map[string]any{"pattern": "**", "target": "x"}}), "INVALID pattern")

	const update = `mutation($in: UpdateAliasInput!) { updateAlias(input: $in) { userErrors { code path } alias { pattern target } } }`
	id := made.Get("id").String()
	h.same("the change", h.data(h.member.token, update, map[string]any{"in": map[string]any{"id": id, "target": "chat"}}).Get("updateAlias.alias"), `{"pattern":"gpt-5*","target":"chat"}`)
	h.same("the other change", h.data(h.member.token, update, map[string]any{"in": map[string]any{"id": id, "pattern": "gpt-6*"}}).Get("updateAlias.alias"), `{"pattern":"gpt-6*","target":"chat"}`)
	h.same("a shared one, as member", h.failed(h.member.token, update, map[string]any{"in": map[string]any{"id": everybodys.Get("id").String()}}), "FORBIDDEN")

	const list = `query($f: AliasFilter, $d: OrderDirection!) { aliases(first: 10, filter: $f, orderBy: {field: PATTERN, direction: $d}) { totalCount nodes { pattern owner { email } } edges { cursor node { target } } pageInfo { hasNextPage } } }`
	h.same("the list", h.data(h.member.token, list, map[string]any{"d": "ASC"}).Get("aliases.nodes.#.pattern"), `["*","gpt-6*"]`)
	h.same("backwards", h.data(h.admin.token, list, map[string]any{"d": "DESC"}).Get("aliases.nodes.#.pattern"), `["gpt-6*","*"]`)
	h.same("their owners", h.data(h.admin.token, list, map[string]any{"d": "DESC"}).Get("aliases.nodes.0.owner.email"), h.member.Email)
	h.same("a member's", h.data(h.admin.token, list, map[string]any{"d": "ASC", "f": map[string]any{"userId": h.member.ID.String(), "shared": false, "query": "gpt"}}).Get("aliases.totalCount"), 1)
	h.same("as nobody", h.failed("", list, map[string]any{"d": "ASC"}), "UNAUTHENTICATED")

	const remove = `mutation($id: ID!) { deleteAlias(input: {id: $id}) { deletedId userErrors { code } } }`
	h.same("what is gone", h.data(h.member.token, remove, map[string]any{"id": id}).Get("deleteAlias.deletedId"), id)
	h.same("gone twice", h.refused(h.member.token, remove, map[string]any{"id": id}), "NOT_FOUND")
}
