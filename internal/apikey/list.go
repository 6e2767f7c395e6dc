package apikey

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

// MaxBatch is how many keys ByIDs gives at once.
const MaxBatch = 10_000

// A Filter cuts the list. Zero fields do not cut.
type Filter struct {
	UserID      *id.User
	Query       string // part of the name or hint, in any case
	Active      *bool  // neither revoked nor expired, or one of them
	OldestFirst bool
}

// Get is one key. Another user's is NotFound, but to an admin.
func (k *Keys) Get(ctx context.Context, keyID id.Key) (Key, error) {
	grant, err := authz.Require(ctx, authz.KeyRead)
	if err != nil {
		return Key{}, err
	}
	row, err := k.q.GetApiKey(ctx, k.pool, keyID)
	if err != nil {
		return Key{}, fmt.Errorf("get key: %w", db.Classify(err))
	}
	if err := grant.Owner(row.UserID); err != nil {
		return Key{}, err
	}
	return fromRow(row), nil
}

// ByIDs is the keys that have these ids and are visible, in no particular order, by one query.
func (k *Keys) ByIDs(ctx context.Context, ids []id.Key) ([]Key, error) {
	grant, err := authz.Require(ctx, authz.KeyRead)
	if err != nil {
		return nil, err
	}
	if len(ids) > MaxBatch {
		return nil, fault.New(fault.Invalid, "at most %d keys at once", MaxBatch)
	}
	params := db.ApiKeysByIDsParams{Ids: make([]uuid.UUID, len(ids)), RowLimit: MaxBatch}
	for i, keyID := range ids {
		params.Ids[i] = keyID.UUID
	}
	if owner := grant.Filter(); owner != nil {
		params.UserID = &owner.UUID
	}
	rows, err := k.q.ApiKeysByIDs(ctx, k.pool, params)
	if err != nil {
		return nil, fmt.Errorf("get keys: %w", db.Classify(err))
	}
	return fromRows(rows), nil
}

// List is a page of the visible keys, newest first unless the filter says otherwise.
func (k *Keys) List(ctx context.Context, f Filter, args page.Args) (page.Page[Key], error) {
	var none page.Page[Key]
	grant, err := authz.Require(ctx, authz.KeyRead)
	if err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var last id.Key
	after := &last
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.ApiKeyFilter{Owner: grant.Filter(), UserID: f.UserID, Query: f.Query, Active: f.Active}
	rows, err := k.q.ListApiKeys(ctx, k.pool, filter, after, f.OldestFirst, size+1)
	if err != nil {
		return none, fmt.Errorf("list keys: %w", db.Classify(err))
	}
	n, err := k.q.CountApiKeys(ctx, k.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count keys: %w", db.Classify(err))
	}
	p := page.New(fromRows(rows), size, func(key Key) string { return page.Encode(key.ID) })
	p.Total = page.Counted(n)
	return p, nil
}
