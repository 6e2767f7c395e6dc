package views

import (
	"net/http"

	"aihigress/internal/account"
	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
	"aihigress/views/i18n"
	"aihigress/views/ui"
)

type creditView struct {
	Account             credit.Account
	Owner               account.User
	Own                 bool // the account is the viewer's
	MayGrant            bool
	Lots                []credit.Lot
	Entries             page.Page[credit.Entry]
	FirstPage, NextPage string
}

func (c *console) credit(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	owner, own, err := c.creditOwner(r, r.URL.Query().Get("user"))
	if err != nil {
		return err
	}
	v := creditView{Owner: owner, Own: own, MayGrant: admin(r)}
	if v.Account, err = c.Ledger.Account(ctx, owner.ID); err != nil {
		return err
	}
	if v.Lots, err = c.Ledger.Lots(ctx, v.Account); err != nil {
		return err
	}
	if v.Entries, err = c.Ledger.Entries(ctx, v.Account.ID, page.Args{First: pageSize, After: r.URL.Query().Get("after")}); err != nil {
		return err
	}
	v.FirstPage, v.NextPage = firstPage(r), nextPage(r, v.Entries.HasNext, v.Entries.End())
	return c.render(w, r, http.StatusOK, creditPage(c.frame(r, ui.Credit, i18n.T(ctx, "Credit")), v))
}

// creditOwner is whose account is meant: the user that is named, else the viewer.
func (c *console) creditOwner(r *http.Request, named string) (account.User, bool, error) {
	actor, _ := authz.From(r.Context())
	userID := actor.UserID
	if named != "" {
		var err error
		if userID, err = id.Parse[id.User](named); err != nil {
			return account.User{}, false, fault.New(fault.NotFound, "There is nothing at this address.")
		}
	}
	user, err := c.Users.Get(r.Context(), userID)
	return user, userID == actor.UserID, err
}
