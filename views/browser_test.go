package views_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"aihigress/internal/devstack/needs"
	"aihigress/internal/usage"
)

// tab is one page of a real browser. What the browser complains of, as a broken content security policy, is kept.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu         sync.Mutex
	complaints []string
}

func newTab(t *testing.T, base string) *tab {
	t.Helper()
	path := needs.Command(t, "chromium", "chromium-browser", "google-chrome")
	profile, err := os.MkdirTemp("", "console-browser-")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(profile), chromedp.WindowSize(1280, 900), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	b := &tab{t: t, ctx: ctx, base: base}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		cancelTab()
		cancelAllocator()
		cancel()
		_ = os.RemoveAll(profile) // the last of the browser's processes may still write to it
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) hear(event any) {
	var text string
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "status of 422") {
			text = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		text = fmt.Sprintf("%s:%d: %s %+v", e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber+1, e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	}
	if text != "" {
		b.mu.Lock()
		b.complaints = append(b.complaints, text)
		b.mu.Unlock()
	}
}

func (b *tab) silent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser says: %s", c)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.text())
	}
}

func (b *tab) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.base + path)) }

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// until waits for an expression of JavaScript to be true, across navigations.
func (b *tab) until(expression string) {
	b.t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.NewTimer(20*time.Second)
	defer again.Stop()
	defer late.Stop()
	for {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("document.body !== null && !!("+expression+")"))
		if err == nil && got {
			return
		}
		select {
		case <-again.C:
		case <-late.C:
			b.t.Fatalf("waited for %s: %v\n%s", expression, err, b.text())
		}
	}
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func (b *tab) text() string {
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return got
}

func (b *tab) signIn() {
	b.t.Helper()
	b.open("/login")
	b.fill("#f-email", adminEmail)
	b.fill("#f-password", password)
	b.click("form.form .btn-primary")
	b.until(`document.querySelector('#tiles')`)
}

// The whole way in a real browser: the pages work under the strict policy, htmx makes them quick, and figures and requests
// arrive by themselves.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.server.URL)
	b.signIn()
	b.until(`document.querySelector('[data-live]').dataset.live === 'on'`)
	b.until(`document.querySelectorAll('#chart-requests-rows tr').length >= 2`)
	b.until(`document.querySelector('#chart-requests .chart-plot canvas') !== null`)

	// Navigation without loading the page anew.
	b.eval(`window.kept = 'yes'`)
	b.click(`nav a[href="/keys"]`)
	b.until(`location.pathname === '/keys' && document.title.startsWith('API keys')`)
	b.click(`main a[href="/keys/new"]`)
	b.until(`location.pathname === '/keys/new' && document.activeElement.id === 'f-name'`)
	b.fill("#f-name", "from the browser")
	b.fill("#f-requestsPerMinute", "0")
	b.click("form.form .btn-primary")
	b.until(`document.querySelector('#f-requestsPerMinute[aria-invalid=true]') !== null`)
	b.fill("#f-requestsPerMinute", "60")
	b.click("form.form .btn-primary")
	b.until(`document.querySelector('#key-secret')?.textContent.startsWith('sk-hg-')`)
	b.click(`[data-copy="key-secret"]`)
	b.until(`document.querySelector('[data-copy="key-secret"]').dataset.copied === ''`)
	if b.eval(`String(window.kept)`) != "yes" {
		t.Error("the page was loaded anew on the way")
	}

	// A request arrives in the log, with its time in the reader's zone.
	b.open("/requests")
	b.until(`document.querySelector('[data-live]').dataset.live === 'on'`)
	req := s.logged(t, s.admin.ID, nil)
	s.bus.Publish(t.Context(), usage.TopicLogged, usage.LoggedBatch{Requests: []usage.Request{req}})
	b.until(`document.querySelector('#request-rows tr')?.innerText.includes('large') && !document.querySelector('#request-rows time').textContent.includes('UTC')`)
	b.click(`#request-rows tr td:nth-child(3)`)
	b.until(`location.pathname === '/requests/` + req.ID.String() + `'`)

	// A question before what cannot be undone.
	b.open("/keys/" + req.KeyID.String())
	b.click(`[commandfor="revoke"]`)
	b.until(`document.querySelector('dialog#revoke').open`)
	b.click(`dialog#revoke .btn-error`)
	b.until(`location.pathname === '/keys' && document.querySelector('[role=status].alert') !== null`)

	b.open("/login")
	b.click(`button[value="dark"]`)
	b.until(`document.documentElement.dataset.theme === 'dark'`)
	b.click(`button[value="zh-CN"]`)
	b.until(`document.documentElement.lang === 'zh-CN' && document.documentElement.dataset.theme === 'dark'`)
	b.silent()
}

// No page is wider than a phone, and the navigation is reached on one.
func TestOnAPhone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.server.URL)
	b.do(chromedp.EmulateViewport(375, 800))
	b.signIn()
	req := s.logged(t, s.admin.ID, nil)
	admin := s.signIn(t, adminEmail)
	provider := admin.post("/providers/new", "name", "A provider with quite a long name", "slug", "example", "dialect", "openai",
		"baseUrl", "https://api.example.com/a/long/path/to/its/interface/v1", "visibility", "public", "weight", "1", "secret", "sk-1234567890").provider()
	s.discover(t, provider)
	for _, path := range []string{
		"/", "/?range=hour", "/requests", "/requests/" + req.ID.String(), "/providers", "/providers/new", "/providers/new?preset=", provider,
		provider + "/edit", "/models", "/models/new", "/aliases", "/aliases/new", "/limits", "/limits/new", "/keys", "/keys/new", "/keys/" + req.KeyID.String(), "/credit", "/credit/grant",
		"/statements", "/statements?by=tag", "/statements/2026-01", "/margin", "/reconcile", "/credit/rule", "/credit/codes", "/sessions", "/sessions/password", "/users", "/users/new", "/users/sign-up", "/users/" + s.admin.ID.String(), "/audit", "/nowhere",
	} {
		b.open(path)
		over := b.eval(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth) + ' ' +
			[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map(e => e.outerHTML.slice(0, 90)).join('; ')`)
		if !strings.HasPrefix(over, "0 ") {
			t.Errorf("%s is wider than the screen by %s", path, over)
		}
	}
	b.open("/")
	b.click(`[popovertarget="nav"]`)
	b.click(`#nav a[href="/models"]`)
	b.until(`location.pathname === '/models' && !document.querySelector('#nav').matches(':popover-open')`)
}
