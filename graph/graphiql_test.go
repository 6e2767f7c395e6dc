package graph

import (
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestGraphiQL(t *testing.T) {
	t.Parallel()
	h := open(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	status, header, _ := h.send(http.MethodGet, "", "", "Accept", browser)
	h.same("nobody's status", status, http.StatusSeeOther)
	h.same("where nobody is sent", header.Get("Location"), "/login?next=%2Fgraphql")

	status, header, raw := h.send(http.MethodGet, "", "", "Accept", browser, "Cookie", h.cookie(h.member), "Sec-Fetch-Site", "cross-site")
	h.same("the status", status, http.StatusOK)
	policy := header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	if regexp.MustCompile(`<script[^>]*>[^<]|\son\w+=|<style`).Match(raw) {
		t.Errorf("the page has something inline: %s", raw)
	}
	files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(raw), -1)
	h.same("files", len(files), 6)
	for _, file := range files {
		status, header, raw := h.send(http.MethodGet, strings.TrimPrefix(file[1], Path), "")
		if status != http.StatusOK || len(raw) < 100 || !strings.Contains(header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %d bytes, %s", file[1], status, len(raw), header.Get("Cache-Control"))
		}
		if kind := header.Get("Content-Type"); !strings.HasPrefix(kind, "text/javascript") && !strings.HasPrefix(kind, "text/css") {
			t.Errorf("%s is %s", file[1], kind)
		}
	}
	folder := strings.TrimPrefix(path.Dir(files[0][1]), Path)
	for _, path := range []string{"/x", folder + "/index.html", folder + "/LICENSE"} {
		status, _, _ := h.send(http.MethodGet, path, "")
		if status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
	status, header, _ = h.send(http.MethodGet, "?query=%7B__typename%7D", "", "Accept", browser)
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), mediaJSON) {
		t.Errorf("a query in a browser: status %d, %s", status, header.Get("Content-Type"))
	}
}
