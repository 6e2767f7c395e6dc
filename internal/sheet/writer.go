// Package sheet writes and reads tables as CSV (RFC 4180), for and from the spreadsheets of people.
package sheet

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Writer writes rows. It keeps at most a few kilobytes.
type Writer struct {
	csv  *csv.Writer
	safe []string
}

// NewWriter writes to w, lines ended as spreadsheets do.
func NewWriter(w io.Writer) *Writer {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	return &Writer{csv: c}
}

// Row writes cells. What a spreadsheet would take for a formula is given an apostrophe in front, so that it is shown and not
// run; numbers are left as they are.
func (w *Writer) Row(cells ...string) error {
	w.safe = w.safe[:0]
	for _, cell := range cells {
		w.safe = append(w.safe, Safe(cell))
	}
	if err := w.csv.Write(w.safe); err != nil {
		return fmt.Errorf("write a row: %w", err)
	}
	return nil
}

// Flush writes what is kept.
func (w *Writer) Flush() error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// formulaSigns begin a formula in one spreadsheet or another; the last four are their full-width forms. A leading tab or
// line break is dropped by some before they look.
const formulaSigns = "=+-@\t\r\n＝＋－＠"

// Safe is the cell as no spreadsheet runs it.
func Safe(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	bare, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(cell, unicode.IsSpace))
	if (strings.ContainsRune(formulaSigns, first) || strings.ContainsRune(formulaSigns, bare)) && cell != "" && !number(cell) {
		return "'" + cell
	}
	return cell
}

// number reports whether the text is a plain decimal number, with or without a minus.
func number(text string) bool {
	whole, places, dot := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return digits(whole) && (!dot || digits(places))
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
