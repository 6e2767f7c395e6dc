package views_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press types keys into whatever has the focus.
func (b *tab) press(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// tabTo presses Tab until an element with the selector has the focus, and sees that every stop on the way is marked.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	const most = 80 // stops; the longest page has half of that
	for range most {
		b.press(kb.Tab)
		state := b.eval(`(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			const seen = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || e === document.body;
			return (e.matches(` + "`" + selector + "`" + `) ? 'there' : 'on the way') + (seen ? '' : ' without a mark: ' + e.outerHTML.slice(0, 120));
		})()`)
		if strings.Contains(state, "without a mark") {
			b.t.Errorf("the focus is %s", state)
		}
		if strings.HasPrefix(state, "there") {
			return
		}
	}
	b.t.Fatalf("%d times Tab do not reach %s\n%s", most, selector, b.text())
}

// A person without a pointer signs in, makes a key and copies its secret, and thinks better of revoking it.
func TestByKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s.server.URL)
	b.open("/login")
	b.until(`document.activeElement.id === 'f-email'`)
	b.press(adminEmail + kb.Tab + password + kb.Enter)
	b.until(`document.querySelector('#tiles')`)

	b.open("/keys")
	b.tabTo(".skip")
	b.press(kb.Enter)
	b.until(`location.hash === '#main' && document.activeElement.id === 'main'`)
	b.tabTo(`main a[href="/keys/new"]`)
	b.eval(`new MutationObserver((all) => window.said ??= all[0].target.textContent).observe(document.getElementById('progress'), {childList: true}), ''`)
	b.press(kb.Enter)
	b.until(`window.said === 'Loading…'`)
	b.until(`location.pathname === '/keys/new' && document.activeElement.id === 'f-name'`)
	b.press("by keyboard")
	b.tabTo("form.form .btn-primary")
	b.press(kb.Enter)
	b.until(`document.querySelector('#key-secret')?.textContent.startsWith('sk-hg-')`)
	b.tabTo(`[data-copy="key-secret"]`)
	b.press(kb.Enter)
	b.until(`document.querySelector('[data-copy="key-secret"]').dataset.copied === ''`)

	b.open("/keys")
	b.tabTo(`main tr a[href^="/keys/key_"]`)
	b.press(kb.Enter)
	b.until(`location.pathname.startsWith('/keys/key_')`)
	b.tabTo(`[commandfor="revoke"]`)
	b.press(kb.Enter)
	b.until(`document.querySelector('dialog#revoke').open && document.querySelector('dialog#revoke').contains(document.activeElement)`)
	b.press(kb.Escape)
	b.until(`!document.querySelector('dialog#revoke').open && document.activeElement.matches('[commandfor="revoke"]')`)

	b.tabTo("details.menu summary") // beyond the end of the page, it begins anew
	b.press(kb.Enter)
	b.until(`document.querySelector('details.menu').open`)
	b.press(kb.Escape)
	b.until(`!document.querySelector('details.menu').open && document.activeElement.matches('details.menu summary')`)
	b.silent()
}
