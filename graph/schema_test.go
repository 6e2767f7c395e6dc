package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"aihigress/graph/generated"
)

var schema = generated.NewExecutableSchema(generated.Config{}).Schema()

// TestEverythingIsDescribed keeps the schema fit to be read in GraphiQL.
func TestEverythingIsDescribed(t *testing.T) {
	t.Parallel()
	for name, def := range schema.Types {
		if def.BuiltIn {
			continue
		}
		if def.Description == "" {
			t.Errorf("type %s has no description", name)
		}
		for _, f := range def.Fields {
			if f.Description == "" && !strings.HasPrefix(f.Name, "__") {
				t.Errorf("field %s.%s has no description", name, f.Name)
			}
		}
		for _, v := range def.EnumValues {
			if v.Description == "" {
				t.Errorf("value %s.%s has no description", name, v.Name)
			}
		}
	}
}

// TestConventions holds the schema to what clients may rely on.
func TestConventions(t *testing.T) {
	t.Parallel()
	for _, f := range schema.Mutation.Fields {
		want := strings.ToUpper(f.Name[:1]) + f.Name[1:]
		if got := f.Type.String(); got != want+"Payload!" {
			t.Errorf("%s gives %s, want %sPayload!", f.Name, got, want)
		}
		payload := schema.Types[want+"Payload"]
		if e := payload.Fields.ForName("userErrors"); e == nil || e.Type.String() != "[UserError!]!" {
			t.Errorf("%sPayload has no userErrors: [UserError!]!", want)
		}
		if len(f.Arguments) > 1 || len(f.Arguments) == 1 && f.Arguments[0].Type.String() != want+"Input!" {
			t.Errorf("%s takes %v, want input: %sInput!", f.Name, f.Arguments, want)
		}
	}
	for name, def := range schema.Types {
		if !strings.HasSuffix(name, "Connection") {
			continue
		}
		node := strings.TrimSuffix(name, "Connection")
		for field, want := range map[string]string{"edges": "[" + node + "Edge!]!", "nodes": "[" + node + "!]!", "pageInfo": "PageInfo!", "totalCount": "Int"} {
			if f := def.Fields.ForName(field); f == nil || f.Type.String() != want {
				t.Errorf("%s.%s is %v, want %s", name, field, f, want)
			}
		}
	}
	for _, f := range schema.Query.Fields {
		if !strings.HasSuffix(f.Type.Name(), "Connection") {
			continue
		}
		for _, arg := range []string{"first", "after", "filter", "orderBy"} {
			if f.Arguments.ForName(arg) == nil {
				t.Errorf("the list %s has no argument %s", f.Name, arg)
			}
		}
	}
	if names := directives(); !slices.Equal(names, []string{"defer", "deprecated", "include", "oneOf", "skip", "specifiedBy"}) {
		t.Errorf("the schema shows directives of its own: %v", names)
	}
}

func directives() []string {
	var names []string
	for name := range schema.Directives {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestEveryListHasAPrice keeps a new connection from costing as little as one row.
func TestEveryListHasAPrice(t *testing.T) {
	t.Parallel()
	executable := generated.NewExecutableSchema(generated.Config{Complexity: costs()})
	for name, def := range schema.Types {
		if def.Kind != ast.Object || def.BuiltIn {
			continue
		}
		for _, f := range def.Fields {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			args := map[string]any{}
			if f.Arguments.ForName("first") != nil {
				args["first"] = int64(100)
			}
			if price, ok := executable.Complexity(t.Context(), name, f.Name, 3, args); !ok || price != 301 {
				t.Errorf("100 rows of %s.%s cost %d, want 301", name, f.Name, price)
			}
		}
	}
}
