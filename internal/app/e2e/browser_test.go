package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"aihigress/internal/devstack/needs"
)

// A browser is one tab of a headless Chromium. What its console says against the pages fails the test.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string // of the gateway

	mu       sync.Mutex
	problems []string
}

// browserTimeout bounds what a person would wait for.
const browserTimeout = 10 * time.Second

// newBrowser starts a browser that ends with the test.
func newBrowser(t *testing.T, url string) *browser {
	t.Helper()
	path := needs.Command(t, "chromium", "chromium-browser", "google-chrome")
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en"), chromedp.WindowSize(1280, 900),
		chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")))...)
	t.Cleanup(cancelAllocator)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: url}
	messages := chromedp.Console(ctx) // starts the browser
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		for m, err := range messages {
			if err != nil {
				return
			}
			b.heard(m)
		}
	}()
	t.Cleanup(func() {
		stop, cancelStop := context.WithTimeout(ctx, browserTimeout)
		defer cancelStop()
		if err := chromedp.Cancel(stop); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		<-listened
		for _, p := range b.problems {
			t.Error("the browser's console: ", p)
		}
	})
	return b
}

// heard keeps what should not have been said: errors, exceptions, and violations of the content security policy. That a
// form was refused, as the tests provoke, the browser calls an error too.
func (b *browser) heard(m chromedp.ConsoleMessage) {
	switch {
	case m.Source == "network" && strings.Contains(m.Text, "422"):
		return
	case m.IsException(), m.Type == chromedp.ConsoleError, m.Type == chromedp.ConsoleWarning, m.Source == "security":
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf("%s: %s (%s:%d)", m.Type, m.Text, m.URL, m.Line+1))
}

// open goes to a page of the gateway.
func (b *browser) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.url+path))
}

// do runs steps within the time a person would wait.
func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience(browserTimeout))
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\nthe page: %.2000s", what, err, b.page())
	}
}

// fill types into the field of a form that has this name, in place of what is there.
func (b *browser) fill(name, text string) {
	b.t.Helper()
	field := `main [name="` + name + `"]`
	b.await("the field "+name, fmt.Sprintf(`(() => {
		const field = document.querySelector(%s);
		field?.focus();
		field?.select();
		return field !== null && document.activeElement === field;
	})()`, strconv.Quote(field)))
	b.do("fill in "+name, chromedp.SendKeys(chromedp.CSS(field), text))
}

// choose picks an option of a select by its label.
func (b *browser) choose(name, label string) {
	b.t.Helper()
	script := fmt.Sprintf(`(() => {
		const select = document.querySelector('main select[name="%s"]');
		const option = [...select.options].find((o) => o.label.trim() === %s);
		select.value = option.value;
		select.dispatchEvent(new Event('change', { bubbles: true }));
	})()`, name, strconv.Quote(label))
	b.do("choose "+label, chromedp.Evaluate[chromedp.Void](script))
}

// click clicks the first element in the content of the page that has this selector and text.
func (b *browser) click(selector, text string) {
	b.t.Helper()
	script := fmt.Sprintf(`(() => {
		const found = [...document.querySelectorAll(%s)].filter((e) => e.checkVisibility() && e.textContent.trim() === %s)[0];
		if (!found) return false;
		found.click();
		return true;
	})()`, strconv.Quote(selector), strconv.Quote(text))
	b.await("to click "+text, script)
}

// await waits until a script is true. It may be asked while a page is being replaced.
func (b *browser) await(what, script string) {
	b.t.Helper()
	end := time.Now().Add(patience(browserTimeout))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for time.Now().Before(end) {
		ctx, cancel := context.WithTimeout(b.ctx, patience(browserTimeout))
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		cancel()
		if ok && err == nil {
			return
		}
		last = err
		<-tick.C
	}
	b.t.Fatalf("%s: not within %s (%v)\nthe page: %.2000s", what, patience(browserTimeout), last, b.page())
}

// at waits until the address of the page has this path.
func (b *browser) at(path string) {
	b.t.Helper()
	b.await("to come to "+path, "location.pathname === "+strconv.Quote(path)+" && document.readyState === 'complete'")
}

// text is what a person reads in the first element of the selector.
func (b *browser) text(selector string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience(browserTimeout))
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("text of %s: %v\nthe page: %.2000s", selector, err, b.page())
	}
	return text
}

// page is the address and the text of the page, for messages.
func (b *browser) page() string {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}
