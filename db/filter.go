package db

import (
	"context"
	"strconv"
	"strings"
)

// A filter collects the conditions of a list that is built by hand, because which of them apply is known only when
// somebody asks. Conditions are constants of the code; values travel as parameters, never as SQL.
type filter struct {
	conditions []string
	args       []any
}

// where adds a condition; each ? in it stands for the next of args.
func (f *filter) where(condition string, args ...any) {
	for _, arg := range args {
		condition = strings.Replace(condition, "?", f.param(arg), 1)
	}
	f.conditions = append(f.conditions, condition)
}

// param adds a value and is its placeholder.
func (f *filter) param(arg any) string {
	f.args = append(f.args, arg)
	return "$" + strconv.Itoa(len(f.args))
}

// String is the WHERE clause, with a space before it, or nothing.
func (f *filter) String() string {
	if len(f.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(f.conditions, " AND ")
}

// count counts the rows of a table that meet the conditions, but at most limit of them.
func (f *filter) count(ctx context.Context, db DBTX, table string, limit int) (n int64, err error) {
	where := f.String()
	sql := "SELECT count(*) FROM (SELECT FROM " + table + where + " LIMIT " + f.param(limit) + ") AS counted"
	err = db.QueryRow(ctx, sql, f.args...).Scan(&n)
	return n, err
}

// behind goes on after the row with the given key, nil being the beginning, and is the ORDER BY clause for it. The
// columns are unique together.
func (f *filter) behind(key []any, oldestFirst bool, columns ...string) string {
	comparison, direction := " < ", " DESC"
	if oldestFirst {
		comparison, direction = " > ", ""
	}
	if key != nil {
		marks := strings.Repeat(", ?", len(columns))[2:]
		f.where("("+strings.Join(columns, ", ")+")"+comparison+"("+marks+")", key...)
	}
	return " ORDER BY " + strings.Join(columns, direction+", ") + direction
}

// contains is a LIKE pattern that finds text anywhere, whatever signs it holds.
func contains(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
