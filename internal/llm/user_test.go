package llm_test

import (
	"strings"
	"testing"

	"aihigress/internal/llm"
)

func TestShortUser(t *testing.T) {
	t.Parallel()
	device := strings.Repeat("d", 64)
	session := func(id string) string {
		return `{"device_id":"` + device + `","account_uuid":"","session_id":"` + id + `"}`
	}
	older := func(id string) string { return "user_" + device + "_account__session_" + id }
	for _, short := range []string{"", "u1", device} {
		if got := llm.ShortUser(short); got != short {
			t.Errorf("%q became %q", short, got)
		}
	}
	seen := map[string]string{}
	for _, user := range []string{session("1"), older("1"), strings.Repeat("x", 65), `{"device_id":"` + device + `x"}`} {
		short := llm.ShortUser(user)
		if len(short) != llm.MaxUser || seen[short] != "" {
			t.Errorf("%q became %q, as did %q", user, short, seen[short])
		}
		seen[short] = user
	}
	if llm.ShortUser(session("1")) != llm.ShortUser(session("2")) || llm.ShortUser(older("1")) != llm.ShortUser(older("2")) {
		t.Error("another session is another user")
	}
}
