package views

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func samplePage(lang i18n.Lang) ui.Page {
	return ui.Page{Title: "Sample", Lang: lang, Path: "/", Viewer: ui.Viewer{Email: "admin@example.com", Admin: true}}
}

func renderSamples(t *testing.T, lang i18n.Lang) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, page := range samples(samplePage(lang)) {
		var buf bytes.Buffer
		if err := page.Render(i18n.With(context.Background(), lang), &buf); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = buf.String()
	}
	return out
}

// Every page keeps to the content security policy, names its controls and has one heading.
func TestSamplesAreSoundHTML(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`\sstyle=|<style|<script(?:[^>]*)>[^<]|<[^>]*\son[a-z]+=|hx-on|="js:|javascript:|about:invalid`)
	control := regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	idOf := regexp.MustCompile(`\sid="([^"]+)"`)
	refs := regexp.MustCompile(`\s(?:for|aria-describedby|aria-labelledby|commandfor|popovertarget|data-copy)="([^"]+)"`)
	for name, html := range renderSamples(t, i18n.English) {
		if found := forbidden.FindString(html); found != "" {
			t.Errorf("%s: %s breaks the content security policy", name, found)
		}
		if n := strings.Count(html, "<h1"); n != 1 {
			t.Errorf("%s has %d headings of the first level", name, n)
		}
		ids := map[string]bool{}
		for _, m := range idOf.FindAllStringSubmatch(html, -1) {
			if ids[m[1]] {
				t.Errorf("%s: id %q stands twice", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range refs.FindAllStringSubmatch(html, -1) {
			for ref := range strings.FieldsSeq(m[1]) {
				if !ids[ref] {
					t.Errorf("%s: %s refers to nothing", name, strings.TrimSpace(m[0]))
				}
			}
		}
		for _, c := range control.FindAllString(html, -1) {
			m := idOf.FindStringSubmatch(c)
			labelled := m != nil && (strings.Contains(html, `for="`+m[1]+`"`) || strings.Contains(c, `type="checkbox"`))
			if !labelled && !strings.Contains(c, `type="hidden"`) && !strings.Contains(c, "aria-label=") {
				t.Errorf("%s: no label for %s", name, c)
			}
		}
		for _, form := range regexp.MustCompile(`<form\b[^>]*>`).FindAllString(html, -1) {
			if !strings.Contains(form, "method=") {
				t.Errorf("%s: %s does not say how it is sent", name, form)
			}
		}
	}
}

// A Chinese page has no English left in its own words: what stands in the catalogue as English does not stand alone
// between two tags.
func TestSamplesInChinese(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile(`>\s*([A-Z][a-z]+(?: [a-z]+)+[.…?]?)\s*<`)
	given := []string{"For hard questions", "Something went wrong", "It has been logged.", "Wrong e-mail address or password.", "That is not your password.", "Something about the whole form.", "A name is needed.", "Enter a number.", "Choose a provider.", "Example AI"}
	for name, html := range renderSamples(t, i18n.Chinese) {
		for _, m := range text.FindAllStringSubmatch(html, -1) {
			known := false
			for _, g := range given {
				known = known || g == m[1]
			}
			if !known && name != "presets" {
				t.Errorf("%s: %q is English", name, m[1])
			}
		}
	}
}

// TestWriteSamples writes the pages as files to look at in a browser, when SAMPLES_DIR says where.
func TestWriteSamples(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("SAMPLES_DIR")
	if dir == "" {
		t.Skip("SAMPLES_DIR is not set")
	}
	for _, lang := range []i18n.Lang{i18n.English, i18n.Chinese} {
		for name, html := range renderSamples(t, lang) {
			if err := os.WriteFile(filepath.Join(dir, string(lang)+"-"+name+".html"), []byte(html), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
