package views_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	b.silent()
}

// emulate shows the page as on a medium; "" is the screen.
func emulate(medium string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium})
		return chromedp.Void{}, err
	}
}

// TestATableIsUploadedAndCompared: in a browser as it is, policy and all.
func TestATableIsUploadedAndCompared(t *testing.T) {
	t.Parallel()
	s, _ := busy(t)
	file := filepath.Join(t.TempDir(), "usage.csv")
	day := time.Now().UTC().Format(time.DateOnly)
	table := "date,model,requests,output_tokens\n" + day + ",large-1,2,600\n" + day + ",small-1,1,299\n" + day + ",other,4,4\n" + day + ",small-1,-1,0\n"
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, s.server.URL)
	b.signIn()
	b.open("/reconcile")
	b.do(chromedp.SetUploadFiles(chromedp.CSS(`input[type="file"]`), []string{file}))
	b.click(`form[enctype] button`)
	b.until(`[...document.querySelectorAll('h2')].some(h => h.textContent === 'Differences')`)
	for _, want := range []string{"not in our log", "299", "negative"} {
		if text := b.text(); !strings.Contains(strings.ToLower(text), want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	b.silent()
}
