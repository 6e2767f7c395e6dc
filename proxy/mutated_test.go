package proxy_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"aihigress/internal/usage"
)

// A vendor's stream with a few bytes changed, left out or told again never hangs a call, holds its credit or lets a goroutine
// live on, and the caller is told plainly whether the answer is whole.
func TestPairsMutated(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		if !stream || caller.name == target.name {
			return // who speaks the vendor's dialect gets its bytes
		}
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, 1))
			body := []byte(target.head + target.word + target.word + target.tail)
			for n := 1 + random.IntN(3); n > 0 && len(body) > 40; n-- {
				at := random.IntN(len(body) - 20)
				switch n := random.IntN(20); random.IntN(4) {
				case 0:
					body[at] ^= 1 << random.IntN(8)
				case 1:
					body = append(body[:at:at], body[at+n:]...)
				case 2:
					body = append(body[:at+n:at+n], body[at:]...)
				default:
					body = body[:at+20]
				}
			}
			w := newWorld(t, []vendor{{handler: events(string(body))}}, speaking(target.name))
			a := w.says(caller, stream, "")
			e := w.only()
			if a.err != nil || w.credit.stillHeld() != 0 {
				t.Errorf("seed %d: %v, %+v: %s", seed, a.err, e, body)
			}
			r := caller.reads(t, strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream"), a.body)
			if whole := e.Outcome == usage.OK; whole != r.ended || whole == (r.err != "") {
				t.Errorf("seed %d: booked as %s, and read as %+v: %s became %s", seed, e.Outcome, r, body, a.body)
			}
		}
	})
}
