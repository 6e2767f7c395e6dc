package db

import (
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aihigress/internal/fault"
)

// Classify turns a driver's error into one that has a kind, once, where the driver is called. What has no better kind
// stays as it is: internal.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.Wrap(err, fault.NotFound, "not found")
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch pgErr.Code {
	case "23505": // unique_violation
		return fault.Wrap(err, fault.Conflict, "already there")
	case "23503": // foreign_key_violation
		return fault.Wrap(err, fault.Conflict, "still in use, or names something that is not there")
	case "23514", "23502", "22001", "22003", "22P02": // check, not-null, too long, out of range, bad text
		return fault.Wrap(err, fault.Invalid, "the database refuses this value")
	case "22021", "22P05": // not UTF-8, or with a zero byte, which no text of Postgres can hold
		return fault.Wrap(err, fault.Invalid, "this is not valid text")
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return fault.Wrap(err, fault.Conflict, "changed by another at the same time, try again")
	}
	return err
}

// Violates reports whether err comes from the named constraint or unique index, so that a caller can name the field.
func Violates(err error, constraint string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.ConstraintName == constraint
}
