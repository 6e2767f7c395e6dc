package app_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// leaves are imported by anything and import nothing of ours, but for what the table says.
var leaves = words("fault id money page reach reqid secret llm sheet")

// allowed is the whole import graph of the product, lower first: what each package may import of ours, leaves aside. An
// arrow that is not here fails the test; a new one is a change of this table for all to see. Names without a slash
// that are not doors or storage stand for internal/NAME.
var allowed = map[string][]string{
	"authz": {}, "sse": {}, "tokens": {}, "config": {}, "web": {}, "simulator": {}, "dialect/jsonscan": {}, "dialect/readgen": {},
	"dialect/jsonwrite": words("dialect/jsonscan"), "dialect/jsonread": words("dialect/jsonscan"), "dialect/jsonread/readtest": words("dialect/jsonread"),
	"migrations":         {},
	"pin":                {},
	"page":               words("fault"),
	"reach":              words("fault"),
	"sheet":              words("fault"),
	"dialect":            {},
	"dialect/anthropic":  words("dialect dialect/failure dialect/jsonread dialect/jsonscan dialect/jsonwrite"),
	"dialect/failure":    words("dialect/jsonscan"),
	"dialect/form":       words("dialect dialect/jsonscan dialect/jsonwrite dialect/refusal"),
	"dialect/formdata":   words("dialect/refusal"),
	"dialect/gemini":     words("dialect dialect/failure dialect/form dialect/jsonread dialect/jsonscan dialect/jsonwrite"),
	"dialect/openai":     words("dialect dialect/failure dialect/form dialect/jsonread dialect/jsonscan dialect/jsonwrite dialect/refusal"),
	"dialect/refusal":    words("dialect/jsonscan"),
	"dialect/replay":     {},
	"dialect/responses":  words("dialect dialect/failure dialect/jsonread dialect/jsonscan dialect/jsonwrite dialect/openai dialect/refusal"),
	"db":                 {},
	"event":              {},
	"audit":              words("authz db"),
	"pricing":            {},
	"credit":             words("authz db audit limit notify"),
	"account":            words("authz db audit"),
	"backlog":            words("authz db audit"),
	"notify":             words("authz db audit event"),
	"auth":               words("authz db audit account"),
	"catalog":            words("authz db audit pricing"),
	"provider":           words("authz db audit pricing catalog event health notify"),
	"apikey":             words("authz db audit catalog credit"),
	"egress":             words("authz db audit provider"),
	"quota":              words("authz db audit credit limit"),
	"snapshot":           words("authz db pricing catalog limit quota"),
	"health":             words("event"),
	"affinity":           words("event health"),
	"routing":            words("health pricing snapshot"),
	"overload":           words("health"),
	"plan":               words("apikey authz catalog health routing snapshot"),
	"limit":              {},
	"upstream":           words("snapshot catalog provider dialect dialect/anthropic dialect/gemini dialect/openai dialect/responses egress"),
	"keypool":            words("event limit snapshot"),
	"usage":              words("authz db credit event pricing"),
	"statement":          words("authz db credit usage"),
	"devstack":           words("devstack/flock"),
	"devstack/flock":     {},
	"devstack/needs":     {},
	"devstack/pgtest":    words("devstack devstack/flock migrations"),
	"devstack/redistest": words("devstack devstack/needs"),

	// Doors: domain packages and what they need of vendors. Never one another, never db.
	"proxy":           words("affinity apikey credit health keypool limit overload pin pricing routing snapshot sse tokens upstream usage web dialect dialect/form dialect/formdata dialect/openai dialect/responses dialect/anthropic dialect/gemini"),
	"graph":           words("account apikey audit auth authz catalog credit egress event health keypool notify overload plan pricing provider quota routing snapshot statement usage web graph/generated graph/model graph/scalar"),
	"graph/generated": words("account apikey audit auth authz catalog credit egress health keypool notify pricing provider quota routing statement usage graph/model graph/scalar"),
	"graph/model":     words("account apikey audit auth authz catalog credit egress health keypool notify pricing provider quota routing statement usage graph/scalar"),
	"graph/scalar":    words("account apikey authz catalog credit pricing provider quota usage"),
	"views":           words("account apikey audit auth authz backlog catalog credit egress event health keypool notify overload plan pricing provider quota sse statement usage web views/assets views/i18n views/ui"),
	"views/ui":        words("views/assets views/i18n"),
	"views/i18n":      {},
	"views/assets":    {},
	"jobs":            words("auth authz catalog credit egress notify provider usage"),

	// Assembly.
	"app":         words("account affinity apikey audit auth authz backlog catalog config credit db devstack egress event graph health jobs keypool limit migrations notify overload pin plan pricing provider quota proxy simulator snapshot statement upstream usage views web"),
	"bench":       words("db devstack id limit money proxy secret simulator snapshot sse upstream usage web dialect dialect/openai dialect/responses dialect/anthropic dialect/gemini"),
	"bench/books": words("authz db devstack event id llm migrations money page statement usage"),
	"main":        words("app"),
}

func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "aihigress/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		from := short(p.ImportPath)
		seen[from] = true
		table, known := allowed[from]
		isLeaf := slices.Contains(leaves, from)
		if !known && !isLeaf && from != "app/e2e" {
			t.Errorf("package %s is not in the table", from)
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, "aihigress/") {
				continue
			}
			to := short(imported)
			if slices.Contains(table, to) || !isLeaf && slices.Contains(leaves, to) || from == "app/e2e" {
				continue
			}
			t.Errorf("%s may not import %s", from, to)
		}
	}
	for from, table := range allowed {
		if !seen[from] {
			t.Errorf("the table knows a package %s that is not there", from)
		}
		for _, to := range table {
			if !seen[to] {
				t.Errorf("the table lets %s import %s, which is not there", from, to)
			}
		}
	}
}

// TestTableHasNoCycleAndKeepsTheDoorsApart checks the table itself, so that a wrong line in it is not taken for a rule.
func TestTableHasNoCycleAndKeepsTheDoorsApart(t *testing.T) {
	t.Parallel()
	doors := words("proxy graph views jobs")
	for _, from := range doors {
		for _, to := range allowed[from] {
			if slices.Contains(doors, to) || to == "db" {
				t.Errorf("door %s may not import %s", from, to)
			}
		}
	}
	state := map[string]int{}
	var visit func(name string, way []string)
	visit = func(name string, way []string) {
		switch state[name] {
		case 1:
			t.Fatalf("cycle: %s", strings.Join(append(way, name), " -> "))
		case 2:
			return
		}
		state[name] = 1
		for _, to := range allowed[name] {
			visit(to, append(way, name))
		}
		state[name] = 2
	}
	for name := range allowed {
		visit(name, nil)
	}
}

// short is a package's name in the table.
func short(path string) string {
	if path == "aihigress" {
		return "main"
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, "aihigress/"), "internal/")
}

func words(text string) []string { return strings.Fields(text) }
