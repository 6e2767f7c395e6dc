package i18n

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	zh, en := With(context.Background(), Chinese), context.Background()
	for _, tc := range []struct {
		ctx        context.Context
		text, want string
	}{
		{zh, "There is nothing at this address.", "此地址没有内容。"},
		{zh, "a weight is between 0 and 1000000", "权重必须在 0 到 1000000 之间。"},
		{zh, `"10.0.0" is not an address or a range like 192.0.2.0/24`, `"10.0.0" 不是有效的地址或网段（例如 192.0.2.0/24）。`},
		{zh, "a limit is above 0 and at most 1000000 credits", "限额必须大于 0 且不超过 1000000 额度。"},
		{zh, "there is no such provider", "没有这个提供商。"},
		{zh, "there is no such key", "找不到该对象（key）。"},
		{zh, "something that nobody translated", "Something that nobody translated."},
		{en, "a key needs a name", "A key needs a name."},
		{en, "There is nothing at this address.", "There is nothing at this address."},
		{en, "", ""},
	} {
		if got := Message(tc.ctx, tc.text); got != tc.want {
			t.Errorf("Message(%q) = %q, want %q", tc.text, got, tc.want)
		}
	}
}

// Every refusal of the packages whose forms the console shows has a Chinese wording, and none is left over.
func TestEveryRefusalIsTranslated(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, pkg := range []string{
		"db", "internal/account", "internal/apikey", "internal/auth", "internal/authz", "internal/backlog", "internal/catalog", "internal/credit",
		"internal/notify", "internal/page", "internal/provider", "internal/quota", "views",
		"internal/egress", "internal/page", "internal/provider", "internal/reach", "views",
		"internal/page", "internal/plan", "internal/pricing", "internal/provider", "internal/sheet", "internal/snapshot", "internal/statement", "views",
	} {
		files, err := filepath.Glob(filepath.Join("..", "..", pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", pkg, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for text, where := range refusalsIn(t, file) {
				said[text] = true
				if refusals[text] == "" {
					t.Errorf("%s: %q has no Chinese in refusals.go", where, text)
				}
			}
		}
	}
	for text := range refusals {
		if !said[text] {
			t.Errorf("nothing says %q any more", text)
		}
	}
}

// refusalsIn finds the messages given to fault.New, fault.Field and fault.Wrap in a file.
func refusalsIn(t *testing.T, name string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	position := map[string]int{"New": 1, "Field": 1, "Wrap": 2}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		at, ok := 0, false
		switch fun := call.Fun.(type) {
		case *ast.SelectorExpr:
			pkg, is := fun.X.(*ast.Ident)
			at, ok = position[fun.Sel.Name]
			ok = ok && is && pkg.Name == "fault"
		case *ast.Ident: // of package pricing
			at, ok = 1, fun.Name == "refused"
		}
		if !ok || len(call.Args) <= at {
			return true
		}
		lit, ok := call.Args[at].(*ast.BasicLit)
		if !ok {
			return true // passes another failure's message on
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		found[text] = fset.Position(call.Pos()).String()
		return true
	})
	return found
}
