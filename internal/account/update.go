package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// UpdateInput changes a user; nil fields stay as they are.
type UpdateInput struct {
	Name     *string
	Role     *authz.Role
	Disabled *bool
}

// change is a field's old and new value, for the audit log.
type change struct {
	From any `json:"from"`
	To   any `json:"to"`
}

// Update changes a user. A new role and a disabled user hold at once where storage is asked, and within a second on
// every node's data plane. The last active admin stays one: that is a Conflict.
func (u *Users) Update(ctx context.Context, userID id.User, in UpdateInput) (User, error) {
	if _, err := authz.Require(ctx, authz.UserWrite); err != nil {
		return User{}, err
	}
	if in.Role != nil && !in.Role.Valid() {
		return User{}, fault.Field("role", "a role is %s or %s", authz.Admin, authz.Member)
	}
	if in.Name != nil {
		name, err := normalName(*in.Name)
		if err != nil {
			return User{}, err
		}
		in.Name = &name
	}
	var row db.User
	err := db.InTx(ctx, u.pool, func(tx pgx.Tx) error {
		if in.demotes() {
			if err := u.keepAnAdmin(ctx, tx, userID); err != nil {
				return err
			}
		}
		var err error
		if row, err = u.q.GetUserForUpdate(ctx, tx, userID); err != nil {
			return err
		}
		changes := in.apply(&row)
		if len(changes) == 0 {
			return nil
		}
		row, err = u.q.UpdateUser(ctx, tx, db.UpdateUserParams{
			ID: userID, Name: row.Name, Role: row.Role, DisabledAt: row.DisabledAt,
		})
		if err != nil {
			return err
		}
		return u.audit.Record(ctx, tx, "user.update", userID.String(), changes)
	})
	if err != nil {
		return User{}, fmt.Errorf("update user: %w", err)
	}
	return fromRow(row), nil
}

// demotes reports whether an admin may be one less after this.
func (in UpdateInput) demotes() bool {
	return in.Role != nil && *in.Role != authz.Admin || in.Disabled != nil && *in.Disabled
}

// keepAnAdmin refuses where nobody but the user is an active admin. The rows it looks at stay locked until the
// transaction ends, so that of two who would remove each other one is refused.
func (u *Users) keepAnAdmin(ctx context.Context, tx pgx.Tx, userID id.User) error {
	admins, err := u.q.LockActiveAdmins(ctx, tx)
	if err != nil {
		return err
	}
	if len(admins) == 1 && admins[0] == userID {
		return fault.New(fault.Conflict, "the last active admin stays an active admin").WithCode("last_admin")
	}
	return nil
}

// apply changes the row and tells what is different now.
func (in UpdateInput) apply(row *db.User) map[string]change {
	changes := map[string]change{}
	if in.Name != nil && *in.Name != row.Name {
		changes["name"] = change{row.Name, *in.Name}
		row.Name = *in.Name
	}
	if in.Role != nil && string(*in.Role) != row.Role {
		changes["role"] = change{row.Role, *in.Role}
		row.Role = string(*in.Role)
	}
	if in.Disabled != nil && *in.Disabled != (row.DisabledAt != nil) {
		changes["disabled"] = change{!*in.Disabled, *in.Disabled}
		row.DisabledAt = nil
		if *in.Disabled {
			now := time.Now()
			row.DisabledAt = &now
		}
	}
	return changes
}
