package graph

import (
	"testing"

	"aihigress/internal/catalog"
	"aihigress/internal/quota"
)

func TestNode(t *testing.T) {
	t.Parallel()
	h := open(t)
	vendor := h.provider("vendor")
	key, _ := h.key(h.member)
	model, err := h.domain.Models.Create(h.as(h.admin), catalog.CreateInput{Name: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	mine, everybodys := h.alias(h.admin, "mine", "chat"), h.alias(h.admin, "*", "chat")
	limit, err := h.domain.Limits.Create(h.as(h.admin), quota.LimitInput{Subject: quota.Model, Of: "chat", Dimension: quota.Requests, Window: quota.Day, Amount: 1})
	if err != nil {
		t.Fatal(err)
	}
	account := h.data(h.member.token, `{ creditAccount { id } }`, nil).Get("creditAccount.id").String()
	const query = `query($id: ID!) { node(id: $id) { __typename id } }`
	for id, c := range map[string]struct{ kind, byMember string }{
		h.member.ID.String():             {"User", "User"},
		h.admin.ID.String():              {"User", ""},
		h.member.session.String():        {"Session", "Session"},
		h.admin.session.String():         {"Session", ""},
		key.ID.String():                  {"ApiKey", "ApiKey"},
		vendor.ID.String():               {"Provider", "Provider"},
		model.ID.String():                {"Model", "Model"},
		mine:                             {"Alias", ""},
		everybodys:                       {"Alias", "Alias"},
		limit.ID.String():                {"Limit", "denied"},
		account:                          {"CreditAccount", "CreditAccount"},
		"usr_00000000000000000000000000": {"", ""},
		"usr_x":                          {"", ""},
		"xyz_00000000000000000000000000": {"", ""},
		"nonsense":                       {"", ""},
	} {
		for who, want := range map[string]string{h.admin.token: c.kind, h.member.token: c.byMember} {
			if want == "denied" {
				h.same("a limit, as member", h.failed(who, query, map[string]any{"id": id}), "FORBIDDEN")
				continue
			}
			node := h.data(who, query, map[string]any{"id": id}).Get("node")
			h.same("node "+id, node.Get("__typename"), want)
			if want != "" {
				h.same("its id", node.Get("id"), id)
			}
		}
	}
	h.same("as nobody", h.failed("", query, map[string]any{"id": vendor.ID.String()}), "UNAUTHENTICATED")
}
