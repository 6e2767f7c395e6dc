package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"aihigress/db"
	"aihigress/internal/audit"
	"aihigress/internal/authz"
	"aihigress/internal/fault"
	"aihigress/internal/id"
	"aihigress/internal/page"
)

// MaxAliases is how many aliases a user has at most, and how many are shared: every node keeps them all in memory.
const MaxAliases = 1000

// An Alias is another name for a model; one with a * in its pattern is many names. Which one counts where several fit
// is told at snapshot.Resolve.
type Alias struct {
	ID        id.Alias
	OwnerID   *id.User // whose keys it counts for; nil is everybody's
	Pattern   string   // what callers send as the model; one * in it stands for anything
	Target    string   // a logical model, slug/model, or what providers list; a * in it is what that of the pattern stood for
	CreatedAt time.Time
}

// Aliases keeps the aliases of all users and the shared ones.
type Aliases struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	audit *audit.Log
}

// NewAliases makes Aliases over a pool.
func NewAliases(pool *pgxpool.Pool, log *audit.Log) *Aliases {
	return &Aliases{pool: pool, q: db.New(), audit: log}
}

// An AliasFilter cuts the list. Zero fields do not cut.
type AliasFilter struct {
	OwnerID   *id.User
	Shared    *bool
	Query     string // part of the pattern or target, in any case
	Backwards bool   // from the last pattern to the first
}

// Get is one alias. Members see the shared ones and their own.
func (a *Aliases) Get(ctx context.Context, alias id.Alias) (Alias, error) {
	grant, err := authz.Require(ctx, authz.AliasRead)
	if err != nil {
		return Alias{}, err
	}
	row, err := a.q.GetAlias(ctx, a.pool, alias)
	if err != nil {
		return Alias{}, fmt.Errorf("get alias: %w", db.Classify(err))
	}
	if row.OwnerID != nil {
		if err := grant.Owner(*row.OwnerID); err != nil {
			return Alias{}, err
		}
	}
	return aliasFromRow(row), nil
}

// List is a page of the aliases in the order of their patterns. Members see the shared ones and their own.
func (a *Aliases) List(ctx context.Context, f AliasFilter, args page.Args) (page.Page[Alias], error) {
	var none page.Page[Alias]
	grant, err := authz.Require(ctx, authz.AliasRead)
	if err != nil {
		return none, err
	}
	size, err := args.Size()
	if err != nil {
		return none, err
	}
	var key db.AliasKey
	after := &key
	if ok, err := page.Decode(args.After, after); err != nil {
		return none, err
	} else if !ok {
		after = nil
	}
	filter := db.AliasFilter{VisibleTo: grant.Filter(), OwnerID: f.OwnerID, Shared: f.Shared, Query: f.Query}
	rows, err := a.q.ListAliases(ctx, a.pool, filter, after, f.Backwards, size+1)
	if err != nil {
		return none, fmt.Errorf("list aliases: %w", db.Classify(err))
	}
	n, err := a.q.CountAliases(ctx, a.pool, filter, page.CountLimit+1)
	if err != nil {
		return none, fmt.Errorf("count aliases: %w", db.Classify(err))
	}
	aliases := make([]Alias, len(rows))
	for i, row := range rows {
		aliases[i] = aliasFromRow(row)
	}
	p := page.New(aliases, size, func(alias Alias) string { return page.Encode(db.AliasKey{Pattern: alias.Pattern, ID: alias.ID}) })
	p.Total = page.Counted(n)
	return p, nil
}

func aliasFromRow(row db.Alias) Alias {
	return Alias{ID: row.ID, OwnerID: row.OwnerID, Pattern: row.Pattern, Target: row.Target, CreatedAt: row.CreatedAt}
}

func checkAlias(pattern, target string) error {
	switch {
	case pattern == "" || len(pattern) > MaxName || !isWord(pattern):
		return fault.Field("pattern", "a pattern is one word of 1 to %d bytes", MaxName)
	case strings.Count(pattern, "*") > 1:
		return fault.Field("pattern", "a pattern has at most one *")
	case target == "" || len(target) > MaxName || !isWord(target):
		return fault.Field("target", "a target is one word of 1 to %d bytes", MaxName)
	case strings.Count(target, "*") > strings.Count(pattern, "*"):
		return fault.Field("target", "a target has at most one *, and only where the pattern has one")
	}
	return nil
}

// describeAlias is an alias as the audit log keeps it.
func describeAlias(row db.Alias) map[string]any {
	return map[string]any{"owner": row.OwnerID, "pattern": row.Pattern, "target": row.Target}
}

// taken turns a pattern that is there already into a failure of its field.
func taken(err error) error {
	if !db.Violates(err, "aliases_owner_pattern_key") && !db.Violates(err, "aliases_shared_pattern_key") {
		return err
	}
	conflict := fault.Wrap(err, fault.Conflict, "there is an alias of this pattern already")
	conflict.Path = []string{"pattern"}
	return conflict
}
