package db_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aihigress/db"
	"aihigress/internal/devstack/pgtest"
)

var columns = []string{"id", "at", "word", "small", "large", "on_off", "doc"}

type copied struct {
	ID    uuid.UUID
	At    *time.Time
	Word  string
	Small int32
	Large int64
	OnOff bool
	Doc   json.RawMessage
}

func rowsOf(all ...copied) *db.Rows {
	r := db.NewRows("things", columns, 0)
	for _, c := range all {
		r.Row()
		r.UUID(c.ID)
		if c.At == nil {
			r.Null()
		} else {
			r.Time(*c.At)
		}
		r.Text(c.Word[:len(c.Word)/2], c.Word[len(c.Word)/2:])
		r.Integer(c.Small)
		r.Bigint(c.Large)
		r.Bool(c.OnOff)
		r.JSON(func(b []byte) []byte { return append(b, c.Doc...) })
	}
	return r
}

// Rows come back as they were given, one that is there already keeps all out and the transaction alive, and what Postgres
// refuses is an error.
func TestRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool, err := db.Open(ctx, pgtest.New(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, `CREATE TABLE things (doc jsonb, id uuid PRIMARY KEY, at timestamptz, word text, small integer CHECK (small < 1000), large bigint, on_off boolean)`); err != nil {
		t.Fatal(err)
	}
	old := time.Date(1, 2, 3, 4, 5, 6, 7000, time.UTC)
	first := copied{uuid.New(), &old, "größer \"'\t", -7, -1 << 63, true, json.RawMessage(`{"a": [1, "é"]}`)}
	second := copied{uuid.New(), nil, "", 999, 1<<63 - 1, false, json.RawMessage(`"x"`)}
	third := copied{ID: uuid.New(), Doc: json.RawMessage(`null`)}
	err = db.InTx(ctx, pool, func(tx pgx.Tx) error {
		for _, try := range []struct {
			rows *db.Rows
			want bool
		}{{rowsOf(), true}, {rowsOf(first, second), true}, {rowsOf(third, first), false}, {rowsOf(third, third), false}, {rowsOf(third), true}} {
			if inserted, err := try.rows.Insert(ctx, tx); err != nil || inserted != try.want {
				t.Errorf("inserted: %v, %v, want %v", inserted, err, try.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(ctx, `SELECT id, at, word, small, large, on_off, doc FROM things ORDER BY small`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[copied])
	if err != nil || len(got) != 3 {
		t.Fatalf("%d rows: %v", len(got), err)
	}
	for i, want := range []copied{first, third, second} {
		g := got[i]
		sameTime := g.At == nil && want.At == nil || g.At != nil && want.At != nil && g.At.Equal(*want.At)
		if g.ID != want.ID || !sameTime || g.Word != want.Word || g.Small != want.Small || g.Large != want.Large || g.OnOff != want.OnOff || string(g.Doc) != string(want.Doc) {
			t.Errorf("row %d: %+v, want %+v", i, g, want)
		}
	}
	for code, bad := range map[string]copied{
		"23514": {ID: uuid.New(), Small: 1000, Doc: json.RawMessage(`1`)},
		"22P02": {ID: uuid.New(), Doc: json.RawMessage(`{`)},
		"22021": {ID: uuid.New(), Word: "\xff", Doc: json.RawMessage(`1`)},
	} {
		err := db.InTx(ctx, pool, func(tx pgx.Tx) error {
			_, err := rowsOf(bad).Insert(ctx, tx)
			return err
		})
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.InTx(ctx, pool, func(tx pgx.Tx) error { _, err := rowsOf(third).Insert(gone, tx); return err }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
