package ui_test

import (
	"bytes"
	"context"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aihigress/views/i18n"
	"aihigress/views/ui"
)

func render(t *testing.T, p ui.Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := gallery(p).Render(i18n.With(context.Background(), p.Lang), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Nothing in any component needs 'unsafe-inline' or 'unsafe-eval'.
func TestKeepsToTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	html := render(t, page(i18n.English, ui.Dark))
	for name, re := range map[string]string{
		"style attribute":   `<[^>]*\sstyle=`,
		"style element":     `<style`,
		"inline script":     `<script(?:[^>]*)>[^<]`,
		"event attribute":   `<[^>]*\son[a-z]+=`,
		"htmx evaluation":   `hx-on|="js:|hx-trigger="[^"]*\[`,
		"foreign address":   `(?:src|href|action)="(?:https?:)?//`,
		"javascript: link":  `javascript:`,
		"unsanitized value": `about:invalid`,
	} {
		if found := regexp.MustCompile(re).FindString(html); found != "" {
			t.Errorf("%s: %s", name, found)
		}
	}
}

func TestEveryControlHasALabelAndEveryReferenceAnElement(t *testing.T) {
	t.Parallel()
	html := render(t, page(i18n.English, ui.System))
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %q stands %d times", id, n)
		}
	}
	for _, m := range regexp.MustCompile(`\s(?:for|aria-describedby|aria-labelledby|commandfor|popovertarget|data-copy)="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		for ref := range strings.FieldsSeq(m[1]) {
			if ids[ref] == 0 {
				t.Errorf("%s refers to nothing", strings.TrimSpace(m[0]))
			}
		}
	}
	for _, m := range regexp.MustCompile(`<(?:input|select|textarea)[^>]*>`).FindAllString(html, -1) {
		if strings.Contains(m, `type="hidden"`) {
			continue
		}
		id := regexp.MustCompile(`\sid="([^"]+)"`).FindStringSubmatch(m)
		if id == nil || !strings.Contains(html, `for="`+id[1]+`"`) && !strings.Contains(m, `type="checkbox"`) {
			t.Errorf("no label for %s", m)
		}
	}
	if !strings.Contains(html, `aria-invalid="true"`) || !strings.Contains(html, `aria-describedby="f-url-error f-url-hint"`) {
		t.Error("a field with an error is not marked as invalid and described by it")
	}
}

func TestFrame(t *testing.T) {
	t.Parallel()
	dark := render(t, page(i18n.Chinese, ui.Dark))
	for _, want := range []string{
		`<html lang="zh-CN" data-theme="dark">`, `href="/keys" aria-current="page"`, `<form method="post" action="/logout"`,
		`href="#main"`, `href="/audit"`, "审计日志", `value="dark"`,
	} {
		if !strings.Contains(dark, want) {
			t.Errorf("the frame has no %s", want)
		}
	}
	member := page(i18n.English, ui.System)
	member.Viewer = ui.Viewer{Email: "member@example.com"}
	html := render(t, member)
	for _, unwanted := range []string{`href="/audit"`, `href="/users"`, `href="/jobs"`, "data-theme"} {
		if strings.Contains(html, unwanted) {
			t.Errorf("a member who follows the system's theme sees %s", unwanted)
		}
	}
}

func TestValuesAreEscaped(t *testing.T) {
	t.Parallel()
	p := page(i18n.English, ui.System)
	p.Title, p.Path, p.Viewer.Name = `<script>alert(1)</script>`, `/?"><img>`, `<b>x</b>`
	html := render(t, p)
	for _, bad := range []string{"<script>alert", `"><img>`, "<b>x"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s is in the page unescaped", bad)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	got := map[string]string{
		"0":       ui.Count(0),
		"999":     ui.Count(999),
		"1,000":   ui.Count(1000),
		"-12,345": ui.Count(-12345),
		"-922..":  ui.Count(math.MinInt64),
		"short":   ui.Short(12345) + " " + ui.Short(950) + " " + ui.Short(4_560_000) + " " + ui.Short(0.125),
		"dur":     ui.Duration(0) + " " + ui.Duration(1500*time.Microsecond) + " " + ui.Duration(3210*time.Millisecond) + " " + ui.Duration(125*time.Second) + " " + ui.Duration(400*time.Microsecond),
		"percent": ui.Percent(1, 3) + " " + ui.Percent(1, 0),
		"credits": ui.Credits("12.340500000") + " " + ui.Credits("-0.5") + " " + ui.Credits("1234567") + " " + ui.Credits("0.000000001"),
		"rounded": ui.Rounded("0.443827661") + " " + ui.Rounded("0.000012345678") + " " + ui.Rounded("1234.5") + " " + ui.Rounded("0") + " " + ui.Rounded("-0.5"),
	}
	want := map[string]string{
		"0": "0", "999": "999", "1,000": "1,000", "-12,345": "-12,345", "-922..": "-9,223,372,036,854,775,808",
		"short": "12.3k 950 4.56M 0.12", "dur": "– 1 ms 3.21 s 2 m 05 s 0.4 ms", "percent": "33.3% 0%",
		"credits": "12.3405 -0.50 1,234,567.00 0.000000001", "rounded": "0.4438 0.00001235 1,234.50 0.00 -0.50",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
