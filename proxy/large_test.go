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

// What comes before any content is held back up to a bound, so that a failure behind it goes elsewhere. Beyond the bound it
// is passed on as it came, and the failure ends the stream.
func TestMuchBeforeTheContent(t *testing.T) {
	t.Parallel()
	const bound = 64 << 10
	broken := `data: {"error":{"message":"gone","type":"server_error"}}` + "\n\n"
	for many, elsewhere := range map[int]bool{bound / len(role): true, bound/len(role) + 1: false} {
		before := strings.Repeat(role, many)
		w := newWorld(t, []vendor{{handler: events(before, broken)}, {handler: events(role + word + end + tokens + done)}})
		a := w.post("/chat/completions", stream)
		switch {
		case elsewhere && (a.body != role+word+end+done || a.Header.Get("X-Aihigress-Attempts") != "2"):
			t.Errorf("%d bytes: %v %.300q", len(before), a.Header, a.body)
		case !elsewhere && (!strings.HasPrefix(a.body, before) || !strings.Contains(a.body[len(before):], "gone") || strings.Contains(a.body, done) || len(w.only().Attempts) != 1):
			t.Errorf("%d bytes: %v %.300q", len(before), a.Header, a.body[max(0, len(a.body)-300):])
		}
		if a.StatusCode != 200 || w.credit.stillHeld() != 0 {
			t.Errorf("%d, %d held", a.StatusCode, w.credit.stillHeld())
		}
	}
}
