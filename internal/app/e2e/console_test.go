package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestConsole goes the way of a new admin in a browser: sign in, make a provider, a model and a key, call it, and watch
// the call arrive.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, "")
	d := startDev(t, newDir(t))
	b.url = d.URL

	b.open("/keys") // sends to the sign-in, and back after it
	b.at("/login")
	b.fill("email", d.Admin.Email)
	b.fill("password", d.Admin.Password)
	b.click("main button", "Sign in")
	b.at("/keys")

	b.makeProvider(d.Simulator)
	b.makeModel("Town vendor", "town-model")
	c := &tenant{url: d.URL, key: b.makeKey("Town app"), model: "town-model"}

	watchLog(t, b, c)
	watchDashboard(t, b, c)
	narrow(t, b)

	b.do("a desktop again", chromedp.EmulateViewport(1280, 900))
	b.click("nav a", "Jobs")
	b.at("/jobs")
	b.await("the jobs are there", `document.querySelector('main').innerText.includes('provider_')`)
	b.open("/")
	b.do("open the menu of the user", chromedp.Click(chromedp.CSS("details.menu summary")))
	b.click("nav button", "Sign out")
	b.at("/login")
	b.open("/requests")
	b.at("/login")
}

// makeProvider makes a provider at an address of one's own, not from a preset.
func (b *browser) makeProvider(vendor string) {
	b.t.Helper()
	b.click("nav a", "Providers")
	b.at("/providers")
	b.click("main a", "New provider")
	b.at("/providers/new")
	b.do("choose no preset", chromedp.Click(chromedp.CSS(`a[href="/providers/new?preset="]`)))
	b.fill("name", "Town vendor")
	b.fill("slug", "Not a slug!") // refused, with what was typed kept
	b.fill("baseUrl", vendor)
	b.fill("secret", "sk-sim-town-0123456789")
	b.click("main button", "Create provider")
	b.await("the form comes back with the mistake marked", `document.querySelector('main [name="slug"]')?.getAttribute('aria-invalid') === 'true'`)
	b.await("with what was typed", `document.querySelector('main [name="name"]').value === 'Town vendor'`)
	b.fill("slug", "town")
	b.fill("secret", "sk-sim-town-0123456789")
	b.do("let it take any model", chromedp.Click(chromedp.CSS(`main [name="acceptAnyModel"]`)))
	b.click("main button", "Create provider")
	b.await("the provider's page", `document.querySelector('main h1')?.textContent.trim() === 'Town vendor'`)
	if text := b.text("main"); strings.Contains(text, "sk-sim-town-0123456789") {
		b.t.Error("the vendor's key is shown again")
	}
}

// makeModel makes a model with one route to the provider.
func (b *browser) makeModel(provider, name string) {
	b.t.Helper()
	b.click("nav a", "Models")
	b.at("/models")
	b.click("main a", "New model")
	b.at("/models/new")
	b.fill("name", name)
	b.choose("provider.0", provider)
	b.fill("upstream.0", "sim-chat")
	b.click("main button", "Create model")
	b.await("the model is there", `location.pathname !== '/models/new' && document.querySelector('main').innerText.includes(`+strconv.Quote(name)+`)`)
}

// makeKey makes a key and returns its secret, which is shown once.
func (b *browser) makeKey(name string) string {
	b.t.Helper()
	b.click("nav a", "API keys")
	b.at("/keys")
	b.click("main a", "New key")
	b.at("/keys/new")
	b.fill("name", name)
	b.click("main button", "Create key")
	b.await("the secret is shown", `document.querySelector('#key-secret')?.textContent.startsWith('sk-hg-')`)
	secret := strings.TrimSpace(b.text("#key-secret"))
	if !keyForm.MatchString(secret) {
		b.t.Errorf("the secret is %q", secret)
	}
	b.click("main .secret button", "Copy Copied")
	b.await("the copy button answers", `document.querySelector('main .secret [data-copy]').dataset.copied !== undefined`)
	b.open("/keys")
	if text := b.text("main"); strings.Contains(text, secret) || !strings.Contains(text, name) {
		b.t.Errorf("the list of keys has the secret, or lacks the key: %s", text)
	}
	return secret
}

// watchLog calls while the request log is open. mark proves that the page was not loaded again.
func watchLog(t *testing.T, b *browser, c *tenant) {
	t.Helper()
	b.click("nav a", "Request log")
	b.at("/requests")
	b.mark()
	b.live()
	rows := `document.querySelectorAll('#request-rows tr').length`
	for call := 1; call <= 2; call++ {
		c.chat(t)
		b.await(fmt.Sprintf("call %d arrives in the log", call), fmt.Sprintf(`%s >= %d && document.querySelector('#request-rows tr').innerText.includes(%q)`, rows, call, c.model))
	}
	b.marked()
	b.do("open a request", chromedp.Click(chromedp.CSS("#request-rows tr a")))
	b.await("its page", `/^\/requests\/req_/.test(location.pathname) && document.querySelector('main').innerText.includes('sim-chat')`)
}

// watchDashboard calls while the dashboard is open.
func watchDashboard(t *testing.T, b *browser, c *tenant) {
	t.Helper()
	b.click("nav a", "Dashboard")
	b.at("/")
	b.mark()
	const tile = `Number(document.querySelector('#tiles .tile-value')?.textContent.replace(/\D/g, '') || 0)`
	b.live()
	b.await("the tiles are there", `document.querySelectorAll('#tiles .tile').length >= 6`)
	const calls = 3
	b.do("note the tile", chromedp.Evaluate[chromedp.Void](`window.before = `+tile))
	for range calls {
		c.chat(t)
	}
	b.await("the tile of requests moves", tile+` > window.before`)
	b.await("the chart is drawn", `document.querySelector('#chart-requests-rows tr') !== null && document.querySelector('canvas') !== null`)
	b.marked()
}

// live waits until the page follows its stream. What happens before that is told to nobody.
func (b *browser) live() {
	b.t.Helper()
	b.await("the stream is open", `document.querySelector('[data-live]')?.dataset.live === 'on'`)
}

func (b *browser) mark() {
	b.t.Helper()
	b.do("mark the page", chromedp.Evaluate[chromedp.Void](`window.sameDocument = true`))
}

func (b *browser) marked() {
	b.t.Helper()
	b.await("the page is still the same", `window.sameDocument === true`)
}

// narrow opens every page as on a phone: nothing may be wider than the screen.
func narrow(t *testing.T, b *browser) {
	t.Helper()
	b.do("a phone", chromedp.EmulateViewport(375, 812, chromedp.EmulateMobile))
	for _, path := range []string{
		"/", "/?range=day", "/requests", "/providers", "/providers/new", "/providers/new?preset=", "/models", "/models/new",
		"/keys", "/keys/new", "/credit", "/credit/grant", "/credit/rule", "/sessions", "/sessions/password", "/users", "/users/new", "/audit",
	} {
		b.open(path)
		b.fits(path)
		first := b.firstLink(path)
		if first != "" {
			b.open(first)
			b.fits(first)
		}
	}
}

// fits holds the page to the width of the screen.
func (b *browser) fits(path string) {
	b.t.Helper()
	widths, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]int](`[document.documentElement.scrollWidth, document.documentElement.clientWidth]`))
	if err != nil || len(widths) != 2 {
		b.t.Fatalf("%s: %v %v", path, widths, err)
	}
	if widths[0] > widths[1] || widths[1] != 375 {
		b.t.Errorf("%s is %d pixels wide on a screen of %d", path, widths[0], widths[1])
	}
}

// firstLink is the first thing that a list leads to, "" where there is none.
func (b *browser) firstLink(list string) string {
	b.t.Helper()
	path, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector('main table.data tbody a[href]')?.getAttribute('href') ?? ''`))
	if err != nil {
		b.t.Fatalf("%s: %v", list, err)
	}
	return path
}
