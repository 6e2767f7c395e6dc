package apikey

import (
	"crypto/sha256"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aihigress/internal/fault"
)

var shape = regexp.MustCompile(`^sk-hg-[0-9A-Za-z]{43}[0-9A-Za-z]{6}$`)

const (
	zeros = "sk-hg-00000000000000000000000000000000000000000002CZclj"
	ones  = "sk-hg-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1"
	count = "sk-hg-0Eoh211G4c8wtVWM00my5rsNSFlKgaWqQ4mb8gdEqno3l9REG"
)

// The digits are those that Python's int and zlib.crc32 give for the same bytes; others rely on this form.
func TestFormatIsFixed(t *testing.T) {
	t.Parallel()
	ascending := make([]byte, 32)
	for i := range ascending {
		ascending[i] = byte(i + 1)
	}
	for want, raw := range map[string][]byte{
		zeros: make([]byte, 32),
		ones:  []byte(strings.Repeat("\xff", 32)),
		count: ascending,
	} {
		if got := format(raw); got != want {
			t.Errorf("%x: got %s, want %s", raw, got, want)
		}
	}
}

func TestEveryMintedKeyParses(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		text := Mint().Reveal()
		if !shape.MatchString(text) || len(text) != Length || seen[text] {
			t.Fatalf("minted %q", text)
		}
		seen[text] = true
		hash, err := Parse(text)
		if err != nil || hash != sha256.Sum256([]byte(text)) {
			t.Fatalf("%s: %x, %v", text, hash, err)
		}
	}
}

func TestAWrongCharacterNeverParses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "raw")
		text := []byte(format(raw))
		if _, err := Parse(string(text)); err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		c := rapid.Byte().Filter(func(c byte) bool { return c != text[at] }).Draw(t, "c")
		text[at] = c
		if _, err := Parse(string(text)); err == nil {
			t.Fatalf("%s parses", text)
		}
	})
}

func TestEveryRefusalIsTheSame(t *testing.T) {
	t.Parallel()
	valid := Mint().Reveal()
	swapped := []byte(valid)
	for i := 7; i < 40; i++ {
		if swapped[i] != swapped[i+1] {
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			break
		}
	}
	var first *fault.Error
	for _, text := range []string{
		"", "sk-hg-", valid[:54], valid + "0", " " + valid[1:], strings.ToUpper(valid[:6]) + valid[6:], string(swapped),
		"sk-hg-" + strings.Repeat("-", 49), "sk-proj-" + strings.Repeat("a", 47), strings.Repeat("x", 1<<20),
	} {
		hash, err := Parse(text)
		known, ok := fault.As(err)
		if !ok || !errors.Is(err, fault.Unauthenticated) || hash != [32]byte{} {
			t.Fatalf("%.60q: %v", text, err)
		}
		if first == nil {
			first = known
		}
		if known.Message != first.Message || known.Code != first.Code {
			t.Errorf("%.60q is told apart: %v", text, known)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	valid := Mint().Reveal()
	if n := testing.AllocsPerRun(100, func() { _, _ = Parse(valid) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHintTellsLittle(t *testing.T) {
	t.Parallel()
	text := Mint().Reveal()
	got := hint(text)
	if want := text[:10] + "…" + text[51:]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(zeros)
	f.Add(ones)
	f.Add("sk-hg-" + strings.Repeat("z", 49))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		hash, err := Parse(text)
		if err != nil {
			return
		}
		if !shape.MatchString(text) || hash != sha256.Sum256([]byte(text)) {
			t.Errorf("%q parses", text)
		}
	})
}
