package gemini

import (
	"math"
	"strconv"

	"aihigress/internal/dialect/jsonread"

	"github.com/go-json-experiment/json/jsontext"
)

// What follows reads the types that read themselves, each as its UnmarshalJSONFrom does, or finds them odd.

//go:generate go run ../readgen -anycase wireRequest wireResponse

func readList[T any](l *list[T], r *jsonread.Reader, one func(*T, *jsonread.Reader)) {
	if kind := r.Kind(); kind == '[' || kind == 'n' {
		jsonread.List((*[]T)(l), r, one)
		return
	}
	*l = make([]T, 1)
	one(&(*l)[0], r)
}

// borrowed is a value as it stands in the document that it was read from, or in memory of its own: it is valid as long as
// the document is, and who changes or keeps it makes a copy.
type borrowed = jsontext.Value

func readBorrowed(v *borrowed, r *jsonread.Reader) { *v = r.Raw() }

func (n *integer) readPlain(r *jsonread.Reader) {
	f := plainNumber(r)
	if f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		r.Odd()
	}
	*n = integer(f)
}

func (n *float) readPlain(r *jsonread.Reader) { *n = float(plainNumber(r)) }

// plainNumber reads a number that is one.
func plainNumber(r *jsonread.Reader) float64 {
	f, err := strconv.ParseFloat(string(r.Digits()), 64)
	if err != nil {
		r.Odd()
	}
	return f
}
