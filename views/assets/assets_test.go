package assets_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"aihigress/views/assets"
)

func get(t *testing.T, method, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	assets.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestServesEveryFileUnderItsHash(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"app.css":           "app.css",
		"app.js":            "app.js",
		"icon.svg":          "icon.svg",
		"htmx.min.js":       "vendor/htmx.min.js",
		"hx-sse.min.js":     "vendor/hx-sse.min.js",
		"uplot.iife.min.js": "vendor/uplot.iife.min.js",
	} {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		url := assets.URL(name)
		if !regexp.MustCompile(`^/assets/[a-z.-]+\.[0-9a-f]{12}\.(css|js|svg)$`).MatchString(url) {
			t.Errorf("URL(%q) = %q has no content hash", name, url)
		}

		plain := get(t, "GET", url)
		if plain.StatusCode != 200 || !bytes.Equal(body(t, plain.Body), want) {
			t.Errorf("%s: status %d or wrong bytes", url, plain.StatusCode)
		}
		if got := plain.Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", url, got)
		}
		if plain.Header.Get("Content-Type") == "" || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: headers %v", url, plain.Header)
		}

		if zipped := get(t, "GET", url, "Accept-Encoding", "br, gzip;q=0.8"); zipped.Header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(body(t, r), want) {
				t.Errorf("%s: gzip holds other bytes", url)
			}
		} else if name != "icon.svg" {
			t.Errorf("%s: not compressed", url)
		}

		again := get(t, "GET", url, "If-None-Match", plain.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || len(body(t, again.Body)) != 0 {
			t.Errorf("%s: revalidation gave %d", url, again.StatusCode)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		method, url string
		want        int
	}{
		{"GET", "/assets/app.css", 404},
		{"GET", "/assets/app.000000000000.css", 404},
		{"GET", "/assets/../assets.go", 404},
		{"POST", assets.URL("app.css"), 405},
	} {
		if got := get(t, tc.method, tc.url).StatusCode; got != tc.want {
			t.Errorf("%s %s = %d, want %d", tc.method, tc.url, got, tc.want)
		}
	}
	if head := get(t, "HEAD", assets.URL("app.css")); head.StatusCode != 200 || len(body(t, head.Body)) != 0 {
		t.Errorf("HEAD = %d", head.StatusCode)
	}
	if refused := get(t, "GET", assets.URL("app.css"), "Accept-Encoding", "gzip;q=0"); refused.Header.Get("Content-Encoding") != "" {
		t.Error("gzip;q=0 was compressed")
	}
}

// The vendored files are what their README says, and the README lists each of them.
func TestVendorSums(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("vendor/README.md")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("vendor")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".js") && !strings.HasSuffix(e.Name(), ".css") {
			continue
		}
		data, err := os.ReadFile("vendor/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if line := hex.EncodeToString(sum[:]) + "  " + e.Name(); !strings.Contains(string(readme), line) {
			t.Errorf("vendor/README.md has no line %q", line)
		}
	}
}

// The content security policy has neither unsafe-inline nor unsafe-eval; a script or style that needs them would only
// fail in the browser.
func TestOwnScriptKeepsToThePolicy(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("app.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"eval(", "new Function", "setAttribute('style'", `setAttribute("style"`, "innerHTML"} {
		if bytes.Contains(script, []byte(bad)) {
			t.Errorf("app.js contains %s", bad)
		}
	}
	if lines := bytes.Count(script, []byte("\n")); lines >= 300 {
		t.Errorf("app.js has %d lines, want under 300", lines)
	}
}
