package graph

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"aihigress/internal/authz"
)

// Path is where the door is.
const Path = "/graphql"

// graphiql is the page for people: published files, so that it works without a network. See its LICENSE for their origin.
//
//go:embed graphiql/*.html graphiql/*.js graphiql/*.css
var graphiql embed.FS

// pagePolicy allows what the page brings with it, and requests to us. Nothing inline: GraphiQL would hide the page's scroll bar
// while a dialog is open by a style element, and does without. Its fonts are within its style sheet, and its icons too.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src data:; img-src data:; " +
	"connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// graphiqlPage is where the page's files are, and the page: under a name that changes with them, so that they may be kept for
// ever. A node that never shows the page does not read them.
var graphiqlPage = sync.OnceValues(func() (prefix string, page []byte) {
	files, err := fs.Glob(graphiql, "graphiql/*")
	if err != nil {
		panic(err)
	}
	sum := sha256.New()
	for _, name := range files {
		raw, err := graphiql.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum.Write(raw)
		if strings.HasSuffix(name, ".html") {
			page = raw
		}
	}
	prefix = Path + "/" + hex.EncodeToString(sum.Sum(nil)[:8])
	return prefix, bytes.ReplaceAll(page, []byte("ASSETS"), []byte(prefix))
})

// wantsPage reports whether a browser was pointed at the door.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !r.URL.Query().Has("query")
}

// page shows GraphiQL to who is signed in, and sends the others to sign in. Coming from another site is no reason to refuse:
// there is nothing in the page.
func (h *Handler) page(w http.ResponseWriter, r *http.Request) {
	actor, err := h.cookie(r)
	if err != nil {
		h.deny(w, r, mediaJSON, err)
		return
	}
	if actor.Kind != authz.User {
		http.Redirect(w, r, "/login?next="+url.QueryEscape(Path), http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "same-origin")
	_, html := graphiqlPage()
	_, _ = w.Write(html)
}

// asset serves a file of the page.
func (h *Handler) asset(w http.ResponseWriter, r *http.Request) {
	prefix, _ := graphiqlPage()
	name, ok := strings.CutPrefix(r.URL.Path, prefix+"/")
	if !ok || strings.HasSuffix(name, ".html") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, graphiql, "graphiql/"+name)
}
