// Package needs is how a test says what it needs of the machine. Where that is
// missing the test is skipped with the reason; in CI, where it must not be
// missing, the test fails.
package needs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Env is the variable that, set to 1, turns skips into failures.
const Env = "AIHIGRESS_TEST_REQUIRE"

// Command returns the path of the first of the programs that is on PATH.
func Command(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, strings.Join(names, " or ")+" on PATH")
	return ""
}

// Missing ends the test because the machine does not have what.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(Env) == "1" {
		t.Fatalf("needs %s, and %s=1 forbids to skip", what, Env)
	}
	t.Skipf("needs %s", what)
}
