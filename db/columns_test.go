package db

import (
	"slices"
	"strings"
	"testing"

	"aihigress/internal/devstack/pgtest"
)

func TestColumnsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for table, got := range map[string]string{
		"api_keys": columns[ApiKey](), "audit_events": columns[AuditEvent](), "models": columns[Model](), "providers": columns[Provider](),
		"requests": columns[Request](), "users": columns[User](),
	} {
		var want []string
		err := pool.QueryRow(t.Context(), "SELECT array_agg(column_name::text ORDER BY column_name) FROM information_schema.columns WHERE table_name = $1", table).Scan(&want)
		if err != nil {
			t.Fatal(err)
		}
		if names := strings.Split(got, ", "); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("%s has %q, and %q are read", table, want, got)
		}
	}
}

// While a release is rolled out, the one before reads tables that have columns it does not know.
func TestListsOutliveTheNextMigration(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, sql := range []string{
		"INSERT INTO models (id, name) VALUES (gen_random_uuid(), 'smart')",
		"INSERT INTO providers (id, slug, name, dialect, base_url) VALUES (gen_random_uuid(), 'vendor', 'Vendor', 'openai', 'https://api.example.com')",
		"INSERT INTO users (id, email, role, password_hash) VALUES (gen_random_uuid(), 'admin@example.com', 'admin', '')",
		"ALTER TABLE models ADD COLUMN later text",
		"ALTER TABLE providers ADD COLUMN later text",
		"ALTER TABLE users ADD COLUMN later text",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	q := New()
	if models, err := q.ListModels(t.Context(), pool, ModelFilter{}, "", 10); err != nil || len(models) != 1 || models[0].Unsupported != "drop" {
		t.Errorf("models %+v, %v", models, err)
	}
	if providers, err := q.ListProviders(t.Context(), pool, ProviderFilter{}, "", 10); err != nil || len(providers) != 1 || providers[0].Slug != "vendor" {
		t.Errorf("providers %+v, %v", providers, err)
	}
	if users, err := q.ListUsers(t.Context(), pool, UserFilter{}, nil, false, 10); err != nil || len(users) != 1 {
		t.Errorf("users %+v, %v", users, err)
	}
}
