package devstack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends the children of a killed process")
	}
}

func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{closed, filepath.Join(closed, "below")} {
		_, err := StartPostgres(t.Context(), PostgresOptions{Binaries: binaries(t), Dir: dir, Log: quiet})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestMakeDir(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	file := filepath.Join(tmp, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if err := MakeDir(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("MakeDir(%s) where a file is in the way: %v", dir, err)
		}
	}

	dir := filepath.Join(tmp, "a", "b")
	for range 2 {
		if err := MakeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]fs.FileMode{"a": 0o700, "a/b": 0o700}
	if os.Geteuid() == 0 {
		want = map[string]fs.FileMode{"a": 0o755, "a/b": 0o711}
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(tmp, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), mode)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the folder is not empty: %v %v", left, err)
	}
}

func TestMakeCacheDirRefusesSharedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := MakeCacheDir(dir); err == nil {
		t.Error("a folder that all may write was accepted")
	}
	if err := MakeCacheDir(filepath.Join(t.TempDir(), "own")); err != nil {
		t.Error(err)
	}
}

func TestSocketDirRefusesForeignFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if at, err := socketDir(dir, account{}); err == nil {
		t.Errorf("%s is open to others and was accepted", at)
	}
}

func TestDefaultDataDir(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Setenv("HOME", "/root")
		if got := DefaultDataDir(); got != "/var/lib/aihigress-dev" {
			t.Errorf("root: %s", got)
		}
		return
	}
	home := t.TempDir()
	for _, c := range []struct{ state, home, want string }{
		{"/state", home, "/state/aihigress-dev"},
		{"relative", home, home + "/"},
		{"", home, home + "/"},
		{"", "/nonexistent", os.TempDir() + "/"},
		{"", "", os.TempDir() + "/"},
	} {
		t.Setenv("XDG_STATE_HOME", c.state)
		t.Setenv("HOME", c.home)
		if got := DefaultDataDir(); !strings.HasPrefix(got, c.want) || !strings.Contains(got, "aihigress-dev") {
			t.Errorf("XDG_STATE_HOME=%q HOME=%q: %s, want in %s", c.state, c.home, got, c.want)
		}
	}
}
