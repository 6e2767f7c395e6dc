package db

import (
	"strings"
	"testing"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// One user's keys are found among everybody's without reading these, in the order of the list.
func TestApiKeyListWalksAnIndex(t *testing.T) {
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
		INSERT INTO api_keys (id, user_id, name, hint, secret_hash)
		SELECT gen_random_uuid(), u.id, 'key', '', sha256(convert_to(u.email || i, 'UTF8'))
		FROM users u, generate_series(1, 100) AS i`,
		"ANALYZE api_keys",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var user id.User
	if err := pool.QueryRow(t.Context(), "SELECT id FROM users LIMIT 1").Scan(&user); err != nil {
		t.Fatal(err)
	}
	active := true
	for name, c := range map[string]struct {
		filter ApiKeyFilter
		index  string
	}{
		"all":    {ApiKeyFilter{}, "api_keys_pkey"},
		"active": {ApiKeyFilter{Active: &active}, "api_keys_pkey"},
		"user":   {ApiKeyFilter{Owner: &user}, "api_keys_user_id_idx"},
	} {
		last := id.New[id.Key]()
		sql, args := listApiKeys(c.filter, &last, false, 21)
		plan := explain(t, pool, sql, args...)
		if !strings.Contains(plan, "using "+c.index) || strings.Contains(plan, "Sort") {
			t.Errorf("%s: want a walk of %s:\n%s", name, c.index, plan)
		}
	}
}
