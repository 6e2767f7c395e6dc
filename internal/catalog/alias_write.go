package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
)

// AliasInput is a new alias.
type AliasInput struct {
	Pattern string
	Target  string // need not be there: then the alias leads nowhere
	Shared  bool   // everybody's; else the actor's own
}

// AliasChange changes an alias; nil fields stay as they are. Its owner never changes.
type AliasChange struct {
	Pattern *string
	Target  *string
}

// Create makes an alias: the actor's own, or for those who may write all of them a shared one. A pattern that is taken
// is a Conflict.
func (a *Aliases) Create(ctx context.Context, in AliasInput) (Alias, error) {
	grant, err := authz.Require(ctx, authz.AliasWrite)
	if err != nil {
		return Alias{}, err
	}
	var owner *id.User
	if !in.Shared {
		owner = &grant.UserID
	}
	if err := mayWrite(grant, owner); err != nil {
		return Alias{}, err
	}
	if owner != nil && owner.IsZero() {
		return Alias{}, fault.Field("shared", "an alias of nobody is shared")
	}
	if err := checkAlias(in.Pattern, in.Target); err != nil {
		return Alias{}, err
	}
	var row db.Alias
	err = db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		if err := a.hasRoom(ctx, tx, owner); err != nil {
			return err
		}
		row, err = a.q.InsertAlias(ctx, tx, db.InsertAliasParams{ID: id.New[id.Alias](), OwnerID: owner, Pattern: in.Pattern, Target: in.Target})
		if err != nil {
			return taken(err)
		}
		return a.audit.Record(ctx, tx, "alias.create", row.ID.String(), describeAlias(row))
	})
	if err != nil {
		return Alias{}, fmt.Errorf("create alias: %w", err)
	}
	return aliasFromRow(row), nil
}

// Update changes an alias. Every node follows within a second.
func (a *Aliases) Update(ctx context.Context, alias id.Alias, in AliasChange) (Alias, error) {
	var row db.Alias
	err := a.withAlias(ctx, alias, func(tx pgx.Tx, old db.Alias) (err error) {
		pattern, target := old.Pattern, old.Target
		if in.Pattern != nil {
			pattern = *in.Pattern
		}
		if in.Target != nil {
			target = *in.Target
		}
		if err := checkAlias(pattern, target); err != nil {
			return err
		}
		row, err = a.q.UpdateAlias(ctx, tx, db.UpdateAliasParams{ID: alias, Pattern: pattern, Target: target})
		if err != nil {
			return taken(err)
		}
		return a.audit.Record(ctx, tx, "alias.update", alias.String(), map[string]any{"from": describeAlias(old), "to": describeAlias(row)})
	})
	if err != nil {
		return Alias{}, fmt.Errorf("update alias: %w", err)
	}
	return aliasFromRow(row), nil
}

// Delete removes an alias. Requests that were made keep its name.
func (a *Aliases) Delete(ctx context.Context, alias id.Alias) error {
	err := a.withAlias(ctx, alias, func(tx pgx.Tx, row db.Alias) error {
		if err := a.q.DeleteAlias(ctx, tx, alias); err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, "alias.delete", alias.String(), describeAlias(row))
	})
	if err != nil {
		return fmt.Errorf("delete alias: %w", err)
	}
	return nil
}

// withAlias locks an alias that the actor may change.
func (a *Aliases) withAlias(ctx context.Context, alias id.Alias, do func(pgx.Tx, db.Alias) error) error {
	grant, err := authz.Require(ctx, authz.AliasWrite)
	if err != nil {
		return err
	}
	return db.InTx(ctx, a.pool, func(tx pgx.Tx) error {
		row, err := a.q.GetAliasForUpdate(ctx, tx, alias)
		if err != nil {
			return err
		}
		if err := mayWrite(grant, row.OwnerID); err != nil {
			return err
		}
		return do(tx, row)
	})
}

// mayWrite refuses another's alias, as if it were not there, and a shared one, which everybody sees, openly.
func mayWrite(grant authz.Grant, owner *id.User) error {
	switch {
	case owner != nil:
		return grant.Owner(*owner)
	case !grant.All:
		return fault.New(fault.Denied, "shared aliases are the administrators'")
	}
	return nil
}

// hasRoom refuses an alias more than MaxAliases. Of shared ones a few more may come of administrators at the same moment:
// only the row of a user can be locked.
func (a *Aliases) hasRoom(ctx context.Context, tx pgx.Tx, owner *id.User) error {
	if owner != nil {
		if _, err := a.q.GetUserForUpdate(ctx, tx, *owner); err != nil {
			return err
		}
	}
	n, err := a.q.CountAliasesOf(ctx, tx, owner)
	if err != nil {
		return fmt.Errorf("count aliases: %w", err)
	}
	if n >= MaxAliases {
		return fault.New(fault.Conflict, "there are at most %d aliases: delete one first", MaxAliases)
	}
	return nil
}
