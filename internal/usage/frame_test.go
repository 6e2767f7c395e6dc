package usage

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func frameOf(payload []byte) []byte {
	frame := append(beginFrame(nil), payload...)
	endFrame(frame)
	return frame
}

// frames reads all records of b, given in pieces as a reader gives them.
func framesOf(b []byte) (payloads [][]byte, damaged int) {
	for len(b) > 0 {
		payload, start, end := nextFrame(b, true)
		if start > 0 {
			damaged++
		}
		if payload == nil {
			break
		}
		payloads = append(payloads, payload)
		b = b[end:]
	}
	return payloads, damaged
}

func drawPayload(t *rapid.T) []byte {
	payload := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "payload")
	if rapid.Bool().Draw(t, "holds a magic") {
		payload = append(payload, frameMagic...)
	}
	return payload
}

// Damage costs the records that it touches, and no other.
func TestDamageCostsOnlyWhatItTouches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		var payloads [][]byte
		var ends []int
		for range rapid.IntRange(1, 12).Draw(t, "records") {
			payloads = append(payloads, drawPayload(t))
			all = append(all, frameOf(payloads[len(payloads)-1])...)
			ends = append(ends, len(all))
		}
		from := rapid.IntRange(0, len(all)-1).Draw(t, "from")
		to := min(len(all), from+rapid.IntRange(1, 60).Draw(t, "length"))
		for i := from; i < to; i++ {
			all[i] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
		}
		var want [][]byte
		begin := 0
		for i, end := range ends {
			if end <= from || begin >= to {
				want = append(want, payloads[i])
			}
			begin = end
		}
		got, damaged := framesOf(all)
		if len(got) != len(want) {
			t.Fatalf("%d records are left, want %d", len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("record %d is %x, want %x", i, got[i], want[i])
			}
		}
		if damaged == 0 {
			t.Fatal("the damage was not counted")
		}
	})
}

// Whatever comes in pieces is read as what comes whole: nothing before the end is given up too early.
func TestFrameInPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		garbage := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "garbage")
		payload := drawPayload(t)
		whole := append(bytes.Clone(garbage), frameOf(payload)...)
		rest := whole
		for n := range whole {
			got, start, _ := nextFrame(rest[:max(0, n-(len(whole)-len(rest)))], false)
			if got != nil {
				return // the garbage was a record by itself
			}
			rest = rest[start:]
		}
		if got, _, _ := nextFrame(rest, true); !bytes.Equal(got, payload) {
			t.Fatalf("got %x, want %x", got, payload)
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(append(frameOf([]byte("one")), frameOf([]byte("two"))...))
	f.Add(frameMagic)
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			payload, start, end := nextFrame(b, true)
			if start > end || end > len(b) || payload != nil && end-start != frameHeader+len(payload) {
				t.Fatalf("frame at %d to %d of %d, payload of %d", start, end, len(b), len(payload))
			}
			if payload == nil {
				return
			}
			b = b[end:]
		}
	})
}
