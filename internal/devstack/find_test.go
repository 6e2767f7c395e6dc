package devstack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, version string
		major         int
	}{
		{"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18", 15},
		{"postgres (PostgreSQL) 18.4\n", "18.4", 18},
		{"postgres (PostgreSQL) 19beta2\n", "19beta2", 19},
		{"psql (PostgreSQL) 15.18\n", "", 0},
		{"", "", 0},
	} {
		version, major, err := parseVersion(c.line)
		if version != c.version || major != c.major || (err == nil) != (c.major != 0) {
			t.Errorf("parseVersion(%q) = %q, %d, %v", c.line, version, major, err)
		}
	}
}

// fakePostgres makes a folder with programs that say they are of a version.
func fakePostgres(t *testing.T, version string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "devstack-test-") // t.TempDir is closed to other accounts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindPostgresOnPath(t *testing.T) {
	dir := fakePostgres(t, "17.9")
	// A distribution links single programs: initdb is found beside the real one.
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "postgres"), filepath.Join(links, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links+":"+os.Getenv("PATH"))
	got, err := FindPostgres(t.Context(), FindOptions{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Binaries{Dir: dir, Version: "17.9", Major: 17, Source: "PATH"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFindPostgresTooOld(t *testing.T) {
	dir := fakePostgres(t, "9.6.24")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	got, err := FindPostgres(t.Context(), FindOptions{Log: quiet})
	if err == nil && got.Dir == dir {
		t.Errorf("took %+v", got)
	}
}

func TestFindPostgresMissing(t *testing.T) {
	t.Setenv("PATH", fakePostgres(t, "14.2")+":"+os.Getenv("PATH"))
	_, err := FindPostgres(t.Context(), FindOptions{Major: 99, AllowDownload: true, Log: quiet})
	if err == nil {
		t.Fatal("found Postgres 99")
	}
	for _, want := range []string{"Postgres 99", "apt-get install", "brew install", "14.2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the sentence %q does not mention %q", err, want)
		}
	}
}

func TestMajorInPath(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":                            15,
		"/usr/pgsql-18/bin":                                     18,
		"/opt/homebrew/opt/postgresql@17/bin":                   17,
		"/Applications/Postgres.app/Contents/Versions/16/bin":   16,
		"/Applications/Postgres.app/Contents/Versions/latest/b": 0,
	} {
		if got := majorInPath(dir); got != want {
			t.Errorf("majorInPath(%s) = %d, want %d", dir, got, want)
		}
	}
}
