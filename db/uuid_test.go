package db

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"aihigress/internal/devstack/pgtest"
	"aihigress/internal/id"
)

// Identifiers in every form that queries take them come back as they went.
func TestIdentifiersTravel(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	a, b := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	typed := id.User{UUID: a}
	var (
		one      uuid.UUID
		text     string
		many     []uuid.UUID
		ids      []id.User
		none     *uuid.UUID
		some     *uuid.UUID
		someUser *id.User
	)
	err = pool.QueryRow(t.Context(),
		`SELECT $1::uuid, $1::uuid::text, $2::uuid[], $3::uuid[], $4::uuid, $5::uuid, $6::uuid`,
		a, []uuid.UUID{a, b}, []id.User{typed, {UUID: b}}, (*uuid.UUID)(nil), &b, &typed,
	).Scan(&one, &text, &many, &ids, &none, &some, &someUser)
	if err != nil {
		t.Fatal(err)
	}
	if one != a || text != a.String() || none != nil || *some != b || *someUser != typed {
		t.Errorf("got %v, %s, %v, %v, %v", one, text, none, some, someUser)
	}
	if diff := cmp.Diff([]uuid.UUID{a, b}, many); diff != "" {
		t.Error("array (-want +got):\n", diff)
	}
	if diff := cmp.Diff([]id.User{typed, {UUID: b}}, ids); diff != "" {
		t.Error("typed array (-want +got):\n", diff)
	}
}
