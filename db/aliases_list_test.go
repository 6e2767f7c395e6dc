package db

import (
	"strings"
	"testing"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// The list goes along an index in its order, and does not read everybody's aliases for a page of it.
func TestAliasListWalksAnIndex(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{`
		INSERT INTO users (id, email, role, password_hash)
		SELECT gen_random_uuid(), 'user' || i || '@example.com', 'member', ''
		FROM generate_series(1, 100) AS i`, `
		INSERT INTO aliases (id, owner_id, pattern, target)
		SELECT gen_random_uuid(), u.id, 'name-' || i, 'target'
		FROM users u, generate_series(1, 100) AS i`, `
		INSERT INTO aliases (id, pattern, target)
		SELECT gen_random_uuid(), 'name-' || i, 'target'
		FROM generate_series(1, 100) AS i`,
		"ANALYZE aliases",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var user id.User
	if err := pool.QueryRow(t.Context(), "SELECT id FROM users LIMIT 1").Scan(&user); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		filter AliasFilter
		want   string
	}{
		"all":      {AliasFilter{}, "using aliases_pattern_idx"},
		"a user's": {AliasFilter{OwnerID: &user}, "aliases_owner_pattern_key"},
		"visible":  {AliasFilter{VisibleTo: &user}, "aliases_"}, // which one depends on how many are theirs,
	} {
		sql, args := listAliases(c.filter, &AliasKey{Pattern: "name-5", ID: id.New[id.Alias]()}, false, 21)
		plan := explain(t, pool, sql, args...)
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: want %s:\n%s", name, c.want, plan)
		}
	}
}
