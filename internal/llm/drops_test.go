package llm

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestDrops(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var drops Drops
		var want []Field
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 60), 0, 100).Draw(t, "fields") {
			f := FieldExtra.With(fmt.Sprint(n))
			if drops.Add(f); !slices.Contains(want, f) {
				want = append(want, f)
			}
		}
		if !slices.Equal(drops.Fields(), want) {
			t.Fatalf("%v are left out, want %v", drops.Fields(), want)
		}
	})

	const n = 200_000 // looked for one by one, they would take a minute
	r := &Request{Extra: map[string]JSON{}}
	for i := range n {
		r.Extra[fmt.Sprint(i)] = JSON("1")
	}
	var drops Drops
	if drops.Extra(r); len(drops.Fields()) != n {
		t.Errorf("%d fields are left out, want %d", len(drops.Fields()), n)
	}
}
