package db

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Rows are rows of a table for Insert, as COPY takes them in binary ("Binary Format" on postgresql.org/docs/current/sql-copy.html):
// each value by its length and its bytes. That costs both sides a third of what an INSERT with parameters does, which
// matters for what is written once a request. Values come in the order of the columns.
type Rows struct {
	copy    string // the command
	columns int
	b       []byte
}

// NewRows makes room for rows of so many bytes in all, in columns of a table. The names are trusted.
func NewRows(table string, columns []string, size int) *Rows {
	r := &Rows{
		copy:    "COPY " + table + " (" + strings.Join(columns, ", ") + ") FROM STDIN (FORMAT binary)",
		columns: len(columns), b: make([]byte, 0, size),
	}
	r.b = append(r.b, "PGCOPY\n\377\r\n\000"...)
	r.b = append(r.b, make([]byte, 8)...) // no flags, no extension
	return r
}

// Row begins a row.
func (r *Rows) Row() { r.b = binary.BigEndian.AppendUint16(r.b, uint16(r.columns)) }

// Null is a value that is not there.
func (r *Rows) Null() { r.length(-1) }

// UUID is a value of a uuid column.
func (r *Rows) UUID(u uuid.UUID) {
	r.length(len(u))
	r.b = append(r.b, u[:]...)
}

// Text is a value of a text column.
func (r *Rows) Text(parts ...string) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	r.length(n)
	for _, p := range parts {
		r.b = append(r.b, p...)
	}
}

// Bool is a value of a boolean column.
func (r *Rows) Bool(on bool) {
	r.length(1)
	if on {
		r.b = append(r.b, 1)
	} else {
		r.b = append(r.b, 0)
	}
}

// Integer is a value of an integer column.
func (r *Rows) Integer(n int32) {
	r.length(4)
	r.b = binary.BigEndian.AppendUint32(r.b, uint32(n))
}

// Bigint is a value of a bigint column.
func (r *Rows) Bigint(n int64) {
	r.length(8)
	r.b = binary.BigEndian.AppendUint64(r.b, uint64(n))
}

// since2000 is what Postgres counts microseconds from.
var since2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// Time is a value of a timestamptz column.
func (r *Rows) Time(t time.Time) { r.Bigint(t.UnixMicro() - since2000) }

// JSON is a value of a jsonb column, which write appends to what it is given.
func (r *Rows) JSON(write func([]byte) []byte) {
	at := len(r.b)
	r.length(0)
	r.b = append(r.b, 1) // the version of the form
	r.b = write(r.b)
	binary.BigEndian.PutUint32(r.b[at:], uint32(len(r.b)-at-4))
}

func (r *Rows) length(n int) { r.b = binary.BigEndian.AppendUint32(r.b, uint32(int32(n))) }

// Insert inserts all rows, or none and reports false where one is there already, or comes twice: the transaction can go on
// then. Whoever books again what may have been booked tries all, and asks what is there only then.
func (r *Rows) Insert(ctx context.Context, tx pgx.Tx) (bool, error) {
	point, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	whole := append(r.b, 0xff, 0xff) // the end
	_, err = point.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(whole), r.copy)
	if err == nil {
		return true, point.Commit(ctx)
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "23505" { // unique_violation
		return false, point.Rollback(ctx)
	}
	return false, err
}

// errRaced cannot be where whoever inserts holds a lock on what the rows belong to.
var errRaced = errors.New("a row was inserted by another at the same time")

// InsertNew inserts the rows of those that are not there yet, each once, and returns these. There tells the keys of which
// are; it is asked only where one is.
func InsertNew[T any](ctx context.Context, tx pgx.Tx, all []T, rows func([]T) *Rows, key func(T) uuid.UUID, there func() ([]uuid.UUID, error)) ([]T, error) {
	inserted, err := rows(all).Insert(ctx, tx)
	if err != nil || inserted {
		return all, err
	}
	keys, err := there()
	if err != nil {
		return nil, err
	}
	known := make(map[uuid.UUID]bool, len(all))
	for _, k := range keys {
		known[k] = true
	}
	var fresh []T
	for _, one := range all {
		if k := key(one); !known[k] {
			known[k] = true
			fresh = append(fresh, one)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if inserted, err = rows(fresh).Insert(ctx, tx); err == nil && !inserted {
		err = errRaced
	}
	return fresh, err
}
