package tokens_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tiktoken-go/tokenizer"
	"pgregory.net/rapid"

	"aihigress/internal/tokens"
)

const english = "The gateway counts what a vendor forgot to count. It is marked as an estimate, and nobody is told otherwise. "

func TestCountIsThatOfTheVocabulary(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "hello world": 2, "Hello, 世界!": 4} {
		if got := tokens.Count([]byte(text)); got != want {
			t.Errorf("%q: %d tokens, want %d", text, got, want)
		}
	}
}

// Windows cut the text, which must not change the number by much.
func TestWindowsCostLittle(t *testing.T) {
	t.Parallel()
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	for name, sentence := range map[string]string{"english": english, "chinese": "网关统计供应商忘记统计的令牌。"} {
		text := strings.Repeat(sentence, 20_000/len(sentence))
		whole, err := codec.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tokens.Count([]byte(text)); got < int64(whole)*99/100 || got > int64(whole)*101/100 {
			t.Errorf("%s: %d tokens, the whole has %d", name, got, whole)
		}
	}
}

func TestPiecesCountLikeTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringN(0, 200, -1).Draw(t, "text"))
		var pieces tokens.Text
		defer pieces.Reset()
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if wrote, err := pieces.Write(rest[:n]); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		if got, want := pieces.Tokens(), tokens.Count(text); got != want || pieces.Len() != int64(len(text)) {
			t.Fatalf("%d tokens in pieces, %d as a whole", got, want)
		}
	})
}

func TestLongTextIsScaledFromItsBeginning(t *testing.T) {
	sample := bytes.Repeat([]byte(english), tokens.MaxSample/len(english)+1)[:tokens.MaxSample]
	base := tokens.Count(sample)
	var text tokens.Text
	defer text.Reset()
	for range 10 {
		text.Write(sample)
	}
	if got := text.Tokens(); got < base*10-10 || got > base*10 {
		t.Errorf("ten times %d tokens are %d", base, got)
	}
	text.Skip(tokens.MaxSample * 10)
	if got := text.Tokens(); got < base*20-20 || got > base*20 {
		t.Errorf("twenty times %d tokens are %d", base, got)
	}
	if n := testing.AllocsPerRun(10, func() { text.Write(sample) }); n != 0 {
		t.Errorf("%v allocations beyond the sample", n)
	}
}

// A run of one letter is one word to the vocabulary, and merging a word costs the square of its length.
func TestOneEndlessWordIsBounded(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, letter := range []string{"a", " ", "\n", "界", "\xff"} {
		if got := tokens.Count([]byte(strings.Repeat(letter, 1<<20))); got < 1000 {
			t.Errorf("%q: %d tokens in a megabyte", letter, got)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}
