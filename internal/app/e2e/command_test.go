package e2e

import (
	"runtime"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args           string
		code           int
		stdout, stderr string // words of it
	}{
		{"version", 0, runtime.Version(), ""},
		{"", 2, "", "aihigress dev"},
		{"help", 0, "aihigress dev", ""},
		{"sing", 2, "", `"sing"`},
		{"serve --port 1", 2, "", "-port"},
		{"dev now", 2, "", "now"},
		{"migrate", 2, "", "up or status"},
		{"migrate up", 2, "", "DATABASE_URL"},
		{"admin", 2, "", "create"},
		{"spool", 2, "", "status, verify or replay"},
		{"spool replay", 2, "", "DATABASE_URL"},
		{"simulator --listen nowhere", 1, "", "cannot listen on nowhere"},
	} {
		code, stdout, stderr := finish(t, launch{}, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("aihigress %s: exit %d, %q, %q; want %d, %q, %q", c.args, code, stdout, stderr, c.code, c.stdout, c.stderr)
		}
		if c.code != 0 && stdout != "" || c.code == 0 && stderr != "" {
			t.Errorf("aihigress %s: exit %d, stdout %q, stderr %q; what is wrong belongs on stderr, what was asked for on stdout", c.args, code, stdout, stderr)
		}
	}
}
