package proxy_test

import (
	"strings"
	"testing"

	"aihigress/internal/sse"
	"aihigress/internal/usage"
)

// An event of a vendor's may have more than a mebibyte, up to the stated limit; beyond it another vendor is asked.
func TestLargeEvents(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if !stream {
			return
		}
		text := strings.Repeat("large é ", 3<<17)
		as := func(text string) []string {
			return []string{target.head, strings.Replace(target.word, "Hello", text, 1), strings.ReplaceAll(target.tail, "Hello", text)}
		}
		w := newWorld(t, []vendor{{handler: events(as(text)...)}}, speaking(target.name))
		a := w.says(caller, true, "")
		if r := caller.readStream(t, a.body); a.StatusCode != 200 || r.text != text || !r.ended || r.err != "" {
			t.Errorf("%d, %d bytes of %d, %q", a.StatusCode, len(r.text), len(text), r.err)
		}
		if caller != speakers[0] {
			return // how much is too much is the vendor's side alone
		}
		w = newWorld(t, []vendor{{handler: events(target.head, "data: "+strings.Repeat("x", sse.DefaultMaxEvent)+"\n\n")}, {handler: target.answers(true)}}, speaking(target.name, target.name))
		a = w.says(caller, true, "")
		if r := caller.readStream(t, a.body); r.text != "Hello" || !r.ended || a.Header.Get("X-Aihigress-Attempts") != "2" {
			t.Errorf("%d %v %.300q", a.StatusCode, a.Header, a.body)
		}
		if e := w.only(); e.Outcome != usage.OK || e.Attempts[0].Error == "" {
			t.Errorf("%+v", e)
		}
	})
}
