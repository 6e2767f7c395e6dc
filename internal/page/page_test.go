package page_test

import (
	"errors"
	"strconv"
	"testing"

	"aihigress/internal/fault"
	"aihigress/internal/page"
)

func TestNewCutsTheRowTooMany(t *testing.T) {
	t.Parallel()
	p := page.New([]int{1, 2, 3}, 2, strconv.Itoa)
	if len(p.Items) != 2 || !p.HasNext || p.End() != "2" {
		t.Errorf("New = %+v", p)
	}
	if p = page.New([]int{1, 2}, 2, strconv.Itoa); p.HasNext || len(p.Items) != 2 {
		t.Errorf("New of a last page = %+v", p)
	}
	if p = page.New(nil, 2, strconv.Itoa); p.HasNext || p.End() != "" {
		t.Errorf("New of nothing = %+v", p)
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	type key struct {
		A string
		B int
	}
	var got key
	ok, err := page.Decode(page.Encode(key{"a", 7}), &got)
	if !ok || err != nil || got != (key{"a", 7}) {
		t.Errorf("round trip: %+v, %v, %v", got, ok, err)
	}
	if ok, err := page.Decode("", &got); ok || err != nil {
		t.Errorf("no cursor: %v, %v", ok, err)
	}
	for _, bad := range []string{"!", "AAAA", "eyJB", page.Encode([]int{1})} {
		if _, err := page.Decode(bad, &got); !errors.Is(err, fault.Invalid) {
			t.Errorf("Decode(%q) = %v, want Invalid", bad, err)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for first, want := range map[int]int{0: page.DefaultSize, 1: 1, page.MaxSize: page.MaxSize} {
		if got, err := (page.Args{First: first}).Size(); got != want || err != nil {
			t.Errorf("Size(%d) = %d, %v", first, got, err)
		}
	}
	for _, first := range []int{-1, page.MaxSize + 1} {
		if _, err := (page.Args{First: first}).Size(); !errors.Is(err, fault.Invalid) {
			t.Errorf("Size(%d): %v", first, err)
		}
	}
}
