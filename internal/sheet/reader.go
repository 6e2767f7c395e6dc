package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"aihigress/internal/fault"
)

const (
	// maxHead is how long the first line may be in bytes, and maxColumns how many cells it may have.
	maxHead    = 64 << 10
	maxColumns = 500
)

// A Reader reads a table whose first line names its columns. Cells are parted by commas, semicolons or tabs, whichever the first
// line has most of. It keeps one row.
type Reader struct {
	csv  *csv.Reader
	head []string
}

// A RowError is a row that cannot be read. Those after it can.
type RowError struct {
	Line   int
	Reason string
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func bad(line int, why *fault.Error) error { return &RowError{Line: line, Reason: why.Message} }

// NewReader reads the head of a table. What is no table of text is a failure of kind Invalid.
func NewReader(r io.Reader) (*Reader, error) {
	b := bufio.NewReaderSize(r, maxHead)
	start, err := b.Peek(maxHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read a table: %w", err)
	}
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(start, []byte(mark)) {
			return nil, fault.New(fault.Invalid, "the table is UTF-16: save it as CSV in UTF-8")
		}
	}
	if bytes.HasPrefix(start, []byte("\ufeff")) {
		start = start[3:]
		_, _ = b.Discard(3) // it is there
	}
	first, _, whole := bytes.Cut(start, []byte("\n"))
	switch {
	case len(bytes.TrimSpace(first)) == 0:
		return nil, fault.New(fault.Invalid, "the first line of a table names its columns, and is empty here")
	case !whole && len(start) >= maxHead-3:
		return nil, fault.New(fault.Invalid, "the first line is longer than %d bytes: this is no table", maxHead)
	case !utf8.Valid(first) || bytes.Contains(first, []byte{0}):
		return nil, fault.New(fault.Invalid, "the table is not text in UTF-8")
	}
	t := &Reader{csv: csv.NewReader(b)}
	t.csv.ReuseRecord = true
	t.csv.FieldsPerRecord = -1 // compared here, with the line
	t.csv.Comma = slices.MaxFunc([]rune{',', ';', '\t'}, func(x, y rune) int {
		return bytes.Count(first, []byte(string(x))) - bytes.Count(first, []byte(string(y)))
	})
	head, err := t.csv.Read()
	if err != nil {
		return nil, fault.New(fault.Invalid, "the first line cannot be read: check its quotes")
	}
	if len(head) > maxColumns {
		return nil, fault.New(fault.Invalid, "a table has at most %d columns", maxColumns)
	}
	for _, name := range head {
		t.head = append(t.head, strings.TrimSpace(name))
	}
	return t, nil
}

// Head is the names of the columns.
func (t *Reader) Head() []string { return t.head }

// Next is the next row, with as many cells as there are columns, and its line; it is good until Next is called again. A row
// that cannot be read is a RowError, and the end is io.EOF.
func (t *Reader) Next() (cells []string, line int, err error) {
	cells, err = t.csv.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		if parse.Line > parse.StartLine {
			return nil, parse.StartLine, bad(parse.StartLine, fault.New(fault.Invalid, "a quote is opened, and not closed until line %d", parse.Line))
		}
		return nil, parse.StartLine, bad(parse.StartLine, fault.New(fault.Invalid, "its quotes are not closed, or stand within a cell"))
	}
	if err != nil {
		return nil, 0, err
	}
	line, _ = t.csv.FieldPos(0)
	if len(cells) != len(t.head) {
		return nil, line, bad(line, fault.New(fault.Invalid, "it has %d cells, and the head %d", len(cells), len(t.head)))
	}
	for _, cell := range cells {
		if !utf8.ValidString(cell) || strings.Contains(cell, "\x00") {
			return nil, line, bad(line, fault.New(fault.Invalid, "it is not text in UTF-8"))
		}
	}
	return cells, line, nil
}
