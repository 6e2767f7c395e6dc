package llm_test

import (
	"testing"

	"aihigress/internal/llm"
)

// Lists of one room never run into one another.
func TestRoom(t *testing.T) {
	t.Parallel()
	for _, expected := range []int{0, 3, 1000} {
		room := llm.RoomFor(expected)
		var lists [][]llm.Block
		for n := range 60 {
			list := room.List(n % 5)
			if len(list) != 0 || cap(list) != n%5 {
				t.Fatalf("a list of %d has %d of %d", n%5, len(list), cap(list))
			}
			for range n%5 + 1 { // one more than there is room for
				list = append(list, llm.Block{Kind: llm.Text, Cache: &llm.Cache{}, Text: string(rune('A' + n))})
			}
			lists = append(lists, list)
		}
		for n, list := range lists {
			for _, b := range list {
				if b.Text != string(rune('A'+n)) {
					t.Fatalf("list %d has a block of another: %q", n, b.Text)
				}
			}
		}
	}
}
