package llm

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestManyTools: of many tools, the index finds the same as of few.
func TestManyTools(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SampledFrom([]string{"a", "b", "a.b", ToolName("a.b"), "a:b", ToolName("a:b"), ""})
		r := &Request{Tools: make([]Tool, rapid.IntRange(0, 8).Draw(t, "tools"))}
		for i := range r.Tools {
			r.Tools[i] = Tool{Name: names.Draw(t, "name"), Vendor: rapid.SampledFrom([]string{"", "", OpenAI}).Draw(t, "vendor")}
		}
		near, far := r.ToolIndex(), r.ToolIndex()
		for range 3 {
			name := names.Draw(t, "asked")
			if want, got := near.Of(name), far.far(name); got != want {
				t.Fatalf("%q is the tool %p, want %p", name, got, want)
			}
			if want, got := near.CallerName(name), far.farName(name); far.Of(name) == nil && got != want {
				t.Fatalf("%q is called %q, want %q", name, got, want)
			}
		}
	})

	const many = 100_000 // looked through for each, they would take twenty seconds, and their hashes minutes
	r := &Request{Tools: make([]Tool, many)}
	for i := range r.Tools {
		r.Tools[i].Name = "f." + strconv.Itoa(i)
	}
	x := r.ToolIndex()
	for i := range r.Tools {
		want := &r.Tools[i]
		if got := x.Of(want.Name); got != want {
			t.Fatalf("%s is %v", want.Name, got)
		}
		if got := x.CallerName(ToolName(want.Name)); got != want.Name {
			t.Fatalf("%s came back as %s", want.Name, got)
		}
	}
}

// TestNoTools: neither a request that nobody has nor one without tools knows any.
func TestNoTools(t *testing.T) {
	t.Parallel()
	for _, r := range []*Request{nil, {}} {
		x := r.ToolIndex()
		if got := x.Of("f"); got != nil {
			t.Errorf("f is %v", got)
		}
		if got := x.CallerName("f"); got != "f" {
			t.Errorf("f became %s", got)
		}
	}
}
