package needs_test

import (
	"fmt"
	"runtime"
	"testing"

	"aihigress/internal/devstack/needs"
)

// recorder notes how a test ended.
type recorder struct {
	testing.TB
	end string
}

func (*recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.end = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end = "fail: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func end(do func(testing.TB)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(r)
	}()
	<-done
	return r.end
}

func TestCommand(t *testing.T) {
	need := func(names ...string) string {
		return end(func(tb testing.TB) {
			if needs.Command(tb, names...) == "" {
				t.Error("no path, yet the test goes on")
			}
		})
	}
	for _, c := range []struct{ env, want string }{
		{"", "skip: needs no-such-a or no-such-b on PATH"},
		{"0", "skip: needs no-such-a or no-such-b on PATH"},
		{"1", "fail: needs no-such-a or no-such-b on PATH, and AIHIGRESS_TEST_REQUIRE=1 forbids to skip"},
	} {
		t.Setenv(needs.Env, c.env)
		if got := need("no-such-a", "no-such-b"); got != c.want {
			t.Errorf("%s=%s: %q, want %q", needs.Env, c.env, got, c.want)
		}
		if got := need("no-such-a", "sh"); got != "" {
			t.Errorf("%s=%s: what is there is missed: %q", needs.Env, c.env, got)
		}
	}
}
