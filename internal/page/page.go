// Package page holds keyset paging: a list is continued after the last row that was seen, never at an offset.
package page

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"aihigress/internal/fault"
)

const (
	// DefaultSize is how many rows a page has where nobody asked.
	DefaultSize = 20
	// MaxSize is how many rows a page has at most.
	MaxSize = 100
	// CountLimit is up to where a total is counted exactly. Beyond it the total is unknown.
	CountLimit = 10_000
)

// Args asks for a page: the first First rows after the cursor After.
type Args struct {
	First int    // 0 is DefaultSize
	After string // "" is the beginning
}

// Size is the number of rows asked for, or a failure where it is not between 1 and MaxSize.
func (a Args) Size() (int, error) {
	switch {
	case a.First == 0:
		return DefaultSize, nil
	case a.First < 0 || a.First > MaxSize:
		return 0, fault.Field("first", "first must be between 1 and %d", MaxSize)
	}
	return a.First, nil
}

// A Page is one page of a list, with what is needed to ask for the next.
type Page[T any] struct {
	Items   []T
	Cursors []string // of each item
	HasNext bool
	Total   *int // nil where there are more than CountLimit, or where nobody counted

	// SearchedTo is set where the search for rows took too long and ended before the page was full: up to that time all
	// that is there was found.
	SearchedTo *time.Time
	next       string // the cursor to go on from then
}

// New cuts rows to size. Ask the database for size+1 rows: the one too many says that there is a next page.
func New[T any](rows []T, size int, cursor func(T) string) Page[T] {
	p := Page[T]{Items: rows, HasNext: len(rows) > size}
	if p.HasNext {
		p.Items = rows[:size]
	}
	p.Cursors = make([]string, len(p.Items))
	for i, row := range p.Items {
		p.Cursors[i] = cursor(row)
	}
	return p
}

// Unfinished marks a page whose search ended at a time; cursor is where it goes on.
func (p *Page[T]) Unfinished(at time.Time, cursor string) {
	at = at.UTC()
	p.HasNext, p.SearchedTo, p.next = true, &at, cursor
}

// End is where the next page begins: the cursor of the last row, "" where the page is empty.
func (p Page[T]) End() string {
	if p.next != "" {
		return p.next
	}
	if len(p.Cursors) == 0 {
		return ""
	}
	return p.Cursors[len(p.Cursors)-1]
}

// Counted is the total for a count made with LIMIT CountLimit+1.
func Counted(n int64) *int {
	if n > CountLimit {
		return nil
	}
	total := int(n)
	return &total
}

// Encode makes an opaque cursor of a row's key. The key must be something that JSON can carry.
func Encode(key any) string {
	raw, err := json.Marshal(key)
	if err != nil {
		panic("page: cursor key cannot be written: " + err.Error()) // a key's type is fixed in the code
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Decode reads a cursor into key and reports whether there was one. A cursor that Encode did not make is Invalid.
func Decode(cursor string, key any) (ok bool, err error) {
	if cursor == "" {
		return false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(raw, key)
	}
	if err != nil {
		return false, fault.Field("after", "after is not a cursor of this list")
	}
	return true, nil
}
