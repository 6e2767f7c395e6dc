package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// refused runs dev where it cannot run, and holds what it says to one clear sentence with these words in it.
func refused(t *testing.T, l launch, dir, listen string, words ...string) {
	t.Helper()
	code, stdout, stderr := finish(t, l, "dev", "--json", "--listen", listen, "--data-dir", dir)
	if code == 0 {
		t.Error("exit 0, want another")
	}
	if stdout != "" {
		t.Errorf("stdout has %q", stdout)
	}
	var said []string
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "aihigress: ") {
			said = append(said, line)
		} else if !strings.HasPrefix(line, "time=") {
			t.Errorf("this line is neither a sentence of ours nor a log line: %q", line)
		}
	}
	if len(said) != 1 {
		t.Fatalf("it said %q, want one sentence", said)
	}
	for _, word := range words {
		if !strings.Contains(said[0], word) {
			t.Errorf("it said %q, without %q", said[0], word)
		}
	}
}

func TestDevRefusesATakenPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused(t, launch{}, newDir(t), l.Addr().String(), l.Addr().String(), "--listen")
}

func TestDevRefusesAFolderInUse(t *testing.T) {
	t.Parallel()
	d := startDev(t, newDir(t))
	refused(t, launch{}, d.dir, "127.0.0.1:0", d.dir, "already in use")
	newTenant(t, d.admin(t), d.Simulator, terms{}).chat(t) // the one that runs goes on
}

func TestDevRefusesAFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "aihigress-e2e-closed-") // not t.TempDir, which other accounts cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	refused(t, asPlainUser(), dir, "127.0.0.1:0", dir, "permission denied")
	refused(t, asPlainUser(), filepath.Join(dir, "below"), "127.0.0.1:0", dir, "permission denied")
}

// asPlainUser drops root, who may write everywhere, to nobody.
func asPlainUser() launch {
	if os.Geteuid() != 0 {
		return launch{}
	}
	const nobody = 65534
	return launch{prepare: func(attr *syscall.SysProcAttr) {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}}
}
