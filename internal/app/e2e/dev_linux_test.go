package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"aihigress/internal/devstack"
	"aihigress/internal/devstack/needs"
)

// TestDevSaysHowToInstallPostgres starts dev on a machine without Postgres: one with this machine's folders, but those
// that hold it, and what npm once brought, are hidden under empty ones, and nothing is on PATH.
func TestDevSaysHowToInstallPostgres(t *testing.T) {
	t.Parallel()
	refused(t, withoutPostgres(t), newDir(t), "127.0.0.1:0", "Postgres 15", "apt-get install", "PATH")
}

// withoutPostgres gives the process a view of its own of the file system.
func withoutPostgres(t *testing.T) launch {
	t.Helper()
	var hide []string
	for _, pattern := range []string{"/usr/lib/postgresql", "/usr/pgsql-*", "/usr/libexec/postgresql*", devstack.DefaultCacheDir()} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		hide = append(hide, dirs...)
	}
	script := "set -e\n"
	for _, dir := range hide {
		script += "mount -t tmpfs -o ro none " + strconv.Quote(dir) + "\n"
	}
	if out, err := isolated("sh", "-c", script).CombinedOutput(); err != nil {
		needs.Missing(t, "leave to hide folders from a process: "+err.Error()+" "+strings.TrimSpace(string(out)))
	}
	return launch{
		wrap:    []string{"sh", "-c", script + "PATH=/nonexistent exec \"$0\" \"$@\""},
		prepare: isolate,
	}
}

func isolated(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	isolate(cmd.SysProcAttr)
	return cmd
}

// isolate gives a process its own mounts; a plain user may have them in a user namespace. What is unshared, other than
// what is cloned, is made private as well, so that nothing that is mounted there is seen by the rest of the machine.
func isolate(attr *syscall.SysProcAttr) {
	attr.Unshareflags |= syscall.CLONE_NEWNS
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
}
