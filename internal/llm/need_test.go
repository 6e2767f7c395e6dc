package llm_test

import (
	"slices"
	"testing"

	"aihigress/internal/llm"
)

func TestCapability(t *testing.T) {
	t.Parallel()
	if want := []string{"text", "streaming", "vision", "audio", "tools", "structured_output", "reasoning"}; !slices.Equal(llm.Capabilities, want) {
		t.Errorf("the capabilities are %q", llm.Capabilities)
	}
	for word, want := range map[string]string{
		"vision": "vision", " Vision ": "vision", "image-input": "vision", "chat": "text", "Function-Calling": "tools",
		"structured-output": "structured_output", "thinking": "reasoning", "dialect": "", "context": "", "": "", "teleport": "",
	} {
		if name, ok := llm.Capability(word); name != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", word, name, ok, want)
		}
	}
}

// What is not said is not lacking: only a list that says something says that the rest is not there.
func TestLackedBy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list  []string
		known llm.Needs
		want  string
	}{
		{nil, llm.Abilities, ""},
		{[]string{"teleport"}, llm.Abilities, ""},
		{[]string{"text"}, llm.Abilities, "vision+audio+tools+structured_output+reasoning"},
		{[]string{"tools", "Vision", "teleport"}, llm.Abilities, "audio+structured_output+reasoning"},
		{[]string{"text", "reasoning"}, llm.NeedVision | llm.NeedReasoning, "vision"},
		{llm.Capabilities, llm.Abilities, ""},
	} {
		if got := llm.LackedBy(tt.list, tt.known); got.String() != tt.want {
			t.Errorf("%q lacks %q, want %q", tt.list, got, tt.want)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	var each []string
	for one := range (llm.NeedVision | llm.NeedContext | llm.NeedOutput).All() {
		each = append(each, one.String())
	}
	if want := []string{"vision", "context", "output"}; !slices.Equal(each, want) {
		t.Errorf("%q", each)
	}
	if n := (llm.Abilities | llm.NeedDialect).Count(); n != 6 || llm.Needs(0).String() != "" {
		t.Errorf("%d, %q", n, llm.Needs(0))
	}
}
