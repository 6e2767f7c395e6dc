// Package assets serves the console's style sheet, scripts and icon out of the binary.
//
// Every file is served under a URL that contains a hash of its content, so that browsers may keep it for ever and a
// new release is never drawn with an old style sheet. Files are compressed once, at the first use of the package.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed app.css app.js icon.svg vendor/htmx.min.js vendor/hx-sse.min.js vendor/uplot.iife.min.js
var files embed.FS

// Prefix is the path below which Handler expects to be mounted.
const Prefix = "/assets/"

type asset struct {
	name        string // file name without its folder, for example "app.css"
	url         string // Prefix + name with the hash before its extension
	etag        string
	contentType string
	plain, gzip []byte
}

type library struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

var load = sync.OnceValue(func() library {
	lib := library{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	for _, file := range []string{
		"app.css", "app.js", "icon.svg", "vendor/htmx.min.js", "vendor/hx-sse.min.js", "vendor/uplot.iife.min.js",
	} {
		data, err := files.ReadFile(file)
		if err != nil {
			panic(err) // the list and the embed directive differ; every test that loads assets fails on it
		}
		a := newAsset(path.Base(file), data)
		lib.byName[a.name] = a
		lib.byURL[a.url] = a
	}
	return lib
})

func newAsset(name string, data []byte) *asset {
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:6])
	ext := path.Ext(name)
	a := &asset{
		name:        name,
		url:         Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext,
		etag:        `"` + hash + `"`,
		contentType: mime.TypeByExtension(ext),
		plain:       data,
	}
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = w.Write(data) // writes to memory do not fail
	_ = w.Close()
	if buf.Len() < len(data) {
		a.gzip = buf.Bytes()
	}
	return a
}

// URL returns the address of a file by its plain name, for example URL("app.css"). A name that is not embedded is a
// mistake in a template, so it panics; the tests of package ui render every template.
func URL(name string) string {
	a := load().byName[name]
	if a == nil {
		panic(fmt.Sprintf("assets: no file %q", name))
	}
	return a.url
}

// Handler serves the embedded files at the addresses that URL returns. Unknown paths and outdated hashes are 404.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a := load().byURL[r.URL.Path]
		if a == nil {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", a.etag)
		h.Set("Vary", "Accept-Encoding")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Header.Get("If-None-Match") == a.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", a.contentType)
		body := a.plain
		if a.gzip != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = a.gzip
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(body) // the caller has gone; there is nobody to tell
		}
	})
}

// acceptsGzip reads Accept-Encoding as far as it matters here: gzip named and not refused by q=0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}
