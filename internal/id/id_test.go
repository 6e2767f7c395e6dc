package id_test

import (
	"encoding/json"
	"strings"
	"testing"

	"aihigress/internal/id"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	want := id.New[id.User]()
	text := want.String()
	if !strings.HasPrefix(text, "usr_") || len(text) != 30 {
		t.Fatalf("String() = %q, want usr_ and 26 characters", text)
	}
	got, err := id.Parse[id.User](text)
	if err != nil || got != want {
		t.Fatalf("Parse(%q) = %v, %v; want %v", text, got, err, want)
	}
	raw, err := json.Marshal(map[string]id.User{"id": want})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]id.User
	if err := json.Unmarshal(raw, &back); err != nil || back["id"] != want {
		t.Fatalf("through JSON %s: %v, %v", raw, back, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := id.New[id.User]().String()
	for _, text := range []string{
		"", "usr_", "usr", good[4:], "key" + good[3:], good + "0", good[:29], strings.ToUpper(good), good[:29] + "z", "usr_" + strings.Repeat("!", 26),
	} {
		if got, err := id.Parse[id.User](text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestOrderIsCreation(t *testing.T) {
	t.Parallel()
	last := ""
	for range 1000 {
		next := id.New[id.Request]().String()
		if next <= last {
			t.Fatalf("%s came after %s", next, last)
		}
		last = next
	}
}
