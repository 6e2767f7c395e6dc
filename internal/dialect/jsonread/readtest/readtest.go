// Package readtest checks that what is read by jsonread is what package json makes of the same bytes.
package readtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonread"

	goexp "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A Check reads a document both ways, fails the test where they differ, and reports whether the document was plain.
type Check func(t rapid.TB, document []byte) bool

// Of is the check of a type.
func Of[T any](rules jsonread.Rules, read func(*T, *jsonread.Reader), options ...goexp.Options) Check {
	return func(t rapid.TB, document []byte) bool {
		t.Helper()
		within := rules&jsonread.Within != 0
		if within && !jsontext.Value(document).IsValid(options...) {
			return false
		}
		before := string(document)
		var got, again, want T
		ok := jsonread.Plain(document, &got, rules, read)
		if string(document) != before {
			t.Fatalf("the document changed to %s", document)
		}
		if !ok {
			return false
		}
		if err := goexp.Unmarshal(document, &want, options...); err != nil {
			t.Fatalf("%s is read as %+v, but it is wrong: %v", document, got, err)
		}
		if !within {
			clear(document) // texts and values must have memory of their own
		}
		same := cmp.Exporter(func(reflect.Type) bool { return true }) // unexported fields too
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("%s is read as something else (-want +got):\n%s", before, diff)
		}
		if !jsonread.Plain([]byte(before), &again, rules, read) || !cmp.Equal(want, again, same) {
			t.Fatalf("%s is read as something else the second time", before)
		}
		return true
	}
}

// Again checks that documents which are read one behind the other, in the same memory, are what each is by itself, but that
// lists may be empty where there are none. Alike makes what else is as good the same.
func Again[T any](t testing.TB, seeds Set, rules jsonread.Rules, read func(*T, *jsonread.Reader), alike func(want, got *T)) {
	t.Helper()
	var kept T
	for _, seed := range seeds.All {
		var want T
		if !jsonread.Plain(seed, &want, rules, read) {
			continue
		}
		if !jsonread.Plain(seed, &kept, rules, read) {
			t.Errorf("%s is odd in used memory", seed)
		}
		got := kept
		alike(&want, &got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%s is read into used memory as something else (-want +got):\n%s", seed, diff)
		}
	}
}

// A Set is documents to try.
type Set struct {
	All [][]byte
	// Usual are those that Try counts the plain ones of: the recorded ones, where any were asked for.
	Usual [][]byte
}

// Seeds are the documents of recorded exchanges with some endpoints, requests or what came back, and those that are given.
// The recordings are not part of the project: AIHIGRESS_RECORDINGS names their folder, else it is looked for beside the
// project, and without it there are none.
func Seeds(t testing.TB, requests bool, apis []string, more ...string) Set {
	t.Helper()
	var own [][]byte
	for _, one := range more {
		own = append(own, []byte(one))
	}
	if apis == nil {
		return Set{own, own}
	}
	usual := recorded(t, requests, apis)
	return Set{slices.Concat(own, usual), usual}
}

func recorded(t testing.TB, requests bool, apis []string) (all [][]byte) {
	root := os.Getenv("AIHIGRESS_RECORDINGS")
	for dir, _ := os.Getwd(); root == "" && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "shared", "recordings")); err == nil && info.IsDir() {
			root = filepath.Join(dir, "shared", "recordings")
		}
	}
	if root == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var r struct {
			API     string
			Request json.RawMessage
			Body    json.RawMessage `json:"response_body"`
			Lines   []string        `json:"sse_lines"`
		}
		if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &r) != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !slices.Contains(apis, r.API) {
			continue
		}
		if requests {
			all = append(all, r.Request)
			continue
		}
		all = append(all, r.Body)
		for _, line := range r.Lines {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				all = append(all, []byte(data))
			}
		}
	}
	return slices.DeleteFunc(all, func(b []byte) bool { return len(b) == 0 || len(b) > 64<<10 })
}

// Try checks seeds as they are, and changed by chance. Of the usual ones at least so many of a hundred have to be plain, and
// of all at least one.
func Try(t *testing.T, seeds Set, share int, check Check) {
	t.Helper()
	plain := func(documents [][]byte) (n int) {
		for _, one := range documents {
			if check(t, bytes.Clone(one)) {
				n++
			}
		}
		return n
	}
	if n := plain(seeds.Usual); n*100 < share*len(seeds.Usual) {
		t.Fatalf("%d of %d are plain", n, len(seeds.Usual))
	}
	if plain(seeds.All) == 0 {
		t.Fatal("none is plain")
	}
	rapid.Check(t, func(r *rapid.T) {
		check(r, changed(r, rapid.SampledFrom(seeds.All).Draw(r, "seed")))
	})
}

// parts are what is put where something else stood.
var parts = []string{`null`, `true`, `false`, `0`, `-1`, `1.5`, `1e3`, `9223372036854775808`, `""`, `"x"`, `"\n\u00e9"`, `"\ud83d"`, `"\ud83d\ude00"`, `[]`,
	`{}`, `[null]`, `[{}]`, `{"a":1,"a":2}`, `{"type":"text","text":"x"}`, "\"\xff\"", `"a":1,`, `,`, ` `, "\n", `"`, `\`, `{`, `}`, `[`, `]`, `:`, "\x00", `_`, `A`, `"type":"text",`}

// changed is a document with a few changes: a value, a name or a few bytes of it are others, or are there twice.
func changed(t *rapid.T, document []byte) []byte {
	out := bytes.Clone(document)
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		edges := []int{0, len(out)}
		for i, c := range out {
			if strings.IndexByte(`{}[]:,"`, c) >= 0 {
				edges = append(edges, i, i+1)
			}
		}
		from := rapid.SampledFrom(edges).Draw(t, "from")
		next := slices.IndexFunc(edges[2:], func(at int) bool { return at > from })
		to := from
		if next >= 0 && rapid.Bool().Draw(t, "replace") {
			to = edges[2:][min(next+rapid.IntRange(0, 8).Draw(t, "edges"), len(edges)-3)]
		}
		with := []byte(rapid.SampledFrom(parts).Draw(t, "part"))
		switch rapid.IntRange(0, 3).Draw(t, "way") {
		case 0: // what stands there again
			with = bytes.Repeat(out[from:to], 2)
		case 1:
			with = bytes.ToUpper(out[from:to])
		}
		out = slices.Concat(out[:from], with, out[to:])
	}
	return out
}

// Fuzz is a fuzz target with seeds.
func Fuzz(f *testing.F, seeds Set, check Check) {
	f.Helper()
	for _, seed := range seeds.All {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document []byte) { check(t, bytes.Clone(document)) })
}
