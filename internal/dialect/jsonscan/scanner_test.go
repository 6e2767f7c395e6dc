package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"aihigress/internal/dialect/jsonscan"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	idRoot jsonscan.ID = iota + 1
	idA
	idElement
	idDeep
	idText
)

var places = jsonscan.Compile(map[string]jsonscan.ID{
	"":             idRoot,
	"a":            idA,
	"list[]":       idElement,
	"list[].b.c":   idDeep,
	"list[][].d":   idDeep,
	"choices.text": idText,
})

// recorder writes down what it is told; pieces of one string are joined, since they depend on the split.
type recorder struct {
	log  []string
	text strings.Builder
}

func (r *recorder) Open(id jsonscan.ID, kind jsonscan.Kind, at int64) {
	r.log = append(r.log, fmt.Sprintf("open %d kind %d at %d", id, kind, at))
	r.text.Reset()
}

func (r *recorder) Text(_ jsonscan.ID, part []byte) { r.text.Write(part) }

func (r *recorder) Close(id jsonscan.ID, kind jsonscan.Kind, raw []byte, at int64) {
	s := fmt.Sprintf("close %d at %d", id, at)
	if kind == jsonscan.String {
		s += fmt.Sprintf(" %q", r.text.String())
	}
	if raw != nil {
		s += " " + string(raw)
	}
	r.log = append(r.log, s)
}

// scan feeds a document in pieces of n bytes.
func scan(doc string, n int) ([]string, error) {
	var s jsonscan.Scanner
	var r recorder
	s.Init(places, &r)
	for rest := doc; rest != ""; {
		piece := rest[:min(n, len(rest))]
		if _, err := s.Write([]byte(piece)); err != nil {
			return r.log, err
		}
		rest = rest[len(piece):]
	}
	return r.log, s.End()
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		doc  string
		want []string
	}{
		{`7`, []string{"open 1 kind 2 at 0", "close 1 at 1 7"}},
		{` "x" `, []string{"open 1 kind 3 at 1", `close 1 at 4 "x"`}},
		{`{"a": null, "A": 1, "b": {"a": 2}}`, []string{"open 1 kind 5 at 0", "open 2 kind 0 at 6", "close 2 at 10 null", "close 1 at 34"}},
		{`{"\u0061":-1.5e+3}`, []string{"open 1 kind 5 at 0", "open 2 kind 2 at 10", "close 2 at 17 -1.5e+3", "close 1 at 18"}},
		{`{"list":[1,{"b":{"c":true}},[{"d":[]}]]}`, []string{
			"open 1 kind 5 at 0",
			"open 3 kind 2 at 9", "close 3 at 10 1",
			"open 3 kind 5 at 11", "open 4 kind 1 at 21", "close 4 at 25 true", "close 3 at 27",
			"open 3 kind 4 at 28", "open 4 kind 4 at 34", "close 4 at 36", "close 3 at 38",
			"close 1 at 40",
		}},
		{`{"choices":{"text":"a\n\u00e9\ud83d\ude00\ud83dx\ude00\"東"}}`, []string{
			"open 1 kind 5 at 0", "open 5 kind 3 at 19",
			fmt.Sprintf("close 5 at 60 %q", "a\né😀\ufffdx\ufffd\"東"), "close 1 at 62",
		}},
		{`{"` + strings.Repeat("k", 100) + `":1,"a":` + strings.Repeat("1", 100) + `}`,
			[]string{"open 1 kind 5 at 0", "open 2 kind 2 at 110", "close 2 at 210", "close 1 at 211"}},
	}
	for _, tt := range tests {
		for _, n := range []int{1, 3, 7, len(tt.doc)} {
			got, err := scan(tt.doc, n)
			if err != nil {
				t.Errorf("%s by %d: %v", tt.doc, n, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", tt.doc, n, diff)
			}
		}
	}
}

var documents = []string{
	``, ` `, `{}`, `[]`, `{"a":1}`, `[1,2,[3,{"x":null}]]`, `"x"`, `true`, `nul`, `nulll`, `-`, `-0`, `01`, `1.`, `1.5`, `.5`, `1e`, `1e5`, `1E-`,
	`{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `[1}`, `{"a":1]`, `{"a":1}}`, `{} {}`, `{"a" 1}`, `{1:2}`, `"\x"`, `"\u12g4"`, `"\ud800"`,
	"\"a\nb\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", `"unfinished`, `{"a":"b"`, `[true,false,null]`, `[truefalse]`, `[1 2]`, "\ufeff{}", `{"a":1e400}`,
	`[-]`, `[- 1]`, `{"list":[`, `"12345678\"12345678"`, "\"1234567\x00\"", "[\"\u0080\u00ff\x80\"]",
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, doc := range documents {
		for _, n := range []int{1, len(doc) + 1} {
			if _, err := scan(doc, n); (err == nil) != json.Valid([]byte(doc)) {
				t.Errorf("%q by %d: %v, encoding/json says valid is %v", doc, n, err, json.Valid([]byte(doc)))
			}
		}
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	if _, err := scan(nested(jsonscan.MaxDepth), 64); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := scan(nested(jsonscan.MaxDepth+1), 64); !errors.Is(err, jsonscan.ErrDepth) {
		t.Errorf("above the limit: %v", err)
	}
	if _, err := scan(strings.Repeat(`{"a":`, 1_000_000), 1<<20); !errors.Is(err, jsonscan.ErrDepth) {
		t.Errorf("a million: %v", err)
	}
}

func TestSyntaxErrorTellsWhere(t *testing.T) {
	t.Parallel()
	_, err := scan(`{"a":1,!}`, 2)
	var syntax *jsonscan.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != 7 {
		t.Errorf("error %v, want a SyntaxError at 7", err)
	}
}

func FuzzScanner(f *testing.F) {
	for _, doc := range documents {
		f.Add(doc, uint8(1))
	}
	f.Fuzz(func(t *testing.T, doc string, n uint8) {
		whole, err := scan(doc, len(doc)+1)
		if (err == nil) != json.Valid([]byte(doc)) && !errors.Is(err, jsonscan.ErrDepth) {
			t.Errorf("%q: %v, encoding/json says valid is %v", doc, err, json.Valid([]byte(doc)))
		}
		parts, partsErr := scan(doc, int(n)+1)
		if diff := cmp.Diff(whole, parts); diff != "" || (err == nil) != (partsErr == nil) {
			t.Errorf("%q by %d: %v and %v\n%s", doc, n, err, partsErr, diff)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	long := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("The quick brown fox. ", 7000) + `"}]}`)
	chunk := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1731368640,"model":"gpt-4o-mini",` +
		`"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null}`)
	for name, doc := range map[string][]byte{"150KB": long, "chunk": chunk} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			var s jsonscan.Scanner
			h := &silent{}
			for b.Loop() {
				s.Init(places, h)
				if _, err := s.Write(doc); err != nil {
					b.Fatal(err)
				}
				if err := s.End(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type silent struct{}

func (*silent) Open(jsonscan.ID, jsonscan.Kind, int64)          {}
func (*silent) Text(jsonscan.ID, []byte)                        {}
func (*silent) Close(jsonscan.ID, jsonscan.Kind, []byte, int64) {}

// Plain finds the first byte that is not, wherever it is and whatever stands around it.
func TestPlain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.SampledFrom([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa !#[]^\x7f\x80\xa2\xdc\xff\"\\\x00\x1f")), 0, 200).Draw(t, "p")
		want := 0
		for want < len(p) && p[want] != '"' && p[want] != '\\' && p[want] >= 0x20 {
			want++
		}
		if got := jsonscan.Plain(p); got != want {
			t.Fatalf("%q: %d, want %d", p, got, want)
		}
	})
	for c := range 256 {
		p := append(make([]byte, 0, 80), bytes.Repeat([]byte{'a'}, 80)...)
		for at := range p {
			p[at] = byte(c)
			want := len(p)
			if c == '"' || c == '\\' || c < 0x20 {
				want = at
			}
			if got := jsonscan.Plain(p); got != want {
				t.Fatalf("%#x at %d: %d, want %d", c, at, got, want)
			}
			p[at] = 'a'
		}
	}
}
