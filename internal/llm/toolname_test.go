package llm

import (
	"strings"
	"testing"
)

func TestToolName(t *testing.T) {
	t.Parallel()
	long := "mcp__" + strings.Repeat("server", 12) + "__"
	r := &Request{Tools: []Tool{{Name: "get_weather-1"}, {Name: "files.read"}, {Name: "files:read"}, {Name: long + "a"}, {Name: long + "b"}, {Name: "été"}}}
	x := r.ToolIndex()
	seen := map[string]bool{}
	for _, tool := range r.Tools {
		name := ToolName(tool.Name)
		if name == "" || len(name) > 64 || strings.IndexFunc(name, odd) >= 0 || seen[name] {
			t.Errorf("%s became %s", tool.Name, name)
		}
		seen[name] = true
		if got := x.CallerName(name); got != tool.Name {
			t.Errorf("%s came back as %s", tool.Name, got)
		}
	}
	if ToolName("get_weather-1") != "get_weather-1" {
		t.Error("a plain name was changed")
	}
	if got := x.CallerName("made_up"); got != "made_up" {
		t.Errorf("a tool that nobody has became %s", got)
	}
}
