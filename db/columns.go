package db

import (
	"reflect"
	"strings"
	"unicode"
)

// columns lists the columns that a row's struct has, as pgx finds their fields again. A query that is built by hand must not
// ask for *: the next release's migrations add columns while this one still runs.
func columns[Row any]() string {
	row := reflect.TypeFor[Row]()
	names := make([]string, row.NumField())
	for i := range names {
		names[i] = column(row.Field(i).Name)
	}
	return strings.Join(names, ", ")
}

// column is the column that sqlc made a field of: OwnerID of owner_id.
func column(field string) string {
	var b strings.Builder
	lower := false // whether the last letter was one
	for _, r := range field {
		if unicode.IsUpper(r) && lower {
			b.WriteByte('_')
		}
		lower = !unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
