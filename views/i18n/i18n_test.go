package i18n_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aihigress/views/i18n"
)

// used returns the text of every call of i18n.T below views, with where it is called.
func used(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "T" || len(call.Args) < 2 {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "i18n" {
				return true
			}
			where := fset.Position(call.Pos()).String()
			lit, ok := call.Args[1].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				t.Errorf("%s: the text of i18n.T is not a string literal", where)
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			texts[text] = where
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestEveryTextIsTranslatedAndEveryTranslationUsed(t *testing.T) {
	t.Parallel()
	texts := used(t)
	if len(texts) == 0 {
		t.Fatal("found no call of i18n.T: the test looks in the wrong place")
	}
	catalogue := i18n.Catalogue()
	for text, where := range texts {
		if catalogue[text] == "" {
			t.Errorf("%s: %q has no Chinese", where, text)
		}
	}
	for text := range catalogue {
		if _, ok := texts[text]; !ok {
			t.Errorf("the Chinese of %q is used nowhere", text)
		}
	}
}

// A translation takes the same arguments in some order, and is Chinese.
func TestTranslationsFit(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`%(\[\d+\])?([a-z%])`)
	han := regexp.MustCompile(`\p{Han}`)
	sameInBoth := []string{"API", "p50", "p95", "p99", "GraphQL", "English", "RPM", "TPM", "HTTP"}
	for en, zh := range i18n.Catalogue() {
		var a, b []string
		for _, m := range verb.FindAllStringSubmatch(en, -1) {
			a = append(a, m[2])
		}
		for _, m := range verb.FindAllStringSubmatch(zh, -1) {
			b = append(b, m[2])
		}
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%q takes %v, its Chinese %q takes %v", en, a, zh, b)
		}
		if !han.MatchString(zh) && !slices.Contains(sameInBoth, en) {
			t.Errorf("the Chinese of %q is %q", en, zh)
		}
	}
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		cookie, accept string
		want           i18n.Lang
	}{
		{"", "", i18n.English},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", i18n.Chinese},
		{"", "zh-TW", i18n.Chinese},
		{"", "fr, en;q=0.3, zh;q=0.5", i18n.Chinese},
		{"", "en-GB,zh;q=0.9", i18n.English},
		{"", "zh;q=nonsense", i18n.English},
		{"", "zh;q=0", i18n.English},
		{"en", "zh-CN", i18n.English},
		{"zh-CN", "en", i18n.Chinese},
		{"xx", "zh", i18n.Chinese},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", tc.accept)
		if tc.cookie != "" {
			r.Header.Set("Cookie", i18n.Cookie+"="+tc.cookie)
		}
		if got := i18n.Negotiate(r); got != tc.want {
			t.Errorf("cookie %q, Accept-Language %q: got %s, want %s", tc.cookie, tc.accept, got, tc.want)
		}
	}
}

func TestT(t *testing.T) {
	t.Parallel()
	ctx := i18n.With(context.Background(), i18n.Chinese)
	if got := i18n.T(ctx, "no such text %d", 3); got != "no such text 3" {
		t.Errorf("a text without translation gave %q", got)
	}
	if got := i18n.T(context.Background(), "Dashboard"); got != "Dashboard" {
		t.Errorf("English gave %q", got)
	}
	if got := i18n.T(ctx, "Dashboard"); got != "概览" {
		t.Errorf("Chinese gave %q", got)
	}
}
