package account

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// MaxBatch is how many users ByIDs gives at once.
const MaxBatch = 10_000

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	Query       string // part of the e-mail or name, in any case
	Role        authz.Role
	OldestFirst bool
}

// Get is one user. Members see only themselves; everybody else is NotFound to them.
func (u *Users) Get(ctx context.Context, userID id.User) (User, error) {
	grant, err := authz.Require(ctx, authz.UserRead)
	if err != nil {
		return User{}, err
	}
	if err := grant.Owner(userID); err != nil {
		return User{}, err
	}
	row, err := u.q.GetUser(ctx, u.pool, userID)
	if err != nil {
		return User{}, fmt.Errorf("get user: %w", db.Classify(err))
	}
	return fromRow(row), nil
}

// ByIDs is the users that have these ids and are visible, in no particular order, by one query.
func (u *Users) ByIDs(ctx context.Context, ids []id.User) ([]User, error) {
	grant, err := authz.Require(ctx, authz.UserRead)
	if err != nil {
		return nil, err
	}
	if len(ids) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d users at once", MaxBatch)
	}
	visible := make([]uuid.UUID, 0, len(ids))
	for _, userID := range ids {
		if grant.Owner(userID) == nil {
			visible = append(visible, userID.UUID)
		}
	}
	if len(visible) == 0 {
		return nil, nil
	}
	rows, err := u.q.UsersByIDs(ctx, u.pool, db.UsersByIDsParams{Ids: visible, RowLimit: MaxBatch})
	if err != nil {
		return nil, fmt.Errorf("get users: %w", db.Classify(err))
	}
	return fromRows(rows), nil
}

// List is a page of the visible users, newest first unless the filter says otherwise.
func (u *Users) List(ctx context.Context, f Filter, args page.Args) (page.Page[User], error) {
	var none page.Page[User]
	grant, err := authz.Require(ctx, authz.UserRead)
	if err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var last id.User
	after := &last
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.UserFilter{ID: grant.Filter(), Query: f.Query, Role: string(f.Role)}
	rows, err := u.q.ListUsers(ctx, u.pool, filter, after, f.OldestFirst, size+1)
	if err != nil {
		return none, fmt.Errorf("list users: %w", db.Classify(err))
	}
	n, err := u.q.CountUsers(ctx, u.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count users: %w", db.Classify(err))
	}
	p := page.New(fromRows(rows), size, func(user User) string { return page.Encode(user.ID) })
	p.Total = page.Counted(n)
	return p, nil
}

func fromRows(rows []db.User) []User {
	users := make([]User, len(rows))
	for i, row := range rows {
		users[i] = fromRow(row)
	}
	return users
}
