package views_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"aihigress/internal/authz"
	"aihigress/internal/credit"
	"aihigress/internal/money"
	"aihigress/internal/usage"
)

// TestAMonthlyStatementPrints: on paper it is black on white whatever the theme, without navigation, and its tables are tables
// though the sheet is as narrow as a small screen.
func TestAMonthlyStatementPrints(t *testing.T) {
	t.Parallel()
	s, upstream := busy(t)
	var events []usage.Event
	for i := range 70 {
		events = append(events, s.call(t, s.admin.ID, upstream.ID, fmt.Sprintf("vendor/model-number-%02d-of-the-list", i), money.Amount(i+1)*123_456_789, money.Amount(i+1)*100_000_000))
	}
	s.used(t, events...)
	if _, _, err := s.ledger.Grant(authz.With(t.Context(), authz.Job("test")), credit.GrantInput{UserID: s.admin.ID, Amount: 1000 * money.Credit}); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, s.server.URL)
	b.signIn()
	b.click(`button[value="dark"]`)
	b.until(`document.documentElement.dataset.theme === 'dark'`)
	b.open("/statements/" + time.Now().UTC().Format("2006-01"))
	const look = `[getComputedStyle(document.querySelector('.sidebar')).display, getComputedStyle(document.querySelector('[data-print]')).display,
		getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.querySelector('.content')).backgroundColor,
		getComputedStyle(document.querySelector('.data td')).color, getComputedStyle(document.querySelector('.data')).display,
		getComputedStyle(document.querySelector('.data thead')).display, getComputedStyle(document.querySelector('.data tr')).breakInside].join('|')`
	b.do(chromedp.EmulateViewport(700, 900), emulate("print"))
	const paper = "none|none|rgb(255, 255, 255)|rgb(255, 255, 255)|rgb(0, 0, 0)|table|table-header-group|avoid"
	if got := b.eval(look); got != paper {
		t.Errorf("on paper %s, want %s", got, paper)
	}
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		t.Fatalf("%.20q, %v", pdf, err)
	}
	if n := bytes.Count(pdf, []byte("/Type /Page\n")); n < 2 {
		t.Errorf("%d sheets", n)
	}
	if dir := os.Getenv("SHOTS"); dir != "" {
		os.WriteFile(dir+"/statement.pdf", pdf, 0o600)
		b.do(emulate(""))
		for _, theme := range []string{"light", "dark"} {
			for _, wide := range []int64{1280, 375} {
				for name, path := range map[string]string{"month": "/statements/" + time.Now().UTC().Format("2006-01"), "statements": "/statements?by=day&by=model", "margin": "/margin", "reconcile": "/reconcile", "requests": "/requests"} {
					b.do(chromedp.EmulateViewport(wide, 900))
					b.open(path)
					b.eval(`document.documentElement.dataset.theme = "` + theme + `"`)
					shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatal(err)
					}
					os.WriteFile(fmt.Sprintf("%s/%s-%s-%d.png", dir, name, theme, wide), shot, 0o600)
				}
			}
		}
	}
	b.silent()
}

// emulate shows the page as on a medium; "" is the screen.
func emulate(medium string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium})
		return chromedp.Void{}, err
	}
}
