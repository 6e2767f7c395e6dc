package sheet

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aihigress/internal/fault"
)

// readAll are the rows of a table by their lines, those that cannot be read by their reasons.
func readAll(t *testing.T, text string) (head []string, rows []string) {
	t.Helper()
	r, err := NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for {
		cells, line, err := r.Next()
		if bad, ok := errors.AsType[*RowError](err); ok {
			rows = append(rows, bad.Error())
			continue
		}
		if errors.Is(err, io.EOF) {
			return r.Head(), rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf("%d: %s", line, strings.Join(cells, "|")))
	}
}

func TestTablesAreRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		head []string
		rows []string
	}{
		"plain":      {"a,b\n1,2\n", []string{"a", "b"}, []string{"2: 1|2"}},
		"a mark":     {"\ufeffa,b\r\n1,2\r\n", []string{"a", "b"}, []string{"2: 1|2"}},
		"semicolons": {"a;b;c,d\n1;2;\"x;y\"", []string{"a", "b", "c,d"}, []string{"2: 1|2|x;y"}},
		"tabs":       {"a\tb\n1\t2", []string{"a", "b"}, []string{"2: 1|2"}},
		"quotes":     {"a,b\n\"1\n1\",2\n3,4\n", []string{"a", "b"}, []string{"2: 1\n1|2", "4: 3|4"}},
		"bad quotes": {"a,b\n1\"x,2\n\"3\"x,4\n5,6\n", []string{"a", "b"}, []string{
			"line 2: its quotes are not closed, or stand within a cell", "line 3: its quotes are not closed, or stand within a cell", "4: 5|6",
		}},
		"an open quote": {"a,b\n1,\"2\n3,4\n5,6\n", []string{"a", "b"}, []string{"line 2: a quote is opened, and not closed until line 4"}},
		"cells":         {"a,b\n1\n1,2,3\n4,5\n", []string{"a", "b"}, []string{"line 2: it has 1 cells, and the head 2", "line 3: it has 3 cells, and the head 2", "4: 4|5"}},
		"no text":       {"a,b\n1,\xff\n1,\x00\n4,5\n", []string{"a", "b"}, []string{"line 2: it is not text in UTF-8", "line 3: it is not text in UTF-8", "4: 4|5"}},
		"empty lines":   {"a,b\n\n1,2\n\n", []string{"a", "b"}, []string{"3: 1|2"}},
		"head alone":    {"a , b", []string{"a", "b"}, nil},
	} {
		head, rows := readAll(t, c.text)
		if !cmp.Equal(head, c.head) || !cmp.Equal(rows, c.rows) {
			t.Errorf("%s: %q %q", name, head, rows)
		}
	}
}

func TestWhatIsNoTable(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": "", "an empty line": "\n1,2", "UTF-16": "\xff\xfea\x00", "UTF-16 the other way": "\xfe\xff\x00a", "a picture": "\x89PNG\r\n\x1a\n\x00",
		"a long line": strings.Repeat("a,", 100_000), "an open quote": "\"a,b\n1,2\n", "columns": strings.Repeat("a,", maxColumns) + "b\n",
	} {
		if r, err := NewReader(strings.NewReader(text)); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// FuzzReader: whatever it is, it ends, and no row has more or fewer cells than the head.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"a,b\n1,2", "\ufeffa;b\n\"", "a\tb\n1\"\t2\n\"\"\"", "\xff\xfe", "a\r\n\r\n\r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := NewReader(strings.NewReader(text))
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			cells, line, err := r.Next()
			if _, ok := errors.AsType[*RowError](err); ok {
				continue
			}
			if err != nil {
				break
			}
			if len(cells) != len(r.Head()) || line < 2 && !strings.HasPrefix(text, "\n") && line < 1 || n > len(text) {
				t.Fatalf("%q: %q in line %d", text, cells, line)
			}
		}
	})
}
